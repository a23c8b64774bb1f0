"""Fetches an invoice's PDF from the address that Stripe gave for it, and from nowhere else."""

from collections.abc import Callable
from ssl import SSLContext

import httpx

MAX_BYTES = 20 * 1024 * 1024
MAX_REDIRECTS = 3
TIMEOUT = 10.0
"""Seconds to connect, and between two parts of the answer."""

MAGIC = b"%PDF-"
"""What every PDF begins with (ISO 32000)."""


class Unusable(Exception):
    """What was there is no invoice's PDF, and won't be one."""


def stripe_hosts(api_base: str) -> Callable[[httpx.URL], bool]:
    """Whether an address is Stripe's: https on stripe.com or below it, or where the API itself is.

    The address comes from Stripe, but a redirect from it may lead anywhere, such as into our own network.
    """
    api = httpx.URL(api_base)

    def is_stripes(url: httpx.URL) -> bool:
        if (url.scheme, url.host, url.port) == (api.scheme, api.host, api.port):
            return True
        on_stripe = url.host == "stripe.com" or url.host.endswith(".stripe.com")
        return url.scheme == "https" and on_stripe and url.port is None

    return is_stripes


def files_client(trusted: SSLContext | bool = True) -> httpx.AsyncClient:
    """The client that `download` needs: it follows no redirect by itself."""
    return httpx.AsyncClient(verify=trusted, timeout=TIMEOUT, follow_redirects=False)


async def download(client: httpx.AsyncClient, address: str, allowed: Callable[[httpx.URL], bool]) -> bytes:
    """The PDF at this address. Raises Unusable when there is something else, and HTTPError for what a later
    attempt, with the address read anew, may fix.
    """
    try:
        url = httpx.URL(address)
        for _ in range(MAX_REDIRECTS + 1):
            if not allowed(url):
                raise Unusable("The invoice's PDF is not on an address of Stripe's.")
            async with client.stream("GET", url) as answer:
                if not answer.has_redirect_location:
                    return await _pdf_of(answer)
                url = url.join(answer.headers["location"])
    except httpx.InvalidURL as error:
        raise Unusable("The invoice's PDF is at no address.") from error
    raise Unusable("The invoice's PDF is behind too many redirects.")


async def _pdf_of(answer: httpx.Response) -> bytes:
    answer.raise_for_status()
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/pdf":
        raise Unusable("Stripe gave something that is no PDF.")
    content = bytearray()
    async for part in answer.aiter_bytes():
        content += part
        if len(content) > MAX_BYTES:
            raise Unusable(f"The invoice's PDF is larger than {MAX_BYTES // 1024**2} MiB.")
    if not content.startswith(MAGIC):
        raise Unusable("Stripe gave something that is no PDF.")
    return bytes(content)
