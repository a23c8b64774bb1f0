"""Mails to customers: sent once, looked at again just before, in their language, and never two in flight."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from sqlmodel import select

from activities.mail.customer_claims import CLAIM
from activities.mail.customer_mailer import CustomerMailer
from activities.mail.customer_message import Sender
from billing.reminders.runs import SendDue, SentDue
from db.core.session import Database
from db.portal import links as portal_links
from db.tables import (
    Customer,
    CustomerMail,
    CustomerSettings,
    Invoice,
    MailTemplate,
    Outbox,
    PortalLink,
    PortalToken,
    Setback,
    new_id,
)
from sandbox.stack.mail import Fault

from ...support.builders import Tenant, a_customer, an_invoice, an_operation, store, tenant
from ...support.house import MailSink, default_policy

NOON = datetime(2026, 4, 15, 16, 0, tzinfo=UTC)
"""A Wednesday, twelve o'clock in New York."""
PUBLIC = "https://billing.plixo.test"


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Desk:
    """A mailer with its sink, an organization, a customer and an invoice that is due in seven days."""

    database: Database
    sink: MailSink
    clock: Clock
    acme: Tenant
    customer: Customer
    invoice: Invoice
    mailer: CustomerMailer

    async def decided(self, step: str = "due-7d", **more: Any) -> CustomerMail:
        """A mail that is due now."""
        usual: dict[str, Any] = {
            "id": new_id("cml"),
            "organization_id": self.acme.id,
            "customer_id": self.customer.id,
            "invoice_id": self.invoice.id,
            "step": step,
            "template": "reminder",
            "operation_id": "op_run",
            "state": "due",
            "reason": "due",
            "amount_minor": 10_000,
            "currency": "usd",
            "decided_at": NOON,
            "due_at": NOON,
        }
        mail = CustomerMail(**usual | more)
        await store(self.database, mail)
        return mail

    async def send(self, mailer: CustomerMailer | None = None, **order: Any) -> SentDue:
        return await (mailer or self.mailer).send_customer_mails(SendDue(**({"operation": "op_run"} | order)))

    async def row(self, mail: CustomerMail) -> CustomerMail:
        async with self.database.reading() as session:
            found = await session.get(CustomerMail, mail.id)
        assert found is not None
        return found

    async def all(self, table: type[Any]) -> list[Any]:
        async with self.database.reading() as session:
            return list(await session.exec(select(table)))

    def another(self) -> CustomerMailer:
        """As in another process."""
        return CustomerMailer(
            self.database, self.sink.url, "Plixo <billing@plixo.test>", PUBLIC, default_policy(), self.clock
        )

    @property
    def mails(self) -> list[dict[str, Any]]:
        return self.sink.mailbox.mails


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    acme = await tenant(database, name="Acme Receivables")
    customer = a_customer(acme.id, name="Kunde & Co", email="pay@customer.example")
    invoice = an_invoice(customer, number="A-0001", due_date=NOON + timedelta(days=7))
    await store(database, customer, invoice)
    async with MailSink() as sink:
        clock = Clock()
        mailer = CustomerMailer(
            database, sink.url, "Plixo <billing@plixo.test>", PUBLIC, default_policy(), clock
        )
        yield Desk(database, sink, clock, acme, customer, invoice, mailer)
        await mailer.close()


def told(sent: SentDue) -> tuple[int, int, int, int, bool]:
    return sent.sent, sent.bounced, sent.skipped, sent.later, sent.more


