"""What the pages for customers need to know of this installation."""

from dataclasses import dataclass
from urllib.parse import urlsplit

STRIPE_PAGES = "https://*.stripe.com"
"""Where Stripe's hosted pages are: invoice.stripe.com, pay.stripe.com, checkout.stripe.com."""
DASHBOARD = "https://dashboard.stripe.com"


@dataclass(frozen=True)
class Site:
    """`public_url` is where customers reach us, `pay_pages` are further origins (beside Stripe's) to which a
    customer is sent to pay, and `contact` is the address they can write to. `dashboard` is where staff see
    objects in Stripe itself; empty where that shows none of ours.

    `testing` marks the pages: no real money. The answers that must not differ are given at whole multiples
    of `floor` seconds.
    """

    public_url: str = "http://127.0.0.1:8000"
    pay_pages: tuple[str, ...] = ()
    contact: str = ""
    testing: bool = True
    dashboard: str = ""
    floor: float = 0.25

    @property
    def secure(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def origin(self) -> str:
        """As a browser names it."""
        return origin_of(self.public_url)

    @property
    def page_policy(self) -> str:
        """The Content-Security-Policy of the pages. Browsers look at where a form's answer redirects to."""
        forms = " ".join(("'self'", STRIPE_PAGES, *self.pay_pages))
        return (
            "default-src 'none'; style-src 'self'; img-src 'self'; "
            f"form-action {forms}; base-uri 'none'; frame-ancestors 'none'"
        )


def pay_pages(stripe_api_base: str) -> tuple[str, ...]:
    """The origin of Stripe's stand-in, which has the hosted pages too; none for Stripe itself."""
    return () if _is_stripe(stripe_api_base) else (origin_of(stripe_api_base),)


def dashboard(stripe_api_base: str, *, livemode: bool) -> str:
    """Stripe's own pages about the account's objects; none for the stand-in's, which it doesn't have."""
    if not _is_stripe(stripe_api_base):
        return ""
    return DASHBOARD if livemode else f"{DASHBOARD}/test"


def _is_stripe(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == "stripe.com" or host.endswith(".stripe.com")


def origin_of(url: str) -> str:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
