"""Each day's root stands for what was recorded, and what an insider does to that later is found by name."""

from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from activities.incidents.alerts import AlertCode, AlertMessage
from billing.approvals.marks import UNMARKED, DecisionMarks
from billing.core.keys import Keys
from billing.evidence.seals.files import File
from billing.evidence.seals.signing import PublicKeys, SigningFailed
from db.core.session import Database
from db.evidence import reader, roots
from db.tables import Operation
from worker.evidence import check
from worker.evidence.check import RecordCheck
from worker.evidence.command import say
from worker.evidence.daily_roots import DailyRoots

from ...billing.evidence.sealing import (
    ACME,
    ALL,
    CHANGE,
    CREDIT,
    ID,
    NIGHTS,
    OTHER_SIGNER,
    REFUND,
    SIGNER,
    WORLD,
    rewritten,
)
from ...support.evidence_stored import Insider, store_evidence

pytestmark = pytest.mark.both_databases

KEYS = Keys("k", {"k": b"k" * 32})


class Nights:
    """Nights go by: `seal` is the worker's look in each of them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NIGHTS[0]
        self.alerts: list[AlertMessage] = []

    async def seal(self, signer: Any = SIGNER) -> int:
        made = await DailyRoots(self.database, signer, self._alert, lambda: self.now).look()
        self.now += timedelta(days=1)
        return made

    async def _alert(self, alert: AlertMessage) -> None:
        self.alerts.append(alert)

    async def found(self, kept: File | None = None, marks: DecisionMarks = UNMARKED) -> list[str]:
        checked = await RecordCheck(self.database, marks, [kept] if kept else []).run()
        return [str(fault) for fault in checked.faults]

    async def kept(self) -> File:
        """What an auditor has of it now."""
        async with self.database.reading() as session:
            page = await roots.listed(ACME).page(session, limit=100)
            keys: PublicKeys = await roots.keys(session)
        return File("kept", roots=[roots.root_of(row) for row in page.rows], keys=list(keys.keys))


@pytest.fixture
async def nights(database: Database) -> Nights:
    """Two nights: the refund went on in both of them."""
    nights = Nights(database)
    await store_evidence(database, WORLD[CHANGE])
    await store_evidence(database, WORLD[REFUND], until=10)
    assert await nights.seal() == 1
    await store_evidence(database, WORLD[REFUND], after=10)
    await store_evidence(database, WORLD[CREDIT])
    assert await nights.seal() == 1
    return nights


async def test_a_root_stands_for_what_has_gone_on_since_the_one_before(nights: Nights) -> None:
    kept = await nights.kept()
    [first, second] = kept.roots
    assert [(one.number, one.day, one.heads) for one in kept.roots] == [
        (1, date(2026, 11, 30), 2),
        (2, date(2026, 12, 1), 2),
    ]
    assert second.before == first.hash()
    assert second.totals.model_dump() == {
        "operations": 3,
        "events": sum(ALL.values()),
        **{
            part: sum(len(document[part]) for document in WORLD.values())
            for part in ("approvals", "decisions", "intents")
        },
    }
    async with nights.database.reading() as session:
        heads = await roots.heads_of(session, ACME, 2)
    assert {(one.operation, one.events) for one in heads} == {
        (ID[REFUND], ALL[REFUND]),
        (ID[CREDIT], ALL[CREDIT]),
    }


async def test_what_nobody_touched_is_intact(
    nights: Nights, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "PAGE", 1)
    assert await nights.found(await nights.kept()) == []
    assert say(await RecordCheck(nights.database, UNMARKED).run()) == 0
    assert capsys.readouterr().out.splitlines() == [
        "intact",
        "organizations: 1, roots: 2, operations: 3, events that no root has yet: 0",
    ]


async def test_a_day_has_one_root_and_a_quiet_one_has_its_own(nights: Nights) -> None:
    nights.now -= timedelta(days=1)
    assert await nights.seal() == 0  # another worker was first
    assert await nights.seal() == 1
    nights.now += timedelta(days=3)  # nobody ran
    assert await nights.seal() == 1
    kept = await nights.kept()
    assert [(one.number, one.day.day, one.heads) for one in kept.roots[2:]] == [(3, 2, 0), (4, 6, 0)]
    assert await nights.found(kept) == []


async def test_two_workers_at_once_make_one_root(nights: Nights) -> None:
    kept = await nights.kept()
    async with nights.database.transaction() as session:
        again = kept.roots[-1].model_copy(update={"number": 3})
        assert not await roots.keep(session, again, [], SIGNER.public_key)


async def test_without_a_key_there_are_no_roots_and_nothing_is_amiss(database: Database) -> None:
    nights = Nights(database)
    await store_evidence(database, WORLD[CHANGE])
    assert await nights.seal(None) == 0
    assert await nights.found() == []


async def test_a_signer_that_is_away_leaves_the_day_for_later(nights: Nights) -> None:
    class Away:
        public_key = SIGNER.public_key

        async def sign(self, message: bytes) -> str:
            raise SigningFailed("no answer")

    with pytest.raises(SigningFailed):
        await nights.seal(Away())
    assert await nights.seal() == 1
    assert [one.number for one in (await nights.kept()).roots] == [1, 2, 3]


async def test_a_key_stays_known_after_it_was_rotated(nights: Nights) -> None:
    await nights.seal(OTHER_SIGNER)
    kept = await nights.kept()
    assert [key.kid for key in kept.keys] == [SIGNER.public_key.kid, OTHER_SIGNER.public_key.kid]
    assert await nights.found() == []
    kept.keys = kept.keys[:1]
    assert await nights.found(kept) == [
        f"root 3 of 2026-12-02: it is signed with a key that nobody knows, {OTHER_SIGNER.public_key.kid}"
    ]


# --- An insider with SQL ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        (
            "UPDATE approvals SET amount_minor = 100, currency = 'usd' WHERE operation_id = :id",
            "/approvals/0",
        ),
        ("UPDATE approvals SET decided_by = NULL WHERE operation_id = :id", "/approvals/0"),
        (
            "UPDATE decisions SET decision = 'reject' WHERE approval_id IN "
            "(SELECT id FROM approvals WHERE operation_id = :id)",
            "/decisions/0",
        ),
        (
            "UPDATE decisions SET decided_at = :at WHERE approval_id IN "
            "(SELECT id FROM approvals WHERE operation_id = :id)",
            "/decisions/0",
        ),
        ("UPDATE timeline SET at = :at WHERE operation_id = :id AND seq = 2", "/timeline/1"),
        ("UPDATE intents SET target = 'sub_other' WHERE operation_id = :id", "/intents/0"),
        ("DELETE FROM intents WHERE operation_id = :id", "/intents"),
    ],
)
async def test_an_altered_row_is_named(nights: Nights, statement: str, place: str) -> None:
    at: Any = datetime(2026, 11, 1, tzinfo=UTC)
    if nights.database.is_sqlite:
        at = "2026-11-01 00:00:00.000000"
    await Insider(nights.database).does(statement, id=ID[CHANGE], at=at)
    found = await nights.found()
    assert any(fault.startswith(f"{ID[CHANGE]}: {place}") for fault in found)
    assert all(fault.startswith(f"{ID[CHANGE]}: ") for fault in found)


async def test_a_removed_operation_is_named_and_alerted_in_the_next_night(nights: Nights) -> None:
    await Insider(nights.database).removes(ID[CHANGE])
    [fault] = await nights.found()
    assert fault.startswith(f"{ID[CHANGE]}: it was removed: root 1 of 2026-11-30 stands for it, with ")
    await nights.seal()
    [alert] = nights.alerts
    assert (alert.code, alert.about) == (AlertCode.EVIDENCE_LOST, ID[CHANGE])


async def test_an_operation_that_was_removed_with_its_heads_is_missed(nights: Nights) -> None:
    await Insider(nights.database).removes(ID[CHANGE], heads=True)
    assert await nights.found() == [
        "root 1 of 2026-11-30: its list of heads was altered: 2 operations had gone on, and 1 are listed",
        "root 1 of 2026-11-30: it counts something else than its heads and those before do",
    ]


async def test_an_end_that_was_cut_off_is_named_and_alerted(nights: Nights) -> None:
    await Insider(nights.database).does(
        "DELETE FROM timeline WHERE operation_id = :id AND seq > :seq", id=ID[REFUND], seq=ALL[REFUND] - 2
    )
    assert (
        f"{ID[REFUND]}: the end was removed: its timeline ends with event {ALL[REFUND] - 2}, and root 2 of "
        f"2026-12-01 stands for {ALL[REFUND]}"
    ) in await nights.found()
    await nights.seal()
    assert [alert.about for alert in nights.alerts] == [ID[REFUND]]


async def test_an_approval_that_was_inserted_is_named(nights: Nights) -> None:
    columns = (
        "organization_id, operation_id, kind, round, subject, subject_hash, state, rung, ladder, "
        "requested_by, opened_at, counted, signatures, authors"
    )
    await Insider(nights.database).does(
        f"INSERT INTO approvals (id, {columns}) SELECT 'apr_forged', {columns} FROM approvals "
        "WHERE operation_id = :id",
        id=ID[CHANGE],
    )
    assert await nights.found() == [
        f"{ID[CHANGE]}: /approvals/1: no event of the timeline recorded approvals/apr_forged"
    ]


async def test_an_operation_that_was_rewritten_so_that_all_hashes_fit_is_named(nights: Nights) -> None:
    document = deepcopy(WORLD[CHANGE])
    document["timeline"][1]["at"] = "2026-11-30T19:13:00.000000Z"
    await Insider(nights.database).rewrites(rewritten(document))
    assert await nights.found() == [
        f"{ID[CHANGE]}: it was altered: event {ALL[CHANGE]} or one before it is not what root 1 of "
        "2026-11-30 stands for"
    ]
    await nights.seal()
    assert [alert.about for alert in nights.alerts] == [ID[CHANGE]]


async def test_an_operation_that_was_added_with_an_old_date_is_named(database: Database) -> None:
    nights = Nights(database)
    await store_evidence(database, WORLD[CHANGE])
    for _ in range(2):
        await nights.seal()
    await store_evidence(database, WORLD[CREDIT])
    at = datetime.fromisoformat(WORLD[CREDIT]["operation"]["created_at"])
    added = (
        f"{ID[CREDIT]}: it was added later: it says that it is of {at:%Y-%m-%d %H:%M} UTC, and root 2 of "
        "2026-12-01 does not have it"
    )
    assert await nights.found() == [added]
    await nights.seal()
    assert await nights.found() == [added]


async def test_roots_that_were_made_anew_are_not_those_that_were_kept(nights: Nights) -> None:
    """With a key of their own, after they have removed an operation: within the database all fits."""
    kept = await nights.kept()
    insider = Insider(nights.database)
    await insider.removes(ID[CHANGE], heads=True)
    await insider.does("DELETE FROM evidence_roots", "DELETE FROM sealed_heads", "DELETE FROM signing_keys")
    nights.now -= timedelta(days=2)
    assert await nights.seal(OTHER_SIGNER) == 1
    assert await nights.found() == []
    found = await nights.found(kept)
    assert (
        "root 1 of 2026-11-30: there are two different ones: what it stands for was replaced since it was "
        "first given out"
    ) in found
    assert "root 2 of 2026-12-01: it was removed" in found


async def test_an_organization_that_was_removed_whole_is_missed_by_who_kept_its_roots(nights: Nights) -> None:
    kept = await nights.kept()
    insider = Insider(nights.database)
    for name in WORLD:
        await insider.removes(ID[name], heads=True)
    await insider.does(
        "DELETE FROM evidence_roots",
        "DELETE FROM people",
        "DELETE FROM organizations WHERE id = :id",
        id=ACME,
    )
    assert await nights.found(kept) == [f"{ACME}: the whole organization was removed"]


@pytest.mark.parametrize(("mark", "found"), [("", True), ("k:00", True), ("older:00", False)])
async def test_a_decision_that_none_of_our_processes_has_taken_is_named(
    nights: Nights, mark: str, found: bool
) -> None:
    """Of a key that is gone nothing can be said."""
    await Insider(nights.database).does("UPDATE decisions SET mark = :mark", mark=mark)
    said = await nights.found(marks=DecisionMarks.of(KEYS))
    assert len(said) == found * sum(len(document["decisions"]) for document in WORLD.values())
    assert all("was written by none of our processes: its mark is wrong" in fault for fault in said)


async def test_what_is_stored_of_a_kept_document_is_the_document(database: Database) -> None:
    await store_evidence(database, WORLD[REFUND])
    async with database.snapshot() as session:
        found = await reader.read(session, await session.get_one(Operation, ID[REFUND]))
    assert found.head == WORLD[REFUND]["head"]
