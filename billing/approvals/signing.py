"""Approving: whose yes counts as what, what it still takes, and whose authority covers the amount."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC

from ..core.errors import Code
from ..core.money import Money
from ..core.operations import Role
from ..money.authority import AuthorityUse, any_within, in_currency, shortfall
from ..policy.policy import AuthorityLimit
from .deciders import Capacity, Deciders, named, outstanding, taken
from .ladder import Refusal, Rung, Signature

ALREADY_DECIDED = "already_decided"


@dataclass(frozen=True)
class Authority:
    """What an approval is held against: what each role may approve, and what people have used of it.

    `uses` are by person and by the `window_days` of the limits in the amount's currency.
    """

    amount: Money
    limits: Mapping[Role, Sequence[AuthorityLimit]]
    uses: Mapping[str, Mapping[int, AuthorityUse]]

    def covers(self, capacity: Capacity) -> bool:
        """Whether the amount is within the authority of the one whose role it is."""
        return any_within(self._limits(capacity.role), self.amount, self.uses[capacity.principal])

    def why_not(self, capacity: Capacity) -> str:
        """Why it is not, in words."""
        uses = self.uses[capacity.principal]
        reasons = [shortfall(one, self.amount, uses[one.window_days]) for one in self._limits(capacity.role)]
        told = "; ".join(reason for reason in reasons if reason)
        return told or f"{capacity.role} has none in {self.amount.currency.upper()}"

    def could_cover(self, role: Role) -> bool:
        """Whether somebody of the role who has used nothing could approve it."""
        return any(abs(self.amount) <= limit.per_item for limit in self._limits(role))

    def _limits(self, role: Role) -> list[AuthorityLimit]:
        return in_currency(self.limits.get(role, ()), self.amount)


@dataclass(frozen=True)
class Signed:
    """What a yes comes to: it is `approved` by it, or somebody of each of `missing` is still to approve.

    `authority_of` is the one whose authority covers the amount; None where none is held against one.
    """

    capacity: Capacity
    approved: bool
    missing: tuple[Role, ...] = ()
    authority_of: str | None = None


@dataclass(frozen=True)
class Case:
    """An open approval, as far as it has come: the rungs up to index `rung` are asked."""

    deciders: Deciders
    ladder: Sequence[Rung]
    rung: int
    signatures: Sequence[Signature] = ()

    @property
    def reached(self) -> Sequence[Rung]:
        return self.ladder[: self.rung + 1]

    def options(self, person: str) -> list[Capacity]:
        """As what somebody can decide now: their own roles first, then the highest rung's."""
        had = taken(self.signatures)
        place = {role: at for at, rung in enumerate(self.reached) for role in reversed(rung.roles)}
        found = [
            capacity
            for capacity in self.deciders.capacities(person)
            if capacity.role in place and person not in had and capacity.principal not in had
        ]
        return sorted(found, key=lambda one: (one.for_person is not None, -place[one.role]))

    def concerned(self, person: str) -> set[str]:
        """Those whose authority matters when somebody approves."""
        signed = {one.for_person or one.person for one in self.signatures}
        return signed | {one.principal for one in self.options(person)}


def may_decide(case: Case, person: str) -> Refusal | None:
    """None if somebody may decide now, otherwise why not.

    Roles of the present and of earlier rungs may decide, those of later ones not yet. To reject takes no
    authority; for a yes see `sign`.
    """
    refusal = case.deciders.refusal(person)
    if refusal is not None:
        return refusal
    asked = {role for rung in case.reached for role in rung.roles}
    roles = {capacity.role for capacity in case.deciders.capacities(person)}
    if not asked.intersection(roles):
        return Refusal(code=Code.WRONG_ROLE, message=_wrong_role(roles, case, asked))
    if not case.options(person):
        return Refusal(code=ALREADY_DECIDED, message=_already(case, "Your approval is there already"))
    return None


