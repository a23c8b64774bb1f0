"""Who may decide on an approval, and as what: in a role of their own, or for somebody who lent theirs."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from ..core.errors import Code
from ..core.operations import Role
from .authorship import AUTHOR_REFUSALS, Author
from .ladder import Refusal, Rung, Signature


class DelegatedRole(NamedTuple):
    """A delegation that the delegate agreed to: of one role or all, for one approval or every one.

    `until` is when one that is in force no more was over.
    """

    delegator: str
    delegate: str
    role: Role | None = None
    approval: str | None = None
    until: datetime | None = None


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
class ApproverPool:
    """An organization's active people with their roles, and who acts for whom, at one moment.

    Only the people who matter need to be there; whoever is missing counts as not active. `past_delegations`
    were in force before.
    """

    roles: Mapping[str, Collection[Role]]
    delegations: Sequence[DelegatedRole] = ()
    past_delegations: Sequence[DelegatedRole] = ()


@dataclass(frozen=True)
class Deciders:
    """Who may decide on what these authors shaped. The rule is here alone; every door asks here."""

    pool: ApproverPool
    approval: str
    authors: Sequence[Author]

    @cached_property
    def excluded(self) -> frozenset[str]:
        """The authors, whoever acts for one of them or did since they shaped it, and auditors."""
        auditors = (person for person, roles in self.pool.roles.items() if Role.AUDITOR in roles)
        return frozenset([*self._shaped, *self._delegates, *auditors])

    @cached_property
    def _shaped(self) -> Mapping[str, str]:
        """What each author did first."""
        return {author.person: author.how for author in reversed(self.authors)}

    @cached_property
    def _delegates(self) -> frozenset[str]:
        """In whatever matter. Who revokes a delegation after asking has not made a judge of the delegate."""
        return frozenset(
            one.delegate
            for author in self.authors
            for one in (*self.pool.delegations, *self.pool.past_delegations)
            if one.delegator == author.person and (one.until is None or one.until > author.at)
        )

    def refusal(self, person: str) -> Refusal | None:
        """Why somebody may have no say in this, whatever their role."""
        if person in self._shaped:
            return Refusal(code=Code.OWN_REQUEST, message=AUTHOR_REFUSALS[self._shaped[person]])
        if person in self._delegates:
            return Refusal(
                code=Code.REQUESTERS_DELEGATE,
                message="Delegates of someone who requested or revised it can't decide on it.",
            )
        if person in self.excluded:
            return Refusal(code=Code.WRONG_ROLE, message="Auditors have read-only access and can't decide.")
        return None

    def refusal_to_retry(
        self, author: Author, yeses: Iterable[Signature], spent: Collection[str]
    ) -> Refusal | None:
        """Why somebody may not have tried again what was allowed already.

        It gives no more than was allowed then and counts where it did, in the authority of those in `spent`.
        What was approved is not tried again by those who said yes to it; what went out on one person's own
        authority is tried again by that person alone.
        """
        decided = already_decided(yeses)
        if decided and not (spent and decided.isdisjoint(spent)):
            shaped = replace(self, authors=[*self.authors, author])
            if decided.isdisjoint(shaped.excluded - self.excluded):
                return None
            return Refusal(code=Code.OWN_APPROVAL, message="Approvers can't retry what they approved.")
        if not spent or author.person in spent:
            return None
        return Refusal(
            code=Code.OTHERS_AUTHORITY,
            message="It was granted on another person's authority, which only they can use.",
        )

    def refusal_to_acknowledge(self, person: str, yeses: Iterable[Signature]) -> Refusal | None:
        """Why somebody may not say, for Finance, that they have seen it: it takes a second pair of eyes."""
        if person in self.excluded or person in already_decided(yeses):
            return Refusal(
                code=Code.OWN_DOING,
                message="People can't acknowledge notices about what they did or approved.",
            )
        return None

    def capacities(self, person: str) -> tuple[Capacity, ...]:
        """As what somebody may decide, their own roles first.

        Delegation is not transitive: who acts for somebody has the roles of that person alone. A delegator
        who may have no say has none by a delegate either.
        """
        if person in self.excluded or person not in self.pool.roles:
            return ()
        own = [Capacity(person, role) for role in self.pool.roles[person]]
        lent = [
            Capacity(person, role, one.delegator)
            for one in self.pool.delegations
            if one.delegate == person and one.delegator not in self.excluded and one.delegator != person
            if one.approval in (None, self.approval)
            for role in self.pool.roles.get(one.delegator, ())
            if one.role in (None, role)
        ]
        return tuple(dict.fromkeys(own + lent))

    def holding(self, role: Role) -> tuple[Capacity, ...]:
        """Everybody who may decide in this role."""
        return tuple(
            capacity
            for person in self.pool.roles
            for capacity in self.capacities(person)
            if capacity.role == role
        )

    def delegates(self, rung: Rung, signatures: Sequence[Signature] = ()) -> tuple[str, ...]:
        """Those who can give a rung what it still waits for in somebody else's place."""
        people = {
            capacity.person
            for role in outstanding(rung, signatures)
            for capacity in _available(self.holding(role), signatures)
            if capacity.for_person is not None
        }
        return tuple(sorted(people))

    def why_vacant(self, rung: Rung, signatures: Sequence[Signature] = ()) -> str | None:
        """Why nobody can answer a rung, in words; None if somebody can."""
        roles = outstanding(rung, signatures)
        held = {role: _available(self.holding(role), signatures) for role in roles}
        missing = [role for role in roles if not held[role]]
        if rung.needs == "any":
            return self._nobody(missing) if len(missing) == len(roles) else None
        if missing:
            return self._nobody(missing)
        if not _by_different_people(list(held.values())):
            return f"one person alone holds {join_roles(roles, 'and')}"
        return None

    def _nobody(self, roles: Collection[Role]) -> str:
        besides = any(set(roles).intersection(self.pool.roles.get(person, ())) for person in self.excluded)
        return f"nobody {'else ' if besides else ''}holds {join_roles(roles)}"


def outstanding(rung: Rung, signatures: Iterable[Signature]) -> tuple[Role, ...]:
    """The roles that a rung still waits for: where one is enough, any of them."""
    if rung.needs == "any":
        return rung.roles
    signed = {signature.role for signature in signatures}
    return tuple(role for role in rung.roles if role not in signed)


def already_decided(signatures: Iterable[Signature]) -> frozenset[str]:
    """Those who have had their say, themselves or by somebody who acts for them."""
    return frozenset(
        person for one in signatures for person in (one.person, one.for_person) if person is not None
    )


def join_roles(roles: Iterable[Role], join: str = "or") -> str:
    return f" {join} ".join(sorted(set(roles)))


def _available(capacities: Iterable[Capacity], signatures: Iterable[Signature]) -> list[Capacity]:
    decided = already_decided(signatures)
    return [one for one in capacities if one.person not in decided and one.principal not in decided]


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
