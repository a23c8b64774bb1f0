"""An auditor's export: one ZIP of all that there is of a period, and of what shows that it is all.

Evidence is one document a line; the tables beside it are made of the same documents, for people to read, and
are held against them.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ...core.money import Money
from ...core.text import for_spreadsheet
from ..document import Evidence
from .roots import SealedHead

EVIDENCE, ROOTS, HEADS = "evidence.jsonl", "roots.jsonl", "heads.jsonl"
KEYS, README = "keys.json", "README.md"

MANUAL = """\
# Audit export

Organization {organization}, {first} to {last} (UTC days).

| file | has |
|---|---|
| `operations.csv` | what was asked for, and how it ended |
| `approvals.csv`, `decisions.csv` | who was asked to allow it, and what they decided |
| `intents.csv` | what was changed in Stripe |
| `timeline.csv` | everything that happened, in order |
| `evidence.jsonl` | the same and everything else that is recorded, one operation a line |
| `roots.jsonl` | the signed root of each day |
| `heads.jsonl` | the heads that each root stands for |
| `keys.json` | the public keys that roots were signed with |

It has every operation that went on in these days, with all that happened to it until the export was made.
Times are UTC. Amounts are in minor units (cents) beside their currency.

## Check it

On any machine with Plixo Billing's source; it needs no database, no network and nobody's permission:

    python -m billing.evidence THIS.zip

It checks every hash and signature, says what was altered, removed or added, and ends with 0 only if nothing
was.

Whoever made this file could have made all of it, keys and signatures included. So compare it with what you
kept before, which nobody could change since: the keys (GET /v1/evidence/keys), roots (GET
/v1/evidence/roots), and earlier exports.

    python -m billing.evidence THIS.zip kept-keys.json kept-roots.json EARLIER.zip

Keep this file: it is what the next one is compared with.
"""


class ManualOf(NamedTuple):
    """What the export's README says it is of."""

    organization: str
    first: str
    last: str

    def text(self) -> str:
        return MANUAL.format(**self._asdict())


class ListedHead(SealedHead):
    """A head among those of all roots."""

    root: int
    """The number of the root that stands for it."""

    def sealed(self) -> SealedHead:
        return SealedHead(**self.model_dump(exclude={"root"}))


Table = Callable[[Evidence], Iterator[Sequence[Any]]]


class TableOf(NamedTuple):
    columns: Sequence[str]
    rows: Table


def _operations(evidence: Evidence) -> Iterator[Sequence[Any]]:
    one = evidence.operation
    error = (one.error or {}).get("code")
    yield (
        *(one.id, one.kind, one.state, one.requested_by, one.created_at, one.closed_at),
        *(one.approval, error, len(evidence.timeline), evidence.head),
    )


def _approvals(evidence: Evidence) -> Iterator[Sequence[Any]]:
    for one in evidence.approvals:
        yield (
            *(one.id, evidence.operation.id, one.round, one.state, *_amount(one.amount), one.customer),
            *(one.requested_by, one.rule, one.reason, one.opened_at, one.closed_at, one.decided_by),
            one.subject_hash,
        )


def _decisions(evidence: Evidence) -> Iterator[Sequence[Any]]:
    for one in evidence.decisions:
        yield (
            *(one.id, one.approval, one.decision, one.person, one.for_person, one.comment, one.decided_at),
            one.subject_hash,
        )


def _intents(evidence: Evidence) -> Iterator[Sequence[Any]]:
    for one in evidence.intents:
        yield (
            *(one.idempotency_key, evidence.operation.id, one.step, one.version, one.effect, one.state),
            *(one.target, one.stripe_id, one.stripe_request, one.params_hash, one.created_at, one.closed_at),
        )


def _timeline(evidence: Evidence) -> Iterator[Sequence[Any]]:
    for one in evidence.timeline:
        name = one.names.get(one.actor, {}).get("name")
        yield (evidence.operation.id, one.seq, one.at, one.actor, name, one.code, one.hash)


TABLES: Mapping[str, TableOf] = {
    "operations.csv": TableOf(
        (
            *("id", "kind", "state", "requested_by", "created_at", "closed_at"),
            *("approval", "error_code", "events", "head"),
        ),
        _operations,
    ),
    "approvals.csv": TableOf(
        (
            *("id", "operation", "round", "state", "amount_minor", "currency", "customer"),
            *("requested_by", "rule", "reason", "opened_at", "closed_at", "decided_by", "subject_hash"),
        ),
        _approvals,
    ),
    "decisions.csv": TableOf(
        ("id", "approval", "decision", "person", "for_person", "comment", "decided_at", "subject_hash"),
        _decisions,
    ),
    "intents.csv": TableOf(
        (
            *("idempotency_key", "operation", "step", "version", "effect", "state"),
            *("target", "stripe_id", "stripe_request", "params_hash", "created_at", "closed_at"),
        ),
        _intents,
    ),
    "timeline.csv": TableOf(("operation", "seq", "at", "actor", "actor_name", "code", "hash"), _timeline),
}
"""By the name of its file: its columns, and what of an operation is in it."""


def heading(name: str) -> str:
    """The first line of a table."""
    return _lines([TABLES[name].columns])


def lines_of(name: str, evidence: Evidence) -> str:
    """What a table has of an operation."""
    return _lines(TABLES[name].rows(evidence))


def _lines(rows: Iterator[Sequence[Any]] | Sequence[Sequence[Any]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows([_cell(value) for value in row] for row in rows)
    return written.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return for_spreadsheet(value) if isinstance(value, str) else value


def _amount(amount: Money | None) -> tuple[int | None, str | None]:
    return (amount.amount_minor, amount.currency) if amount is not None else (None, None)
