"""An OpenID Connect provider, found by discovery: where people are sent, and what they bring back."""

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from .tokens import Identity, TokenRefused, check_access_token, check_id_token, read

log = logging.getLogger(__name__)

WITHIN = 10.0
"""Seconds for each request to the provider."""
FRESH_FOR = 3600.0
"""Seconds after which what was discovered, and the keys, are read anew."""
KEYS_AGAIN = 30.0
"""Seconds between two looks for a new key: anybody can send a token that no known one has signed."""
AWAY_FOR = 5.0
"""Seconds for which a provider that could not be reached is not asked again."""
MAX_DOCUMENT = 1024 * 1024


class ProviderUnavailable(Exception):
    """The provider can't be reached, or says something that can't be used; the message is for the log."""


class CodeRefused(Exception):
    """The provider gives nothing for this code; the message is for the log."""


@dataclass(frozen=True)
class ProviderSettings:
    """`roles` are ours by what the claim `roles_claim` calls them; without that claim, roles are those of the
    records. `audience` is what access tokens for the API are for."""

    issuer: str
    client_id: str
    client_secret: str | None = None
    scopes: str = "openid email profile"
    audience: str | None = None
    roles_claim: str | None = None
    roles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Metadata:
    """What discovery says, and until when it is taken for granted."""

    document: Mapping[str, Any]
    until: float


