"""Every page in every state, for people to look at: `python -m tests.browser.gallery --out DIR`."""