def sign(case: Case, person: str, authority: Authority | None = None) -> Signed | Refusal:
    """What somebody's yes comes to, or why it can't be given.

    It is approved as soon as one of the rungs reached is: where `needs` is "any" by one of its roles, where
    it is "all" by somebody of each, all of them different people. With an `authority`, that of one of the
    rung's signers must cover the amount.
    """
    refusal = may_decide(case, person)
    if refusal is not None:
        return refusal
    beyond: list[Capacity] = []
    for capacity in case.options(person):
        signed = _weighed(case, capacity, authority)
        if isinstance(signed, Signed):
            return signed
        if signed:
            beyond.append(capacity)
    if beyond and authority is not None:
        return Refusal(code=Code.AUTHORITY_TOO_SMALL, message=_too_small(case, beyond, authority))
    roles = named(capacity.role for capacity in case.options(person))
    return Refusal(code=ALREADY_DECIDED, message=_already(case, f"The approval of {roles} is there already"))


def _weighed(case: Case, capacity: Capacity, authority: Authority | None) -> Signed | bool:
    """What the yes comes to; otherwise whether it would do but for the authority."""
    earlier = [Capacity(one.person, one.role, one.for_person) for one in case.signatures]
    still: tuple[Role, ...] = ()
    beyond = False
    for rung in reversed(case.reached):
        if capacity.role not in rung.roles:
            continue
        signers = [capacity, *(one for one in earlier if one.role in rung.roles)]
        missing = _missing(rung, signers)
        covering = next((one for one in signers if authority is None or authority.covers(one)), None)
        if not missing and covering is not None:
            return Signed(capacity, True, authority_of=covering.principal if authority else None)
        if not missing:
            beyond = True
        elif not still and _adds(rung, capacity, signers[1:], authority):
            still = missing
    return Signed(capacity, False, still) if still else beyond


def _adds(rung: Rung, capacity: Capacity, earlier: Collection[Capacity], authority: Authority | None) -> bool:
    """A second one of the same role counts where no authority so far covers the amount, and theirs does."""
    if capacity.role in _missing(rung, earlier):
        return True
    return authority is not None and authority.covers(capacity) and not any(map(authority.covers, earlier))


def _missing(rung: Rung, signers: Collection[Capacity]) -> tuple[Role, ...]:
    signed = {one.role for one in signers}
    if rung.needs == "any":
        return () if signed else rung.roles
    return tuple(role for role in rung.roles if role not in signed)


def _wrong_role(roles: Collection[Role], case: Case, asked: Collection[Role]) -> str:
    for later in case.ladder[case.rung + 1 :]:
        if early := set(later.roles).intersection(roles):
            return f"{named(early)} may decide from {_when(later)}, {named(asked)} now."
    return f"Only {named(asked)} may decide."


def _already(case: Case, what: str) -> str:
    for rung in reversed(case.reached):
        if rung.needs == "all" and (roles := outstanding(rung, case.signatures)):
            return f"{what}; {named(roles, 'and')} still to approve."
    return f"{what}."


def _too_small(case: Case, beyond: Sequence[Capacity], authority: Authority) -> str:
    """Names those who may: what helps somebody who is refused is to know whom to ask."""
    able: dict[str, list[Role]] = {}
    for number, rung in enumerate(case.ladder):
        when = f"from {_when(rung)}" if number > case.rung else "with enough left of their window"
        known = [role for roles in able.values() for role in roles]
        able.setdefault(when, []).extend(
            role for role in rung.roles if role not in known and authority.could_cover(role)
        )
    who = ", or ".join(f"{named(roles)} {when}" for when, roles in able.items() if roles)
    who = f"It takes {who}." if who else "Nobody on the ladder has so much authority."
    why = "; ".join(dict.fromkeys(authority.why_not(one) for one in beyond))
    return (
        f"{authority.amount.format()} is beyond the authority of {named(one.role for one in beyond)}: "
        f"{why}. {who}"
    )


def _when(rung: Rung) -> str:
    return f"{rung.opens_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