async def test_a_mail_that_can_not_be_written_keeps_no_other_from_its_customer(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoices = [an_invoice(desk.customer, due_date=NOON + timedelta(days=7)) for _ in range(2)]
    await store(desk.database, *invoices)
    poison = await desk.decided()
    others = [await desk.decided(invoice_id=invoice.id) for invoice in invoices]
    write = Sender.write

    def breaks(sender: Sender, mail: CustomerMail, *more: Any) -> Any:
        if mail.id == poison.id:
            raise KeyError("layout")
        return write(sender, mail, *more)

    monkeypatch.setattr(Sender, "write", breaks)
    sent = await desk.send()
    assert (sent.sent, len(desk.mails), sent.more) == (2, 2, False)
    assert [(await desk.row(mail)).state for mail in others] == ["sent", "sent"]
    left = await desk.row(poison)
    assert (left.state, left.due_at) == ("due", NOON + timedelta(hours=1))
    [setback] = await desk.all(Setback)
    assert (setback.sweep, setback.unit) == ("mails to customers", poison.id)
    assert setback.organization_id == desk.acme.id


async def test_a_mail_that_can_not_be_recorded_is_not_sent_again_every_minute(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = await desk.decided()

    async def breaks(*_: Any) -> None:
        raise KeyError("row")

    monkeypatch.setattr(desk.mailer, "record", breaks)
    await desk.send()
    desk.clock.now += timedelta(minutes=30)
    await desk.send()
    assert len(desk.mails) == 1
    assert (await desk.row(mail)).due_at == NOON + timedelta(hours=1)
    assert [one.unit for one in await desk.all(Setback)] == [mail.id]


async def test_a_reminder_brings_a_link_that_opens_and_is_recorded(desk: Desk) -> None:
    mail = await desk.decided()
    sent = await desk.send()
    [taken] = desk.mails
    [link] = await desk.all(PortalLink)
    row = await desk.row(mail)
    token = taken["text"].partition(f"{PUBLIC}/portal/")[2].split()[0]
    async with desk.database.reading() as session:
        found = await portal_links.find(session, token)

    assert told(sent) == (1, 0, 0, 0, False)
    assert (row.state, row.reason, row.link_id, row.address) == (
        "sent",
        "sent",
        link.id,
        "pay@customer.example",
    )
    assert found is not None
    assert (found.id, link.reason, link.expires_at) == (link.id, "reminder", NOON + timedelta(days=30))
    assert [one.mail_id for one in await desk.all(PortalToken)] == [mail.id]
    assert taken["to"] == ["pay@customer.example"]
    assert (taken["headers"]["X-Plixo-Template"], taken["headers"]["X-Plixo-Mail"]) == ("reminder", mail.id)
    assert taken["subject"] == "A-0001 from Acme Receivables: USD 100.00, due in 7 days"
    assert "USD 100.00" in taken["text"]
    assert "April 22, 2026" in taken["text"]


async def test_a_reminder_can_be_opted_out_of_with_one_click(desk: Desk) -> None:
    await desk.decided()
    await desk.send()
    headers = desk.mails[0]["headers"]
    token = desk.mails[0]["text"].partition(f"{PUBLIC}/portal/")[2].split()[0]

    assert headers["List-Unsubscribe"].strip() == f"<{PUBLIC}/portal/opt-out/{token}>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["From"] == "Acme Receivables <billing@plixo.test>"


async def test_the_mail_is_in_the_customers_language_and_by_their_clocks(desk: Desk) -> None:
    await store(
        desk.database,
        CustomerSettings(
            customer_id=desk.customer.id,
            organization_id=desk.acme.id,
            language="de-AT",
            zone="Europe/Vienna",
            updated_at=NOON,
            updated_by="system",
        ),
    )
    await desk.decided()
    desk.clock.now = datetime(2026, 4, 16, 9, 0, tzinfo=UTC)
    await desk.send()
    [mail] = desk.mails
    assert mail["subject"] == "A-0001 von Acme Receivables: USD 100,00, fällig in 6 Tagen"
    assert "22. April 2026" in mail["text"]
    assert "16. Mai 2026" in mail["text"]


async def test_a_mail_is_in_one_language_whatever_the_customer_speaks(desk: Desk) -> None:
    """French comes from Stripe; without French words its dates and amounts are English too."""
    async with desk.database.transaction() as session:
        row = await session.get(Customer, desk.customer.id)
        assert row is not None
        row.language = "fr-FR"
    await desk.decided()
    await desk.send()
    [mail] = desk.mails
    assert mail["subject"] == "A-0001 from Acme Receivables: USD 100.00, due in 7 days"
    assert "April 22, 2026" in mail["text"]


async def test_a_mail_that_was_not_recorded_is_sent_again_with_the_same_message_id(desk: Desk) -> None:
    mail = await desk.decided()

    async def died(*_: Any, **__: Any) -> None:
        raise ConnectionError("killed before it was recorded")

    desk.mailer.record = died  # type: ignore[method-assign]
    with pytest.raises(ConnectionError):
        await desk.send()
    after = desk.another()
    early = await desk.send(after)
    desk.clock.now += CLAIM + timedelta(seconds=1)
    late = await desk.send(after)
    await after.close()

    assert told(early) == (0, 0, 0, 1, False)
    assert told(late) == (1, 0, 0, 0, False)
    first, second = desk.mails
    assert first["message_id"] == second["message_id"]
    assert (await desk.row(mail)).attempts == 2


async def test_two_who_send_at_the_same_time_send_each_mail_once(desk: Desk) -> None:
    for number in range(20):
        await desk.decided(f"step-{number}")
    other = desk.another()
    first = desk.send()
    second = desk.send(other)
    done = [await first, await second]
    await other.close()
    assert sum(one.sent for one in done) == 20
    assert len({mail["message_id"] for mail in desk.mails}) == len(desk.mails) == 20


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "paid", "amount_remaining": 0}, "paid"),
        ({"status": "void"}, "void"),
        ({"collection_method": "charge_automatically"}, "not_collected"),
    ],
)
async def test_what_came_between_is_seen_just_before(desk: Desk, change: dict[str, Any], reason: str) -> None:
    mail = await desk.decided()
    async with desk.database.transaction() as session:
        invoice = await session.get(Invoice, desk.invoice.id)
        assert invoice is not None
        for name, value in change.items():
            setattr(invoice, name, value)
        session.add(invoice)
    sent = await desk.send()
    row = await desk.row(mail)

    assert told(sent) == (0, 0, 1, 0, False)
    assert (row.state, row.reason) == ("skipped", reason)
    assert desk.mails == []
    assert await desk.all(PortalToken) == []


