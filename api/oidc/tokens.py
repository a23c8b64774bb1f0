"""What a provider's signed tokens say, once everything about them has been checked."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Asymmetric ones alone: with another, whoever knows a client secret could sign as the provider."""
_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}

SKEW = 60
"""Seconds by which the provider's clock may differ from ours."""
MAX_TOKEN = 16_384
MAX_SUBJECT = 255


class TokenRefused(Exception):
    """A token that is not to be believed; the message says why, and is for the log alone.

    `expired` tells the one case that needs no alarm.
    """

    def __init__(self, why: str, *, expired: bool = False) -> None:
        self.expired = expired
        super().__init__(why)


@dataclass(frozen=True)
class Identity:
    """Whom the provider vouches for: `email` only where it says that it has verified it. `claims` are all."""

    subject: str
    email: str | None
    claims: Mapping[str, Any]


def read(token: str, keys: KeySet) -> jwt.Token:
    """The token, if one of the keys has signed it. Raises TokenRefused."""
    if len(token) > MAX_TOKEN:
        raise TokenRefused("it is too long")
    try:
        # The registry refuses what the header calls critical and we don't know.
        return jwt.decode(token, keys, algorithms=ALGORITHMS, registry=JWSRegistry(algorithms=ALGORITHMS))
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise TokenRefused(f"its signature: {type(error).__name__}: {error}") from None


def check_id_token(
    token: jwt.Token, *, issuer: str, client_id: str, nonce: str, access_token: str | None, at: datetime
) -> Identity:
    """OpenID Connect Core 1.0, section 3.1.3.7. Raises TokenRefused."""
    claims = token.claims
    _check_common(claims, issuer=issuer, audience=client_id, at=at)
    audience = claims["aud"]
    if isinstance(audience, list) and len(audience) > 1 and "azp" not in claims:
        raise TokenRefused("it is for several clients, and azp does not say for which")
    if "azp" in claims and claims["azp"] != client_id:
        raise TokenRefused("azp is another client")
    if not isinstance(claims.get("nonce"), str) or not hmac.compare_digest(
        claims["nonce"].encode(), nonce.encode()
    ):
        raise TokenRefused("nonce is not that of this sign-in")
    if "at_hash" in claims and (
        access_token is None or claims["at_hash"] != at_hash(access_token, token.header["alg"])
    ):
        raise TokenRefused("at_hash is of another access token")
    return _identity(claims)


def check_access_token(token: jwt.Token, *, issuer: str, audience: str, at: datetime) -> Identity:
    """RFC 9068, without its demand of a type that not every provider sets. Raises TokenRefused."""
    if "nonce" in token.claims:
        raise TokenRefused("it is the ID token of a sign-in")
    _check_common(token.claims, issuer=issuer, audience=audience, at=at)
    return _identity(token.claims)


def at_hash(access_token: str, algorithm: str) -> str:
    """The left half of the access token's hash (OpenID Connect Core 1.0, section 3.1.3.6)."""
    digest = _HASHES.get(algorithm[-3:], hashlib.sha512)(access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def _check_common(claims: Mapping[str, Any], *, issuer: str, audience: str, at: datetime) -> None:
    if claims.get("iss") != issuer:
        raise TokenRefused("iss is another issuer")
    named = claims.get("aud")
    if audience not in (named if isinstance(named, list) else [named]):
        raise TokenRefused("aud is another client")
    now = at.timestamp()
    if now >= _seconds(claims, "exp") + SKEW:
        raise TokenRefused("it has expired", expired=True)
    if _seconds(claims, "iat") > now + SKEW:
        raise TokenRefused("iat is in the future")
    if "nbf" in claims and _seconds(claims, "nbf") > now + SKEW:
        raise TokenRefused("nbf is in the future")


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenRefused(f"{name} is no time")
    return value


def _identity(claims: Mapping[str, Any]) -> Identity:
    subject, email = claims.get("sub"), claims.get("email")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
        raise TokenRefused("sub is missing")
    verified = claims.get("email_verified") is True and isinstance(email, str)
    return Identity(subject, email.strip().lower() if verified and isinstance(email, str) else None, claims)
