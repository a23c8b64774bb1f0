"""Whatever is altered in a kept document is found, and named where it can be.

The documents were recorded from operations that really ran (tests/workflows/test_evidence.py): auditors hold
such documents, so they have to stay whole whatever becomes of the code.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.evidence import NotEvidence, main, verify
from billing.evidence_links import BrokenLink
from billing.hashing import digest
from billing.timeline import GENESIS, Event, event_hash

KEPT = sorted((Path(__file__).parent / "evidence").glob("*.json"))
DOCUMENTS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in KEPT}
EACH = pytest.mark.parametrize("name", DOCUMENTS)

FOUND = (BrokenLink, NotEvidence)

Way = tuple[str | int, ...]


def ways(value: Any, way: Way = ()) -> Iterator[Way]:
    """The way to every leaf; what is empty is one too."""
    if isinstance(value, dict | list) and value:
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from ways(inner, (*way, name))
    else:
        yield way


def leaf(document: Any, way: Way) -> Any:
    for step in way:
        document = document[step]
    return document


@contextmanager
def altered(document: Any, way: Way, value: Any = ...) -> Iterator[Any]:
    """The document, with another value there for as long as the block lasts; without one it is left out."""
    inner, last = leaf(document, way[:-1]), way[-1]
    was = inner[last]
    if value is not ...:
        inner[last] = value
    else:
        del inner[last]
    try:
        yield document
    finally:
        if value is ... and isinstance(inner, list):
            inner.insert(int(last), was)
        else:
            inner[last] = was


def put(document: Any, way: Way, value: Any) -> Any:
    """A copy with another value there."""
    with altered(deepcopy(document), way, value) as copy:
        return deepcopy(copy)


def without(document: Any, way: Way) -> Any:
    """A copy without what is there."""
    return put(document, way, ...)


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


def sealed(document: dict[str, Any]) -> dict[str, Any]:
    """With a document_hash that fits what is there now."""
    content = {name: value for name, value in document.items() if name != "document_hash"}
    return content | {"document_hash": digest(content)}


def rechained(document: dict[str, Any]) -> dict[str, Any]:
    """With a timeline whose hashes fit what its events say now, and a document_hash that fits all of it."""
    altered = deepcopy(document)
    prev_hash = GENESIS
    for seq, event in enumerate(altered["timeline"], start=1):
        at = Event.model_validate(event | {"seq": 1}).at
        event |= {"seq": seq, "prev_hash": prev_hash}
        story = (altered["operation"]["id"], seq, at, event["actor"], event["event"], event["detail"])
        event["hash"] = prev_hash = event_hash(*story, prev_hash)
    return sealed(altered | {"head": prev_hash})


def broken(document: dict[str, Any]) -> str:
    """The link that is named as broken."""
    with pytest.raises(BrokenLink) as found:
        verify(json.dumps(document))
    return str(found.value)


# --- What was kept is whole -------------------------------------------------------------------------------


@EACH
def test_a_kept_document_is_whole(name: str) -> None:
    document = DOCUMENTS[name]
    whole = verify(json.dumps(document))
    assert whole == (
        document["operation"]["id"],
        len(document["timeline"]),
        document["timeline"][-1]["hash"],
        False,
    )


@EACH
def test_how_the_json_is_written_does_not_matter(name: str) -> None:
    document = DOCUMENTS[name]
    backwards = dict(reversed(document.items()))
    for text in (
        json.dumps(document, indent=3),
        json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(),
        json.dumps(backwards),
        b"\xef\xbb\xbf" + json.dumps(document).encode(),
    ):
        assert verify(text).head == document["head"]


def test_an_operation_from_before_the_policy_was_recorded_is_whole_but_for_it() -> None:
    old = deepcopy(DOCUMENTS["plan_change"])
    del old["timeline"][0]["detail"]["policy_hash"]
    assert verify(json.dumps(rechained(old))).without_policy


# --- A leaf is altered ------------------------------------------------------------------------------------


@EACH
def test_every_altered_leaf_is_found(name: str) -> None:
    document = DOCUMENTS[name]
    for way in list(ways(document)):
        with altered(document, way, another(leaf(document, way))), pytest.raises(FOUND):
            verify(json.dumps(document))


@EACH
def test_everything_that_is_left_out_is_found(name: str) -> None:
    document = DOCUMENTS[name]
    every = {way[:length] for way in ways(document) for length in range(1, len(way) + 1)}
    for way in every:
        with altered(document, way), pytest.raises(FOUND):
            verify(json.dumps(document))


UNTIED = re.compile(
    r"""
    read_at | organization\.name
    | operation\.(stage|updated_at|closed_at|workflow_id|error.*)
    | operation\.subject\.preview\.total | approvals\.\d+\.subject\.preview\.total
    | approvals\.\d+\.(reason|rule|counted|ladder).*
    | approvals\.\d+\.decisions\.\d+\.(id|refusal|created_at|settled_at)
    | commitments\.\d+\.(part|payment_intent|decided_at|released_at)
    | intents\.\d+\.(params_hash|attempts|created_at|result.*|error)
    | notices\.\d+\.(state|subject|deadline|acknowledged_at|acknowledged_by).*
    | mails.* | people.* | stripe.*
    """,
    re.VERBOSE,
)
"""What nothing but the document's own hash protects: what changes as time goes by, and Stripe's side of it,
which Stripe itself can be asked about."""


@EACH
def test_a_document_that_was_hashed_anew_is_found_by_what_the_timeline_says(name: str) -> None:
    document = DOCUMENTS[name]
    unnoticed = []
    for way in list(ways(document)):
        with altered(document, way, another(leaf(document, way))), suppress(*FOUND):
            verify(json.dumps(sealed(document)))
            unnoticed.append(".".join(map(str, way)))
    if not document["intents"]:
        unnoticed.remove("organization.id")  # which only their keys name
    unnoticed.remove("document_hash")  # which was made anew
    assert [path for path in unnoticed if not UNTIED.fullmatch(path)] == []


# --- Cleverer forgeries -----------------------------------------------------------------------------------


@EACH
def test_an_event_that_is_taken_out_of_the_middle_is_missed(name: str) -> None:
    document = DOCUMENTS[name]
    for place in range(1, len(document["timeline"]) - 1):
        forged = sealed(without(document, ("timeline", place)))
        assert broken(forged) == f"event {place + 1}: event {place + 2} stands in its place"


def test_an_event_that_is_taken_out_and_the_rest_chained_anew_is_missed_by_what_it_told_of() -> None:
    document = DOCUMENTS["refund"]
    told = {
        "note added": "note 1",
        "changed in Stripe": "intent",
        "review requested": "approval",
        "approved": "approval",
        "refund requested": "event 1",
        "beyond the requester's authority": "commit",
    }
    for event, link in told.items():
        place = next(i for i, one in enumerate(document["timeline"]) if one["event"] == event)
        forged = without(document, ("timeline", place))
        if event == "beyond the requester's authority":  # the second round's alone would do
            forged["timeline"] = [one for one in forged["timeline"] if one["event"] != event]
        assert broken(rechained(forged)).startswith(link), event


def test_events_that_change_places_are_missed() -> None:
    forged = deepcopy(DOCUMENTS["refund"])
    events = forged["timeline"]
    events[2], events[3] = events[3], events[2]
    assert broken(sealed(forged)) == "event 3: event 4 stands in its place"


def test_an_altered_event_is_named() -> None:
    forged = put(DOCUMENTS["refund"], ("timeline", 2, "detail", "amount", "amount_minor"), 600)
    assert broken(sealed(forged)) == "event 3: its content does not match its hash"


@pytest.mark.parametrize(
    ("name", "way", "value", "link"),
    [
        ("refund", ("operation", "request", "amount_minor"), 1, "request: it is not what event 1 recorded"),
        (
            "refund",
            ("operation", "requested_by"),
            "per_0",
            "request: event 1 recorded another person or time",
        ),
        (
            "refund",
            ("policy", "refund", "watch_days"),
            1,
            "policy: it does not have the hash that stands beside it",
        ),
        (
            "refund",
            ("policy", "stripe", "requests_per_second"),
            "21.0",
            "policy: it does not have the hash that stands beside it",
        ),
        (
            "refund",
            ("approvals", 1, "subject", "parts", 0, "payment_intent"),
            "pi_mine",
            "approval {approval}: its subject does not have its subject_hash",
        ),
        (
            "plan_change",
            ("approvals", 0, "subject", "to", "seats"),
            1,
            "approval {approval}: its subject does not have its subject_hash",
        ),
        (
            "plan_change",
            ("approvals", 0, "subject", "preview", "lines", 0, "amount_minor"),
            -1,
            "approval {approval}: event 2 is about another subject",
        ),
        (
            "refund",
            ("approvals", 1, "decisions", 0, "decision"),
            "reject",
            "decision {decision}: event 13 says something else",
        ),
        (
            "refund",
            ("approvals", 1, "state"),
            "rejected",
            "approval {approval}: event 13 ended it otherwise, by another or at another time",
        ),
        ("refund", ("notes", 1, "text"), "Something else altogether.", "note 2: event 8 says something else"),
        ("refund", ("intents", 0, "stripe_id"), "re_another", "intent {intent}: event 15 has another object"),
        (
            "refund",
            ("intents", 0, "stripe_request"),
            "req_another",
            "intent {intent}: event 15 has another stripe request",
        ),
        (
            "refund",
            ("operation", "result", "refund"),
            "re_another",
            "result: no intent of this operation made re_another",
        ),
        (
            "credit",
            ("operation", "result", "object"),
            "cbtxn_another",
            "result: no intent of this operation made cbtxn_another",
        ),
        (
            "credit",
            ("operation", "subject", "amount", "amount_minor"),
            1,
            "subject: it is not the one that event 3 is about",
        ),
        (
            "credit",
            ("commitments", 0, "amount", "amount_minor"),
            1,
            "commitments: event 4 weighed another amount",
        ),
        (
            "credit",
            ("commitments", 0, "authority_of"),
            "per_0",
            "commitment 0: nothing says that the authority of per_0 covers it",
        ),
        ("refund", ("head",), "0" * 64, "head: it is not the hash of the last event"),
    ],
)
def test_the_first_broken_link_is_named(name: str, way: Way, value: Any, link: str) -> None:
    document = DOCUMENTS[name]
    approvals, intents = document["approvals"], document["intents"]
    names = {
        "approval": approvals[-1]["id"] if approvals else "",
        "decision": approvals[-1]["decisions"][0]["id"] if approvals else "",
        "intent": intents[0]["idempotency_key"],
    }
    assert broken(sealed(put(document, way, value))) == link.format(**names)


def test_an_approvals_subject_that_is_hashed_anew_everywhere_but_in_the_chain_is_found() -> None:
    forged = deepcopy(DOCUMENTS["refund"])
    approval = forged["approvals"][1]
    approval["subject"]["amount"]["amount_minor"] = 1
    approval["subject_hash"] = digest(approval["subject"])
    approval["decisions"][0]["subject_hash"] = approval["subject_hash"]
    forged["operation"]["subject"] = approval["subject"]
    assert broken(sealed(forged)) == (
        f"approval {approval['id']}: the timeline does not ask for it, then and on this subject"
    )


def test_a_decision_that_is_put_in_somebody_elses_name_is_found() -> None:
    forged = deepcopy(DOCUMENTS["refund"])
    approval = forged["approvals"][1]
    requester = forged["operation"]["requested_by"]
    for said in (*approval["decisions"], *approval["signatures"]):
        said["person"] = requester
    approval["decided_by"] = requester
    assert broken(sealed(forged)) == (
        f"approval {approval['id']}, {requester}: the timeline has no decision of theirs"
    )


@pytest.mark.parametrize(
    ("part", "link"),
    [
        ("approvals", "event 5: the approval that it asks for is not there"),
        ("notes", "note 1: note 2 stands in its place"),
        ("intents", "event 15: the intent that it tells of is not there"),
        ("people", "people: who "),
    ],
)
def test_a_part_that_is_left_out_is_missed_though_all_is_hashed_anew(part: str, link: str) -> None:
    assert broken(sealed(without(DOCUMENTS["refund"], (part, 0)))).startswith(link)


def test_the_decision_of_another_round_does_not_do_for_this_one() -> None:
    forged = deepcopy(DOCUMENTS["refund"])
    first, second = forged["approvals"]
    second["decisions"] = first["decisions"]
    [decision] = first["decisions"]
    assert broken(sealed(forged)) == (
        f"decision {decision['id']}: it is on another subject than the approval's"
    )


def test_two_intents_that_change_their_objects_are_found() -> None:
    forged = deepcopy(DOCUMENTS["refund"])
    one, other = forged["intents"][:2]
    one["stripe_request"], other["stripe_request"] = other["stripe_request"], one["stripe_request"]
    assert broken(sealed(forged)).startswith(f"intent {one['idempotency_key']}: ")


def test_a_cut_off_end_is_whole_only_if_nothing_tells_of_what_was_cut_off() -> None:
    document = DOCUMENTS["refund"]
    cut = document | {"timeline": document["timeline"][:-1]}
    cut["head"] = cut["timeline"][-1]["hash"]
    assert broken(sealed(cut)).startswith("intent ")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_whatever_stands_anywhere_in_it_the_check_comes_to_a_verdict(data: st.DataObject) -> None:
    document = DOCUMENTS[data.draw(st.sampled_from(sorted(DOCUMENTS)))]
    way = data.draw(st.sampled_from(sorted(ways(document), key=str)))
    length = data.draw(st.integers(1, len(way)))
    forged = put(document, way[:length], data.draw(values))
    forge: Callable[[dict[str, Any]], dict[str, Any]] = data.draw(st.sampled_from([sealed, rechained]))
    try:
        verify(json.dumps(forge(forged)))
    except FOUND:
        pass
    except (KeyError, TypeError, ValueError, AttributeError):
        if forge is sealed:
            raise
        with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
            rechained(forged)  # it could not even be forged


# --- What is no evidence ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "it is not JSON in UTF-8"),
        (b"{", "it is not JSON in UTF-8"),
        (b"\xff\xfe\x00", "it is not JSON in UTF-8"),
        (b"[]", "it is not a document of the format plixo.evidence/1"),
        (b"null", "it is not a document of the format plixo.evidence/1"),
        (b"{}", "it is not a document of the format plixo.evidence/1"),
        (b'{"format": "plixo.evidence/2"}', "it is not a document of the format plixo.evidence/1"),
        (b'{"format": "plixo.evidence/1"}', "it has no document_hash"),
        (b'{"format": "plixo.evidence/1", "document_hash": 5}', "it has no document_hash"),
        (b'{"format": "plixo.evidence/1", "format": "plixo.evidence/1"}', "'format' is there twice"),
        (b'{"format": "plixo.evidence/1", "document_hash": "", "n": NaN}', "NaN is no number in JSON"),
        (b'{"a":' * 100_000, "it is nested too deeply"),
    ],
)
def test_what_is_something_else_is_no_evidence(text: bytes, why: str) -> None:
    with pytest.raises(NotEvidence, match=re.escape(why)):
        verify(text)


def test_another_shape_under_a_right_hash_is_no_evidence() -> None:
    document = sealed({"format": "plixo.evidence/1", "timeline": []})
    with pytest.raises(NotEvidence, match=r"not in the format plixo\.evidence/1: read_at: Field required"):
        verify(json.dumps(document))


@pytest.mark.parametrize("value", [1.5, "\ud800"])
def test_what_cannot_be_hashed_is_broken(value: object) -> None:
    document = DOCUMENTS["credit"] | {"read_at": value}
    assert broken(document).startswith("document: ")


# --- The command ------------------------------------------------------------------------------------------


def test_the_command_says_that_a_document_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    document = DOCUMENTS["refund"]
    assert main([str(Path(__file__).parent / "evidence" / "refund.json")]) == 0
    events = len(document["timeline"])
    assert capsys.readouterr().out == f"whole: {events} events, head {document['head']}\n"


def test_the_command_names_the_first_broken_link(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "forged.json"
    file.write_text(
        json.dumps(sealed(put(DOCUMENTS["refund"], ("notes", 0, "text"), "Nothing of the kind.")))
    )
    assert main([str(file)]) == 1
    assert capsys.readouterr().out == "broken: note 1: event 2 says something else\n"


def test_the_command_says_what_it_cannot_prove(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = deepcopy(DOCUMENTS["plan_change"])
    del old["timeline"][0]["detail"]["policy_hash"]
    file = tmp_path / "old.json"
    file.write_text(json.dumps(rechained(old)))
    assert main([str(file)]) == 0
    assert capsys.readouterr().out.endswith(
        f"{old['operation']['id']} is from before the policy's hash was recorded: the policy is not proven\n"
    )


def test_the_command_says_that_a_file_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "none.json")]) == 2
    assert capsys.readouterr().err == f"{tmp_path / 'none.json'} can't be read: No such file or directory\n"
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"{tmp_path} can't be read: Is a directory\n"


def test_the_command_reads_standard_input() -> None:
    def run(text: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "billing.evidence", "-"]
        ended = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stdout, ended.stderr

    document = DOCUMENTS["credit"]
    events = len(document["timeline"])
    assert run(json.dumps(document)) == (0, f"whole: {events} events, head {document['head']}\n", "")
    why = "it is not a document of the format plixo.evidence/1"
    assert run("{}") == (2, "", f"- is no evidence: {why}\n")


def test_it_is_checked_without_a_database_a_server_or_stripe() -> None:
    script = "import sys, billing.evidence; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    ours = {"db", "api", "activities", "workflows", "worker", "settings", "sandbox"}
    others = {"sqlalchemy", "sqlmodel", "temporalio", "fastapi", "stripe", "httpx", "asyncpg"}
    assert (ours | others).isdisjoint(name.partition(".")[0] for name in loaded.stdout.split())
