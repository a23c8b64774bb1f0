"""Credits under fire: on the balance or by a credit note, straight through or approved."""

from collections.abc import Sequence

from db.tables import BalanceTransactionRow, CreditNoteRow

from ..support import builders, money
from ..support.builders import Tenant
from ..support.house import House
from .plan import Step, commit, request
from .records import (
    approve,
    check_commitment,
    check_mirror,
    check_notes,
    check_records,
    executed,
    until_state,
)

CUSTOMER = "/v1/customers/cus_[^/]+"
INVOICE = "/v1/invoices/in_[^/]+"
CREDIT_NOTES = "/v1/credit_notes"

READ_CUSTOMER = request("the read of the customer", "GET", CUSTOMER)
CHECKED = commit("the check", "^checked:1$")
AUTHORITY = commit("the weighing of authority", "^authority:1$")
BALANCE = request("the credit", "POST", f"{CUSTOMER}/balance_transactions")
CREDIT_NOTE = request("the credit note", "POST", CREDIT_NOTES)
PREVIEW = request("the preview of the note", "GET", f"{CREDIT_NOTES}/preview")
INTENT = commit("the intent", "^intent$")
EFFECT = commit("the effect", "^effect:credit:1$")
ENDED = commit("the end", "^ended$")
OPENED = commit("the opened approval", ":opened$")


class BalanceCredit:
    """One that is within the admin's authority and goes straight through."""

    steps: Sequence[Step] = (
        READ_CUSTOMER,
        CHECKED,
        AUTHORITY,
        INTENT,
        BALANCE,
        EFFECT,
        request("the look at the credit", "GET", f"{CUSTOMER}/balance_transactions/[^/]+"),
        ENDED,
    )
    calls: Sequence[str] = ("POST /v1/credits$",)
    amount = 5_000
    decisions = 0

    async def prepare(self, home: House) -> None:
        self.acme: Tenant = await builders.tenant(home.database)
        self.customer = await money.customer(home.shop, self.acme)
        self.since = home.stand_in.last_request()

    async def act(self, home: House) -> None:
        await self.ask(home)
        if self.decisions:
            await approve(home, self.acme.controller, self.operation)
        row = await until_state(home, self.operation, "completed", "mismatched")
        assert row.state == "completed", row.error

    async def check(self, home: House) -> None:
        metadata = await self.made(home)
        await check_notes(home, self.operation, [money.NOTE], metadata)
        await check_records(home, self.operation, ["credit:1"], decisions=self.decisions)
        giver = self.acme.controller if self.decisions else self.acme.admin
        await check_commitment(home, self.operation, amount=self.amount, authority_of=giver.id)

    async def ask(self, home: House) -> None:
        self.operation = await money.credit(home, self.acme, self.customer, self.amount)

    async def made(self, home: House) -> object:
        """What Stripe has, once and of the right sum; gives its metadata."""
        customers = home.shop.client.v1.customers
        listed = await customers.balance_transactions.list_async(self.customer)
        (given,) = listed.data
        assert (given.amount, given.type, given.ending_balance) == (
            -self.amount,
            "adjustment",
            -self.amount,
        )
        assert (await customers.retrieve_async(self.customer)).balance == -self.amount
        await check_mirror(home, BalanceTransactionRow, given, operation_id=self.operation)
        path = f"/v1/customers/{self.customer}/balance_transactions"
        assert len(executed(home, path, self.since)) == 1
        return given.metadata


class ApprovedBalanceCredit(BalanceCredit):
    """Beyond the admin's authority: the controller approves it."""

    reviewed: Sequence[Step] = (
        OPENED,
        request("the re-check of the customer", "GET", CUSTOMER, 2),
    )
    steps: Sequence[Step] = (*BalanceCredit.steps[:3], *reviewed, *BalanceCredit.steps[3:])
    calls = ("POST /v1/credits$", "/decision$")
    amount = 60_000
    decisions = 1


class CreditNote(BalanceCredit):
    """On an open invoice."""

    steps: Sequence[Step] = (
        READ_CUSTOMER,
        request("the read of the invoice", "GET", INVOICE),
        CHECKED,
        AUTHORITY,
        INTENT,
        CREDIT_NOTE,
        EFFECT,
        request("the look at the credit note", "GET", f"{CREDIT_NOTES}/cn_[^/]+"),
        ENDED,
    )
    amount = 8_000
    billed = 90_000

    async def prepare(self, home: House) -> None:
        await super().prepare(home)
        self.bill = await money.invoice(home.shop, self.customer, self.billed)
        self.since = home.stand_in.last_request()

    async def ask(self, home: House) -> None:
        self.operation = await money.credit(
            home,
            self.acme,
            self.customer,
            self.amount,
            instrument="credit_note",
            invoice=self.bill,
            reason="order_change",
        )

    async def made(self, home: House) -> object:
        v1 = home.shop.client.v1
        (given,) = (await v1.credit_notes.list_async({"invoice": self.bill})).data
        assert (given.amount, given.status, given.reason) == (self.amount, "issued", "order_change")
        assert (await v1.invoices.retrieve_async(self.bill)).amount_remaining == self.billed - self.amount
        assert (await v1.customers.retrieve_async(self.customer)).balance == 0
        await check_mirror(home, CreditNoteRow, given, status="issued", operation_id=self.operation)
        assert len(executed(home, CREDIT_NOTES, self.since)) == 1
        return given.metadata


class CreditNoteByLines(CreditNote):
    """Of a part of the invoice's one line."""

    steps: Sequence[Step] = (PREVIEW, INTENT, CREDIT_NOTE, EFFECT)

    async def ask(self, home: House) -> None:
        bill = await home.shop.client.v1.invoices.retrieve_async(self.bill)
        self.operation = await money.credit(
            home,
            self.acme,
            self.customer,
            None,
            lines=[{"line": bill.lines.data[0].id, "amount_minor": self.amount}],
            instrument="credit_note",
            invoice=self.bill,
            reason="order_change",
        )


class ApprovedCreditNote(CreditNote):
    """Beyond the admin's authority: the controller approves it."""

    reviewed: Sequence[Step] = (
        OPENED,
        request("the re-check of the customer", "GET", CUSTOMER, 2),
        request("the re-check of the invoice", "GET", INVOICE, 2),
    )
    steps: Sequence[Step] = (*CreditNote.steps[:4], *reviewed, *CreditNote.steps[4:])
    calls = ("POST /v1/credits$", "/decision$")
    amount = 60_000
    decisions = 1
