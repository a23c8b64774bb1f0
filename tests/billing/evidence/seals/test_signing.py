"""Who signs, and who can have signed."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.hazmat.primitives.serialization import NoEncryption as Plain
from pydantic import ValidationError

from billing.core.errors import InvalidRequest
from billing.evidence.seals.merkle import merkle_path, merkle_root, root_by_path
from billing.evidence.seals.signing import FileSigner, PublicKey

from ..sealing import OTHER_SIGNER, SIGNER


async def test_only_what_was_signed_by_that_key_holds() -> None:
    signature = await SIGNER.sign(b"this")
    key = SIGNER.public_key
    assert key.signed(b"this", signature)
    assert not key.signed(b"that", signature)
    assert not OTHER_SIGNER.public_key.signed(b"this", signature)
    for wrong in ("", "!", signature[:-1], signature + "=", signature.replace("A", "B") + "A"):
        assert not key.signed(b"this", wrong)


def test_a_keys_id_is_its_thumbprint() -> None:
    """The example of RFC 8037, A.3."""
    x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    key = PublicKey(kid="kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", x=x)
    assert key.x == x
    with pytest.raises(ValidationError, match="kid is not the thumbprint of this key"):
        PublicKey(kid=SIGNER.public_key.kid, x=x)


def test_a_key_that_is_none_is_refused_and_never_repeated() -> None:
    ed25519 = Ed25519PrivateKey.generate()
    other = generate_private_key(SECP256R1())
    for pem in (
        b"",
        b"-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----",
        ed25519.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")),
        other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, Plain()),
    ):
        with pytest.raises(InvalidRequest, match="must be an Ed25519 private key in PEM") as refused:
            FileSigner(pem)
        assert "SECRET" not in str(refused.value)


def test_the_tree_is_that_of_the_rfc() -> None:
    """Known roots of RFC 6962: of nothing, of one empty leaf, and of two of Google's test vectors."""
    leaves = [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43"]
    assert merkle_root([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle_root(leaves[:1]) == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert merkle_root(leaves[:2]) == "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
    assert merkle_root(leaves[:3]) == "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"


@pytest.mark.parametrize("number", range(1, 10))
def test_a_path_leads_from_each_leaf_to_the_root_and_from_no_other(number: int) -> None:
    leaves = [bytes([one]) for one in range(number)]
    root = merkle_root(leaves)
    for place, leaf in enumerate(leaves):
        path = merkle_path(leaves, place)
        assert root_by_path(leaf, place, number, path) == root
        assert root_by_path(b"other", place, number, path) != root
        assert root_by_path(leaf, place, number, [*path, root]) != root
        assert root_by_path(leaf, number, number, path) is None