async def test_who_has_opted_out_meanwhile_is_not_written_to(desk: Desk) -> None:
    mail = await desk.decided()
    settings = CustomerSettings(
        customer_id=desk.customer.id,
        organization_id=desk.acme.id,
        opted_out_at=NOON,
        opted_out_by="customer",
        updated_at=NOON,
        updated_by="customer",
    )
    await store(desk.database, settings)
    await desk.send()
    assert (await desk.row(mail)).reason == "opted_out"


async def test_a_mail_whose_hour_is_over_where_the_customer_is_waits_for_the_next_opening(desk: Desk) -> None:
    mail = await desk.decided()
    desk.clock.now = datetime(2026, 4, 17, 21, 0, tzinfo=UTC)  # a Friday, 17:00 in New York: closed
    sent = await desk.send()
    row = await desk.row(mail)

    assert told(sent) == (0, 0, 1, 0, False)
    assert (row.state, row.reason) == ("held", "quiet_hours")
    assert row.due_at == datetime(2026, 4, 20, 13, 0, tzinfo=UTC)
    assert desk.mails == []


async def test_a_runs_mails_go_by_the_policy_that_the_run_began_under(desk: Desk) -> None:
    policy = default_policy()
    any_hour = {"days": tuple(range(7)), "opens": time(0), "closes": time(23, 59)}
    at_night = policy.model_copy(update={"reminders": policy.reminders.model_copy(update=any_hour)})
    run = an_operation(desk.acme, kind="reminder_run", policy=at_night.model_dump(mode="json"))
    await store(desk.database, run)
    mail = await desk.decided(operation_id=run.id)
    desk.clock.now = datetime(2026, 4, 18, 4, 0, tzinfo=UTC)  # a Saturday, midnight in New York
    sent = await desk.send(operation=run.id)

    assert told(sent) == (1, 0, 0, 0, False)
    assert (await desk.row(mail)).state == "sent"


