"""What the workflows ask Stripe: one read each, as facts of ours. Every error is tried again or final."""

from collections.abc import Collection
from contextlib import suppress
from typing import Any

import stripe
from temporalio import activity
from temporalio.exceptions import ApplicationError

from billing.core.errors import BillingError
from billing.core.money import Money
from billing.plan_changes.items.add_ons import PricedAddOn, price_add_ons, priced_as_it_is
from billing.plan_changes.items.others import ItemFacts
from billing.plan_changes.items.usage import without_usage
from billing.plan_changes.messages import ScheduleFacts, SchedulePreviewQuery, Target, TargetQuery
from billing.plan_changes.obstacles import OpenInvoice
from billing.plan_changes.payment import ChangePayment, PaymentQuery, how_collected
from billing.plan_changes.phase_fields import (
    amounts_off,
    carried,
    for_one_invoice,
    kept,
    of_its_own,
    phase_ahead,
    uncarried,
    uncarried_of,
)
from billing.plan_changes.phases import MadePhase, made_phase
from billing.plan_changes.plans import Plan, plan_as_it_is, plan_on_sale
from billing.plan_changes.report import schedule_gone_problem
from billing.plan_changes.stripe_lines import lines_from_invoice
from billing.plan_changes.stripe_params import preview_params, renewal_preview_params
from billing.plan_changes.subject import (
    PreviewFacts,
    PreviewQuery,
    SubscriptionFacts,
    SubscriptionQuery,
    Terms,
)
from billing.plan_changes.verification import ResultLines, ResultQuery
from billing.stripe.invoice_json import line_totals
from db.cases.cases import CaseRules
from db.core.clock import utc_now
from db.core.session import Database
from db.mirror import mirror

from ..mirror.objects.snapshot import taken_out
from ..stripe.failures import ask, ask_for
from ..stripe.plan_subscription import (
    EXPAND_PHASES,
    EXPAND_PLAN,
    SubscriptionUnsupported,
    other_items,
    subscription_document,
)
from . import applied_lines, change_payment
from .invoices import StripeInvoices

EXPAND_FACTS = [
    *EXPAND_PLAN,
    "latest_invoice",
    "discounts.source.coupon",
    "items.data.discounts",
    "customer.discount.source.coupon",
    "default_payment_method",
    "default_source",
    "customer.invoice_settings.default_payment_method",
    "customer.default_source",
]


