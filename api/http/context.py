"""What every handler stands on, made once for an app."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from billing.approvals.marks import DecisionMarks
from billing.core.keys import SecretHashes
from billing.policy.policy import Policy
from db.core.session import Database
from db.incidents.health_meter import HealthMeter
from workflows.client.codec import EncryptionCodec

from ..dispatch.dispatcher import Dispatcher
from ..dispatch.inbox import Inbox
from ..limits.key_guard import KeyGuard
from ..limits.quotas import Limits, QuoteLimits
from ..limits.rates import KeyRates, Rates
from ..monitoring.lately import Lately
from ..monitoring.metrics import Metrics
from ..oidc.provider import Provider
from .models import ReadyAnswer
from .site import Site


@dataclass(frozen=True)
class StripeAccount:
    """Whose webhooks are taken: those signed with one of the secrets, of this mode."""

    webhook_secrets: Sequence[str] = ()
    livemode: bool = False


@dataclass(frozen=True)
class TemporalReaders:
    """How people read in Temporal what is theirs: by the `codec`, None where nothing is encrypted; from its
    UI at this origin, None where no page of another site may ask."""

    codec: EncryptionCodec | None = None
    ui_origin: str | None = None


@dataclass(frozen=True)
class Context:
    """`policy_document` is the policy as operations keep it, and `policy_hash` its hash; made once.

    `events` tells whether Stripe's events come in a burst; `by_mail`, whether people sign in by mail,
    and `provider`, where they sign in otherwise.
    """

    policy: Policy
    policy_document: dict[str, Any]
    policy_hash: str
    database: Database
    dispatcher: Dispatcher
    inbox: Inbox
    events: Rates
    rates: KeyRates
    guard: KeyGuard
    limits: Limits
    quotes: QuoteLimits
    metrics: Metrics
    meter: HealthMeter
    stripe: StripeAccount
    site: Site
    readiness: Lately[ReadyAnswer]
    marks: DecisionMarks
    hashes: SecretHashes
    by_mail: bool = True
    provider: Provider | None = None
    temporal: TemporalReaders = TemporalReaders()


async def context_of(request: Request) -> Context:
    context = request.app.state.context
    assert isinstance(context, Context)
    return context


InContext = Annotated[Context, Depends(context_of)]
