"""Who visits: the address of the other end of the connection, or what a trusted proxy says it is."""

from collections.abc import Iterable

from fastapi import Request

from billing.portal.networks import UNKNOWN, parse_address, parse_network


def client_address(request: Request) -> str:
    """The visitor's IP address in its one spelling, or `unknown`.

    Uvicorn's middleware, which knows the trusted proxies, has put the address there; of a trusted proxy's
    header it takes any word, so what is no address is not kept.
    """
    there = parse_address(request.client.host) if request.client else None
    return UNKNOWN if there is None else str(there)


def in_both_spellings(networks: Iterable[str]) -> list[str]:
    """The networks as uvicorn's middleware needs them: a socket for IPv4 and IPv6 writes 10.0.0.1 as
    ::ffff:10.0.0.1, which the middleware takes for another address."""
    parsed = [parse_network(network) for network in networks]
    mapped = [f"::ffff:{one.network_address}/{96 + one.prefixlen}" for one in parsed if one.version == 4]
    return [str(one) for one in parsed] + mapped
