"""The vectors of billing, played to real Stripe in test mode: `python -m tests.contract.live`."""
