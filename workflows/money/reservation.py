"""The money that is set aside for an operation, and whose authority it counts in."""

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.money.commitments import Commitments
    from billing.core.operations import Kind
    from billing.money.messages import Commit, CommitmentResult
    from billing.policy.policy import MoneyPolicy

from ..approvals.review import RequestOrigin, Round
from ..core.recorded import recorded
from ..core.recorder import OperationRecorder
from .proposals import MoneyProposal


class MoneyReservation:
    def __init__(self, recorder: OperationRecorder, kind: Kind, rules: MoneyPolicy) -> None:
        self._recorder, self.kind, self.rules = recorder, kind, rules
        self._round = Round(0)

    async def commit(self, proposal: MoneyProposal[Any], round_: Round) -> CommitmentResult:
        """Sets the money aside and asks whether whoever shaped the request last may give it alone."""
        self._round = round_
        return await recorded(Commitments.commit_money, self._order(proposal))

    async def has_room(self, proposal: MoneyProposal[Any]) -> bool:
        """Whether it can be given beside what other operations have set aside: asked just before it is, under
        the organization's lock."""
        return await recorded(Commitments.check_room, self._order(proposal))

    def _order(self, proposal: MoneyProposal[Any]) -> Commit:
        return commit_order(self._recorder, self.kind, proposal, self._round)


def commit_order(asked: RequestOrigin, kind: Kind, proposal: MoneyProposal[Any], round_: Round) -> Commit:
    """What would be set aside, and weighed against the authority of whoever shaped the request last."""
    person = round_.revised.by if round_.revised else asked.requested_by
    return Commit.under(
        asked.policy,
        kind,
        proposal.reason,
        organization=asked.organization,
        operation=asked.operation,
        person=person,
        revised=person != asked.requested_by,
        customer=proposal.customer,
        currency=proposal.amount.currency,
        parts=proposal.parts,
        cap=proposal.cap,
        invoice=proposal.invoice,
        lines=proposal.lines,
        round=round_.number,
        at=workflow.now(),
    )
