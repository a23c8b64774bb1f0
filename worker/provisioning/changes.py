"""Making a provisioning file true in the records, within one transaction, and saying what that changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.keys import SecretHashes
from db.core.clock import utc_now
from db.mail import chat_webhooks
from db.tables import ChatWebhook, Organization, Person, new_id

from .file import FileProblem, InvalidFile, OrganizationFile, ProvisioningFile
from .keys import Changes, KeyChanges


async def apply(session: AsyncSession, hashes: SecretHashes, file: ProvisioningFile) -> Changes:
    """Write what the file has otherwise than the records. Raises InvalidFile, with everything in it that
    contradicts them; the transaction is then to be rolled back.
    """
    changes, problems = Changes(), list[FileProblem]()
    for number, wanted in enumerate(file.organizations):
        part = _ChangedPart(session, hashes, wanted, f"organizations[{number}]", changes, problems, utc_now())
        await part.apply()
    if problems:
        raise InvalidFile(problems)
    return changes


@dataclass
class _ChangedPart:
    """One organization of the file."""

    session: AsyncSession
    hashes: SecretHashes
    wanted: OrganizationFile
    place: str
    changes: Changes
    problems: list[FileProblem]
    now: datetime

    async def apply(self) -> None:
        """Every problem is found before anything is written that the database would refuse."""
        before = len(self.problems)
        await self._check_stripe_ids()
        people = await self._people()
        await self._check_ids(people)
        matched = self._matched(people)
        keys = await KeyChanges.of(
            self.session, self.hashes, self.wanted.people, people, self.changes, self.now
        )
        for n, (entry, person) in enumerate(zip(self.wanted.people, matched, strict=True)):
            self.problems += keys.wrong(entry, person, f"{self.place}.people[{n}]")
        if len(self.problems) > before:
            return
        await self._write_organization()
        await self._free(people, matched)
        members = await self._write_people(matched)
        for entry, person in zip(self.wanted.people, members, strict=True):
            keys.write(entry, person)
        self._take_out(people, members, keys)
        await self._write_chats()
        await self.session.flush()

    def _problem(self, place: str, message: str) -> None:
        self.problems.append(FileProblem(f"{self.place}.{place}", message))

    async def _check_stripe_ids(self) -> None:
        for name in ("stripe_customer", "stripe_subscription"):
            value = getattr(self.wanted, name)
            other = select(Organization.id).where(
                getattr(Organization, name) == value, Organization.id != self.wanted.id
            )
            if owner := (await self.session.exec(other)).first():
                self._problem(name, f"{value} belongs to organization {owner}")

    async def _people(self) -> list[Person]:
        found = await self.session.exec(
            select(Person).where(Person.organization_id == self.wanted.id).order_by(col(Person.id))
        )
        return list(found)

    async def _check_ids(self, people: list[Person]) -> None:
        """Ids are the whole product's: somebody else's organization may have used one."""
        own = {person.id for person in people}
        asked = {wanted.id: n for n, wanted in enumerate(self.wanted.people) if wanted.id}
        elsewhere = select(Person.id).where(col(Person.id).in_(asked.keys() - own))
        for id_ in await self.session.exec(elsewhere):
            self._problem(f"people[{asked[id_]}].id", f"{id_} belongs to a person of another organization")

    def _matched(self, people: list[Person]) -> list[Person | None]:
        """Whom each entry of the file means: by id, or else by address; None for somebody new."""
        by_id = {person.id: person for person in people}
        by_email = {person.email: person for person in people}
        matched: list[Person | None] = []
        for n, wanted in enumerate(self.wanted.people):
            there = by_email.get(wanted.email)
            if wanted.id is not None and wanted.id not in by_id and there is not None:
                self._problem(
                    f"people[{n}].id",
                    f"{wanted.email} is the address of {there.id}; ids never change: use that id, or omit it",
                )
            matched.append(by_id.get(wanted.id) if wanted.id else there)
        claimed: dict[str, int] = {}
        for n, person in enumerate(matched):
            if person is not None and claimed.setdefault(person.id, n) != n:
                self._problem(f"people[{n}]", f"is {person.id}, like people[{claimed[person.id]}]")
        self._check_addresses(by_email, matched)
        return matched

    def _check_addresses(self, by_email: dict[str, Person], matched: list[Person | None]) -> None:
        """A new address must not be that of somebody who keeps it, even of one who is not in the file."""
        moving = {
            person.id
            for person, wanted in zip(matched, self.wanted.people, strict=True)
            if person is not None and person.email != wanted.email
        }
        for n, (wanted, person) in enumerate(zip(self.wanted.people, matched, strict=True)):
            holder = by_email.get(wanted.email)
            if person is not None and holder not in (None, person) and holder.id not in moving:
                self._problem(
                    f"people[{n}].email", f"is the address of {holder.id}, who needs another one first"
                )

    async def _write_organization(self) -> None:
        facts = self.wanted.model_dump(exclude={"id", "people", "chat"})
        found = await self.session.get(Organization, self.wanted.id)
        if found is None:
            self.session.add(Organization(id=self.wanted.id, created_at=self.now, **facts))
            self.changes.say(f"organization {self.wanted.id}: new")
        else:
            self._update(f"organization {found.id}", found, facts)
        await self.session.flush()

    async def _write_chats(self) -> None:
        """Their addresses are secrets, and not told."""
        name = f"organization {self.wanted.id}"
        rows = {row.url: row for row in await chat_webhooks.of_organization(self.session, self.wanted.id)}
        for chat in self.wanted.chat:
            row = rows.pop(chat.webhook, None)
            if row is None:
                row = ChatWebhook(
                    id=new_id("chw"),
                    organization_id=self.wanted.id,
                    kind=chat.kind,
                    url=chat.webhook,
                    created_at=self.now,
                )
                self.session.add(row)
                self.changes.say(f"{name}: chat {row.id}: new, {chat.kind}")
            elif row.disabled_at is not None or row.kind != chat.kind:
                row.kind, row.disabled_at, row.refused_with = chat.kind, None, None
                self.changes.say(f"{name}: chat {row.id}: used again, {chat.kind}")
        for row in rows.values():
            await self.session.delete(row)
            self.changes.say(f"{name}: chat {row.id}: removed")

    async def _write_people(self, matched: list[Person | None]) -> list[Person]:
        """Everybody of the file, in its order."""
        members: list[Person] = []
        for wanted, known in zip(self.wanted.people, matched, strict=True):
            facts: dict[str, Any] = {
                "name": wanted.name,
                "email": wanted.email,
                "roles": [role.value for role in wanted.roles],
                "active": wanted.active,
                "subject": wanted.subject,
            }
            if known is None:
                person_id = wanted.id or new_id("per")
                person = Person(id=person_id, organization_id=self.wanted.id, created_at=self.now, **facts)
                self.session.add(person)
                self.changes.say(f"{_name(person)}: new, {', '.join(person.roles)}")
            else:
                person = known
                self._update(_name(person), person, facts)
            members.append(person)
        await self.session.flush()
        return members

    async def _free(self, people: Sequence[Person], matched: list[Person | None]) -> None:
        """Two people may change places, and no moment may have one address or subject twice.

        Whoever is not in the file any more leaves their subject to others for good.
        """
        wanted = {
            person.id: entry
            for person, entry in zip(matched, self.wanted.people, strict=True)
            if person is not None
        }
        before = {person.id: (person.email, person.subject) for person in people}
        for person in people:
            entry = wanted.get(person.id)
            if entry is not None and person.email != entry.email:
                person.email = f"{person.id}@moving.invalid"
            if entry is None or person.subject != entry.subject:
                person.subject = None
        await self.session.flush()
        for person in people:
            if person.id in wanted:
                person.email, person.subject = before[person.id]

    def _update(self, name: str, row: SQLModel, facts: dict[str, Any]) -> None:
        for fact, value in facts.items():
            if (before := getattr(row, fact)) != value:
                self.changes.say(f"{name}: {fact} {_shown(before)} -> {_shown(value)}")
        row.sqlmodel_update(facts)

    def _take_out(self, people: Sequence[Person], members: Sequence[Person], keys: KeyChanges) -> None:
        """Whoever is not in the file any more keeps their history, and nothing else."""
        kept = {person.id for person in members}
        for person in people:
            if person.id in kept:
                continue
            if person.active:
                person.active = False
                self.changes.say(f"{_name(person)}: deactivated, because the file does not list them")
            keys.revoke_all(person)


def _name(person: Person) -> str:
    return f"person {person.id} ({person.email})"


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
