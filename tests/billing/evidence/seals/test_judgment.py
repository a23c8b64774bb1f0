"""What an insider does to the records or to an export is found, and named, by who has the roots."""

import io
import json
import zipfile
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from billing.evidence.command import main
from billing.evidence.document import Evidence
from billing.evidence.seals import checks, judgment
from billing.evidence.seals.files import read_file
from billing.evidence.seals.roots import seal_of
from billing.evidence.seals.signing import PublicKeys

from ...evidence_forging import rewritten
from ..sealing import (
    ALL,
    CAME,
    CHANGE,
    CREDIT,
    ID,
    NIGHTS,
    OTHER_SIGNER,
    REFUND,
    SIGNER,
    WORLD,
    Days,
    Json,
    exported,
    repacked,
    sealed,
    with_lines,
    without_line,
)


def judged(*contents: bytes) -> list[str]:
    files = [read_file(f"file {number}", content) for number, content in enumerate(contents)]
    return [str(fault) for fault in judgment.judge(files).faults]


def kept_keys(*signers: Any) -> bytes:
    return PublicKeys(keys=[one.public_key for one in signers or (SIGNER,)]).model_dump_json().encode()


def kept_roots(days: Days) -> bytes:
    data = [root.model_dump(mode="json") for root, _ in days]
    return json.dumps({"data": data, "next_cursor": None}).encode()


def changed(name: str, change: Callable[[Json], None], *, consistently: bool = False) -> list[Json]:
    """The world with one operation otherwise; `consistently`: all of its hashes fit again."""
    world = deepcopy(dict(WORLD))
    change(world[name])
    if consistently:
        world[name] = rewritten(world[name])
    return list(world.values())


def another_amount(document: Json) -> None:
    document["approvals"][0]["amount"]["amount_minor"] += 100


def another_decision(document: Json) -> None:
    document["decisions"][-1]["decision"] = "reject"


def another_time(document: Json) -> None:
    document["decisions"][-1]["decided_at"] = "2026-11-29T19:13:49.204677Z"


def another_event_time(document: Json) -> None:
    document["timeline"][1]["at"] = "2026-11-29T19:13:49.204677Z"


def without_the_end(document: Json) -> None:
    del document["timeline"][-3:]
    document["head"] = document["timeline"][-1]["hash"]


def with_a_comment_appended(at: str) -> Callable[[Json], None]:
    """A record and an event of it after the last one, with everything that fits."""

    def change(document: Json) -> None:
        author = document["operation"]["requested_by"]
        comment = {"id": "cmt_1", "seq": 1, "text": "Agreed by phone.", "author": author, "at": at}
        document["comments"] = [comment]
        names = document["timeline"][0]["names"]
        event = dict(document["timeline"][-1]) | {
            "seq": len(document["timeline"]) + 1,
            "at": at,
            "actor": author,
            "code": "commented",
            "detail": {},
            "names": {author: names[author]},
            "records": {"comments/cmt_1": ""},
        }
        document["timeline"].append(event)

    return change


def test_what_nobody_touched_is_intact() -> None:
    assert judged(exported()) == []
    assert judged(exported(), kept_keys(), kept_roots(sealed())) == []
    assert judged(exported(), exported()) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (another_amount, "/approvals/0: approvals/"),
        (another_decision, "/decisions/1: decisions/"),
        (another_time, "/decisions/1: decisions/"),
        (another_event_time, "/timeline/1: event 2: its content does not match its hash"),
    ],
)
def test_an_altered_amount_decision_or_time_is_named(change: Callable[[Json], None], place: str) -> None:
    [fault] = judged(exported(changed(REFUND, change)))
    assert fault.startswith(f"{ID[REFUND]}: {place}")


@pytest.mark.parametrize(
    ("change", "root"),
    [
        (another_time, f"event {ALL[REFUND]} or one before it is not what root 2 of 2026-12-01 stands for"),
        (another_event_time, "event 10 or one before it is not what root 1 of 2026-11-30 stands for"),
    ],
)
def test_a_chain_that_was_rewritten_consistently_does_not_fit_the_root(
    change: Callable[[Json], None], root: str
) -> None:
    """Everything fits within the document: only the root tells."""
    export = exported(changed(REFUND, change, consistently=True))
    assert judged(export) == [f"{ID[REFUND]}: it was altered: {root}"]


