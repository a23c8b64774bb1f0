"""Money back: a refund with its note, one whose answer is lost, and a credit beyond the admin's authority."""

from datetime import datetime

from .people import Json, People, expect
from .telling import money


class MoneyBack:
    """Told as they happen; `done` sums them up."""

    def __init__(self, people: People) -> None:
        self._people, self._teller = people, people.teller
        self._example: Json = people.stack.info()["example"]
        self._payment: str = self._example["payment_intent"]
        self.done: list[str] = []

    async def play(self) -> None:
        await self._refund()
        await self._dropped_answer()
        await self._credit_beyond_authority()

    async def _refund(self) -> None:
        self._teller.chapter("A refund, with its note")
        self._teller.say(f"Bea gives USD 45.00 of {self._payment} back. A note is required:")
        note = "Charged for two hours that were not worked."
        operation = await self._people.ask(
            "/v1/refunds",
            {
                "payment_intent": self._payment,
                "amount_minor": 4500,
                "reason": "requested_by_customer",
                "note": note,
            },
        )
        result = (await self._people.ended(operation))["result"]
        refund = (await self._people.stripe("GET", f"/v1/refunds/{result['refund']}")).json()
        kept = refund["metadata"].get("plixo_note")
        expect(kept == result["note"], f"the note in Stripe to be {result['note']!r}, but it is {kept!r}")
        self._teller.item(result["note"])
        self._teller.say(
            f"Within her authority, so it went straight through: {result['refund']} {result['status']}. "
            "The same note stands in Stripe's metadata."
        )
        await self._people.timeline(operation)
        await self._evidence(operation)
        self.done.append(f"Refunded {money(**result['amount'])} with a note that names {self._payment}.")

    async def _evidence(self, operation: str) -> None:
        document = await self._people.get("auditor", f"/v1/operations/{operation}/evidence")
        self._teller.say(
            f"The evidence pack holds all of it in one document, {len(document['timeline'])} chained events "
            "included; `python -m billing.evidence FILE` checks it anywhere."
        )

    async def _dropped_answer(self) -> None:
        self._teller.chapter("A refund whose answer is lost")
        fault = {"method": "POST", "path": "/v1/refunds$", "fault": "drop_after", "times": 1}
        await self._people.stripe("POST", "/_sandbox/faults", json=fault)
        before = await self._refund_requests()
        self._teller.say(
            "Stripe will carry out Bea's next refund and then drop the connection before it answers."
        )
        operation = await self._people.ask(
            "/v1/refunds",
            {
                "payment_intent": self._payment,
                "amount_minor": 3000,
                "reason": "duplicate",
                "note": "Travel costs were on the invoice twice.",
            },
        )
        result = (await self._people.ended(operation))["result"]
        sent = (await self._refund_requests())[len(before) :]
        carried_out = [line for line in sent if line["executed"] and not line["replayed"]]
        expect(len(carried_out) == 1, f"one refund to be carried out, but there were {len(carried_out)}")
        listed = (await self._people.stripe("GET", f"/v1/refunds?payment_intent={self._payment}")).json()[
            "data"
        ]
        expect(len(listed) == 2, f"two refunds of the payment in all, but there are {len(listed)}")
        self._teller.say(
            f"Plixo did not know whether it had happened, so it read Stripe back before sending anything "
            f"again, and found it: {result['refund']}, once. The payment has two refunds: "
            + ", ".join(money(one["amount"], one["currency"]) for one in reversed(listed))
            + "."
        )
        self.done.append("A refund whose answer was dropped was found again, not sent twice.")

    async def _credit_beyond_authority(self) -> None:
        self._teller.chapter("A credit beyond the admin's authority")
        customer = self._example["customer"]
        self._teller.say(f"Bea asks for a credit of USD 12,000.00 to {customer}.")
        operation, approval = await self._people.reviewed(
            "/v1/credits",
            {
                "customer": customer,
                "amount_minor": 1_200_000,
                "currency": "usd",
                "instrument": "balance",
                "reason": "goodwill",
                "note": "Agreed after the outage of the third quarter.",
            },
        )
        first = approval["ladder"][0]
        due = datetime.fromisoformat(first["deadline"])
        self._teller.say(
            f"Beyond her authority, and large: {' and '.join(first['roles'])} must both approve, "
            f"by {due:%d %B, %H:%M} UTC in business hours, or it expires. Nothing is in Stripe yet."
        )
        expect(await self._balance(customer) == 0, "no credit before the approval")
        await self._people.approve("controller", approval)
        still = await self._people.get("legal", f"/v1/approvals/{approval['id']}")
        expect(still["state"] == "open", f"the approval to be open still, but it is {still['state']}")
        self._teller.say("Cora, the controller, approves; that alone is not enough.")
        await self._people.approve("legal", still)
        self._teller.say("Lee, of Legal, approves as well.")
        result = (await self._people.ended(operation))["result"]
        balance = await self._balance(customer)
        expect(balance == -1_200_000, f"a credit of 1,200,000 cents, but the balance is {balance}")
        self._teller.say(
            f"Given once and read back: {result['object']}. "
            f"The customer's next bills are {money(**result['amount'])} lower."
        )
        await self._people.timeline(operation)
        self.done.append(f"Credited {money(**result['amount'])} after two approvals that it needed.")

    async def _balance(self, customer: str) -> int:
        return int((await self._people.stripe("GET", f"/v1/customers/{customer}")).json()["balance"])

    async def _refund_requests(self) -> list[Json]:
        lines: list[Json] = (await self._people.stripe("GET", "/_sandbox/requests")).json()
        return [line for line in lines if (line["method"], line["path"]) == ("POST", "/v1/refunds")]
