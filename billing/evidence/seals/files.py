"""What files have that are to be checked together: evidence, exports, and roots and keys that were kept."""

import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

from pydantic import ValidationError

from ...core import strict_json
from ..document import FORMAT, Evidence
from ..verify import NotEvidence, NotWhole, whole
from . import archive
from .checks import SealFault
from .roots import ROOT_FORMAT, SEAL_FORMAT, Seal, SealedHead, SignedRoot
from .signing import PublicKey, PublicKeys

ZIP = b"PK"


class ReadEvidence(NamedTuple):
    """An operation's evidence as a file has it, or the faults for which it is none."""

    evidence: Evidence | None
    faults: list[SealFault]


@dataclass
class File:
    """One of the files. An export says that it has all of its period; any other file what it happens to."""

    name: str
    roots: list[SignedRoot] = field(default_factory=list)
    keys: list[PublicKey] = field(default_factory=list)
    seals: list[Seal] = field(default_factory=list)
    document: bytes | None = None
    export: zipfile.ZipFile | None = None
    heads: dict[int, list[SealedHead]] = field(default_factory=dict)
    """By the number of the root; of an export only."""
    faults: list[SealFault] = field(default_factory=list)

    def evidence(self) -> Iterator[ReadEvidence]:
        """Each operation's, one after the other: an export may have more than fit into memory. The tables of
        an export are held against it on the way; what is wrong there is in `faults` afterwards."""
        if self.document is not None:
            yield _evidence(self.name, self.document)
        if self.export is not None:
            yield from self._exported(self.export)

    def _exported(self, export: zipfile.ZipFile) -> Iterator[ReadEvidence]:
        there = set(export.namelist())
        tables = [_Table(name, export.open(name)) for name in archive.TABLES if name in there]
        for number, line in enumerate(_lines(export, archive.EVIDENCE), start=1):
            found = _evidence(f"{archive.EVIDENCE}, line {number}", line)
            yield found
            for table in tables:
                if found.evidence is None:
                    table.skip()
                else:
                    table.expect(archive.lines_of(table.name, found.evidence), found.evidence.operation.id)
        for table in tables:
            table.end()
            self.faults += table.faults


def read_file(name: str, content: bytes) -> File:
    """A file, by what is in it. Raises NotEvidence."""
    if content.startswith(ZIP):
        return _export(name, content)
    try:
        document = strict_json.read(content)
    except ValueError as unreadable:
        raise NotEvidence(f"it is not JSON in UTF-8: {unreadable}") from unreadable
    try:
        return _known(name, content, document)
    except ValidationError as invalid:
        raise NotEvidence(_said(invalid)) from None


def _known(name: str, content: bytes, document: Any) -> File:
    match document:
        case {"format": fmt} if fmt == FORMAT:
            return File(name, document=content)
        case {"format": fmt} if fmt == SEAL_FORMAT:
            seal = Seal.model_validate(document)
            return File(name, seals=[seal], roots=[seal.root])
        case {"format": fmt} if fmt == ROOT_FORMAT:
            return File(name, roots=[SignedRoot.model_validate(document)])
        case {"keys": list()}:
            return File(name, keys=PublicKeys.model_validate(document).keys)
        case {"data": [{"format": fmt}, *_] as roots} | {"roots": list() as roots, "month": fmt} if roots:
            return File(name, roots=[SignedRoot.model_validate(one) for one in roots])
    raise NotEvidence(
        f"it is none of: an operation's evidence ({FORMAT}), its seal, an export, a month, roots, keys"
    )


def _export(name: str, content: bytes) -> File:
    try:
        export = zipfile.ZipFile(io.BytesIO(content))
        broken = export.testzip()
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise NotEvidence(f"it is not a ZIP that can be read: {error}") from error
    if broken is not None:
        raise NotEvidence(f"it is not a ZIP that can be read: {broken} is damaged")
    expected = {archive.EVIDENCE, archive.ROOTS, archive.HEADS, archive.KEYS, archive.README, *archive.TABLES}
    names = export.namelist()
    found = File(name, export=export)
    found.faults += [SealFault(one, "it is missing") for one in sorted(expected - set(names))]
    found.faults += [SealFault(one, "it was added") for one in sorted(set(names) - expected)]
    found.faults += [SealFault(one, "it is there twice") for one in sorted(expected) if names.count(one) > 1]
    heads: dict[int, list[SealedHead]] = defaultdict(list)
    for number, line in enumerate(_lines(export, archive.ROOTS), start=1):
        if (root := _shaped(found, SignedRoot, archive.ROOTS, number, line)) is not None:
            found.roots.append(root)
    for number, line in enumerate(_lines(export, archive.HEADS), start=1):
        if (head := _shaped(found, archive.ListedHead, archive.HEADS, number, line)) is not None:
            heads[head.root].append(head.sealed())
    if archive.KEYS in names:
        keys = _shaped(found, PublicKeys, archive.KEYS, 1, export.read(archive.KEYS))
        found.keys = keys.keys if keys is not None else []
    found.heads = dict(heads)
    return found


def _shaped(found: File, model: Any, name: str, number: int, line: bytes) -> Any:
    try:
        return model.model_validate(strict_json.read(line))
    except (ValidationError, ValueError) as invalid:
        said = _said(invalid) if isinstance(invalid, ValidationError) else str(invalid)
        found.faults.append(SealFault(f"{name}, line {number}", f"it was altered: {said}"))
        return None


def _evidence(place: str, text: bytes) -> ReadEvidence:
    try:
        return ReadEvidence(whole(text), [])
    except NotEvidence as other:
        return ReadEvidence(None, [SealFault(place, str(other))])
    except NotWhole as altered:
        about = _operation_of(text) or place
        return ReadEvidence(None, [SealFault(about, str(link)) for link in altered.broken])


def _operation_of(text: bytes) -> str | None:
    """The id that a broken document gives itself."""
    try:
        return str(json.loads(text)["operation"]["id"])
    except (ValueError, KeyError, TypeError):
        return None


def _lines(export: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    if name in export.namelist():
        with export.open(name) as lines:
            yield from lines


def _said(invalid: ValidationError) -> str:
    first = invalid.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


class _Table:
    """A table of an export while it is read beside the evidence that it is made of."""

    def __init__(self, name: str, lines: BinaryIO | Any) -> None:
        self.name, self.faults = name, list[SealFault]()
        self._lines, self._follows = lines, True
        self.expect(archive.heading(name), "its heading")

    def expect(self, text: str, of: str) -> None:
        """The next lines are these."""
        wanted = text.encode()
        if self._follows and self._lines.read(len(wanted)) != wanted:
            self._follows = False
            self.faults.append(SealFault(self.name, f"it was altered: it differs from the evidence of {of}"))

    def skip(self) -> None:
        """Of what is broken, nothing can be expected here, nor of what comes after."""
        self._follows = False

    def end(self) -> None:
        if self._follows and self._lines.read(1):
            self.faults.append(SealFault(self.name, "it has lines that no operation's evidence has"))


def kept_and_own(files: Sequence[File]) -> tuple[Mapping[str, PublicKey], bool]:
    """The keys that signatures are held against, and whether they were kept apart from an export: then its
    own count for nothing."""
    kept = {key.kid: key for file in files if file.export is None for key in file.keys}
    own = {key.kid: key for file in files for key in file.keys}
    return (kept, True) if kept else (own, False)
