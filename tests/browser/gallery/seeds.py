"""What the gallery shows: an organization in which everything that can happen has happened."""

from datetime import datetime, timedelta
from typing import Any, get_args

from sqlmodel import SQLModel

from api.console.receivables import customer_lists
from api.console.routes import ROUTERS
from billing.core.keys import UNPEPPERED
from billing.core.operations import Kind, Role, State
from billing.money.dispute import DisputeStatus
from billing.policy.policy import policy_from_toml
from db.core.clock import utc_now
from db.portal import links as portal_links
from db.portal import promises
from db.sign_in import links
from db.tables import (
    Approval,
    CommentRow,
    Customer,
    CustomerMail,
    CustomerSettings,
    Incident,
    Invoice,
    InvoiceLines,
    Operation,
    PortalTrouble,
    new_id,
)
from settings.settings import DEFAULT_POLICY

from ...api.recording import PAYMENT
from ...support.bill_rows import a_renewal, an_organization_invoice
from ...support.builders import a_customer, a_notice, an_invoice, an_operation, store
from ...support.case_rows import a_case
from ...support.incidents import a_hold
from ...support.money_rows import a_delegation, a_dispute, a_payment, a_refund
from ...support.portal_rows import a_link, a_promise
from ...support.reconciliation_rows import a_difference, a_run
from . import acts, others, states
from .kept import KeptOperation
from .states import ADMIN, CONTROLLER, DECIDED, ENDS, FINANCE, ON_THE_WAY, REVIEWS, Cut
from .studio import Scene, Studio

DAY = timedelta(days=1)
FAULTS = (
    ("stripe", "rate_limit"),
    ("mail", "mail_server_unreachable"),
    ("portal", "records_away"),
    ("stripe_key", "stripe_permission_missing: rak_credit_note_write"),
    ("database", "timeout"),
)


def plain_pages() -> list[str]:
    """Of the console, those that are about nothing in particular."""
    return [
        route.path
        for router in ROUTERS
        for route in router.routes
        if "GET" in getattr(route, "methods", ())
        and "{" not in route.path
        and not route.path.endswith(("/csv", "/json", "/audit/evidence", "/console", "/console/"))
    ]


ENDED = (
    State.COMPLETED, State.REJECTED, State.CANCELLED, State.EXPIRED, State.BLOCKED, State.DECLINED,
)  # fmt: skip
TROUBLED = ("incident", "incidents", "banner", "unpaid bill")
"""Pages that are shown once something has gone wrong."""


