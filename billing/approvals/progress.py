"""How far an approval has come: whose yes counts, what is missing, whose authority covers the amount."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC

from ..core.errors import Code
from ..core.money import Money
from ..core.operations import Role
from ..money.authority import AuthorityUse, any_within, in_currency, shortfall
from ..policy import phrases
from ..policy.policy import AuthorityLimit
from .deciders import Capacity, Deciders, already_decided, outstanding
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
        return any_within(self.limits_of(capacity.role), self.amount, self.uses[capacity.principal])

    def why_not(self, capacity: Capacity) -> str:
        """Why it is not, in words."""
        uses = self.uses[capacity.principal]
        limits = self.limits_of(capacity.role)
        reasons = [shortfall(one, self.amount, uses[one.window_days]) for one in limits]
        why = "; ".join(reason for reason in reasons if reason)
        return why or f"{capacity.role} has none in {self.amount.currency.upper()}"

    def could_cover(self, role: Role) -> bool:
        """Whether somebody of the role who has used nothing could approve it."""
        return any(abs(self.amount) <= limit.per_item for limit in self.limits_of(role))

    def limits_of(self, role: Role) -> list[AuthorityLimit]:
        """Those in the amount's currency."""
        return in_currency(self.limits.get(role, ()), self.amount)


@dataclass(frozen=True)
class YesResult:
    """What a yes leads to: the request is `approved`, or each role in `missing` still has to give its yes.

    `authority_of` is the one whose authority covers the amount; None where none is held against one.
    """

    capacity: Capacity
    approved: bool
    missing: tuple[Role, ...] = ()
    authority_of: str | None = None


@dataclass(frozen=True)
class ApprovalProgress:
    """How far an open approval has come: the rungs up to index `rung` are asked."""

    deciders: Deciders
    ladder: Sequence[Rung]
    rung: int
    signatures: Sequence[Signature] = ()

    @property
    def reached(self) -> Sequence[Rung]:
        return self.ladder[: self.rung + 1]

    def options(self, person: str) -> list[Capacity]:
        """As what somebody can decide now: their own roles first, then the highest rung's."""
        decided = already_decided(self.signatures)
        place = {role: at for at, rung in enumerate(self.reached) for role in reversed(rung.roles)}
        found = [
            capacity
            for capacity in self.deciders.capacities(person)
            if capacity.role in place and person not in decided and capacity.principal not in decided
        ]
        return sorted(found, key=lambda one: (one.for_person is not None, -place[one.role]))

    def concerned(self, person: str) -> set[str]:
        """Those whose authority matters when somebody approves."""
        signed = {one.for_person or one.person for one in self.signatures}
        return signed | {one.principal for one in self.options(person)}


def may_decide(progress: ApprovalProgress, person: str) -> Refusal | None:
    """None if somebody may decide now, otherwise why not.

    Roles of the present and of earlier rungs may decide, those of later ones not yet. To reject takes no
    authority; for a yes see `evaluate_approval`.
    """
    refusal = progress.deciders.refusal(person)
    if refusal is not None:
        return refusal
    asked = {role for rung in progress.reached for role in rung.roles}
    roles = {capacity.role for capacity in progress.deciders.capacities(person)}
    if not asked.intersection(roles):
        return Refusal(code=Code.WRONG_ROLE, message=_wrong_role(roles, progress, asked))
    if not progress.options(person):
        return Refusal(code=ALREADY_DECIDED, message=_already(progress, "You have already approved it"))
    return None


def evaluate_approval(
    progress: ApprovalProgress, person: str, authority: Authority | None = None
) -> YesResult | Refusal:
    """What somebody's yes comes to, or why it can't be given.

    It is approved as soon as one of the rungs reached is: where `needs` is "any" by one of its roles, where
    it is "all" by somebody of each, all of them different people. With an `authority`, that of one of the
    rung's signers must cover the amount.
    """
    refusal = may_decide(progress, person)
    if refusal is not None:
        return refusal
    beyond: list[Capacity] = []
    for capacity in progress.options(person):
        signed = _weighed(progress, capacity, authority)
        if isinstance(signed, YesResult):
            return signed
        if signed:
            beyond.append(capacity)
    if beyond and authority is not None:
        return Refusal(code=Code.AUTHORITY_TOO_SMALL, message=_too_small(progress, beyond, authority))
    roles = phrases.capital(_called(capacity.role for capacity in progress.options(person)))
    return Refusal(code=ALREADY_DECIDED, message=_already(progress, f"{roles} has already approved it"))


def _weighed(progress: ApprovalProgress, capacity: Capacity, authority: Authority | None) -> YesResult | bool:
    """What the yes comes to; otherwise whether it would do but for the authority."""
    earlier = [Capacity(one.person, one.role, one.for_person) for one in progress.signatures]
    still: tuple[Role, ...] = ()
    beyond = False
    for rung in reversed(progress.reached):
        if capacity.role not in rung.roles:
            continue
        signers = [capacity, *(one for one in earlier if one.role in rung.roles)]
        missing = _missing(rung, signers)
        covering = next((one for one in signers if authority is None or authority.covers(one)), None)
        if not missing and covering is not None:
            return YesResult(capacity, True, authority_of=covering.principal if authority else None)
        if not missing:
            beyond = True
        elif not still and _adds(rung, capacity, signers[1:], authority):
            still = missing
    return YesResult(capacity, False, still) if still else beyond


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


def _wrong_role(roles: Collection[Role], progress: ApprovalProgress, asked: Collection[Role]) -> str:
    for later in progress.ladder[progress.rung + 1 :]:
        if early := set(later.roles).intersection(roles):
            who = phrases.capital(_called(early))
            return f"{who} can decide from {_when(later)}, {_called(asked)} now."
    return f"Only {_called(asked)} can decide."


def _called(roles: Iterable[Role], join: str = "or") -> str:
    """As people call them."""
    return phrases.roles(sorted(set(roles)), join)


def _already(progress: ApprovalProgress, what: str) -> str:
    for rung in reversed(progress.reached):
        if rung.needs == "all" and (roles := outstanding(rung, progress.signatures)):
            return f"{what}; it still needs {_called(roles, 'and')}."
    return f"{what}."


def _too_small(progress: ApprovalProgress, beyond: Sequence[Capacity], authority: Authority) -> str:
    """Names those who may: what helps somebody who is refused is to know whom to ask."""
    able: dict[str, list[Role]] = {}
    for number, rung in enumerate(progress.ladder):
        when = (
            f"from {_when(rung)}" if number > progress.rung else "with enough authority left in their window"
        )
        known = [role for roles in able.values() for role in roles]
        able.setdefault(when, []).extend(
            role for role in rung.roles if role not in known and authority.could_cover(role)
        )
    required = ", or ".join(f"{_called(roles)} {when}" for when, roles in able.items() if roles)
    required = f"It requires {required}." if required else "No one on the ladder has enough authority."
    why = "; ".join(dict.fromkeys(authority.why_not(one) for one in beyond))
    return (
        f"{authority.amount.format()} exceeds the authority of {_called(one.role for one in beyond)}: "
        f"{why}. {required}"
    )


def _when(rung: Rung) -> str:
    return f"{rung.opens_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
