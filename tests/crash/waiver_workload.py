"""Voids and write-offs under fire: straight through or approved."""

from collections.abc import Sequence
from typing import ClassVar

from billing.money.notes import with_objects
from db.tables import Invoice

from ..support import builders, money
from ..support.builders import Tenant
from ..support.house import House
from .plan import Step, commit, request
from .records import approve, check_commitment, check_records, executed, until_state

INVOICE = "/v1/invoices/in_[^/]+"

READ = request("the read of the invoice", "GET", INVOICE)
CHECKED = commit("the check", "^checked:1$")
AUTHORITY = commit("the weighing of authority", "^authority:1$")
INTENT = commit("the intent", "^intent$")
VOID = request("the void", "POST", f"{INVOICE}/void")
WRITE_OFF = request("the write-off", "POST", f"{INVOICE}/mark_uncollectible")
EFFECT = commit("the effect", "^effect:waiver:1$")
LOOK = request("the look at the invoice", "GET", INVOICE, 2)
NOTE = request("the note", "POST", INVOICE)
ENDED = commit("the end", "^ended$")
OPENED = commit("the opened approval", ":opened$")


class Void:
    """One that is within the admin's authority and goes straight through."""

    steps: Sequence[Step] = (
        READ,
        CHECKED,
        AUTHORITY,
        INTENT,
        VOID,
        EFFECT,
        LOOK,
        NOTE,
        ENDED,
    )
    calls: Sequence[str] = ("POST /v1/voids$",)
    path: ClassVar[str] = "void"
    status: ClassVar[str] = "void"
    amount = 5_000
    decisions = 0

    async def prepare(self, home: House) -> None:
        self.acme: Tenant = await builders.tenant(home.database)
        self.bill = await money.invoice(home.shop, await money.customer(home.shop, self.acme), self.amount)
        self.since = home.stand_in.last_request()

    async def act(self, home: House) -> None:
        self.operation = await self.ask(home)
        if self.decisions:
            await approve(home, self.acme.controller, self.operation)
        row = await until_state(home, self.operation, "completed", "mismatched")
        assert row.state == "completed", row.error

    async def ask(self, home: House) -> str:
        return await money.void(home, self.acme, self.bill)

    async def check(self, home: House) -> None:
        invoice = await home.shop.client.v1.invoices.retrieve_async(self.bill)
        assert invoice.status == self.status
        assert len(executed(home, f"/v1/invoices/{self.bill}/{self.path}", self.since)) == 1
        assert (invoice.metadata or {})["plixo_note"] == with_objects(money.NOTE, [self.bill])
        async with home.database.reading() as session:
            row = await session.get(Invoice, self.bill)
        assert row is not None
        assert row.status == self.status
        done = ["keep-note:1", "waiver:1"]
        await check_records(home, self.operation, done, decisions=self.decisions)
        giver = self.acme.controller if self.decisions else self.acme.admin
        await check_commitment(home, self.operation, amount=self.amount, authority_of=giver.id)


class ApprovedVoid(Void):
    """Beyond the admin's authority: the controller approves it."""

    reviewed: Sequence[Step] = (
        OPENED,
        request("the re-check of the invoice", "GET", INVOICE, 2),
    )
    steps: Sequence[Step] = (*Void.steps[:3], *reviewed, *Void.steps[3:6], NOTE, ENDED)
    calls = ("POST /v1/voids$", "/decision$")
    amount = 60_000
    decisions = 1


class WriteOff(Void):
    """Of an invoice that will not be paid."""

    steps: Sequence[Step] = tuple(WRITE_OFF if step is VOID else step for step in Void.steps)
    calls = ("POST /v1/write-offs$",)
    path = "mark_uncollectible"
    status = "uncollectible"

    async def ask(self, home: House) -> str:
        return await money.write_off(home, self.acme, self.bill)


class ApprovedWriteOff(WriteOff):
    """Beyond the admin's authority: the controller approves it."""

    reviewed = ApprovedVoid.reviewed
    calls = ("POST /v1/write-offs$", "/decision$")
    amount = 60_000
    decisions = 1