def test_an_end_that_was_cut_off_is_named() -> None:
    """Whatever the rest says: the timeline that is left is a whole one."""
    faults = judged(exported(changed(CHANGE, without_the_end)))
    assert faults
    assert all(fault.startswith(f"{ID[CHANGE]}: ") for fault in faults)


@pytest.mark.parametrize("left", [1, ALL[CREDIT] - 1])
def test_an_end_that_was_cut_off_so_that_all_the_rest_fits_is_named(left: int) -> None:
    """What an export has of an operation was whole once: before its last events."""
    days = sealed(came=[*CAME[:2], {}])
    earlier = deepcopy(WORLD[CREDIT])
    document = next(iter(read_file("", json.dumps(earlier).encode()).evidence())).evidence
    assert document is not None
    cut = document.model_copy(update={"timeline": document.timeline[:left]})
    sealed_of = checks.by_operation([r for r, _ in days], {r.number: h for r, h in days})
    [fault] = checks.broken_operation(cut, sealed_of[ID[CREDIT]], [r for r, _ in days])
    assert str(fault) == (
        f"{ID[CREDIT]}: the end was removed: its timeline ends with event {left}, and root 2 of 2026-12-01 "
        f"stands for {ALL[CREDIT]}"
    )


def test_a_removed_operation_is_named_by_the_heads_that_are_left() -> None:
    left = [document for name, document in WORLD.items() if name != CHANGE]
    [fault] = judged(exported(left))
    assert fault == (
        f"{ID[CHANGE]}: it was removed: root 1 of 2026-11-30 stands for it, with {ALL[CHANGE]} events, "
        "1 approvals and 1 changes in Stripe"
    )


def test_an_operation_that_was_removed_with_its_head_breaks_the_root() -> None:
    days = sealed()
    left = [document for name, document in WORLD.items() if name != CHANGE]
    without = [(root, [one for one in heads if one.operation != ID[CHANGE]]) for root, heads in days]
    broken = "root 1 of 2026-11-30: its list of heads was altered: 2 operations had gone on, and 1 are listed"
    assert judged(exported(left, without)) == [broken]
    faults = judged(exported(left, without), exported())  # who kept an export knows its name
    assert faults[0] == broken
    assert faults[1].startswith(f"{ID[CHANGE]}: it was removed: root 1 of 2026-11-30 stands for it")


def test_an_operation_that_was_slipped_in_with_a_head_of_its_own_breaks_the_root() -> None:
    days = sealed(came=[CAME[0], {REFUND: ALL[REFUND]}, {}])
    with_more = [*days]
    forged = sealed()[1][1]
    with_more[1] = (days[1][0], forged)
    faults = judged(exported(days=with_more), exported([WORLD[REFUND], WORLD[CHANGE]], days))
    assert faults[0].startswith("root 2 of 2026-12-01: its list of heads was altered")
    assert f"{ID[CREDIT]}: it was added to the heads of root 2 of 2026-12-01" in faults


def test_a_head_that_was_altered_in_the_list_is_named_by_who_kept_it() -> None:
    days = sealed()
    [first, *others] = days[0][1]
    altered = [(days[0][0], [first.model_copy(update={"intents": 9}), *others]), *days[1:]]
    faults = judged(exported(days=altered), exported())
    assert faults[0].startswith("root 1 of 2026-11-30: its list of heads was altered: it does not lead to")
    assert f"{first.operation}: its head was altered among those of root 1 of 2026-11-30" in faults


def test_an_operation_that_was_added_later_with_an_old_date_is_named() -> None:
    """A root has it at last, and the one that should have had it has not."""
    days = sealed(came=[CAME[0], {REFUND: ALL[REFUND]}, {CREDIT: ALL[CREDIT]}])
    [fault] = judged(exported(days=days))
    at = datetime.fromisoformat(WORLD[CREDIT]["operation"]["created_at"])
    assert fault == (
        f"{ID[CREDIT]}: it was added later: it says that it is of {at:%Y-%m-%d %H:%M} UTC, and root 2 of "
        "2026-12-01 does not have it"
    )
    never = sealed(came=[CAME[0], {REFUND: ALL[REFUND]}, {}])
    assert judged(exported(days=never)) == [fault]


