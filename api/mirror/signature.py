"""The `Stripe-Signature` of a webhook, by Stripe's published rules ("Verify webhook signatures manually").

`t=<UTC seconds>,v1=<hex>[,v1=<hex>…]`, where v1 is HMAC-SHA256 over `<t>.<raw body>` with the endpoint's
whole secret as key. While a secret is rotated there is a v1 for each; this side may know several secrets too.
"""

import hmac
import re
from collections.abc import Sequence
from typing import Literal

Fault = Literal["unsigned", "forged", "stale", "from_future"]

TOLERANCE = 300
"""Seconds that its time may be off in either direction. (Stripe's own code lets any future time pass.)"""

MAX_SIGNATURES = 16

_TIME = re.compile(r"[0-9]{1,12}")


def fault(body: bytes, header: str | None, secrets: Sequence[str], now: float) -> Fault | None:
    """What is wrong with a webhook's signature at UTC second `now`; None when it is Stripe's and fresh."""
    time, signatures = _parts(header or "")
    if time is None or not signatures:
        return "unsigned"
    signed = time.encode() + b"." + body
    expected = [hmac.digest(secret.encode(), signed, "sha256").hex().encode() for secret in secrets]
    if not any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in signatures):
        return "forged"
    age = now - int(time)
    if age > TOLERANCE:
        return "stale"
    return "from_future" if age < -TOLERANCE else None


def _parts(header: str) -> tuple[str | None, list[bytes]]:
    """The time as it was written, for that is what was signed, and the signatures of the scheme v1."""
    time: str | None = None
    signatures: list[bytes] = []
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "t" and time is None and _TIME.fullmatch(value):
            time = value
        elif name == "v1" and len(signatures) < MAX_SIGNATURES:
            signatures.append(value.encode())
    return time, signatures
