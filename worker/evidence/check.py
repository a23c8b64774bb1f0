"""Compares the database with the roots: what was altered, removed or added since they were made."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.marks import DecisionMarks
from billing.evidence.checks import broken_links
from billing.evidence.seals.checks import (
    SealedAt,
    SealFault,
    broken_heads,
    broken_operation,
    broken_roots,
    broken_totals,
    by_operation,
    distinct,
    missing_roots,
    removed,
    unsealed,
)
from billing.evidence.seals.files import File
from billing.evidence.seals.roots import SealedHead, SignedRoot
from billing.evidence.seals.signing import PublicKey
from db.core.pages import PagedRows, each_row
from db.core.session import Database
from db.evidence import reader, roots
from db.tables import Approval, Decision, Operation, Organization

PAGE = 200


@dataclass
class CheckReport:
    """What was looked at, and what is wrong."""

    faults: list[SealFault] = field(default_factory=list)
    organizations: int = 0
    roots: int = 0
    operations: int = 0
    unsealed: int = 0
    """Events that no root stands for yet."""


class RecordCheck:
    """Reads everything of every organization; writes nothing.

    `kept` are files with roots and keys that were kept where nobody who writes to the database could change
    them: without any, the keys are those of the database itself.
    """

    def __init__(self, database: Database, marks: DecisionMarks, kept: Sequence[File] = ()) -> None:
        self._database, self._marks = database, marks
        self._kept = [root for file in kept for root in file.roots]
        self._keys = {key.kid: key for file in kept for key in file.keys}

    async def run(self) -> CheckReport:
        """Raises what the records raise while they are away."""
        checked = CheckReport()
        async with self._database.reading() as session:
            organizations = list(await session.exec(select(Organization.id).order_by(Organization.id)))
            keys = self._keys or {key.kid: key for key in (await roots.keys(session)).keys}
        gone = {root.organization for root in self._kept} - set(organizations)
        checked.faults += [SealFault(one, "the whole organization was removed") for one in sorted(gone)]
        for organization in organizations:
            await self._organization(organization, keys, checked)
        return checked

    async def _organization(
        self, organization: str, keys: Mapping[str, PublicKey], checked: CheckReport
    ) -> None:
        checked.organizations += 1
        there = [root async for root in self._roots(organization)]
        kept = [root for root in self._kept if root.organization == organization]
        known, faults = distinct([*kept, *there])
        checked.roots += len(known)
        heads = await self._heads(organization)
        faults += broken_roots(known, keys)
        faults += missing_roots(there)
        numbers = {root.number for root in there}
        faults += [SealFault(root.called, "it was removed") for root in known if root.number not in numbers]
        faults += [fault for root in known for fault in broken_heads(root, heads.get(root.number, ()))]
        faults += broken_totals(known, heads)
        checked.faults += faults
        await self._operations(organization, known, by_operation(known, heads), checked)

    async def _operations(
        self,
        organization: str,
        known: Sequence[SignedRoot],
        sealed: Mapping[str, Sequence[SealedAt]],
        checked: CheckReport,
    ) -> None:
        there: set[str] = set()
        async for operation in self._ids(organization):
            there.add(operation)
            async with self._database.snapshot() as session:
                evidence = await reader.read(session, await session.get_one(Operation, operation))
                forged = await self._forged(session, operation)
            checked.operations += 1
            checked.faults += [SealFault(operation, str(link)) for link in broken_links(evidence)]
            of = sealed.get(operation, ())
            checked.faults += broken_operation(evidence, of, known)
            checked.faults += forged
            checked.unsealed += max(0, unsealed(evidence, of))
        checked.faults += [removed(one, sealed[one]) for one in sorted(sealed.keys() - there)]

    async def _forged(self, session: AsyncSession, operation: str) -> list[SealFault]:
        """Decisions that none of our processes has taken, as far as their keys are still there."""
        rows = await session.exec(
            select(Decision).join(Approval).where(Approval.operation_id == operation).order_by(Decision.id)
        )
        return [
            SealFault(operation, f"decision {row.id} was written by none of our processes: its mark is wrong")
            for row in rows
            if self._marks.knows(row.mark) and not self._marks.holds(row, row.mark)
        ]

    async def _roots(self, organization: str) -> AsyncIterator[SignedRoot]:
        async for row in each_row(self._database, roots.listed(organization), at_once=PAGE):
            yield roots.root_of(row)

    async def _heads(self, organization: str) -> dict[int, list[SealedHead]]:
        found: dict[int, list[SealedHead]] = {}
        async for row in each_row(self._database, roots.heads(organization), at_once=PAGE):
            found.setdefault(row.number, []).append(roots.head_of(row))
        return found

    async def _ids(self, organization: str) -> AsyncIterator[str]:
        rows = select(Operation).where(Operation.organization_id == organization)
        async for row in each_row(self._database, PagedRows(rows, (Operation.id,)), at_once=PAGE):
            yield row.id