@pytest.mark.parametrize(("hours", "found"), [(-1, True), (1, False)])
def test_an_event_that_was_added_with_an_old_date_is_named(hours: int, found: bool) -> None:
    """Up to a day before the last root it may have been held up."""
    at = NIGHTS[-1] - timedelta(days=1) + timedelta(hours=hours)
    world = changed(CHANGE, with_a_comment_appended(f"{at:%Y-%m-%dT%H:%M:%S}.000000Z"), consistently=True)
    faults = judged(exported(world))
    named = (
        f"{ID[CHANGE]}: event {ALL[CHANGE] + 1} was added later: it says that it is of "
        f"{at:%Y-%m-%d %H:%M} UTC, and root 3 of 2026-12-02 does not have it"
    )
    assert faults == [named] * found


@pytest.mark.parametrize(("at", "found"), [("2026-12-01T12:00", True), ("2026-11-30T22:00", False)])
def test_of_roots_from_the_middle_only_what_is_younger_than_the_first_is_asked_for(
    at: str, found: bool
) -> None:
    """What is older may stand in one before."""
    change = with_a_comment_appended(f"{at}:00.000000Z")
    [document] = [
        one for one in changed(CHANGE, change, consistently=True) if one["operation"]["id"] == ID[CHANGE]
    ]
    evidence = Evidence.model_validate(document)
    later = [root.model_copy(update={"number": root.number + 1}) for root, _ in sealed()]
    faults = [str(fault) for fault in checks.broken_operation(evidence, [], later)]
    assert any(f"event {ALL[CHANGE] + 1} was added later" in fault for fault in faults) == found


def test_what_came_after_the_last_root_is_said_not_to_be_held_by_any() -> None:
    world = changed(CHANGE, with_a_comment_appended("2026-12-03T09:00:00.000000Z"), consistently=True)
    found = judgment.judge([read_file("export.zip", exported(world))])
    assert found.faults == []
    assert "events that no root given here has: 1" in found.remarks


def test_a_record_that_no_event_tells_of_was_counted_when_the_root_was_made() -> None:
    """As who inserts an approval by hand, and takes it away before the export is made."""
    came = sealed()
    heads = [one.model_copy(update={"approvals": one.approvals + 1}) for one in came[0][1]]
    document = next(iter(read_file("", json.dumps(WORLD[CHANGE]).encode()).evidence())).evidence
    assert document is not None
    [head] = [one for one in heads if one.operation == ID[CHANGE]]
    [fault] = checks.broken_operation(document, [checks.SealedAt(came[0][0], head)], [came[0][0]])
    assert "root 1 of 2026-11-30 counts 2 approvals, 1 decisions and 1 changes in Stripe" in fault.why


def test_a_root_that_was_altered_has_no_signature_that_holds() -> None:
    def later(root: Json) -> None:
        root["totals"]["operations"] -= 1

    faults = judged(repacked(exported(), roots__jsonl=with_lines(later)))
    assert "root 1 of 2026-11-30: it was altered: its signature does not hold" in faults
    assert "root 1 of 2026-11-30: it counts something else than its heads and those before do" in faults


def test_totals_that_a_signer_was_made_to_sign_are_counted_again() -> None:
    days = sealed()
    wrong = days[0][0].totals.model_copy(update={"intents": 0})
    assert [
        str(one)
        for one in checks.broken_totals([days[0][0].model_copy(update={"totals": wrong})], {1: days[0][1]})
    ] == ["root 1 of 2026-11-30: it counts something else than its heads and those before do"]


def test_roots_that_were_signed_anew_with_another_key_are_not_those_that_were_kept() -> None:
    """Whoever may write to the database makes a key of their own, and everything fits."""
    world = changed(REFUND, another_time, consistently=True)
    of = {document["operation"]["id"]: document for document in world}
    forged = sealed({name: of[ID[name]] for name in WORLD}, signers=[OTHER_SIGNER] * 3)
    export = exported(world, forged, [OTHER_SIGNER])
    assert judged(export) == []  # by nothing but itself
    assert judged(export, kept_keys())[0] == (
        f"root 1 of 2026-11-30: it is signed with a key that nobody knows, {OTHER_SIGNER.public_key.kid}"
    )
    assert (
        "root 1 of 2026-11-30: there are two different ones: what it stands for was replaced since it was "
        "first given out" in judged(kept_roots(sealed()), export)
    )


