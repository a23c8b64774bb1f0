"""A plan change where the subscription has more on it: a tax, a coupon, a card whose bank asks its owner."""

from .people import Json, People, expect
from .telling import money

ASKED: Json = {
    "plan": "scale",
    "seats": 9,
    "effective": "now",
    "invoicing": "immediately",
    "reason": "One more joins the receivables team.",
}


class RealAccount:
    """A quote, an approval of exactly that, and a payment that waits for the payer; `done` sums it up."""

    def __init__(self, people: People) -> None:
        self._people, self._teller = people, people.teller
        self.done: list[str] = []

    async def play(self) -> None:
        self._teller.chapter("A seat more, with a tax, a coupon and a bank that asks")
        await self._prepare()
        quoted = await self._quote()
        due = await self._pay(quoted)
        self.done.append(
            f"Added a seat with tax and coupon for {due}, paid once the bank's question was answered."
        )

    async def _prepare(self) -> None:
        """What Plixo has put on the subscription in Stripe by now."""
        stripe = (await self._people.get("auditor", "/v1/organization"))["stripe"]
        people, payer = self._people, stripe["customer"]
        rate = await people.make("tax_rates", {"display_name": "VAT", "percentage": 19, "inclusive": "false"})
        coupon = await people.make("coupons", {"name": "Partner", "percent_off": 10, "duration": "forever"})
        card = await people.make("payment_methods/pm_card_authenticationRequired/attach", {"customer": payer})
        await people.make(f"customers/{payer}", {"balance": 0})  # credit would pay, and nobody be asked
        bears = {
            "default_tax_rates[0]": rate["id"],
            "discounts[0][coupon]": coupon["id"],
            "default_payment_method": card["id"],
        }
        await people.make(f"subscriptions/{stripe['subscription']}", bears)
        self._teller.say(
            "In Stripe the subscription now bears 19% VAT and the coupon Partner, 10% off. It is charged to "
            "a card whose bank asks its owner to confirm each payment."
        )

    async def _quote(self) -> Json:
        self._teller.say("Bea looks first. A quote tells nobody and records nothing:")
        quoted = await self._people.post("billing_admin", "/v1/plan-changes/quote", ASKED, (200,))
        expect(not quoted["obstacles"], f"nothing in the way, but found {quoted['obstacles']}")
        currency, amounts = quoted["total"]["currency"], quoted["amounts"]
        self._teller.lines([*quoted["credits"], *quoted["debits"]], currency)
        for one in amounts["taxes"]:
            self._teller.item(f"{one['name']}: {money(one['amount_minor'], currency)}")
        asked = ", ".join(person["name"] for person in quoted["review"]["ladder"][0]["people"])
        self._teller.say(
            "What was paid before bore neither and is credited as it was paid; the new seats' time is 10% "
            f"less, and taxed. Due now: {money(**quoted['due_now'])}. "
            f"The next invoice, with both: {money(**quoted['next_invoice']['amount'])}."
        )
        self._teller.say(f"{asked} would be asked.")
        return quoted

    async def _pay(self, quoted: Json) -> str:
        self._teller.say("She asks for exactly that, and Cora approves it.")
        body = ASKED | {"quote": quoted["quote"]}
        operation, approval = await self._people.reviewed("/v1/plan-changes", body)
        await self._people.approve("controller", approval)
        waits = await self._people.until(operation, lambda now: now["stage"] in ("payment_due", "done"))
        expect(
            waits["stage"] == "payment_due", f"the payment to wait for its payer, but it is {waits['stage']}"
        )
        result = waits["result"]
        self._teller.say(
            f"Invoice {result['invoice']} waits for its payer, who is mailed where to confirm it. Until then "
            "the plan stays as it is; not paid within 23 hours, the change is dropped."
        )
        path = f"/v1/invoices/{result['invoice']}?expand[]=payments"
        invoice = (await self._people.stripe("GET", path)).json()
        intent = invoice["payments"]["data"][0]["payment"]["payment_intent"]
        await self._people.stripe(
            "POST", "/_sandbox/authentications", json={"intent": intent, "passes": True}
        )
        paid = (await self._people.ended(operation))["result"]
        expect(not paid["differences"], f"no differences, but found {paid['differences']}")
        expect(
            paid["total"] == quoted["due_now"],
            f"{quoted['due_now']} to be billed, but it was {paid['total']}",
        )
        self._teller.say(
            "Confirmed, paid and verified: lines, discount, tax and total are as they were quoted."
        )
        return money(**paid["total"])
