"""Kept evidence as rows of a database, as if its operation had run there; and insiders who write there."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import text

from billing.core.operations import CUSTOMER, SYSTEM
from billing.evidence.document import Evidence
from db.core.session import Database
from db.tables import (
    Approval,
    CommentRow,
    Commitment,
    Decision,
    Delegation,
    Intent,
    Mail,
    NoteRow,
    Notice,
    Operation,
    Organization,
    Person,
    TimelineEvent,
)

from .builders import a_person, an_organization, store


async def store_evidence(
    database: Database, document: dict[str, Any], *, after: int = 0, until: int | None = None
) -> None:
    """What the document has of these events (of all unless it is said), as rows; the operation, people and
    the organization where they aren't there yet."""
    evidence = Evidence.model_validate(document)
    organization = evidence.operation.organization
    async with database.transaction() as session:
        if await session.get(Organization, organization) is None:
            session.add(an_organization(id=organization))
            await session.flush()
        for id_, named in _people(evidence).items():
            if await session.get(Person, id_) is None:
                roles = named["roles"]
                session.add(a_person(organization, roles=roles, id=id_, name=named["name"]))
    if after == 0:
        await store(database, _operation(evidence))
    before = {name for event in evidence.timeline[:after] for name in event.records}
    told = {name for event in evidence.timeline[:until] for name in event.records} - before
    rows = [row for name, row in _records(evidence) if name in told]
    await store(database, *rows, *list(_events(evidence))[after:until])


def _people(evidence: Evidence) -> dict[str, dict[str, Any]]:
    named: dict[str, dict[str, Any]] = {}
    for event in evidence.timeline:
        named |= event.names
    return {id_: who for id_, who in named.items() if id_ not in (SYSTEM, CUSTOMER) and "roles" in who}


def _operation(evidence: Evidence) -> Operation:
    shown = evidence.operation
    content = shown.model_dump(exclude={"organization", "approval", "kind", "state", "authors"})
    return Operation(
        **content,
        organization_id=shown.organization,
        approval_id=shown.approval,
        kind=shown.kind.value,
        state=shown.state.value,
        authors=[one.model_dump(mode="json") for one in shown.authors],
        policy=evidence.policy,
        request_hash="0" * 64,
        product_key=shown.id,
    )


def _records(evidence: Evidence) -> Iterable[tuple[str, Any]]:
    """Each with its name on the timeline, after those that it refers to."""
    here = {"organization_id": evidence.operation.organization, "operation_id": evidence.operation.id}
    organization = {"organization_id": evidence.operation.organization}
    kind = evidence.operation.kind.value
    for approval in evidence.approvals:
        content = approval.model_dump(exclude={"amount", "customer", "signatures", "authors"})
        listed = approval.model_dump(mode="json", include={"signatures", "authors"})
        amount = dict(approval.amount) if approval.amount else {"amount_minor": None, "currency": None}
        more = {"kind": kind, "customer_id": approval.customer}
        yield approval.record_name, Approval(**content, **listed, **amount, **here, **more)
    for delegation in evidence.delegations:
        content = delegation.model_dump(exclude={"approval"})
        row = Delegation(**content, **organization, approval_id=delegation.approval)
        yield delegation.record_name, row
    for decision in evidence.decisions:
        content = decision.model_dump(exclude={"approval", "person"})
        more = {"approval_id": decision.approval, "person_id": decision.person}
        yield decision.record_name, Decision(**content, **organization, **more)
    for commitment in evidence.commitments:
        content = commitment.model_dump(exclude={"number", "amount", "customer", "person"})
        more = {"part": commitment.number, "customer_id": commitment.customer, "person_id": commitment.person}
        row = Commitment(**content, **here, **dict(commitment.amount), **more, kind=kind)
        yield commitment.record_name, row
    for intent in evidence.intents:
        content = intent.model_dump(exclude={"stripe_request"})
        yield intent.record_name, Intent(**content, **here, stripe_request_id=intent.stripe_request)
    for note in evidence.notes:
        yield note.record_name, NoteRow(**dict(note), **here)
    for comment in evidence.comments:
        yield comment.record_name, CommentRow(**dict(comment), **here)
    for notice in evidence.notices:
        yield notice.record_name, Notice(**dict(notice), **here)
    for mail in evidence.mails:
        yield mail.record_name, Mail(**dict(mail), operation_id=evidence.operation.id)


def _events(evidence: Evidence) -> Iterable[TimelineEvent]:
    for event in evidence.timeline:
        yield TimelineEvent(operation_id=evidence.operation.id, key=f"key-{event.seq}", **dict(event))


class Insider:
    """Somebody who may do anything to the database: no trigger and no foreign key stops them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def does(self, *statements: str, **values: Any) -> None:
        """Carries out SQL."""
        async with self._database.engine.connect() as connection:
            if self._database.is_sqlite:
                await connection.execute(text("PRAGMA foreign_keys = OFF"))
                triggers = await connection.execute(
                    text(
                        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%append_only%'"
                    )
                )
                for (name,) in triggers.all():
                    await connection.execute(text(f"DROP TRIGGER {name}"))
            else:
                await connection.execute(text("SET session_replication_role = replica"))
            for statement in statements:
                given = {name: value for name, value in values.items() if f":{name}" in statement}
                await connection.execute(text(statement), given)
            await connection.commit()
            if self._database.is_sqlite:
                await connection.execute(text("PRAGMA foreign_keys = ON"))
            else:
                await connection.execute(text("SET session_replication_role = origin"))
                await connection.commit()

    async def removes(self, operation: str, *, heads: bool = False) -> None:
        """An operation with all of its rows; its sealed heads, too, if they know of those."""
        await self.does(
            "DELETE FROM decisions WHERE approval_id IN (SELECT id FROM approvals WHERE operation_id = :id)",
            *(
                f"DELETE FROM {table} WHERE operation_id = :id"
                for table in (
                    *("approvals", "commitments", "intents", "notes", "comments", "notices", "mails"),
                    *("timeline", "operation_objects", "told_people", *(["sealed_heads"] if heads else [])),
                )
            ),
            "DELETE FROM operations WHERE id = :id",
            id=operation,
        )

    async def rewrites(self, document: dict[str, Any]) -> None:
        """An operation's records and timeline anew, as the document has them."""
        await self.removes(document["operation"]["id"])
        await store_evidence(self._database, document)
