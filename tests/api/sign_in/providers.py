"""Providers of single sign-on: a real one as a process, and one that signs whatever a test wants."""

import asyncio
import re
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from subprocess import DEVNULL, Popen
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import uvicorn
from fastapi import FastAPI, Request
from httpx import Response
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from api.oidc.provider import Provider, ProviderSettings

from .visitors import SITE, Visitor

CLIENT = "plixo"
CALLBACK = f"{SITE}/console/sign-in/callback"


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@contextmanager
def mock_provider(port: int, *options: str) -> Iterator[str]:
    """`python -m oidc_provider_mock`, with keys of its own each time that it is started; gives its issuer."""
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), *options]
    process = Popen(command, stdout=DEVNULL, stderr=DEVNULL)
    issuer = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 60
        while True:
            assert process.poll() is None, "the provider ended"
            try:
                httpx.get(f"{issuer}/jwks").raise_for_status()
                break
            except httpx.HTTPError:
                assert time.monotonic() < until, "the provider does not answer"
                time.sleep(0.1)
        yield issuer
    finally:
        process.terminate()
        process.wait(10)


async def known(issuer: str, subject: str, **claims: Any) -> None:
    """Have the provider know somebody."""
    async with httpx.AsyncClient() as http:
        (await http.put(f"{issuer}/users/{subject}", json=claims)).raise_for_status()


def a_provider(issuer: str, **more: Any) -> Provider:
    settings = ProviderSettings(issuer=issuer, client_id=CLIENT, **more)
    return Provider(settings, CALLBACK, f"{SITE}/console/signed-out")


@cache
def _first_key() -> RSAKey:
    """Of every provider: to make one takes longer than most tests."""
    return RSAKey.generate_key(2048, {"kid": "first"})


@dataclass
class SigningProvider:
    """Signs what it is told to: `claims` change what it would sign, None leaves one out."""

    issuer: str
    key: RSAKey = field(default_factory=_first_key)
    published: list[RSAKey] | None = None
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    """What came to the token endpoint."""
    keys_read: int = 0
    nonce: str = ""

    def token(self, **claims: Any) -> str:
        now = int(time.time())
        whole = {"iss": self.issuer, "aud": CLIENT, "sub": "s-1", "iat": now, "exp": now + 300} | claims
        header = {"alg": "RS256", "kid": self.key.kid} | self.header
        kept = {n: value() if callable(value) else value for n, value in whole.items() if value is not None}
        return jwt.encode(header, kept, self.key, algorithms=[str(header["alg"])])

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        async def discovery() -> dict[str, Any]:
            return {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            } | self.document

        @app.get("/keys")
        async def keys() -> Any:
            self.keys_read += 1
            return KeySet(list(self.published or [self.key])).as_dict(private=False)

        @app.post("/token")
        async def token(request: Request) -> dict[str, Any]:
            sent = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
            self.asked.append(sent | {"authorization": request.headers.get("authorization", "")})
            id_token = self.token(**{"nonce": self.nonce} | self.claims)
            return {"access_token": "at-1", "token_type": "Bearer", "id_token": id_token}

        return app


@asynccontextmanager
async def signing_provider() -> AsyncIterator[SigningProvider]:
    port = free_port()
    provider = SigningProvider(f"http://127.0.0.1:{port}")
    server = uvicorn.Server(uvicorn.Config(provider.app(), port=port, log_level="warning", lifespan="off"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    try:
        yield provider
    finally:
        server.should_exit = True
        await task


async def begin(visitor: Visitor, next: str = "") -> str:
    """As far as the address of the provider that the browser is sent to."""
    answer = await visitor.post("/console/sign-in/oidc", next=next)
    assert answer.status_code == 200, answer.text
    found = re.search(r'href="([^"]+)">Continue<', answer.text)
    assert found
    url = unescape(found[1])
    assert answer.headers["refresh"] == f"0; url={url}"
    return url


def asked_for(url: str) -> dict[str, str]:
    """The parameters of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def agree(url: str, subject: str) -> str:
    """Sign in at the provider as somebody; the address that it sends the browser back to."""
    async with httpx.AsyncClient() as http:
        answer = await http.post(url, data={"sub": subject})
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


async def back(visitor: Visitor, url: str) -> Response:
    """The browser comes back from the provider."""
    assert url.startswith(CALLBACK)
    return await visitor.get(url.removeprefix(SITE), **{"Sec-Fetch-Site": "cross-site"})


async def sign_in_by_provider(visitor: Visitor, subject: str, next: str = "") -> Response:
    return await back(visitor, await agree(await begin(visitor, next), subject))
