"""A link that somebody asked for is mailed, however long the mail server takes."""

from datetime import timedelta

from db.portal import links as portal_links
from db.portal.links_mail import mail_link
from db.tables import CustomerMail, Invoice
from sandbox.stack.mail import Fault

from ...support.builders import a_customer, an_invoice, store
from ...support.house import House, until
from ...support.told import mail_name
from ..conftest import ON_BOTH_DATABASES


async def asked(home: House) -> tuple[Invoice, str]:
    """An invoice's customer is to get a link; gives the mail's id."""
    acme = await home.shop.tenant(home.database)
    customer = a_customer(acme.id)
    invoice = an_invoice(customer)
    await store(home.database, customer, invoice)
    assert home.environment is not None
    at = await home.environment.get_current_time()
    async with home.database.transaction() as session:
        start = await mail_link(
            session, home.policy.portal, invoice=invoice, by="customer", reason="asked", at=at
        )
    assert home.app is not None
    home.app.state.context.dispatcher.hand_over(start)
    return invoice, start.payload["mail"]


async def settled(home: House, mail: str, state: str) -> CustomerMail:
    found: CustomerMail | None = None

    async def there() -> bool:
        nonlocal found
        async with home.database.reading() as session:
            found = await session.get(CustomerMail, mail)
        return found is not None and found.state == state

    await until(there, lambda: f"{mail} is {found.state if found else 'nowhere'}")
    assert found is not None
    return found


@ON_BOTH_DATABASES
async def test_a_link_is_mailed_at_once_and_opens(home: House) -> None:
    invoice, mail = await asked(home)
    row = await settled(home, mail, "sent")
    [sent] = home.mail.mailbox.mails
    token = sent["text"].partition("/portal/")[2].split()[0]
    async with home.database.reading() as session:
        link = await portal_links.find(session, token)

    assert link is not None
    assert (link.invoice_id, link.id) == (invoice.id, row.link_id)
    history = await home.temporal.get_workflow_handle(f"customer-mail-{mail}").fetch_history()
    assert token not in history.to_json()


async def test_a_mail_server_that_asks_to_come_back_is_asked_again(home: House) -> None:
    home.mail.mailbox.fault = Fault(code=451, times=2)
    _, mail = await asked(home)

    async def tried() -> bool:
        async with home.database.reading() as session:
            found = await session.get(CustomerMail, mail)
        return found is not None and found.attempts == 1 and found.claimed_until is None

    await until(tried, lambda: "it was not tried")
    await home.skip(minutes=6)
    row = await settled(home, mail, "sent")
    assert row.attempts == 3
    assert len(home.mail.mailbox.mails) == 1


async def test_one_that_is_refused_for_good_is_not_tried_again(home: House) -> None:
    home.mail.mailbox.fault = Fault(code=550, times=5)
    _, mail = await asked(home)
    row = await settled(home, mail, "bounced")
    home.mail.mailbox.fault = Fault(code=550, times=0)
    await home.swept()

    async def told() -> bool:
        return bool(home.mail.mailbox.mails)

    await until(told, lambda: "no admin was told")
    [said] = home.mail.mailbox.mails
    assert (row.attempts, row.smtp_code) == (1, 550)
    assert mail_name(said) == "customer_mail_bounced"
    assert row.invoice_id not in said["text"]


async def test_a_link_that_was_replaced_before_it_went_out_is_not_mailed(home: House) -> None:
    home.mail.mailbox.fault = Fault(code=451, times=1)
    invoice, mail = await asked(home)
    assert home.environment is not None
    at = await home.environment.get_current_time()

    async def tried() -> bool:
        async with home.database.reading() as session:
            found = await session.get(CustomerMail, mail)
        return found is not None and found.reason == "later"

    await until(tried, lambda: "it was not tried")
    async with home.database.transaction() as session:
        await portal_links.issue(
            session,
            organization_id=invoice.organization_id,
            customer_id=invoice.customer_id,
            invoice_id=invoice.id,
            by="system",
            reason="issued",
            at=at,
            expires_at=at + timedelta(days=1),
        )
    await home.skip(minutes=3)
    assert (await settled(home, mail, "skipped")).reason == "step_gone"
    assert home.mail.mailbox.mails == []