async def test_an_address_that_is_refused_for_good_is_kept_as_such(desk: Desk) -> None:
    first = await desk.decided()
    await desk.decided("overdue-3d", due_at=NOON + timedelta(hours=1))
    desk.sink.mailbox.fault = Fault(code=550)
    sent = await desk.send()
    desk.clock.now += timedelta(hours=2)
    again = await desk.send()
    [settings] = await desk.all(CustomerSettings)
    [told_people] = await desk.all(Outbox)
    row = await desk.row(first)

    assert told(sent) == (0, 1, 0, 1, False)
    assert (row.state, row.smtp_code, row.address) == ("bounced", 550, "pay@customer.example")
    assert (settings.bounced_address, settings.bounce_code) == ("pay@customer.example", 550)
    assert (told_people.action, told_people.payload["key"]) == ("mail", first.id)
    assert told_people.payload["roles"] == ["billing_admin"]
    assert "pay@customer.example" not in str(told_people.payload)
    assert told(again) == (0, 0, 1, 0, False)
    assert desk.mails == []


async def _several(desk: Desk, number: int) -> list[CustomerMail]:
    """Mails that are due to so many customers."""
    mails = []
    for n in range(number):
        customer = a_customer(desk.acme.id, name=f"Kunde {n}", email=f"k{n}@customer.example")
        invoice = an_invoice(customer, due_date=NOON + timedelta(days=7))
        await store(desk.database, customer, invoice)
        mails.append(await desk.decided(customer_id=customer.id, invoice_id=invoice.id))
    return mails


@pytest.mark.parametrize("code", [550, 554])
async def test_of_a_server_that_refuses_everybody_no_customer_is_to_blame(desk: Desk, code: Any) -> None:
    mails = await _several(desk, 6)
    desk.sink.mailbox.fault = Fault(code=code, times=1_000)
    for _ in range(4):
        await desk.send()
        desk.clock.now += timedelta(minutes=10)
    rows = [await desk.row(mail) for mail in mails]
    assert {row.state for row in rows} == {"due"}
    assert not any(row.bounced_address for row in await desk.all(CustomerSettings))
    assert await desk.all(Outbox) == [], "nobody is told of customers that can't be reached"

    desk.sink.mailbox.fault = Fault(code=550, times=0)
    desk.clock.now += timedelta(hours=2)
    await desk.send()
    assert {(await desk.row(mail)).state for mail in mails} == {"sent"}


async def test_a_link_that_was_refused_with_everybody_elses_is_sent_by_a_workflow_of_its_own(
    desk: Desk,
) -> None:
    mails = await _several(desk, 3)
    token = await a_live_link(desk)
    link = await desk.decided("link:1", template="portal_link", operation_id=None, link_id=token)
    desk.sink.mailbox.fault = Fault(code=550, times=1_000)
    await desk.send(operation=None, mail=link.id)
    assert (await desk.row(link)).state == "bounced"
    await desk.send()
    assert {(await desk.row(mail)).state for mail in [link, *mails]} == {"due"}
    [start] = await desk.all(Outbox)
    assert (start.name, start.payload["mail"]) == ("CustomerMailWorkflow", link.id)
    assert start.workflow_id != f"customer-mail-{link.id}", "that one has ended"


async def a_live_link(desk: Desk) -> str:
    async with desk.database.transaction() as session:
        link = await portal_links.issue(
            session,
            organization_id=desk.acme.id,
            customer_id=desk.customer.id,
            invoice_id=desk.invoice.id,
            by="system",
            reason="resent",
            at=NOON,
            expires_at=NOON + timedelta(days=30),
        )
        return link.id


async def test_one_mail_that_the_server_does_not_take_is_given_up_when_others_go_through(desk: Desk) -> None:
    """A policy of the recipient's, say: it is not held against the address at once."""
    mail = await desk.decided()
    desk.sink.mailbox.fault = Fault(code=554, times=1_000)
    states = []
    for _ in range(8):
        desk.clock.now = (await desk.row(mail)).due_at + timedelta(seconds=1)
        await desk.send()
        states.append((await desk.row(mail)).state)
    assert states == ["due"] * 7 + ["bounced"]