def test_the_old_key_is_known_after_a_rotation() -> None:
    days = sealed(signers=[SIGNER, OTHER_SIGNER, OTHER_SIGNER])
    export = exported(days=days, keys=[SIGNER, OTHER_SIGNER])
    assert judged(export) == judged(export, kept_keys(SIGNER, OTHER_SIGNER)) == []
    assert len(judged(export, kept_keys(SIGNER))) == 2


def test_a_root_that_was_taken_out_is_missed() -> None:
    assert "root 2: it is missing" in judged(repacked(exported(), roots__jsonl=without_line('"number":2')))
    faults = judged(repacked(exported(), roots__jsonl=without_line('"number":3')), kept_roots(sealed()[:2]))
    assert faults == []  # a chain that ends earlier is whole, but for who has kept more of it
    assert judged(exported(days=sealed()[:2]), kept_roots(sealed())) == []


def test_a_root_that_replaces_another_does_not_follow_the_one_before() -> None:
    days, others = sealed(), sealed(came=[{REFUND: 9, CHANGE: ALL[CHANGE]}, *CAME[1:]])
    mixed = [days[0], others[1], days[2]]
    faults = judged(exported(days=mixed))
    assert "root 2 of 2026-12-01: it does not follow root 1: one of them was replaced" in faults
    assert "root 3 of 2026-12-02: it does not follow root 2: one of them was replaced" in faults


def test_a_first_root_has_none_before_it_and_all_are_of_one_organization() -> None:
    [(first, _), (second, _), _] = sealed()
    keys = {SIGNER.public_key.kid: SIGNER.public_key}
    late = first.model_copy(update={"before": "1" * 64})
    assert "it is the first, and says that there was one before" in str([*checks.broken_roots([late], keys)])
    theirs = second.model_copy(update={"organization": "org_other"})
    said = [str(one) for one in checks.broken_roots([first, theirs], keys)]
    assert f"{second.called}: it is of another organization than root 1" in said


def test_an_operation_of_another_organization_is_not_what_the_root_stands_for() -> None:
    [(root, heads), *_] = sealed()
    document = next(iter(read_file("", json.dumps(WORLD[CHANGE]).encode()).evidence())).evidence
    assert document is not None
    theirs = root.model_copy(update={"organization": "org_other"})
    [head] = [one for one in heads if one.operation == ID[CHANGE]]
    [fault] = checks.broken_operation(document, [checks.SealedAt(theirs, head)], [theirs])
    assert fault.why == "root 1 of 2026-11-30 is of another organization"


# --- An export's own files --------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["operations", "approvals", "decisions", "intents", "timeline"])
def test_a_table_that_says_something_else_than_the_evidence_is_named(table: str) -> None:
    file = f"{table}__csv"
    altered = repacked(exported(), **{file: lambda content: content.replace(b"2026-11-30", b"2026-11-29", 1)})
    [fault] = judged(altered)
    assert fault.startswith(f"{table}.csv: it was altered: it differs from the evidence of op_")
    longer = repacked(exported(), **{file: lambda content: content + b"one,more\r\n"})
    assert judged(longer) == [f"{table}.csv: it has lines that no operation's evidence has"]
    headless = repacked(exported(), **{file: lambda content: b"x" + content})
    assert judged(headless) == [f"{table}.csv: it was altered: it differs from the evidence of its heading"]


def test_a_file_that_is_missing_or_was_added_is_named() -> None:
    assert judged(repacked(exported(), approvals__csv=lambda _: None)) == ["approvals.csv: it is missing"]
    assert judged(repacked(exported(), README__md=lambda _: None)) == ["README.md: it is missing"]
    more = io.BytesIO(exported())
    with zipfile.ZipFile(more, "a") as export:
        export.writestr("more.txt", "Trust me.")
        with pytest.warns(UserWarning, match="Duplicate name"):
            export.writestr("README.md", "Trust me.")
    assert judged(more.getvalue()) == ["more.txt: it was added", "README.md: it is there twice"]


def test_an_operation_that_is_there_twice_is_named() -> None:
    twice = exported([*WORLD.values(), WORLD[CHANGE]])
    assert f"{ID[CHANGE]}: it is there twice" in judged(twice)


def test_heads_of_a_root_that_is_not_there_are_named() -> None:
    heads = repacked(exported(), heads__jsonl=lambda lines: lines.replace(b'"root":2', b'"root":7'))
    assert "the heads of root 7: they were added: that root is not there" in judged(heads)


