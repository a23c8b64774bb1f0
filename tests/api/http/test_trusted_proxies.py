"""Whose word on the visitor's address counts."""

import pytest
from fastapi import FastAPI, Request
from httpx import ASGITransport, AsyncClient
from temporalio.client import Client

from api.app import create_app
from api.http.client_address import client_address
from billing.policy.policy import Policy
from db.core.session import Database

from ..conftest import ON_ONE_DATABASE

pytestmark = ON_ONE_DATABASE

PROXY = "10.0.0.1"


async def seen(app: FastAPI, peer: str, *forwarded: str) -> str:
    @app.get("/address")
    async def address(request: Request) -> str:
        return client_address(request)

    transport = ASGITransport(app, client=(peer, 1234))
    async with AsyncClient(transport=transport, base_url="http://plixo.test") as http:
        headers = [("X-Forwarded-For", one) for one in forwarded]
        answer = await http.get("/address", headers=headers)
    found: str = answer.json()
    return found


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        (PROXY, ["192.0.2.7"], "192.0.2.7"),
        (PROXY, [], PROXY),
        # Whoever is no proxy of ours says what they like.
        ("192.0.2.66", ["198.51.100.1"], "192.0.2.66"),
        ("127.0.0.1", ["198.51.100.1"], "127.0.0.1"),
        # Each proxy adds to the right; what the visitor forged stays on the left.
        (PROXY, ["198.51.100.1, 192.0.2.7"], "192.0.2.7"),
        (PROXY, ["198.51.100.1, 192.0.2.7, 10.0.0.2"], "192.0.2.7"),
        (PROXY, ["198.51.100.1", "192.0.2.7, 10.0.0.2"], "192.0.2.7"),
        (PROXY, ["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
        # One spelling, whatever the socket and the proxy write.
        ("::ffff:10.0.0.1", ["::ffff:192.0.2.7, ::ffff:10.0.0.2"], "192.0.2.7"),
        ("::ffff:192.0.2.66", ["198.51.100.1"], "192.0.2.66"),
        (PROXY, ["192.0.2.7:4711"], "192.0.2.7"),
        (PROXY, ["[2001:DB8::7]:4711"], "2001:db8::7"),
        # Garbage
        (PROXY, ["unknown"], "unknown"),
        (PROXY, ["192.0.2.7, <script>"], "unknown"),
        (PROXY, ["192.0.2.7, _hidden"], "unknown"),
        (PROXY, [""], PROXY),
        (PROXY, ["x" * 5000], "unknown"),
    ],
)
async def test_the_address_is_the_rightmost_that_no_trusted_proxy_has(
    database: Database,
    policy: Policy,
    no_temporal: Client,
    peer: str,
    forwarded: list[str],
    address: str,
) -> None:
    app = create_app(policy, database, no_temporal, trusted_proxies=["10.0.0.0/24"])
    assert await seen(app, peer, *forwarded) == address


@pytest.mark.parametrize("peer", [PROXY, "127.0.0.1"])
async def test_without_trusted_proxies_no_header_counts(
    database: Database, policy: Policy, no_temporal: Client, peer: str
) -> None:
    assert await seen(create_app(policy, database, no_temporal), peer, "192.0.2.7") == peer


async def test_a_peer_without_an_address_is_unknown(
    database: Database, policy: Policy, no_temporal: Client
) -> None:
    assert await seen(create_app(policy, database, no_temporal), "testclient") == "unknown"