async def test_a_mail_that_the_server_takes_lifts_the_bounce(desk: Desk) -> None:
    await store(
        desk.database,
        CustomerSettings(
            customer_id=desk.customer.id,
            organization_id=desk.acme.id,
            bounced_at=NOON - timedelta(days=1),
            bounced_address="pay@customer.example",
            bounce_code=550,
            updated_at=NOON,
            updated_by="system",
        ),
    )
    token = await a_live_link(desk)
    link = await desk.decided("link:1", template="portal_link", operation_id=None, link_id=token)
    await desk.send(operation=None, mail=link.id)
    [settings] = await desk.all(CustomerSettings)
    assert (await desk.row(link)).state == "sent"
    assert (settings.bounced_address, settings.bounced_at, settings.bounce_code) == (None, None, None)
    assert (settings.bounce_lifted_by, settings.bounce_lifted_why) == ("system", "mail_taken")


async def test_an_address_with_umlauts_in_its_domain_is_written_to(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        customer = await session.get(Customer, desk.customer.id)
        assert customer is not None
        customer.email = "rechnung@bücher.example"
    mail = await desk.decided()
    await desk.send()
    assert [one["to"] for one in desk.mails] == [["rechnung@xn--bcher-kva.example"]]
    assert (await desk.row(mail)).state == "sent"


async def test_an_address_that_the_server_can_not_carry_is_said_and_no_bounce(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiosmtplib.SMTP.supports_extension", lambda self, name: False)
    async with desk.database.transaction() as session:
        customer = await session.get(Customer, desk.customer.id)
        assert customer is not None
        customer.email = "jörg@bücher.example"
    mail = await desk.decided()
    sent = await desk.send()
    row = await desk.row(mail)
    assert told(sent) == (0, 0, 1, 0, False)
    assert (row.state, row.reason) == ("skipped", "address_needs_smtputf8")
    assert await desk.all(CustomerSettings) == []
    [told_people] = await desk.all(Outbox)
    assert "SMTPUTF8" in told_people.payload["context"]["why"]


async def test_a_server_that_asks_to_come_back_is_tried_later_and_ever_less_often(desk: Desk) -> None:
    mail = await desk.decided()
    desk.sink.mailbox.fault = Fault(code=451, times=2)
    waits = []
    for _ in range(2):
        await desk.send()
        row = await desk.row(mail)
        waits.append(round((row.due_at - desk.clock.now).total_seconds()))
        desk.clock.now = row.due_at + timedelta(seconds=1)
    last = await desk.send()
    assert waits == [60, 120]
    assert told(last) == (1, 0, 0, 0, False)
    assert len(desk.mails) == 1


async def test_where_the_server_is_away_the_rest_is_not_tried(desk: Desk) -> None:
    for number in range(3):
        await desk.decided(f"step-{number}")
    away = CustomerMailer(
        desk.database, "smtp://127.0.0.1:9", "Plixo <b@plixo.test>", PUBLIC, default_policy(), desk.clock
    )
    sent = await desk.send(away)
    await away.close()
    assert told(sent) == (0, 0, 0, 3, False)
    assert sorted([mail.attempts for mail in await desk.all(CustomerMail)]) == [0, 0, 1]


async def test_a_batch_ends_at_its_most_and_says_that_there_is_more(desk: Desk) -> None:
    for number in range(5):
        await desk.decided(f"step-{number}")
    first = await desk.send(most=3)
    second = await desk.send(most=3)
    assert told(first) == (3, 0, 0, 2, True)
    assert told(second) == (2, 0, 0, 0, False)


async def test_a_link_that_was_asked_for_is_sent_whatever_the_hour_unless_it_was_replaced(desk: Desk) -> None:
    ids = []
    for _ in range(2):
        async with desk.database.transaction() as session:
            link = await portal_links.issue(
                session,
                organization_id=desk.acme.id,
                customer_id=desk.customer.id,
                invoice_id=desk.invoice.id,
                by="customer",
                reason="asked",
                at=NOON,
                expires_at=NOON + timedelta(days=30),
            )
        mail = await desk.decided(f"link:{link.id}", template="portal_link", link_id=link.id)
        ids.append(mail)
    outcomes = [await desk.send(operation=None, mail=mail.id) for mail in ids]
    rows = [await desk.row(mail) for mail in ids]

    assert [told(one) for one in outcomes] == [(0, 0, 1, 0, False), (1, 0, 0, 0, False)]
    assert [(row.state, row.reason) for row in rows] == [("skipped", "step_gone"), ("sent", "sent")]
    [sent] = desk.mails
    assert sent["subject"] == "Your link to invoice A-0001 from Acme Receivables"
    assert "List-Unsubscribe" not in sent["headers"]


def approved_words(desk: Desk, **more: Any) -> MailTemplate:
    usual: dict[str, Any] = {
        "id": new_id("mtp"),
        "organization_id": desk.acme.id,
        "name": "reminder",
        "language": "*",
        "version": 1,
        "state": "approved",
        "subject": "Pay {{ number }}",
        "text": "{{ amount }}: {{ link }} {{ opt_out }}",
        "written_by": desk.acme.admin.id,
        "written_at": NOON,
        "approved_by": desk.acme.controller.id,
        "approved_at": NOON,
    }
    return MailTemplate(**usual | more)


async def test_words_that_nobody_else_has_approved_are_not_mailed(desk: Desk) -> None:
    draft = approved_words(desk, state="draft", approved_by=None, approved_at=None)
    retired = approved_words(desk, version=2, state="retired")
    await store(desk.database, draft, retired)
    await desk.decided()
    await desk.send()
    assert [mail["subject"] for mail in desk.mails] == [
        "A-0001 from Acme Receivables: USD 100.00, due in 7 days"
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("evil.example/", {"text": "{{ customer }}{{ link }} {{ opt_out }}"}),
        ("https://evil.example/?", {"text": "{{ link }} {{ opt_out }} {{ customer }}{{ link }}"}),
        ("x", {"html": "<a href='//{{ customer }}/{{ link }}'>{{ link }}</a> {{ opt_out }}"}),
        ("x", {"subject": "{{ link }}"}),
    ],
)
async def test_no_name_makes_a_link_of_somebody_elses_out_of_ours(
    desk: Desk, name: str, words: dict[str, str]
) -> None:
    """Whatever was approved: a mail whose links are not ours alone goes out in our words."""
    async with desk.database.transaction() as session:
        customer = await session.get(Customer, desk.customer.id)
        assert customer is not None
        customer.name = name
    await store(desk.database, approved_words(desk, **words))
    await desk.decided()
    await desk.send()
    [mail] = desk.mails
    assert mail["subject"].startswith("A-0001 from Acme")


@pytest.mark.parametrize(
    "broken_text", ["{{ nothing_of_the_kind }}", "{{ seller|truncate(1) }}", "{{ 1 / 0 }}"]
)
async def test_an_organizations_own_words_are_used_and_ours_where_they_fail(
    desk: Desk, broken_text: str
) -> None:
    own = approved_words(desk)
    await store(desk.database, own)
    await desk.decided()
    await desk.send()
    async with desk.database.transaction() as session:
        broken = await session.get(MailTemplate, own.id)
        assert broken is not None
        broken.text = broken_text
        session.add(broken)
    await desk.decided("due-1d")
    await desk.send()
    assert [mail["subject"] for mail in desk.mails] == [
        "Pay A-0001",
        "A-0001 from Acme Receivables: USD 100.00, due in 7 days",
    ]


async def test_a_name_with_a_newline_stays_in_its_header(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        customer = await session.get(Customer, desk.customer.id)
        assert customer is not None
        customer.name = "Kunde\r\nBcc: all@customer.example"
        session.add(customer)
    await desk.decided()
    await desk.send()
    assert desk.mails[0]["to"] == ["pay@customer.example"]
    assert "Bcc" not in desk.mails[0]["headers"]
