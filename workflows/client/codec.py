"""Payloads encrypted before they leave the process: Temporal keeps them, and can neither read nor make them.

AES-256-GCM, each payload under the key whose id stands beside it, and bound to the workflow that it belongs
to: what is copied from one workflow's history into another's start or signal is refused there.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
)

from billing.core.keys import Keys

log = logging.getLogger(__name__)

ENCODING = b"binary/encrypted"
KEY, WORKFLOW = "encryption-key-id", "encryption-workflow-id"
"""Entries of a payload's metadata, which stay readable."""

NONCE = 12


REFUSED = b"binary/refused"
"""What no converter knows: who gets it drops it (a signal) or fails (an input)."""


class KeyUnknown(Exception):
    """A payload is encrypted under a key that this process was not given. Whoever meets it tries again until
    it is there: nothing is dropped for a mistake in a rotation."""


class EncryptionCodec(PayloadCodec, WithSerializationContext):
    """Encrypts for the workflow that a payload goes to, and decrypts what was encrypted for it.

    Without a context (a codec server's) it decrypts for whatever workflow is named. What was altered, made
    for another workflow, or never encrypted comes out as a payload that can't be converted.
    """

    def __init__(self, keys: Keys, workflow: str | None = None) -> None:
        self._keys, self._workflow = keys, workflow
        self._ciphers = {id_: AESGCM(key) for id_, key in keys.by_id.items()}

    def with_context(self, context: SerializationContext) -> "EncryptionCodec":
        # By the name: within the SDK's sandbox the contexts are of classes of its own.
        workflow: str | None = getattr(context, "workflow_id", None)
        return EncryptionCodec(self._keys, workflow)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._encrypted(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raises KeyUnknown."""
        return [self._decrypted(payload) for payload in payloads]

    def _encrypted(self, payload: Payload) -> Payload:
        key, workflow = self._keys.current, self._workflow or ""
        nonce = os.urandom(NONCE)
        sealed = self._ciphers[key].encrypt(nonce, payload.SerializeToString(), workflow.encode())
        metadata = {"encoding": ENCODING, KEY: key.encode(), WORKFLOW: workflow.encode()}
        return Payload(metadata=metadata, data=nonce + sealed)

    def _decrypted(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            if self._keys.plain:
                return payload
            return _refused("it is not encrypted")
        key, workflow = (payload.metadata.get(name, b"").decode() for name in (KEY, WORKFLOW))
        if key not in self._ciphers:
            raise KeyUnknown(f"the key {key!r} is not among PLIXO_SECRET_KEYS")
        if self._workflow is not None and workflow != self._workflow:
            return _refused(f"it was made for the workflow {workflow!r}, not for {self._workflow!r}")
        nonce, sealed = payload.data[:NONCE], payload.data[NONCE:]
        try:
            plain = self._ciphers[key].decrypt(nonce, sealed, workflow.encode())
        except (InvalidTag, ValueError):
            return _refused("it was altered, or made with another key of that id")
        return Payload.FromString(plain)


def _refused(why: str) -> Payload:
    log.warning("a payload is refused: %s", why)
    return Payload(metadata={"encoding": REFUSED}, data=why.encode())


def converter(keys: Keys | None) -> DataConverter:
    """Pydantic's; with keys everything is encrypted, messages and traces of failures included."""
    if keys is None:
        return pydantic_data_converter
    return replace(
        pydantic_data_converter,
        payload_codec=EncryptionCodec(keys),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