class Provider:
    """One a process. Nothing is asked of the provider before it is needed."""

    def __init__(self, settings: ProviderSettings, redirect_uri: str, after_sign_out: str) -> None:
        self.settings = settings
        self._redirect_uri = redirect_uri
        self._after_sign_out = after_sign_out
        self._found: _Metadata | None = None
        self._keys: KeySet | None = None
        self._keys_at = 0.0
        self._away_until = 0.0
        self._turn = asyncio.Lock()

    async def sign_in_url(self, state: str, secret: str) -> str:
        """Where to send a browser. `secret` is what it alone keeps: nonce and verifier are made of it.

        Raises ProviderUnavailable.
        """
        endpoint = await self._endpoint("authorization_endpoint")
        async with self._client() as client:
            url, _ = client.create_authorization_url(
                endpoint,
                state=state,
                nonce=_made_of(secret, "nonce"),
                code_verifier=_made_of(secret, "verifier"),
            )
        return str(url)

    async def identity(self, code: str, secret: str, at: datetime) -> Identity:
        """Whom the code stands for. Raises CodeRefused, TokenRefused and ProviderUnavailable."""
        endpoint = await self._endpoint("token_endpoint")
        try:
            async with self._client() as client:
                answer = await client.fetch_token(
                    endpoint, code=code, code_verifier=_made_of(secret, "verifier")
                )
        except OAuthError as error:
            raise CodeRefused(f"{error.error}") from None
        except (httpx.HTTPError, ValueError) as error:
            raise ProviderUnavailable(f"{endpoint}: {type(error).__name__}: {error}") from None
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(id_token, str):
            raise CodeRefused("there is no ID token in the answer")
        return check_id_token(
            await self._read(id_token),
            issuer=self.settings.issuer,
            client_id=self.settings.client_id,
            nonce=_made_of(secret, "nonce"),
            access_token=access_token if isinstance(access_token, str) else None,
            at=at,
        )

    async def bearer(self, token: str, at: datetime) -> Identity:
        """Whom an access token for the API is of. Raises TokenRefused and ProviderUnavailable."""
        return check_access_token(
            await self._read(token),
            issuer=self.settings.issuer,
            audience=self.settings.audience or self.settings.client_id,
            at=at,
        )

    async def sign_out_url(self) -> str | None:
        """Where one signs out of the provider too (RP-Initiated Logout 1.0), if it offers that and can be
        reached."""
        try:
            endpoint = (await self._discovered()).get("end_session_endpoint")
        except ProviderUnavailable as error:
            log.warning("the sign-in provider: %s", error)
            return None
        if not self._is_usable(endpoint):
            return None
        more = urlencode(
            {"client_id": self.settings.client_id, "post_logout_redirect_uri": self._after_sign_out}
        )
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{more}"

    def roles_in(self, claims: Mapping[str, Any]) -> list[str] | None:
        """Our roles that the claim grants; None where the records alone say which somebody has."""
        if self.settings.roles_claim is None:
            return None
        named = claims.get(self.settings.roles_claim)
        names = {name for name in (named if isinstance(named, list) else [named]) if isinstance(name, str)}
        return sorted({ours for theirs, ours in self.settings.roles.items() if theirs in names})

    def _client(self) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            client_id=self.settings.client_id,
            client_secret=self.settings.client_secret,
            scope=self.settings.scopes,
            redirect_uri=self._redirect_uri,
            token_endpoint_auth_method="client_secret_basic" if self.settings.client_secret else "none",
            code_challenge_method="S256",
            timeout=WITHIN,
        )

    async def _endpoint(self, name: str) -> str:
        endpoint = (await self._discovered()).get(name)
        if not self._is_usable(endpoint):
            raise ProviderUnavailable(f"discovery names no usable {name}")
        return str(endpoint)

    def _is_usable(self, endpoint: object) -> bool:
        """With TLS, unless the issuer itself has none, as one on this machine."""
        schemes = ("https",) if self.settings.issuer.startswith("https://") else ("https", "http")
        return isinstance(endpoint, str) and urlsplit(endpoint).scheme in schemes

    async def _discovered(self) -> Mapping[str, Any]:
        async with self._turn:
            if self._found is None or time.monotonic() >= self._found.until:
                document = await self._fetched(
                    f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
                )
                if document.get("issuer") != self.settings.issuer:
                    raise ProviderUnavailable(
                        f"discovery is of the issuer {document.get('issuer')!r}, PLIXO_OIDC_ISSUER is another"
                    )
                self._found = _Metadata(document, time.monotonic() + FRESH_FOR)
            return self._found.document

    async def _read(self, token: str) -> jwt.Token:
        """The token, if the provider has signed it: perhaps with a key that is new. Raises TokenRefused."""
        keys = await self._known_keys(FRESH_FOR)
        try:
            return read(token, keys)
        except TokenRefused:
            newer = await self._known_keys(KEYS_AGAIN)
            if newer is keys:
                raise
            return read(token, newer)

    async def _known_keys(self, fresh_for: float) -> KeySet:
        """The provider's keys, read not longer ago than that many seconds; if they can't be read now, those
        that are fresh enough for everything else. Raises ProviderUnavailable."""
        uri = await self._endpoint("jwks_uri")
        async with self._turn:
            age = time.monotonic() - self._keys_at
            if self._keys is None or age >= fresh_for:
                try:
                    self._keys = _keys_of(uri, await self._fetched(uri))
                    self._keys_at = time.monotonic()
                except ProviderUnavailable as error:
                    if self._keys is None or age >= FRESH_FOR:
                        raise
                    log.warning("no new keys: %s", error)
            return self._keys

    async def _fetched(self, url: str) -> dict[str, Any]:
        """A JSON object. Raises ProviderUnavailable, and at once for a while after that: many wait for the
        answer, one after the other."""
        if time.monotonic() < self._away_until:
            raise ProviderUnavailable(f"{url}: the provider was away just now")
        try:
            return await _fetched(url)
        except ProviderUnavailable:
            self._away_until = time.monotonic() + AWAY_FOR
            raise


def _keys_of(uri: str, document: dict[str, Any]) -> KeySet:
    try:
        return KeySet.import_key_set(document)  # type: ignore[arg-type]
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ProviderUnavailable(f"{uri}: {type(error).__name__}") from None


def _made_of(secret: str, what: str) -> str:
    """64 characters that only the browser's secret yields."""
    return hmac.new(secret.encode(), what.encode(), hashlib.sha256).hexdigest()


async def _fetched(url: str) -> dict[str, Any]:
    """A JSON object. Raises ProviderUnavailable."""
    try:
        async with httpx.AsyncClient(timeout=WITHIN) as http:
            answer = await http.get(url)
            answer.raise_for_status()
        if len(answer.content) > MAX_DOCUMENT:
            raise ValueError("too large")
        document = json.loads(answer.content)
        if not isinstance(document, dict):
            raise ValueError("no JSON object")
    except (httpx.HTTPError, ValueError, RecursionError) as error:
        raise ProviderUnavailable(f"{url}: {type(error).__name__}: {error}") from None
    return document
