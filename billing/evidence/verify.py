"""Verifies an operation's evidence: every part is bound to the timeline, and the timeline to its head.

Somebody who writes a complete new document can make it consistent: who has kept its head, or a root that
stands for it (`billing.evidence.seals`), sees that.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from ..core import strict_json
from ..core.hashing import canonical_json
from .checks import broken_links
from .document import FORMAT, Evidence, as_json
from .links import BrokenLink, pointer_to
from .records import Json

MAX_REASON = 120
"""Characters of a reason; what stands in a document is quoted no longer than that."""


class NotEvidence(Exception):
    """It can't be read, or is something else."""


class NotWhole(Exception):
    """It is evidence, and does not hold."""

    def __init__(self, broken: Sequence[BrokenLink]) -> None:
        super().__init__("\n".join(map(str, broken)))
        self.broken = tuple(broken)


class Whole(NamedTuple):
    """What was checked, and the head: the hash that stands for all of it."""

    operation: str
    events: int
    head: str


def verify(text: str | bytes) -> Whole:
    """Checks a document. Raises NotEvidence, and NotWhole with every link that does not hold."""
    evidence = whole(text)
    return Whole(operation=evidence.operation.id, events=len(evidence.timeline), head=evidence.head)


def whole(text: str | bytes) -> Evidence:
    """A document in which everything holds. Raises as `verify`."""
    document = _read(text)
    evidence = _shaped(document)
    meant = as_json(evidence)
    respelled = canonical_json(document) != canonical_json(meant)
    broken = _respelled(document, meant) if respelled else broken_links(evidence)
    if broken:
        raise NotWhole(broken)
    return evidence


def _read(text: str | bytes) -> Json:
    try:
        document = strict_json.read(text)
    except ValueError as unreadable:  # of which JSONDecodeError and UnicodeDecodeError are some
        raise NotEvidence(f"it is not JSON in UTF-8: {unreadable}") from unreadable
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise NotEvidence(f"it is not a document in the format {FORMAT}")
    return document


def _shaped(document: Json) -> Evidence:
    """The document as the format has it. Raises NotWhole, naming each place that is otherwise."""
    try:
        return Evidence.model_validate_json(canonical_json(document), strict=True)
    except ValidationError as invalid:
        faults = invalid.errors(include_url=False, include_input=False)
        raise NotWhole(
            [BrokenLink(pointer_to(*one["loc"]), one["msg"][:MAX_REASON]) for one in faults]
        ) from None
    except (TypeError, ValueError) as unhashable:  # a number with a fraction, half a surrogate pair
        raise NotWhole([BrokenLink("", f"{unhashable}"[:MAX_REASON])]) from unhashable


def _respelled(document: Any, meant: Any, pointer: str = "") -> list[BrokenLink]:
    """Where the document writes something in another way than the product does, such as a time in another
    zone: it means the same, and yet somebody wrote it."""
    if isinstance(document, dict) and isinstance(meant, dict) and document.keys() == meant.keys():
        inner = ((name, document[name], meant[name]) for name in document)
    elif isinstance(document, list) and isinstance(meant, list) and len(document) == len(meant):
        inner = ((place, *both) for place, both in enumerate(zip(document, meant, strict=True)))
    else:
        same = type(document) is type(meant) and document == meant
        return [] if same else [BrokenLink(pointer, "it is not written the way the product writes it")]
    return [link for step, one, other in inner for link in _respelled(one, other, pointer + pointer_to(step))]