class StripeReads:
    """Reads that a plan change needs."""

    def __init__(self, client: stripe.StripeClient, database: Database, rules: CaseRules) -> None:
        self._client = client
        self._invoices = StripeInvoices(client)
        self._database = database
        self._rules = rules

    @activity.defn
    async def read_subscription(self, query: SubscriptionQuery) -> SubscriptionFacts:
        """The organization's subscription now; our mirror of it is refreshed where that is asked for."""
        read_at = utc_now()
        found = await ask(
            self._client.v1.subscriptions.retrieve_async(query.subscription, {"expand": EXPAND_FACTS})
        )
        data = found.to_dict()
        await self._name_coupons(data)
        customer = data["customer"]
        data["customer"] = customer["id"]
        collected = how_collected(data["collection_method"], _payment_method(data, customer))
        try:
            document = subscription_document(data, data["customer"])
        except SubscriptionUnsupported as error:
            why = error.problem
            raise ApplicationError(why.message, type=why.code, non_retryable=True) from error
        if query.mirror:
            async with self._database.transaction() as session:
                await mirror.store_subscription(
                    session, self._rules, query.organization, document, synced_at=read_at
                )
        facts = SubscriptionFacts.model_fields.keys() - {"others"}
        said = {name: document[name] for name in facts if name in document}
        return SubscriptionFacts(
            subscription=data["id"],
            customer=data["customer"],
            terms=Terms.model_validate({name: document[name] for name in Terms.model_fields}),
            open_invoice=_open_invoice(data["latest_invoice"]),
            latest_invoice=(data["latest_invoice"] or {}).get("id"),
            at_period_end=data["cancel_at_period_end"],
            collected=collected,
            unit_amount=next(
                one["price"]["unit_amount"] for one in data["items"]["data"] if one["id"] == document["item"]
            ),
            others=_others(data),
            billing_mode=data["billing_mode"]["type"],
            ahead=phase_ahead(data, document["period_end"]),
            keeps=kept(data, document["period_end"]),
            uncarried=uncarried_of(data),
            once=for_one_invoice(_discounts(data, customer)),
            spread=amounts_off(_shared_discounts(data, customer)),
            **said,
        )

    async def _name_coupons(self, subscription: dict[str, Any]) -> None:
        """Reads the coupons of items' discounts, which are a level deeper than Stripe expands; one that was
        deleted keeps its id."""
        for source in (one["source"] for item in subscription["items"]["data"] for one in item["discounts"]):
            found = await ask_for(self._client.v1.coupons.retrieve_async(source["coupon"]))
            if found is not None:
                source["coupon"] = found.to_dict()

    async def read_lost_coupons(self, coupons: tuple[str, ...]) -> tuple[str, ...]:
        """Those of these coupons that nobody can redeem any more: deleted, used up, or expired."""
        found = [await ask_for(self._client.v1.coupons.retrieve_async(coupon)) for coupon in coupons]
        return tuple(
            coupon for coupon, one in zip(coupons, found, strict=True) if one is None or not one.valid
        )

    async def read_target_plan(self, query: TargetQuery, plans: list[Plan]) -> Target:
        """The plan and add-ons asked for, limits included, as Stripe has them; our mirror, and the `plans`
        that it has, only say which prices."""
        try:
            price = plan_on_sale(plans, query.plan).price(query.interval, query.currency)
            async with self._database.reading() as session:
                add_ons = await mirror.add_ons(session) if query.add_ons else []
            wanted = price_add_ons(add_ons, query.offered, query.add_ons, query.interval, query.currency)
            found = await ask(self._client.v1.prices.retrieve_async(price.id, {"expand": ["product"]}))
            return Target(
                plan=plan_as_it_is(query.plan, found.to_dict()),
                price=price.id,
                add_ons=tuple([await self._as_it_is(one, query) for one in wanted]),
            )
        except BillingError as error:
            raise ApplicationError(error.message, type=error.code, non_retryable=True) from error

    async def _as_it_is(self, wanted: PricedAddOn, query: TargetQuery) -> PricedAddOn:
        """An add-on as Stripe has it. Raises BillingError where that is sold otherwise by now."""
        found = await ask(self._client.v1.prices.retrieve_async(wanted.price, {"expand": ["product"]}))
        return priced_as_it_is(wanted, found.to_dict(), query.interval, query.currency)

    async def read_preview(self, query: PreviewQuery) -> PreviewFacts:
        """The invoice that the change causes: at once, or the next one."""
        return await self._preview(preview_params(query), query.facts.terms.metered)

    async def read_renewal_preview(self, query: PreviewQuery) -> PreviewFacts:
        """What one full period costs after the change, without prorations."""
        return await self._preview(renewal_preview_params(query), query.facts.terms.metered)

    async def _preview(self, params: dict[str, Any], metered: Collection[str]) -> PreviewFacts:
        try:
            invoice = without_usage(await ask(self._invoices.preview(params)), metered)
            details = (invoice.get("parent") or {}).get("subscription_details") or {}
            return PreviewFacts(
                lines=lines_from_invoice(invoice),
                line_totals=line_totals(invoice),
                amounts=await ask(self._invoices.amounts(invoice)),
                date=invoice.get("next_payment_attempt"),
                proration_date=details.get("subscription_proration_date"),
            )
        except BillingError as error:
            # The same would come again: an approval of less than all of it is none.
            raise ApplicationError(error.message, type=error.code, non_retryable=True) from error

    @activity.defn
    async def read_applied_lines(self, query: ResultQuery) -> ResultLines:
        """What Stripe holds after the change was applied: its lines, and the amounts of their invoice."""
        try:
            return await ask(applied_lines.find(self._client, self._invoices, query))
        except BillingError as error:
            raise ApplicationError(error.message, type=error.code, non_retryable=True) from error

    @activity.defn
    async def read_change_payment(self, query: PaymentQuery) -> ChangePayment:
        """Whether a change that is charged at once is there, and how its payment stands; with its lines once
        that is settled."""
        try:
            payment = await ask(change_payment.find(self._client, self._invoices, query))
        except BillingError as error:
            raise ApplicationError(error.message, type=error.code, non_retryable=True) from error
        if not payment.settled:
            return payment
        own = payment.invoice or (query.invoice if query.is_own else None)
        result = ResultQuery(
            subject=query.subject, effect_key=query.effect_key, invoice=own, is_own=own is not None
        )
        with suppress(BillingError):  # whoever reads them alone is told why
            lines = await ask(applied_lines.find(self._client, self._invoices, result))
            return payment.model_copy(update={"lines": lines})
        return payment

    @activity.defn
    async def read_schedule(self, schedule: str) -> ScheduleFacts:
        """What a subscription schedule will do, phase by phase."""
        found = await ask(self._client.v1.subscription_schedules.retrieve_async(schedule))
        data = found.to_dict()
        return ScheduleFacts(
            schedule=data["id"],
            status=data["status"],
            end_behavior=data["end_behavior"],
            phases=tuple(carried(phase) for phase in data["phases"]),
            uncarried=tuple(name for phase in data["phases"] for name in uncarried(phase)),
        )

    @activity.defn
    async def read_current_phase(self, schedule: str) -> MadePhase:
        """The phase in which a schedule's subscription is now."""
        found = await ask(
            self._client.v1.subscription_schedules.retrieve_async(schedule, {"expand": EXPAND_PHASES})
        )
        data = found.to_dict()
        since = (data["current_phase"] or {}).get("start_date")
        for phase in data["phases"]:
            if phase["start_date"] == since:
                return made_phase(phase)
        problem = schedule_gone_problem()
        raise ApplicationError(problem.message, type=problem.code, non_retryable=True)

    @activity.defn
    async def read_schedule_preview(self, query: SchedulePreviewQuery) -> PreviewFacts:
        """The next invoice of a schedule's subscription."""
        return await self._preview({"schedule": query.schedule}, query.metered)


