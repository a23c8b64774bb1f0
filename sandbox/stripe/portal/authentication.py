"""The page on which a person authenticates as 3-D Secure asks it, or refuses.

    GET  /authenticate/{client_secret}   what is asked, or what became of it
    POST /authenticate/{client_secret}   `answer=passes` or `answer=fails`, then 303 to the page

Its address is the `next_action` of an intent. The answered page leads back to the `return_url`, with the
parameters that Stripe adds to it: https://docs.stripe.com/payments/3d-secure/authentication-flow
"""

from __future__ import annotations

import hmac
from urllib.parse import urlencode, urlsplit

from ..core.expansion import find_by_id
from ..core.kernel import Ctx, Obj
from ..core.test_time import tell_time
from ..payment_intents import authentication as payments
from ..setup_intents import setups

PREFIX = "/authenticate/"
_CONCLUDES = {"payment_intent": payments.conclude, setups.KIND: setups.conclude}


def asked(ctx: Ctx, path: str) -> Obj | None:
    """The intent that a page's path is about; None for an address that was never given out."""
    secret = path.removeprefix(PREFIX)
    intent = find_by_id(ctx.store, secret.partition("_secret_")[0])
    if intent is None or intent["object"] not in _CONCLUDES:
        return None
    return intent if hmac.compare_digest(intent["client_secret"].encode(), secret.encode()) else None


def answer(ctx: Ctx, id: str, *, passes: bool) -> Obj:
    """What the customer's bank says of an intent. Raises 400 or 404 when it was not asked."""
    kind = next((kind for kind in _CONCLUDES if ctx.store.find(kind, id)), "payment_intent")
    intent = ctx.store.get(kind, id)
    tell_time(ctx, [id], writes=True)
    _CONCLUDES[kind](ctx, intent, passes=passes)
    return intent


def way_back(intent: Obj) -> str | None:
    """The `return_url` with what Stripe adds; None when there is none."""
    if not intent.get("_return_url"):
        return None
    added = urlencode(
        {
            intent["object"]: intent["id"],
            f"{intent['object']}_client_secret": intent["client_secret"],
            "redirect_status": "succeeded" if intent["status"] in ("succeeded", "processing") else "failed",
        }
    )
    return f"{intent['_return_url']}{'&' if urlsplit(intent['_return_url']).query else '?'}{added}"