@pytest.mark.parametrize("file", ["roots__jsonl", "heads__jsonl", "keys__json"])
def test_a_line_that_is_none_is_named(file: str) -> None:
    faults = judged(repacked(exported(), **{file: lambda content: b'{"no": 1}\n' + content}))
    place = f"{file.replace('__', '.')}, line 1: it was altered: "
    assert any(fault.startswith(place) for fault in faults)


def test_a_line_of_evidence_that_is_none_is_named() -> None:
    faults = judged(repacked(exported(), evidence__jsonl=lambda content: b"{}\n" + content))
    assert faults == ["evidence.jsonl, line 1: it is not a document in the format plixo.evidence/2"]


def test_two_exports_with_different_timelines_of_one_operation_are_told_apart() -> None:
    world = changed(CHANGE, with_a_comment_appended("2026-12-03T09:00:00.000000Z"), consistently=True)
    other = changed(CHANGE, with_a_comment_appended("2026-12-03T09:30:00.000000Z"), consistently=True)
    assert judged(exported(world), exported()) == []
    assert judged(exported(world), exported(other)) == [
        f"{ID[CHANGE]}: two files have different timelines of it: one was rewritten"
    ]


# --- One operation, and its seal --------------------------------------------------------------------------


def test_a_seal_holds_an_operation_without_the_others() -> None:
    [(root, heads), *_] = sealed()
    seal = seal_of(ID[CHANGE], root, heads)
    kept = seal.model_dump_json().encode()
    document = json.dumps(WORLD[CHANGE]).encode()
    assert judged(document, kept, kept_keys()) == []
    [rewritten_, *_] = [
        one
        for one in changed(CHANGE, another_event_time, consistently=True)
        if one["operation"]["id"] == ID[CHANGE]
    ]
    assert judged(json.dumps(rewritten_).encode(), kept, kept_keys()) == [
        f"{ID[CHANGE]}: it was altered: event {ALL[CHANGE]} or one before it is not what "
        "root 1 of 2026-11-30 stands for"
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda seal: seal["head"].update(events=seal["head"]["events"] - 1),
        lambda seal: seal.update(place=1 - seal["place"]),
        lambda seal: seal.update(place=2),
        lambda seal: seal.update(path=[]),
        lambda seal: seal.update(path=["no hex"]),
        lambda seal: seal.update(path=[*seal["path"], *seal["path"]]),
    ],
)
def test_a_seal_that_was_altered_does_not_lead_to_its_root(change: Callable[[Json], Any]) -> None:
    [(root, heads), *_] = sealed()
    seal = seal_of(ID[CHANGE], root, heads).model_dump(mode="json")
    change(seal)
    faults = judged(json.dumps(WORLD[CHANGE]).encode(), json.dumps(seal).encode(), kept_keys())
    assert faults == [
        f"{ID[CHANGE]}: its seal does not lead to root 1 of 2026-11-30: one of the two was altered"
    ]


# --- The command ------------------------------------------------------------------------------------------


def test_the_command_says_what_it_has_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export, keys = tmp_path / "export.zip", tmp_path / "keys.json"
    export.write_bytes(exported())
    keys.write_bytes(kept_keys())
    assert main([str(export)]) == 0
    last = sealed()[-1][0].hash()
    assert capsys.readouterr().out.splitlines() == [
        "intact",
        f"roots 1 to 3, of 2026-11-30 to 2026-12-02, hash of the last {last}",
        f"the keys are the export's own: compare them with those that you kept: {SIGNER.public_key.kid}",
        f"operations: 3, events: {sum(ALL.values())}",
    ]
    assert main([str(export), str(keys)]) == 0
    assert "the keys are" not in capsys.readouterr().out


def test_the_command_ends_with_one_and_names_what_was_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = tmp_path / "export.zip"
    export.write_bytes(exported([WORLD[REFUND], WORLD[CREDIT]]))
    assert main([str(export)]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first == "not intact: 1 place with errors"
    assert second.startswith(f"{ID[CHANGE]}: it was removed")


@pytest.mark.parametrize("content", [b"PK no zip", b"no json", b"{}", b'{"keys": [{"kid": "x"}]}'])
def test_the_command_ends_with_two_for_what_is_nothing_of_this(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    assert main([str(file)]) == 2
    assert capsys.readouterr().err.startswith(f"{file} is not evidence: ")
