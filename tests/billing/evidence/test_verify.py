"""Whatever is altered in a kept document is found, and its place is named.

The documents were recorded from operations that really ran (`tests/support/evidence_kept.py`).
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.core.events import EventCode
from billing.core.operations import Kind
from billing.evidence.command import main
from billing.evidence.document import FORMAT, PARTS, Evidence
from billing.evidence.reviews import check_authors
from billing.evidence.verify import NotEvidence, NotWhole, verify

from ..evidence_forging import (
    DIRECTORY,
    DOCUMENTS,
    Alteration,
    Way,
    alterations,
    altered,
    broken,
    found_at,
    names_the_place,
    put,
    rewritten,
    ways,
)

EACH = pytest.mark.parametrize("name", DOCUMENTS)

REFUND, CREDIT, CHANGE = "refund_revised", "credit_within_authority", "plan_change_now"


# --- What was kept is whole -------------------------------------------------------------------------------


@EACH
def test_a_kept_document_is_whole(name: str) -> None:
    document = DOCUMENTS[name]
    last = document["timeline"][-1]
    assert verify(json.dumps(document)) == (document["operation"]["id"], last["seq"], last["hash"])


def test_documents_of_every_kind_and_with_every_part_are_kept() -> None:
    kinds = {document["operation"]["kind"] for document in DOCUMENTS.values()}
    assert kinds == set(Kind)
    assert [part for part in PARTS if not any(document[part] for document in DOCUMENTS.values())] == []


def test_how_the_json_is_written_does_not_matter() -> None:
    document = DOCUMENTS[REFUND]
    backwards = dict(reversed(document.items()))
    for text in (
        json.dumps(document, indent=3),
        json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(),
        json.dumps(backwards),
        b"\xef\xbb\xbf" + json.dumps(document).encode(),
    ):
        assert verify(text).head == document["head"]


# --- Anything is altered ----------------------------------------------------------------------------------


def every_place() -> Iterator[tuple[str, Way]]:
    """Each place of any document once: what stands at the same place of other list elements is alike."""
    seen: set[tuple[str, ...]] = set()
    for name, document in DOCUMENTS.items():
        for way in ways(document):
            alike = tuple("*" if isinstance(step, int) or "_0" in step else step for step in way)
            if alike not in seen:
                seen.add(alike)
                yield name, way


@pytest.mark.parametrize("kind", ["change", "leave out", "add a key", "repeat", "swap"])
def test_every_alteration_at_every_place_is_found_and_named(kind: str) -> None:
    unnamed = [
        (name, alteration)
        for name, way in every_place()
        for alteration in alterations(DOCUMENTS[name], way)
        if alteration.kind == kind and not names_the_place(altered(DOCUMENTS[name], alteration), alteration)
    ]
    assert unnamed == []


@given(st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_any_single_alteration_of_any_document_is_found_and_named(data: st.DataObject) -> None:
    document = DOCUMENTS[data.draw(st.sampled_from(sorted(DOCUMENTS)))]
    way = data.draw(st.sampled_from(list(ways(document))))
    alteration = data.draw(st.sampled_from(list(alterations(document, way))))
    assert names_the_place(altered(document, alteration), alteration)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_whatever_stands_anywhere_in_it_is_found_and_named(data: st.DataObject) -> None:
    document = DOCUMENTS[data.draw(st.sampled_from(sorted(DOCUMENTS)))]
    way = data.draw(st.sampled_from(list(ways(document))))
    value = data.draw(values)
    forged = put(document, way, value)
    if json.dumps(forged) != json.dumps(document):
        assert names_the_place(forged, Alteration("change", way))


@given(st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_rewritten_the_check_comes_to_a_verdict(data: st.DataObject) -> None:
    """Also of a document whose hashes all fit what stands in it."""
    document = DOCUMENTS[data.draw(st.sampled_from(sorted(DOCUMENTS)))]
    way = data.draw(st.sampled_from(list(ways(document))))
    forged = put(document, way, data.draw(values))
    try:
        whole_again = rewritten(forged)
    except (KeyError, TypeError, ValueError, AttributeError):
        return  # it has not even the shape of evidence
    with suppress(NotWhole, NotEvidence):
        verify(json.dumps(whole_again))


APPROVER = [*DOCUMENTS["cancellation_now"]["timeline"][7]["names"]][-1]
ROLES = ("timeline", 7, "names", APPROVER, "roles")


@pytest.mark.parametrize(
    ("name", "way", "value"),
    [
        ("credit_held", ("timeline", 3, "detail", "round"), []),
        ("refund_by_two", ("timeline", 6, "detail", "subject_hash"), []),
        ("case_1", ("timeline", 2, "detail", "person"), []),
        ("cancellation_now", ROLES, 7),
    ],
)
def test_what_is_of_another_shape_is_found_in_a_document_whose_hashes_fit(
    name: str, way: tuple[Any, ...], value: Any
) -> None:
    forged = put(DOCUMENTS[name], way, value)
    with pytest.raises((NotWhole, NotEvidence)):
        verify(json.dumps(rewritten(forged)))


@pytest.mark.parametrize("value", [[], {}])
def test_a_case_about_what_is_no_id_comes_to_a_verdict_though_its_first_event_says_so(
    value: Any,
) -> None:
    forged = put(DOCUMENTS["case_1"], ("operation", "request", "object"), value)
    forged = put(forged, ("timeline", 0, "detail", "object"), value)
    forged = put(forged, ("operation", "result", "object"), "re_0")
    assert broken(rewritten(forged)) == ["/operation/result: no effect of this operation made re_0"]


# --- What whoever rewrites the records and the chain with them does not get past ----------------------------


@pytest.mark.parametrize(
    ("name", "way", "value", "link"),
    [
        (
            REFUND,
            ("operation", "request", "amount_minor"),
            1,
            "/operation/request: it is not what event 1 rec",
        ),
        (
            REFUND,
            ("operation", "requested_by"),
            "per_0",
            "/operation: event 1 was recorded by another person",
        ),
        (
            REFUND,
            ("operation", "organization"),
            "org_0",
            "/operation/organization: event 1 does not say whose",
        ),
        (REFUND, ("policy", "refund", "watch_days"), 1, "/policy: it is not the policy of which event 1"),
        (
            REFUND,
            ("approvals", 1, "subject", "parts", 0, "payment_intent"),
            "pi_mine",
            "/approvals/1: its subject does not have its subject_hash",
        ),
        (
            CHANGE,
            ("approvals", 0, "subject", "preview", "lines", 0, "amount_minor"),
            -1,
            "/approvals/0: event 2 is about another subject",
        ),
        (
            REFUND,
            ("approvals", 1, "amount", "amount_minor"),
            1,
            "/approvals/1: amount, customer and authority",
        ),
        (REFUND, ("approvals", 1, "state"), "rejected", "/approvals/1: event N ended it otherwise"),
        (REFUND, ("approvals", 1, "decided_by"), "per_0", "/approvals/1: no event says who per_0 is"),
        (REFUND, ("decisions", 1, "decision"), "reject", "/decisions/1: event N says something else"),
        (REFUND, ("decisions", 1, "comment"), "No.", "/decisions/1: event N says something else"),
        (CREDIT, ("intents", 0, "params", "amount"), -1, "/intents/0: its target and parameters do not have"),
        (CREDIT, ("intents", 0, "result"), {}, "/intents/0: {stripe_id} does not bear the marks"),
        (CREDIT, ("intents", 0, "result", "amount"), -1, "/intents/0: Stripe answered with another amount"),
        (
            CREDIT,
            ("intents", 0, "result", "metadata", "plixo_operation"),
            "op_0",
            "/intents/0: {stripe_id} does not bear the marks of this effect in Stripe",
        ),
        (CREDIT, ("intents", 0, "stripe_id"), "cbtxn_0", "/intents/0: event N has another object"),
        (CREDIT, ("intents", 0, "version"), 2, "/intents/0: its key is not that of this operation"),
        (CREDIT, ("timeline", 5, "detail", "idempotency_key"), [], "/timeline/5: event N tells of an effect"),
        (
            CREDIT,
            ("operation", "result", "object"),
            "cbtxn_0",
            "/operation/result: no effect of this operation",
        ),
        (
            CREDIT,
            ("operation", "subject", "amount", "amount_minor"),
            1,
            "/operation/subject: it is not the one that event 3 is about",
        ),
        (
            CREDIT,
            ("commitments", 0, "amount", "amount_minor"),
            1,
            "/commitments: event 4 weighed another amou",
        ),
        (
            CREDIT,
            ("commitments", 0, "created_at"),
            "2026-01-01T00:00:00Z",
            "/commitments/0: it is not what ev",
        ),
    ],
)
def test_a_record_that_does_not_fit_the_others_is_named(name: str, way: Way, value: Any, link: str) -> None:
    document = DOCUMENTS[name]
    wanted = link.format(**document["intents"][0])
    named = [re.sub(r"event \d+", "event N", one) for one in broken(rewritten(put(document, way, value)))]
    wanted = re.sub(r"event \d+", "event N", wanted)
    assert [one for one in named if one.startswith(wanted)], named


def test_nobody_who_asked_for_it_is_taken_for_its_approver() -> None:
    forged = deepcopy(DOCUMENTS[REFUND])
    requester = forged["operation"]["requested_by"]
    decision = forged["decisions"][1]
    for event in forged["timeline"]:
        if event["code"] == "approved":
            event["actor"] = requester
    decision["person"] = forged["approvals"][1]["decided_by"] = requester
    forged["approvals"][1]["signatures"][0]["person"] = requester
    named = broken(rewritten(forged))
    assert f"/decisions/1: {requester} shaped what this decides on" in named
    assert any("did not hold that role" in one for one in named)


def test_nobody_who_asked_for_it_is_taken_for_who_accepts_what_came_of_it() -> None:
    forged = deepcopy(DOCUMENTS[CREDIT])
    requester, last = forged["operation"]["requested_by"], len(forged["timeline"]) - 1
    forged["timeline"][last] |= {"code": EventCode.ACCEPTED_AS_IN_STRIPE, "actor": requester}
    assert f"/timeline/{last}: {requester} accepts what came of their own request" in broken(
        rewritten(forged)
    )


def test_nobody_who_did_not_shape_it_is_taken_for_whose_authority_was_asked() -> None:
    forged = deepcopy(DOCUMENTS[REFUND])
    events = forged["timeline"]
    [first, *_] = [place for place, one in enumerate(events) if "authority" in one["code"]]
    events[first]["detail"]["person"] = forged["approvals"][1]["decided_by"]
    named = list(check_authors(Evidence.model_validate_json(json.dumps(forged), strict=True)))
    assert [str(one) for one in named] == [
        f"/timeline/{first}: it is weighed against somebody who did not shape it"
    ]


def test_nobody_decides_in_anothers_place_without_a_delegation_of_that_moment() -> None:
    forged = deepcopy(DOCUMENTS["refund_by_delegate"])
    [delegation] = forged["delegations"]
    delegation["ends_at"] = delegation["starts_at"]
    [said] = broken(rewritten(forged))
    assert re.fullmatch("/decisions/0: no delegation lets per_.* decide for per_.*", said)


@pytest.mark.parametrize(
    ("code", "link"),
    [
        ("review_requested", "/approvals/0: "),
        ("approved", "/decisions/1: "),
        ("beyond_requesters_authority", "/approvals/0: no event weighs"),
        ("changed_in_stripe", "/intents/0: "),
        ("asked_of_stripe", "/intents/0: "),
        ("note_added", "/notes/1: "),
        ("mail_sent", "/mails/0: "),
    ],
)
def test_an_event_that_is_taken_out_and_the_rest_chained_anew_is_missed(code: str, link: str) -> None:
    forged = deepcopy(DOCUMENTS[REFUND])
    forged["timeline"] = [one for one in forged["timeline"] if one["code"] != code]
    named = broken(rewritten(forged))
    assert [one for one in named if one.startswith(link)], named


@pytest.mark.parametrize("part", PARTS)
def test_a_record_that_is_left_out_is_missed_by_name(part: str) -> None:
    forged = deepcopy(next(one for one in DOCUMENTS.values() if one[part]))
    del forged[part][0]
    assert re.fullmatch(rf"/{part}: {part}/\S+ is missing: event \d+ recorded it", broken(forged)[0])


def test_a_cut_off_end_is_missed_by_what_was_cut_off() -> None:
    forged = deepcopy(DOCUMENTS[REFUND])
    forged["timeline"].pop()
    forged["head"] = forged["timeline"][-1]["hash"]
    assert broken(forged) != []


def test_who_somebody_is_cannot_be_left_out() -> None:
    forged = deepcopy(DOCUMENTS[REFUND])
    for event in forged["timeline"]:
        event["names"] = {name: named for name, named in event["names"].items() if name.startswith("org_")}
    requester = forged["operation"]["requested_by"]
    assert f"/timeline/0: event 1 does not say who {requester} is" in broken(rewritten(forged))


# --- What is no evidence ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "it is not JSON in UTF-8"),
        (b"{", "it is not JSON in UTF-8"),
        (b"\xff\xfe\x00", "it is not JSON in UTF-8"),
        (b"[]", f"it is not a document in the format {FORMAT}"),
        (b"null", f"it is not a document in the format {FORMAT}"),
        (b"{}", f"it is not a document in the format {FORMAT}"),
        (b'{"format": "plixo.evidence/1"}', f"it is not a document in the format {FORMAT}"),
    ],
)
def test_what_is_something_else_is_no_evidence(text: bytes, why: str) -> None:
    with pytest.raises(NotEvidence, match=re.escape(why)):
        verify(text)


@pytest.mark.parametrize(
    "text",
    [
        b'{"format": "plixo.evidence/2", "format": "plixo.evidence/2"}',
        b'{"format": "plixo.evidence/2", "n": NaN}',
        b'{"a":' * 100_000,
    ],
)
def test_what_means_one_thing_to_one_reader_and_another_to_the_next_is_no_evidence(text: bytes) -> None:
    with pytest.raises(NotEvidence):
        verify(text)


def test_another_shape_is_named_by_its_places() -> None:
    assert broken({"format": FORMAT, "timeline": []})[0] == "/operation: Field required"


@pytest.mark.parametrize("value", [1.5, "\ud800"])
def test_what_cannot_be_hashed_is_broken(value: object) -> None:
    assert broken(put(DOCUMENTS[CREDIT], ("operation", "stage"), value)) != []


def test_the_same_time_in_other_words_is_an_alteration() -> None:
    document = DOCUMENTS[CREDIT]
    way = ("operation", "created_at")
    respelled = found_at(document, way).replace("Z", "+00:00")
    assert broken(put(document, way, respelled)) == [
        "/operation/created_at: it is not written the way the product writes it"
    ]


# --- The command ------------------------------------------------------------------------------------------


def test_the_command_says_that_a_document_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    document = DOCUMENTS[REFUND]
    assert main([str(DIRECTORY / f"{REFUND}.json")]) == 0
    events = len(document["timeline"])
    assert capsys.readouterr().out == f"intact: {events} events, head {document['head']}\n"


def test_the_command_names_every_place_that_was_altered(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = put(DOCUMENTS[REFUND], ("notes", 0, "text"), "Nothing of the kind.")
    forged["commitments"][0]["released_at"] = forged["commitments"][0]["decided_at"]
    file = tmp_path / "forged.json"
    file.write_text(json.dumps(forged))
    assert main([str(file)]) == 1
    note = forged["notes"][0]["id"]
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "not intact: 2 places with errors"
    assert re.fullmatch(
        r"/commitments/0: commitments/0 was altered: event \d+ recorded something else", said[1]
    )
    assert said[2] == f"/notes/0: notes/{note} was altered: event 1 recorded something else"


def test_the_command_says_that_a_file_cannot_be_read(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
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

    document = DOCUMENTS[CREDIT]
    events = len(document["timeline"])
    assert run(json.dumps(document)) == (0, f"intact: {events} events, head {document['head']}\n", "")
    kinds = f"an operation's evidence ({FORMAT}), its seal, an export, a month, roots, keys"
    assert run("{}") == (2, "", f"- is not evidence: it is none of: {kinds}\n")


def test_it_is_checked_without_a_database_a_server_or_stripe() -> None:
    script = "import sys, billing.evidence; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    ours = {"db", "api", "activities", "workflows", "worker", "settings", "sandbox"}
    others = {"sqlalchemy", "sqlmodel", "temporalio", "fastapi", "stripe", "httpx", "asyncpg"}
    assert (ours | others).isdisjoint(name.partition(".")[0] for name in loaded.stdout.split())