class Seeds:
    """Rows, and the scenes that show them: those of a `calm` organization, and the `troubled` ones, which are
    to be seen once `worsen` was called."""

    def __init__(self, built: Studio) -> None:
        self.built, self._database, self.acme = built, built.database, built.acme
        self.calm: list[Scene] = []
        self.troubled: list[Scene] = []
        self._late: list[SQLModel] = []
        self.at: datetime = utc_now()

    def show(self, name: str, path: str, who: Role | None = ADMIN, **more: Any) -> None:
        scene = Scene(name, path, who, **more)
        (self.troubled if scene.page in TROUBLED else self.calm).append(scene)

    async def plant(self) -> None:
        await self._invoices()
        await self._bill()
        await self._operations()
        await self._reviews()
        await self._acts()
        await self._troubles()
        self._lists()
        await self._portal()
        await self._incidents()

    # --- Invoices -------------------------------------------------------------------------------------

    async def _invoices(self) -> None:
        acme, at = self.acme, self.at
        self.customer = a_customer(acme.id, id="cus_blue", name="Blue Bottle Coffee", created_at=at)
        await store(self._database, self.customer)
        made = {
            "open": {"due_date": at + 9 * DAY},
            "overdue": {"due_date": at - 4 * DAY, "total": 184_250},
            "paid": {"status": "paid", "amount_paid": 10_000},
            "draft": {"status": "draft", "number": None},
            "void": {"status": "void"},
            "uncollectible": {"status": "uncollectible", "due_date": at - 80 * DAY},
            "promised": {"due_date": at - 2 * DAY, "total": 62_000},
        }
        for number, (name, fields) in enumerate(made.items()):
            defaults = {
                "id": f"in_{name}",
                "number": f"ACME-{1040 + number}",
                "created_at": at - 20 * DAY,
                "finalized_at": at - 20 * DAY,
                "synced_at": at,
            }
            invoice = an_invoice(self.customer, **defaults | fields)
            await store(self._database, invoice, self._lines(invoice))
            self.show(f"invoice: {name}", f"/console/invoices/{invoice.id}")
            if name == "promised":
                await self._promise(invoice, "After our pay run on Friday", day=(at + 5 * DAY).date())
        payment = a_payment(
            acme.id, id="pi_blue", invoice_id="in_paid", customer_id=self.customer.id, amount=10_000,
            amount_refunded=2_500, created_at=at - 3 * DAY,
        )  # fmt: skip
        refund = a_refund(acme.id, payment.id, amount=2_500, created_at=at - DAY)
        await store(self._database, payment, refund)
        for number, status in enumerate(get_args(DisputeStatus)):
            theirs = {"customer_id": self.customer.id, "created_at": at - number * DAY, "status": status}
            inquiry = status.startswith("warning_")
            await store(
                self._database,
                a_dispute(acme.id, payment.id, due_by=at + 8 * DAY, refundable=inquiry, **theirs),
            )
        self.show("refund form", "/console/refunds/new?payment_intent=pi_blue")
        self.show("credit form", "/console/credits/new?invoice=in_open")
        self.show("void form", "/console/voids/new?invoice=in_open")
        self.show("write-off form", "/console/write-offs/new?invoice=in_overdue")
        for tab in customer_lists.TABS:
            asked = "" if tab == "invoices" else f"?show={tab}"
            self.show(f"customer: {tab}", f"/console/customers/{self.customer.id}{asked}")

    async def _promise(self, invoice: Invoice, word: str | None = None, **fields: Any) -> None:
        link = a_link(invoice, created_at=self.at - 4 * DAY, end_reason="replaced", ended_at=self.at)
        promise = a_promise(link, word=word, promised_at=self.at - 3 * DAY, **fields)
        await store(self._database, link)
        if promise.outcome is not None:
            await store(self._database, promise)
            return
        async with self._database.transaction() as session:
            await promises.make(session, promise)

    def _lines(self, invoice: Invoice) -> InvoiceLines:
        seconds = int(self.at.timestamp())
        line = {
            "id": f"il_{invoice.id.removeprefix('in_')}",
            "description": "12 × Seat (at $10.00 / month)",
            "quantity": 12,
            "amount": invoice.total,
            "period_start": seconds - 30 * 86_400,
            "period_end": seconds,
        }
        return InvoiceLines(
            invoice_id=invoice.id,
            organization_id=invoice.organization_id,
            lines=[line],
            complete=True,
            synced_at=self.at,
        )

    # --- Operations -----------------------------------------------------------------------------------

    async def _bill(self) -> None:
        """What the organization itself is billed."""
        acme, at = self.acme, self.at
        made: dict[str, dict[str, Any]] = {
            "unpaid": {"created_at": at - DAY},
            "paid": {
                "status": "paid",
                "amount_paid": 10_000,
                "number": "PLX-0006",
                "created_at": at - 31 * DAY,
            },
        }
        for name, fields in made.items():
            bill = an_organization_invoice(acme.id, **fields)
            await store(self._database, bill)
            self.show(f"bill: {name}", f"/console/plans/invoices/{bill.id}")
        await store(self._database, a_renewal(acme.id))
        given_up = {"status": "uncollectible", "number": "PLX-0005", "created_at": at - 61 * DAY}
        tried = {"number": "PLX-0008", "created_at": at - 2 * DAY, "next_attempt_at": at + 3 * DAY}
        for name, fields in (("given up", given_up), ("tried again", tried)):
            bill = an_organization_invoice(acme.id, **fields)
            self._late.append(bill)
            self.show(f"unpaid bill: {name}", f"/console/plans/invoices/{bill.id}")

    async def _operations(self) -> None:
        for name, document in ENDS.items():
            await self._kept(name, KeptOperation(document, self.acme))
        for name, cut in ON_THE_WAY.items():
            await self._cut(name, cut)
        run = an_operation(
            self.acme,
            kind="reminder_run",
            state="running",
            stage="sending",
            request={"dry_run": False},
            subject={"dry_run": False, "seen": 120},
            allowed_actions=["pause", "cancel"],
            created_at=self.at,
        )
        await store(self._database, run)
        self.show("operation: reminder run on its way", f"/console/operations/{run.id}")
        await self._runs(run)

    async def _runs(self, run: Operation) -> None:
        """What a reminder run has decided, and what a comparison with Stripe has found."""
        outcomes = (("sent", "sent"), ("held", "quiet_hours"), ("skipped", "paused"), ("bounced", "bounced"))
        reminders = [
            CustomerMail(
                id=new_id("cml"), organization_id=self.acme.id, customer_id=self.customer.id,
                invoice_id="in_overdue", step=f"overdue-{n}d", template="reminder", state=state,
                reason=reason, amount_minor=120_050, currency="usd", decided_at=self.at,
                due_at=self.at + DAY / 2, operation_id=run.id,
            )
            for n, (state, reason) in enumerate(outcomes, 1)
        ]  # fmt: skip
        found = a_run(
            scope="recent", state="completed", started_at=self.at, ended_at=self.at,
            counts={self.acme.id: {"customer": 48, "invoice": 212}},
        )  # fmt: skip
        fields = [
            {"name": "amount_paid", "ours": 20_000, "stripe": 120_000, "currency": "usd"},
            {"name": "status", "ours": "open", "stripe": "paid"},
        ]
        differing = a_difference(
            found, self.acme.id, object_kind="invoice", object_id="in_overdue", fields=fields,
            since=self.at - DAY, found_at=self.at,
        )  # fmt: skip
        over_the_week = a_run(scope="rolling", started_at=self.at - 3 * DAY)
        await store(self._database, *reminders, found, over_the_week)
        await store(self._database, differing)
        self.show("reminder run", f"/console/reminder-runs/{run.id}")
        self.show("reconciliation", f"/console/reconciliations/{found.id}")

    async def _cut(self, name: str, cut: Cut) -> KeptOperation:
        """An operation on its way. An organization has one open plan change and one open cancellation: the
        others only look as if they were."""
        kept = KeptOperation(cut.kept, self.acme, cut.upto, cut.then)
        fields: dict[str, Any] = {"state": cut.state, "stage": cut.stage, **cut.fields}
        if cut.subject:
            fields["subject"] = {**kept.subject, **cut.subject}
        over = cut.state in ENDED or kept.kind in (Kind.PLAN_CHANGE, Kind.CANCELLATION)
        if over and name != "plan change: waiting":
            fields["closed_at"] = self.at
        if "confirm" in (fields.get("allowed_actions") or ()):
            fields["result"] = {"named": self.acme.admin.id, "named_by": self.acme.controller.id}
        approval: dict[str, Any] = {"deadline": self.at + DAY, **cut.approval}
        if cut.approval.get("state"):
            approval["closed_at"] = self.at
        if cut.subject:
            approval["subject"] = fields["subject"]
        if cut.approval.get("state") == "rejected":
            approval["decided_by"] = self.acme.controller.id
        await self._kept(name, kept, approval=approval, **fields)
        return kept

    async def _kept(self, name: str, kept: KeptOperation, **fields: Any) -> None:
        async with self._database.transaction() as session:
            for customer in kept.customers():
                await session.merge(customer)
            for invoice in kept.invoices():
                await session.merge(invoice)
        rows = list(kept.rows(**fields))
        await store(self._database, *rows)
        if kept.kind == Kind.CASE:
            operation = next(row for row in rows if isinstance(row, Operation))
            await store(self._database, others.a_case_row(operation, self.at))
        self._late += [
            a_hold(row, len(self._late), self.at)
            for row in rows
            if isinstance(row, Operation) and row.state == State.HELD and row.stage != "paused"
        ]
        kind, _, state = name.partition(": ")
        self.show(f"operation: {kind}, {state}", f"/console/operations/{kept.id}")

    async def _reviews(self) -> None:
        for name, cut in REVIEWS.items():
            kept = await self._cut(name, cut)
            kind, _, state = name.partition(": ")
            self.show(f"approval: {kind}, {state}", f"/console/approvals/{kept.approval}", CONTROLLER)
            if state == "waiting":
                self.show(f"approval: {kind}, one's own", f"/console/approvals/{kept.approval}")
                await self._mailed(kind, kept.approval)
            if state == "changes requested":
                self.show(f"revise: {kind}", f"/console/operations/{kept.id}/revise")
            if name == "credit: waiting":
                comment = CommentRow(
                    operation_id=kept.id, seq=1, id=new_id("cmt"), organization_id=self.acme.id,
                    text="Is this for the outage in March?", author=self.acme.controller.id, at=self.at,
                )  # fmt: skip
                await store(self._database, comment)
        for name, document in DECIDED.items():
            kept = KeptOperation(document, self.acme)
            await self._kept(f"{name.partition(',')[0]}: decided", kept)
            self.show(f"approval: {name}", f"/console/approvals/{kept.approval}", CONTROLLER)

    async def _mailed(self, kind: str, approval: str) -> None:
        """The page on which the controller decides from the mail."""
        path = await self._decision_link(approval)
        self.show(f"decide: {kind}", path, None)
        self.show(f"decide: {kind}, by somebody else", path, ADMIN)

    async def _decision_link(self, approval: str) -> str:
        link = new_id("sil")
        async with self._database.transaction() as session:
            row = await session.get_one(Approval, approval)
            await links.issue_for_decision(
                session, self.acme.controller.person, link, approval=approval,
                subject_hash=row.subject_hash, at=self.at, expires_at=self.at + DAY,
            )  # fmt: skip
            token = await links.add_token(session, UNPEPPERED, link, at=self.at)
        return f"/console/decide/{token}"

    async def _asked_by_mail(self) -> str:
        """A credit of its own, of which the controller was mailed."""
        kept = KeptOperation("credit_held", self.acme, "review_requested")
        waiting = {"state": "awaiting_approval", "stage": "review"}
        await store(self._database, *kept.rows(approval={"deadline": self.at + DAY}, **waiting))
        return await self._decision_link(kept.approval)

    # --- What only a form leads to --------------------------------------------------------------------

    async def _acts(self) -> None:
        await acts.quotable(self._database, self.acme)
        for kind, (resource, of) in acts.QUOTED.items():
            new = f"/console/{resource}/new?{of}"
            self.show(f"{kind} form: quotable", new)
            self.show(f"{kind} quote: within authority", new, say=acts.quote("130.00"))
            self.show(f"{kind} quote: beyond authority", new, say=acts.quote("900.00"))
            self.show(f"{kind} quote: refused", new, say=acts.quote("130.005"))
        above = acts.quote("1,900.00")
        self.show(
            "refund quote: with an obstacle", f"/console/refunds/new?payment_intent={PAYMENT}", say=above
        )
        for name, change in (
            ("clear", {"plan": "growth", "seats": "12"}),
            ("at renewal", {"plan": "growth", "seats": "12", "effective": "period_end"}),
            ("with obstacles", {"plan": "growth", "seats": "3"}),
            ("of what is", {"plan": "starter", "seats": "10"}),
            ("refused", {"plan": "growth", "seats": "many"}),
        ):
            say = acts.quote_plan(self._database, **change)
            self.show(f"plan quote: {name}", "/console/plans", say=say)
        in_the_way = {"status": "past_due", "pause_collection": "void"}
        say = acts.look_while(self._database, self.acme.id, **in_the_way)
        self.show("plans: with obstacles", "/console/plans", say=say)
        for name, choice in (
            ("with the period", "at_period_end"),
            ("now, credited", "now:credit"),
            ("now, given up", "now:forfeit"),
        ):
            end = acts.quote_end(self._database, choice=choice)
            self.show(f"cancellation quote: {name}", "/console/plans/cancellation", say=end)
        end = acts.quote_end(self._database, choice="at_period_end", note="Why")
        self.show("cancellation quote: refused", "/console/plans/cancellation", say=end)
        ending = acts.look_while(self._database, self.acme.id, cancel_at=states.SOON)
        self.show("plans: set to end", "/console/plans", say=ending)
        self.show("plans/cancellation: to be taken back", "/console/plans/cancellation", say=ending)
        self.show("plans: no change open", "/console/plans", say=acts.change_while(self._database))
        for name, fields in states.OPEN_CHANGES.items():
            say = acts.change_while(self._database, **fields)
            self.show(f"plans: {name}", "/console/plans", say=say)
        for action in ("resend_links", "remind", "pause_reminders"):
            for state, go_on in (("question", False), ("result", True)):
                say = acts.choose(action, go_on=go_on)
                self.show(f"selected: {action.replace('_', ' ')}, {state}", "/console/invoices", say=say)
        for name, button, comment in (
            ("approved", "Approve", ""),
            ("changes requested", "Request changes", "Half of it, please."),
            ("rejected", "Reject", "They were not charged twice."),
            ("no comment", "Reject", ""),
        ):
            say = acts.decide(button, self._asked_by_mail, comment)
            self.show(f"decide by mail: {name}", "/console/sign-in", None, say=say)
        elsewhere = acts.from_elsewhere("/console/sign-in")
        self.show("sign-in: from another site", "/console/sign-in", None, say=elsewhere)
        self.show("sign-in: ended meanwhile", "/console/sign-in", None, say=_ended)

    # --- What waits for somebody ----------------------------------------------------------------------

    async def _troubles(self) -> None:
        acme, at = self.acme, self.at
        told = {"invoice": "in_overdue", "customer": self.customer.id, "cause": "reported"}
        stuck = an_operation(
            acme, kind="portal_access", state="running", stage="waiting", request=told,
            allowed_actions=["close"], created_at=at, customer_id=self.customer.id,
        )  # fmt: skip
        trouble = PortalTrouble(
            operation_id=stuck.id, organization_id=acme.id, customer_id=self.customer.id,
            invoice_id="in_overdue", cause="reported", noticed_at=at, deadline=at + DAY / 4,
        )  # fmt: skip
        await store(self._database, stuck, trouble)
        self.show("operation: portal access, open", f"/console/operations/{stuck.id}")
        self.show("access", "/console/invoices/in_overdue/access")
        policy = policy_from_toml(DEFAULT_POLICY.read_text(encoding="utf-8"))
        case = await a_case(
            self._database,
            policy,
            acme.id,
            payment_intent="pi_blue",
            amount=1_500,
            customer_id=self.customer.id,
        )
        self.show("operation: case, open", f"/console/operations/{case.id}", CONTROLLER)
        done = KeptOperation("plan_change_now", acme)
        await store(self._database, *done.rows())
        async with self._database.reading() as session:
            operation = await session.get_one(Operation, done.id)
        subject = operation.subject or {}
        notices = [
            a_notice(operation, kind=f"plan_change_{what}", subject=subject, created_at=at, deadline=at + DAY)
            for what in ("requested", "applied")
        ]
        await store(self._database, *notices)
        self.notice = notices[0].id
        delegation = a_delegation(
            acme.controller.person, acme.finance.person, starts_at=at, ends_at=at + 5 * DAY, created_at=at
        )
        await store(self._database, delegation)
        self.show("delegation", f"/console/delegations/{delegation.id}", CONTROLLER)
        await others.all_cases(self)
        await others.all_notices(self, operation)
        await others.all_delegations(self)
        await others.all_runs(self)
        await others.all_links(self)

    def _lists(self) -> None:
        for role in Role:
            self.show(f"home: {role.value}", "/console/", role)
        for path in plain_pages():
            self.show(f"{path.removeprefix('/console/')}: all", path)
        self.show("decide: dead link", "/console/decide/x", None)
        self.show(
            "admin/policy/simulation: answered",
            "/console/admin/policy/simulation?kind=refund&amount=600.00&currency=USD&reason=duplicate",
            CONTROLLER,
        )
        self.show(
            "admin/policy/simulation: which customer",
            "/console/admin/policy/simulation?kind=refund&amount=600.00&currency=USD&reason=duplicate&customer=e",
            CONTROLLER,
        )
        self.show("person", f"/console/admin/people/{self.acme.legal.id}", CONTROLLER)
        self.show("plans: who only looks", "/console/plans", Role.AUDITOR)
        self.show("approvals: to decide", "/console/approvals", CONTROLLER)
        self.show("approvals: done", "/console/approvals?tab=done", CONTROLLER)
        self.show("finance: to acknowledge", "/console/finance", FINANCE)
        month = self.at.strftime("%Y-%m")
        self.show("month", f"/console/finance/months/{month}", FINANCE)
        self.show("audit", "/console/finance/audit", FINANCE)
        self.show("search: by a name", "/console/search?q=a")
        for check in ("refunds_with_notes", "plan_changes_flagged", "approved_to_visible"):
            self.show(f"success check: {check}", f"/console/success-checks/{check}?by=day")
            self.show(f"success check rows: {check}", f"/console/success-checks/{check}/rows")
        self.show("activity: filtered", "/console/operations?kind=refund&sort=-amount&open=false")
        self.show("documentation", "/docs")
        self.show("documentation: a route", "/docs/request_refund")
        self.show("notice", f"/console/finance/{self.notice}", FINANCE)
        self.show("invoices: overdue", "/console/invoices?status=overdue")
        self.show("invoices: promised", "/console/invoices?promised=true")
        self.show("invoices: nothing found", "/console/invoices?q=nothing")
        self.show("problem: not there", "/console/invoices/in_none")
        for name, path in (("form", ""), ("mailed", "/check-mail"), ("dead link", "/link/x")):
            self.show(f"sign-in: {name}", f"/console/sign-in{path}", None)
        self.show("sign-in: signed out", "/console/signed-out", None)

    async def _incidents(self) -> None:
        """Last, for they are told of on every page."""
        at = self.at
        open_, over, cleared, lacking, down = (
            Incident(
                id=new_id("inc"), component=component, opened_at=at - DAY / 24, first_fault_at=at - DAY / 20,
                alerted_at=at - DAY / 24, last_check_at=at, cause=cause, alerts=1,
            )
            for component, cause in FAULTS
        )  # fmt: skip
        over.recovered_at = cleared.recovered_at = at
        cleared.cleared_at, cleared.note = at, "The database was moved."
        cleared.cleared_by, cleared.cleared_in = self.acme.controller.id, self.acme.id
        for incident, state in ((open_, "degraded"), (over, "recovered"), (cleared, "cleared")):
            self.show(f"incident: {state}", f"/console/incidents/{incident.id}", CONTROLLER)
        self.show("banner: home", "/console/", ADMIN)
        self.show("incident: a permission is missing", f"/console/incidents/{lacking.id}", CONTROLLER)
        self.show("incident: down", f"/console/incidents/{down.id}", CONTROLLER)
        self._late += [open_, over, cleared, lacking, down]

    async def worsen(self) -> None:
        """The incidents begin, and bills go unpaid: from then on each page tells of them."""
        await store(self._database, *self._late)

    # --- The portal -----------------------------------------------------------------------------------

    async def _portal(self) -> None:
        for language in ("en", "de"):
            customer = a_customer(
                self.acme.id,
                id=f"cus_{language}",
                name="Ludwig & Söhne GmbH",
                email=f"{language}@kunde.example",
            )
            settings = CustomerSettings(
                customer_id=customer.id, organization_id=self.acme.id, language=language,
                zone="Europe/Berlin", updated_at=self.at, updated_by=self.acme.admin.id,
            )  # fmt: skip
            await store(self._database, customer, settings)
            await self._portal_pages(customer, language)

    async def _portal_pages(self, customer: Customer, language: str) -> None:
        at = self.at
        states: dict[str, dict[str, Any]] = {
            "payable": {"due_date": at + 6 * DAY, "total": 124_250},
            "overdue": {"due_date": at - 4 * DAY},
            "paid": {"status": "paid", "amount_paid": 10_000, "created_at": at - 30 * DAY},
            "void": {"status": "void"},
            "written off": {"status": "uncollectible", "due_date": at - 90 * DAY},
            "promised": {"due_date": at - DAY, "total": 62_000},
            "promise broken": {"due_date": at - 9 * DAY, "total": 7_000, "currency": "eur"},
        }
        tokens = {}
        for number, (name, fields) in enumerate(states.items()):
            common = {
                "number": f"R-{language.upper()}-{200 + number}",
                "finalized_at": at - 20 * DAY,
                "synced_at": at,
            }
            invoice = an_invoice(customer, **common | fields)
            await store(self._database, invoice, self._lines(invoice))
            tokens[name] = await self._token(invoice, customer)
            self._of_portal(f"invoice, {name}", language, f"/portal/{tokens[name]}")
            if name.startswith("promise"):
                day = (at + (5 if name == "promised" else -2) * DAY).date()
                broken = {"outcome": "broken", "settled_at": at - DAY} if name == "promise broken" else {}
                await self._promise(invoice, day=day, **broken)
        self._of_portal("account", language, f"/portal/{tokens['overdue']}", say=_click("account"))
        self._of_portal("promise", language, f"/portal/{tokens['overdue']}", say=_click("promise"))
        self._of_portal("promise, made", language, f"/portal/{tokens['payable']}", say=_promised)
        self._of_portal("promise, wrong day", language, f"/portal/{tokens['overdue']}", say=_wrong_day)
        paying = f"/portal/{tokens['payable']}"
        self._of_portal("unavailable", language, paying, say=_press_first)
        from_elsewhere = acts.from_elsewhere("/portal/i/x/pay")
        self._of_portal("from another site", language, paying, say=from_elsewhere)
        self._of_portal("neutral", language, f"/portal/{'A' * 43}")
        self._of_portal("asked", language, f"/portal/{'A' * 43}", say=_press)
        self._of_portal("opt-out, question", language, f"/portal/opt-out/{tokens['void']}")
        self._of_portal("opt-out, done", language, f"/portal/opt-out/{tokens['void']}", say=_press)
        self._of_portal(
            "opt-out, taken back", language, f"/portal/opt-out/{tokens['void']}", say=_press_twice
        )
        self._of_portal("opt-out, dead", language, "/portal/opt-out/x", say=_press)

    def _of_portal(self, name: str, language: str, path: str, **more: Any) -> None:
        self.show(f"portal {language}: {name}", path, None, language=language, **more)

    async def _token(self, invoice: Invoice, customer: Customer) -> str:
        """As it stands in a mail to the customer."""
        link = a_link(invoice, created_at=self.at - DAY, expires_at=self.at + 30 * DAY)
        mail = CustomerMail(
            id=new_id("cml"), organization_id=invoice.organization_id, customer_id=customer.id,
            invoice_id=invoice.id, step=f"link:{link.id}", template="portal_link",
            state="sent", reason="sent",
            amount_minor=invoice.amount_remaining, currency=invoice.currency, decided_at=self.at,
            due_at=self.at, link_id=link.id, address=customer.email,
        )  # fmt: skip
        await store(self._database, link, mail)
        async with self._database.transaction() as session:
            [token] = await portal_links.add_tokens(session, [(link.id, mail.id)], at=self.at)
        return token


def _click(target: str) -> Any:
    async def say(page: Any) -> None:
        async with page.expect_navigation():
            await page.click(f"a[href='{target}']")

    return say


async def _press(page: Any) -> None:
    async with page.expect_navigation():
        await page.get_by_role("button").click()


async def _press_twice(page: Any) -> None:
    await _press(page)
    await _press(page)


async def _promised(page: Any) -> None:
    await page.click("a[href='promise']")
    await page.fill("#day", (utc_now() + 3 * DAY).date().isoformat())
    await page.get_by_role("button").click()


async def _press_first(page: Any) -> None:
    await page.get_by_role("button").first.click()


async def _ended(page: Any) -> None:
    await acts.send(page, "/console/plans/quote", reason="typed")


async def _wrong_day(page: Any) -> None:
    await page.click("a[href='promise']")
    await page.wait_for_load_state()
    await page.evaluate("document.querySelector('form').noValidate = true")
    await page.fill("#day", "2020-01-01")
    await page.get_by_role("button").click()
