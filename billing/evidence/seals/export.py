"""Writes an auditor's export, a piece at a time."""

import io
import zipfile
from collections.abc import Iterable, Sequence
from tempfile import SpooledTemporaryFile

from ...core.hashing import canonical_json
from ...core.operations import Message
from ..document import Evidence, as_json
from . import archive
from .archive import ListedHead, ManualOf
from .roots import SealedHead, SignedRoot
from .signing import PublicKeys

IN_MEMORY = 1 << 20
"""Bytes of a table, before it waits in a file for its turn in the ZIP."""


class ExportWriter:
    """Takes evidence operation by operation, then everything else; `taken` is what of the ZIP is done."""

    def __init__(self) -> None:
        self._out = _Pieces()
        self._zip = zipfile.ZipFile(self._out, "w", zipfile.ZIP_DEFLATED)
        self._evidence = self._zip.open(archive.EVIDENCE, "w", force_zip64=True)
        self._tables = {name: _waiting() for name in archive.TABLES}
        for name, table in self._tables.items():
            table.write(archive.heading(name).encode())

    def add(self, evidence: Evidence) -> None:
        self._evidence.write(canonical_json(as_json(evidence)) + b"\n")
        for name, table in self._tables.items():
            table.write(archive.lines_of(name, evidence).encode())

    def finish(
        self,
        manual: ManualOf,
        roots: Sequence[SignedRoot],
        heads: Iterable[tuple[int, SealedHead]],
        keys: PublicKeys,
    ) -> None:
        """`heads` have the numbers of their roots."""
        self._evidence.close()
        for name, table in self._tables.items():
            table.seek(0)
            with table, self._zip.open(name, "w", force_zip64=True) as entry:
                while piece := table.read(IN_MEMORY):
                    entry.write(piece)
        listed = (ListedHead(root=number, **dict(head)) for number, head in heads)
        for name, lines in ((archive.ROOTS, roots), (archive.HEADS, listed)):
            with self._zip.open(name, "w", force_zip64=True) as entry:
                entry.writelines(map(_line, lines))
        self._zip.writestr(archive.KEYS, _line(keys))
        self._zip.writestr(archive.README, manual.text())
        self._zip.close()

    def taken(self) -> bytes:
        """What has been written since the last time."""
        return self._out.taken()


def _waiting() -> "SpooledTemporaryFile[bytes]":
    return SpooledTemporaryFile(IN_MEMORY)  # closed by `finish`


def _line(message: Message) -> bytes:
    return canonical_json(message.model_dump(mode="json")) + b"\n"


class _Pieces(io.RawIOBase):
    """A file that only grows, and of which what was written is taken away."""

    def __init__(self) -> None:
        self._written: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, piece: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        self._written.append(bytes(piece))
        self._at += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._at

    def taken(self) -> bytes:
        taken, self._written = b"".join(self._written), []
        return taken
