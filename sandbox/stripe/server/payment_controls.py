"""The stand-in's own endpoints about payments: what banks and customers do, and what sources leave open."""

from dataclasses import replace
from typing import Any

from pydantic import Field

from ..core.kernel import Ctx
from ..core.store import public
from ..core.test_time import tell_time
from ..customers.test_cards import Case
from ..engine.engine import Engine
from ..payments import disputes
from ..portal import authentication
from .control_parts import Body, Endpoint, Query, visit


class AuthenticationRequest(Body):
    """What the customer's bank says of an intent that asks for 3-D Secure."""

    intent: str
    passes: bool


class ChargeRequest(Body):
    """A customer disputes what is left of a charge."""

    charge: str
    reason: str = "fraudulent"
    case: Case = "chargeback"


class DisputeRequest(Body):
    """What the bank decides about a dispute; `escalated` makes a chargeback of an inquiry."""

    dispute: str
    verdict: disputes.Verdict


class PaymentsRequest(Body):
    """How long a bank debit takes: see `Account`."""

    debit_days: int = Field(ge=0)


def _payments(engine: Engine, given: Any, query: Query) -> Any:
    return {"debit_days": engine.account.debit_days}


def _set_payments(engine: Engine, given: Any, query: Query) -> Any:
    asked = PaymentsRequest.model_validate(given)
    engine.account = replace(engine.account, debit_days=asked.debit_days)
    return _payments(engine, given, query)


def _authenticate(engine: Engine, given: Any, query: Query) -> Any:
    asked = AuthenticationRequest.model_validate(given)
    return visit(engine, lambda ctx: public(authentication.answer(ctx, asked.intent, passes=asked.passes)))


def _dispute(engine: Engine, given: Any, query: Query) -> Any:
    if "charge" not in given:
        return _decide(engine, given)
    asked = ChargeRequest.model_validate(given)

    def dispute(ctx: Ctx) -> Any:
        charge = ctx.store.get("charge", asked.charge)
        tell_time(ctx, [asked.charge], writes=True)
        return public(disputes.open_dispute(ctx, charge, asked.reason, asked.case))

    return visit(engine, dispute)


def _decide(engine: Engine, given: Any) -> Any:
    asked = DisputeRequest.model_validate(given)

    def decide(ctx: Ctx) -> Any:
        dispute = ctx.store.get("dispute", asked.dispute)
        tell_time(ctx, [asked.dispute], writes=True)
        disputes.decide(ctx, dispute, asked.verdict)
        return public(dispute)

    return visit(engine, decide)


ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("GET", "payments"): _payments,
    ("POST", "payments"): _set_payments,
    ("POST", "authentications"): _authenticate,
    ("POST", "disputes"): _dispute,
}
