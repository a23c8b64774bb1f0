"""Cases under fire: a note that is owed, of what bears it on a customer or on a charge."""

from collections.abc import Sequence
from typing import Any, ClassVar

from sqlmodel import select

from db.operations import notes
from db.tables import Operation

from ..support import builders, money
from ..support.builders import Tenant
from ..support.house import House
from .plan import Step, commit, request
from .records import check_records, deliver, taken, until_state

WHY = "Agreed with the customer on the phone, for the outage in March."
COUPON: dict[str, Any] = {"amount_off": 2_000, "currency": "usd", "duration": "once", "name": "Sorry"}


def closing(path: str) -> Sequence[Step]:
    """The steps from the note to the end, where the note is written to this path."""
    return (
        commit("the note", "^note:1$"),
        commit("the note's intent", "^intent$"),
        request("the note in Stripe", "POST", path),
        commit("the note's effect", "^effect:keep-note:"),
        commit("the end", "^ended$"),
    )


class DiscountOfCustomer:
    """Somebody gave a customer a coupon in Stripe."""

    path: ClassVar[str] = "/v1/customers/cus_[^/]+"
    steps: Sequence[Step] = closing(path)
    calls: Sequence[str] = ("/close$",)
    event: ClassVar[str] = "customer.discount.created"

    async def prepare(self, home: House) -> None:
        self.acme: Tenant = await builders.tenant(home.database)
        self.customer = await money.customer(home.shop, self.acme)
        await self.give(home)
        await deliver(home, self.event, self.is_ours)
        self.case = await self.found(home)
        await until_state(home, self.case, "running", stage="note_owed")
        self.since = home.stand_in.last_request()

    async def give(self, home: House) -> None:
        coupon: Any = await home.shop.client.v1.coupons.create_async(COUPON)  # type: ignore[arg-type]
        home.stand_in.control("discounts", {"customer": self.customer, "coupon": coupon.id})

    def is_ours(self, thing: dict[str, Any]) -> bool:
        return bool(thing["customer"] == self.customer)

    async def found(self, home: House) -> str:
        """The case, once Stripe's event was followed."""
        await home.settled()
        async with home.database.reading() as session:
            wanted = select(Operation.id).where(
                Operation.kind == "case", Operation.organization_id == self.acme.id
            )
            return (await session.exec(wanted)).one()

    async def act(self, home: House) -> None:
        answer = await home.post(self.acme.admin, f"/v1/cases/{self.case}/close", {"note": WHY})
        taken(answer)
        await until_state(home, self.case, "completed")

    async def check(self, home: House) -> None:
        async with home.database.reading() as session:
            [note] = await notes.of_operation(session, self.case)
        assert note.text == WHY
        metadata = await self.noted(home)
        assert metadata["plixo_note"].startswith(WHY)
        await check_records(home, self.case, ["keep-note:1"])

    async def noted(self, home: House) -> Any:
        return (await home.shop.client.v1.customers.retrieve_async(self.customer)).metadata


class LostDispute(DiscountOfCustomer):
    """Somebody gave in to a dispute in Stripe."""

    path = "/v1/charges/(ch|py)_[^/]+"
    steps: Sequence[Step] = closing(path)
    event = "charge.dispute.closed"

    async def give(self, home: House) -> None:
        v1 = home.shop.client.v1
        self.payment = await money.pay(home.shop, self.customer, 4_000, "pm_card_createDispute")
        [dispute] = (await v1.disputes.list_async({"payment_intent": self.payment})).data
        await v1.disputes.close_async(dispute.id)

    def is_ours(self, thing: dict[str, Any]) -> bool:
        return bool(thing["payment_intent"] == self.payment)

    async def noted(self, home: House) -> Any:
        [charge] = (await home.shop.client.v1.charges.list_async({"payment_intent": self.payment})).data
        return charge.metadata
