"""What survives a kill -9: a journal of one line a transaction, compacted at start.

A line is a JSON array of `[section, key, body]`; the later record of a key wins, a null body forgets it.
It is written whole, before the request is answered, so an answer that was given is never lost; a line that a
kill cut short belongs to a request that nobody was answered, and is left out.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic_core import from_json, to_json

from .store import Record


class JournalInUse(Exception):
    """Another stand-in works on the same file."""


class Journal:
    """The journal in a file, or none at all when `path` is None."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: int | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._open(path)

    def read(self) -> Iterator[Record]:
        """All records, oldest first."""
        if self._path is None:
            return
        with self._path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                for section, key, body in from_json(line):
                    yield section, key, None if body is None else to_json(body)

    def append(self, records: list[Record]) -> None:
        """Write one transaction; its bytes are with the operating system when this returns."""
        if self._file is not None and records:
            _write_all(self._file, _line(records))

    def rewrite(self, records: Iterable[Record]) -> None:
        """Replace the journal by these records, as one step."""
        if self._path is None or self._file is None:
            return
        fresh = self._path.with_name(self._path.name + ".new")
        fresh.unlink(missing_ok=True)
        file = self._open(fresh)
        for record in records:
            _write_all(file, _line([record]))
        os.replace(fresh, self._path)
        os.close(self._file)
        self._file = file

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @staticmethod
    def _open(path: Path) -> int:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(file)
            raise JournalInUse(f"{path} is used by another stand-in") from error
        return file


def _write_all(file: int, line: bytes) -> None:
    while line:
        line = line[os.write(file, line) :]


def _line(records: list[Record]) -> bytes:
    parts = (
        b"[%s,%s,%s]" % (to_json(section), to_json(key), b"null" if body is None else body)
        for section, key, body in records
    )
    return b"[" + b",".join(parts) + b"]\n"
