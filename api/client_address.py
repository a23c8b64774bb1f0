"""Who visits: the address of the other end of the connection, or what a trusted proxy says it is."""

from fastapi import Request

from billing.networks import UNKNOWN, parse_address


def client_address(request: Request) -> str:
    """The visitor's IP address in its one spelling, or `unknown`.

    Uvicorn's middleware, which knows the trusted proxies, has put the address there; of a trusted proxy's
    header it takes any word, so what is no address is not kept.
    """
    there = parse_address(request.client.host) if request.client else None
    return UNKNOWN if there is None else str(there)
