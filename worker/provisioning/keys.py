"""The API keys of an organization's people, as a provisioning file wants them.

What the file lists works, unless somebody has revoked it; a key that came by the file and is no longer listed
is revoked; keys that were issued here work until the file or somebody revokes them. Whoever is not active has
none that works.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.keys import SecretHashes
from db.people.people import NewKey, new_api_key, split_api_key
from db.tables import ApiKey, Person

from .file import FileProblem, PersonFile

ISSUED, OF_FILE = "issued", "file"
EVERY_SCOPE = ["read", "write", "decide"]


class IssuedKey(BaseModel):
    """A new key; this is the only place where it can be read."""

    organization: str
    person: str
    email: str
    api_key: str


@dataclass
class Changes:
    """What was changed, in sentences, and the keys that were made for it."""

    sentences: list[str] = field(default_factory=list)
    issued: list[IssuedKey] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


@dataclass
class KeyChanges:
    """The keys of one organization while a file is made true."""

    session: AsyncSession
    hashes: SecretHashes
    changes: Changes
    now: datetime
    known: dict[str, ApiKey]

    @classmethod
    async def of(
        cls,
        session: AsyncSession,
        hashes: SecretHashes,
        wanted: Sequence[PersonFile],
        people: Sequence[Person],
        changes: Changes,
        now: datetime,
    ) -> "KeyChanges":
        """Those of the people, and whatever else has a prefix that the file names."""
        named = {
            *(_split(key)[0] for entry in wanted for key in entry.api_keys),
            *(prefix for entry in wanted for prefix in entry.revoked_keys),
        }
        theirs = col(ApiKey.person_id).in_([person.id for person in people])
        found = await session.exec(
            select(ApiKey).where(or_(theirs, col(ApiKey.prefix).in_(named))).order_by(col(ApiKey.prefix))
        )
        return cls(session, hashes, changes, now, {key.prefix: key for key in found})

    def wrong(self, wanted: PersonFile, person: Person | None, place: str) -> Iterator[FileProblem]:
        """What the file says of keys that can't be."""
        person_id = person.id if person else None
        for k, text in enumerate(wanted.api_keys):
            prefix, secret = _split(text)
            key = self.known.get(prefix)
            if key is not None and key.person_id != person_id:
                yield FileProblem(f"{place}.api_keys[{k}]", f"{prefix} is another person's key")
            elif key is not None and not self._is_of(key, secret):
                yield FileProblem(f"{place}.api_keys[{k}]", f"another key has the prefix {prefix}")
            elif key is not None and key.revoked_by is not None:
                # No problem: one organization's people must not stop everybody's provisioning.
                warning = f"{place}.api_keys[{k}]: {prefix} stays revoked, by {key.revoked_by}; remove it"
                self.changes.warnings.append(warning)
        for k, prefix in enumerate(wanted.revoked_keys):
            key = self.known.get(prefix)
            if key is None:
                warning = f"{place}.revoked_keys[{k}]: key {prefix} does not exist"
                self.changes.warnings.append(warning)
            elif key.person_id != person_id:
                yield FileProblem(f"{place}.revoked_keys[{k}]", f"{prefix} is another person's key")

    def write(self, wanted: PersonFile, person: Person) -> None:
        """Make the person's keys what the file wants."""
        if not person.active:
            self.revoke_all(person)
            return
        listed = {_split(text)[0]: text for text in wanted.api_keys}
        for text in listed.values():
            self._take_over(person, text)
        for key in self._of(person):
            if key.prefix in wanted.revoked_keys:
                self._revoke(key, "by the file")
            elif key.origin == OF_FILE and key.prefix not in listed:
                self._revoke(key, "no longer in the file")
        if not any(self._valid(key) for key in self._of(person)):
            self._issue(person)

    def revoke_all(self, person: Person) -> None:
        for key in self._of(person):
            self._revoke(key, f"{person.id} is not active")

    def _take_over(self, person: Person, text: str) -> None:
        prefix, secret = _split(text)
        key = self.known.get(prefix)
        if key is None:
            self._store(person, NewKey(text, prefix, secret), OF_FILE)
            self.changes.say(f"key {prefix} of {person.id}: added from the file")
            return
        if key.revoked_by is not None:
            return
        if key.revoked_at is not None:
            key.revoked_at = None
            self.changes.say(f"key {prefix} of {person.id}: works again")
        key.origin = OF_FILE
        key.secret_hash = self.hashes.hash(secret, person.id)  # by the current key

    def _issue(self, person: Person) -> None:
        fresh = new_api_key()
        self._store(person, fresh, ISSUED)
        self.changes.say(f"key {fresh.prefix} of {person.id}: issued")
        self.changes.issued.append(
            IssuedKey(
                organization=person.organization_id,
                person=person.id,
                email=person.email,
                api_key=fresh.plaintext,
            )
        )

    def _revoke(self, key: ApiKey, why: str) -> None:
        if key.revoked_at is None:
            key.revoked_at = self.now
            self.changes.say(f"key {key.prefix} of {key.person_id}: revoked, {why}")
            for other in self.known.values():
                if other.made_with == key.prefix:
                    self._revoke(other, f"made with {key.prefix}")

    def _is_of(self, key: ApiKey, secret: str) -> bool:
        """A key whose hash nobody can read any more, because its secret key is gone, is taken over anew."""
        kept = key.secret_hash
        return self.hashes.match(kept, secret, key.person_id) or not self.hashes.is_legible(kept)

    def _valid(self, key: ApiKey) -> bool:
        return key.revoked_at is None and (key.expires_at is None or key.expires_at > self.now)

    def _of(self, person: Person) -> list[ApiKey]:
        return [key for key in self.known.values() if key.person_id == person.id]

    def _store(self, person: Person, key: NewKey, origin: str) -> None:
        row = ApiKey(
            prefix=key.prefix,
            secret_hash=self.hashes.hash(key.secret, person.id),
            person_id=person.id,
            organization_id=person.organization_id,
            origin=origin,
            created_at=self.now,
            scopes=EVERY_SCOPE,
        )
        self.session.add(row)
        self.known[key.prefix] = row


def _split(key: str) -> tuple[str, str]:
    parts = split_api_key(key)
    assert parts is not None, "the file's keys have been validated"
    return parts
