"""Days of an organization that are sealed as the worker does, and exports of them that somebody alters."""

import asyncio
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from billing.core.hashing import canonical_json
from billing.evidence.document import Evidence
from billing.evidence.seals.archive import ManualOf
from billing.evidence.seals.export import ExportWriter
from billing.evidence.seals.roots import SealedHead, SignedRoot, seal
from billing.evidence.seals.signing import FileSigner, PublicKeys

from ..evidence_forging import DOCUMENTS, rewritten

Json = dict[str, Any]
Days = list[tuple[SignedRoot, list[SealedHead]]]


def a_signer(seed: int = 1) -> FileSigner:
    key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return FileSigner(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


SIGNER, OTHER_SIGNER = a_signer(), a_signer(2)


def head_after(document: Json, events: int) -> SealedHead:
    """How far an operation had come with so many events."""
    timeline = document["timeline"][:events]
    names = {name for event in timeline for name in event["records"]}
    counted = {
        part: sum(name.startswith(f"{part}/") for name in names)
        for part in ("approvals", "decisions", "intents")
    }
    return SealedHead(
        operation=document["operation"]["id"], events=events, head=timeline[-1]["hash"], **counted
    )


REFUND, CHANGE, CREDIT = "refund_revised", "plan_change_now", "credit_within_authority"
ACME = "org_acme"


FIRST_DAY = date(2026, 11, 30)


def of_acme(name: str) -> Json:
    """A kept document, as if it were Acme's and of that day, whenever it was recorded."""
    document = DOCUMENTS[name]
    text = json.dumps(document).replace(document["operation"]["organization"], ACME)
    moved = FIRST_DAY - datetime.fromisoformat(document["operation"]["created_at"]).date()

    def day(found: re.Match[str]) -> str:
        return (date.fromisoformat(found[0]) + moved).isoformat()

    # Not within a note, which Stripe has: what was sent there has a hash.
    return rewritten(json.loads(re.sub(r'(?<=")\d{4}-\d\d-\d\d(?=T)', day, text)))


WORLD: Mapping[str, Json] = {name: of_acme(name) for name in (REFUND, CHANGE, CREDIT)}
"""Three operations of the first day."""
ID = {name: document["operation"]["id"] for name, document in WORLD.items()}
ALL = {name: len(document["timeline"]) for name, document in WORLD.items()}

CAME: Sequence[Mapping[str, int]] = (
    {REFUND: 10, CHANGE: ALL[CHANGE]},
    {REFUND: ALL[REFUND], CREDIT: ALL[CREDIT]},
    {},
)
"""How far what had gone on had come at each root: the first night, the second, and the third."""
NIGHTS = [datetime.combine(FIRST_DAY, time(0, 3), UTC) + timedelta(days=day) for day in (1, 2, 3)]


def sealed(
    world: Mapping[str, Json] = WORLD,
    came: Sequence[Mapping[str, int]] = CAME,
    signers: Sequence[FileSigner] = (SIGNER, SIGNER, SIGNER),
) -> Days:
    """The roots of these nights."""
    made: Days = []
    last: dict[str, SealedHead] = {}
    for at, of_night, signer in zip(NIGHTS, came, signers, strict=True):
        heads = [head_after(world[name], events) for name, events in of_night.items()]
        before = made[-1][0] if made else None
        day = (at - timedelta(days=1)).date()
        root = asyncio.run(seal(ACME, day, at, before, heads, last, signer))
        last |= {one.operation: one for one in heads}
        made.append((root, heads))
    return made


def exported(
    documents: Iterable[Json] = tuple(WORLD.values()),
    days: Days | None = None,
    keys: Sequence[FileSigner] = (SIGNER,),
) -> bytes:
    """The ZIP, as the API gives it out."""
    days = sealed() if days is None else days
    writer = ExportWriter()
    for document in documents:
        writer.add(Evidence.model_validate(document))
    writer.finish(
        ManualOf(ACME, "2026-11-30", "2026-12-02"),
        [root for root, _ in days],
        [(root.number, head) for root, heads in days for head in heads],
        PublicKeys(keys=[one.public_key for one in keys]),
    )
    return writer.taken()


def repacked(export: bytes, **changes: Callable[[bytes], bytes | None]) -> bytes:
    """With files of it changed or, where None comes back, left out; `__` in a name stands for its dot."""
    written = io.BytesIO()
    change = {name.replace("__", "."): how for name, how in changes.items()}
    with zipfile.ZipFile(io.BytesIO(export)) as old, zipfile.ZipFile(written, "w") as new:
        for name in old.namelist():
            content: bytes | None = old.read(name)
            if name in change:
                content = change[name](old.read(name))
            if content is not None:
                new.writestr(name, content)
    return written.getvalue()


def without_line(part: str) -> Callable[[bytes], bytes]:
    """The lines without the one that has this."""
    return lambda content: b"".join(line for line in content.splitlines(True) if part.encode() not in line)


def with_lines(change: Callable[[Json], None]) -> Callable[[bytes], bytes]:
    """Each line, which is JSON, after the change."""

    def changed(content: bytes) -> bytes:
        lines = []
        for line in content.splitlines():
            document = json.loads(line)
            change(document)
            lines.append(canonical_json(document) + b"\n")
        return b"".join(lines)

    return changed
