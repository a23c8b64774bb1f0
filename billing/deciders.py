"""Who may decide on an approval, and as what: in a role of their own, or for somebody who lent theirs."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from .approval import Refusal, Rung, Signature
from .errors import Code
from .operations import Role


class ActsFor(NamedTuple):
    """A delegation that is in force: of one role or all, for one approval or every one."""

    delegator: str
    delegate: str
    role: Role | None = None
    approval: str | None = None


class Capacity(NamedTuple):
    """As what somebody decides."""

    person: str
    role: Role
    for_person: str | None = None

    @property
    def principal(self) -> str:
        """Whose role and authority it is."""
        return self.for_person or self.person


@dataclass(frozen=True)
class Bench:
    """An organization's active people with their roles, and who acts for whom, at one moment.

    Only people who are looked for need to be there; whoever is not there is not active.
    """

    roles: Mapping[str, Collection[Role]]
    acting: Sequence[ActsFor] = ()


@dataclass(frozen=True)
class Deciders:
    """Who may decide on one request."""

    bench: Bench
    approval: str
    requester: str

    @cached_property
    def barred(self) -> frozenset[str]:
        """The requester and whoever acts for them, in whatever matter."""
        delegates = (one.delegate for one in self.bench.acting if one.delegator == self.requester)
        return frozenset([self.requester, *delegates])

    def refusal(self, person: str) -> Refusal | None:
        """Why somebody may have no say in this, whatever their role."""
        if person == self.requester:
            return Refusal(code=Code.OWN_REQUEST, message="Nobody decides on their own request.")
        if person in self.barred:
            return Refusal(
                code=Code.REQUESTERS_DELEGATE,
                message="Nobody who acts for the requester decides on the request.",
            )
        return None

    def capacities(self, person: str) -> tuple[Capacity, ...]:
        """As what somebody may decide, their own roles first.

        Delegation is not transitive: who acts for somebody has the roles of that person alone. A delegator
        who may have no say has none by a delegate either.
        """
        if person in self.barred or person not in self.bench.roles:
            return ()
        own = [Capacity(person, role) for role in self.bench.roles[person]]
        lent = [
            Capacity(person, role, one.delegator)
            for one in self.bench.acting
            if one.delegate == person and one.delegator not in self.barred and one.delegator != person
            if one.approval in (None, self.approval)
            for role in self.bench.roles.get(one.delegator, ())
            if one.role in (None, role)
        ]
        return tuple(dict.fromkeys(own + lent))

    def holding(self, role: Role) -> tuple[Capacity, ...]:
        """Everybody who may decide in this role."""
        return tuple(
            capacity
            for person in self.bench.roles
            for capacity in self.capacities(person)
            if capacity.role == role
        )

    def acting(self, rung: Rung, signatures: Sequence[Signature] = ()) -> tuple[str, ...]:
        """Those who can give a rung what it still waits for in somebody else's place."""
        people = {
            capacity.person
            for role in outstanding(rung, signatures)
            for capacity in _free(self.holding(role), signatures)
            if capacity.for_person is not None
        }
        return tuple(sorted(people))

    def why_vacant(self, rung: Rung, signatures: Sequence[Signature] = ()) -> str | None:
        """Why nobody can answer a rung, in words; None if somebody can."""
        roles = outstanding(rung, signatures)
        held = {role: _free(self.holding(role), signatures) for role in roles}
        missing = [role for role in roles if not held[role]]
        if rung.needs == "any":
            return self._nobody(missing) if len(missing) == len(roles) else None
        if missing:
            return self._nobody(missing)
        if not _by_different_people(list(held.values())):
            return f"one person alone holds {named(roles, 'and')}"
        return None

    def _nobody(self, roles: Collection[Role]) -> str:
        besides = any(set(roles).intersection(self.bench.roles.get(person, ())) for person in self.barred)
        return f"nobody {'else ' if besides else ''}holds {named(roles)}"


def outstanding(rung: Rung, signatures: Iterable[Signature]) -> tuple[Role, ...]:
    """The roles that a rung still waits for: where one is enough, any of them."""
    if rung.needs == "any":
        return rung.roles
    signed = {signature.role for signature in signatures}
    return tuple(role for role in rung.roles if role not in signed)


def taken(signatures: Iterable[Signature]) -> frozenset[str]:
    """Those who have had their say, themselves or by somebody who acts for them."""
    return frozenset(
        person for one in signatures for person in (one.person, one.for_person) if person is not None
    )


def named(roles: Iterable[Role], join: str = "or") -> str:
    return f" {join} ".join(sorted(set(roles)))


def _free(capacities: Iterable[Capacity], signatures: Iterable[Signature]) -> list[Capacity]:
    had = taken(signatures)
    return [one for one in capacities if one.person not in had and one.principal not in had]


def _by_different_people(choices: Sequence[Sequence[Capacity]], had: frozenset[str] = frozenset()) -> bool:
    """Whether each role can be filled, nobody and nobody's delegate filling two."""
    if not choices:
        return True
    first, *rest = choices
    return any(
        _by_different_people(rest, had | {one.person, one.principal})
        for one in first
        if one.person not in had and one.principal not in had
    )
