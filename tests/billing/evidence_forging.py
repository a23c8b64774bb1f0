"""Documents of evidence, and every way to alter one."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from billing.evidence.document import Evidence, record_hash
from billing.evidence.records import Json
from billing.evidence.timeline import GENESIS, Event, event_hash
from billing.evidence.verify import NotEvidence, NotWhole, verify

DIRECTORY = Path(__file__).parent / "evidence"
DOCUMENTS: dict[str, Json] = {
    path.stem: json.loads(path.read_text()) for path in sorted(DIRECTORY.glob("*.json"))
}

Way = tuple[str | int, ...]


class Alteration(NamedTuple):
    """`kind` at `way`; `other` is the second of two list elements that change places."""

    kind: str
    way: Way
    other: int = 0


def ways(value: Any, way: Way = ()) -> Iterator[Way]:
    """The way to everything in it, the leaves and what holds them, but for the whole."""
    if way:
        yield way
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from ways(inner, (*way, step))


def found_at(document: Any, way: Way) -> Any:
    for step in way:
        document = document[step]
    return document


def alterations(document: Any, way: Way) -> Iterator[Alteration]:
    """All that can be done to what is there."""
    value, holder = found_at(document, way), found_at(document, way[:-1])
    if not isinstance(value, dict | list) or not value:
        yield Alteration("change", way)
    if isinstance(value, dict):
        yield Alteration("add a key", way)
    yield Alteration("leave out", way)
    if isinstance(holder, list):
        place = int(way[-1])
        yield Alteration("repeat", way)
        for other in range(place + 1, len(holder)):
            if holder[other] != value:
                yield Alteration("swap", way, other)


def altered(document: Json, alteration: Alteration) -> Json:
    """A copy with the alteration."""
    copy = deepcopy(document)
    kind, way, other = alteration
    holder, last = found_at(copy, way[:-1]), way[-1]
    match kind:
        case "change":
            holder[last] = another(holder[last])
        case "add a key":
            holder[last]["added"] = None
        case "leave out":
            del holder[last]
        case "repeat":
            holder.insert(last, deepcopy(holder[last]))  # either of the two is the one too many
        case "swap":
            holder[last], holder[other] = holder[other], holder[last]
    return copy


def another(value: Any) -> Any:
    """A value of the same kind, a time for a time, so that the shape still holds."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str() if re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", value):
            return f"{int(value[:4]) + 1}{value[4:]}"
        case str():
            return f"{value}0"
        case None:
            return "2026-03-02T15:00:00Z"
        case _:
            return ["more"] if isinstance(value, list) else {"more": 1}


def put(document: Json, way: Way, value: Any) -> Json:
    """A copy with another value there."""
    copy = deepcopy(document)
    found_at(copy, way[:-1])[way[-1]] = value
    return copy


def pointer(way: Way) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in way)


def names_the_place(document: Json, alteration: Alteration) -> bool:
    """Whether the check finds the alteration and points at where it is: at it, at what it is part of, or at
    a part of it."""
    places = [alteration.way]
    if alteration.way == ("timeline", len(document.get("timeline") or ())):
        places.append(("head",))  # the end was cut off
    if alteration.kind == "repeat":
        places.append((*alteration.way[:-1], int(alteration.way[-1]) + 1))
    try:
        verify(json.dumps(document))
    except NotEvidence as other:
        return alteration.way == ("format",) and "format" in str(other)
    except NotWhole as broken:
        return any(
            named and f"{one}/".startswith(f"{other}/")
            for named in (link.pointer for link in broken.broken)
            for wrong in map(pointer, places)
            for one, other in ((wrong, named), (named, wrong))
        )
    return False


def rewritten(document: Json) -> Json:
    """As whoever may write to the database can do it: the hashes of the records and the chain fit again."""
    copy = deepcopy(document)
    hashes = {record.record_name: record_hash(record) for _, record in _records(copy)}
    prev_hash = GENESIS
    for seq, event in enumerate(copy["timeline"], start=1):
        event["records"] = {name: hashes.get(name, hashed) for name, hashed in event["records"].items()}
        event |= {"seq": seq, "prev_hash": prev_hash}
        content = Event.model_validate(event).model_dump(exclude={"hash"})
        event["hash"] = prev_hash = event_hash(copy["operation"]["id"], **content)
    return copy | {"head": prev_hash}


def _records(document: Json) -> Iterator[Any]:
    return Evidence.model_validate_json(json.dumps(document), strict=True).records()


def broken(document: Json) -> list[str]:
    """Every link that is named as broken."""
    with pytest.raises(NotWhole) as found:
        verify(json.dumps(document))
    return [str(link) for link in found.value.broken]