def _others(subscription: dict[str, Any]) -> tuple[ItemFacts, ...]:
    """What it has beside its plan (products and discounts expanded)."""
    own = {item["id"]: of_its_own(item) for item in subscription["items"]["data"]}
    return tuple(one.model_copy(update={"keeps": own[one.item]}) for one in other_items(subscription))


def _discounts(subscription: dict[str, Any], customer: dict[str, Any]) -> list[dict[str, Any]]:
    """All that its invoices may have: its own, its items' and its customer's."""
    of_items = (one for item in subscription["items"]["data"] for one in item["discounts"])
    return [*_shared_discounts(subscription, customer), *of_items]


def _shared_discounts(subscription: dict[str, Any], customer: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of whole invoices: its own, and its customer's."""
    of_customer = [customer["discount"]] if customer.get("discount") else []
    return [*subscription["discounts"], *of_customer]


def _payment_method(subscription: dict[str, Any], customer: dict[str, Any]) -> str | None:
    """The type of what its invoices are charged to, in Stripe's order; the subscription has the ids again."""
    own = [taken_out(subscription, name) for name in ("default_payment_method", "default_source")]
    settings = customer.get("invoice_settings") or {}
    methods = [*own, settings.get("default_payment_method"), customer.get("default_source")]
    return next((one.get("type") or one["object"] for one in methods if one), None)


def _open_invoice(latest: dict[str, Any] | None) -> OpenInvoice | None:
    """The subscription's newest invoice, if it is to be paid still."""
    if latest is None or latest["status"] != "open":
        return None
    remaining = Money(amount_minor=latest["amount_remaining"], currency=latest["currency"])
    return OpenInvoice(id=latest["id"], number=latest["number"], remaining=remaining)
