"""Signatures that anybody can check and only the holder of the key can make: Ed25519 (RFC 8032)."""

import base64
import binascii
import hashlib
from typing import Literal, Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import model_validator

from ...core.errors import InvalidRequest
from ...core.hashing import canonical_json
from ...core.operations import Message


class PublicKey(Message):
    """A public key as a JSON Web Key (RFC 8037)."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    alg: Literal["EdDSA"] = "EdDSA"
    use: Literal["sig"] = "sig"
    kid: str
    """Its thumbprint (RFC 7638): nobody can give another key the id of this one."""
    x: str
    """The key's 32 bytes, in base64url without padding."""

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """Of a key's 32 bytes."""
        x = _encoded(raw)
        return cls(kid=_thumbprint(x), x=x)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.kid != _thumbprint(self.x):
            raise ValueError("kid is not the thumbprint of this key")
        try:
            Ed25519PublicKey.from_public_bytes(_decoded(self.x))
        except ValueError:
            raise ValueError("x is not an Ed25519 key") from None
        return self

    def signed(self, message: bytes, signature: str) -> bool:
        """Whether the holder of the key has signed exactly this."""
        try:
            Ed25519PublicKey.from_public_bytes(_decoded(self.x)).verify(_decoded(signature), message)
        except (InvalidSignature, ValueError):
            return False
        return True


class PublicKeys(Message):
    """A JSON Web Key Set (RFC 7517): every key that was ever signed with."""

    keys: list[PublicKey]


class Signer(Protocol):
    """Who signs. A key management service is another one: it keeps the key to itself and is asked to sign."""

    @property
    def public_key(self) -> PublicKey:
        """The key that the signatures are checked by."""

    async def sign(self, message: bytes) -> str:
        """The Ed25519 signature of the message itself (not of a hash of it), in base64url without padding.

        Raises SigningFailed when nothing can be signed just now: it is tried again.
        """


class SigningFailed(Exception):
    """Whoever holds the key can't be reached, or refuses."""


class FileSigner:
    """Signs with a private key in PKCS #8 PEM, as `openssl genpkey -algorithm ed25519` writes it."""

    def __init__(self, pem: bytes) -> None:
        """Raises InvalidRequest, which never repeats the key."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise InvalidRequest(
                "signing_key",
                "must be an Ed25519 private key in PEM, without a passphrase, as of "
                "`openssl genpkey -algorithm ed25519`",
            )
        self._key = key
        self._public = PublicKey.of(key.public_key().public_bytes_raw())

    @property
    def public_key(self) -> PublicKey:
        return self._public

    async def sign(self, message: bytes) -> str:
        return _encoded(self._key.sign(message))


def _thumbprint(x: str) -> str:
    return _encoded(hashlib.sha256(canonical_json({"crv": "Ed25519", "kty": "OKP", "x": x})).digest())


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    """Raises ValueError for what `_encoded` does not write."""
    try:
        raw = base64.b64decode(text.translate(_URLSAFE) + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if _encoded(raw) != text:
        raise ValueError("not base64url as it is written here")
    return raw


_URLSAFE = str.maketrans("-_", "+/")
