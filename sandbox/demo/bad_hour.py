"""A bad hour of Stripe's: the banner, what is held, the runbook, and the note that ends it."""

from datetime import datetime

from .people import Json, People, expect
from .telling import money


class BadHour:
    """Told as it happens; `done` sums it up."""

    def __init__(self, people: People) -> None:
        self._people, self._teller = people, people.teller
        self.done: list[str] = []

    async def play(self) -> None:
        self._teller.chapter("A bad hour of Stripe's")
        fault = {"fault": "rate_limit", "path": "^/v1/", "times": None}
        await self._people.stripe("POST", "/_sandbox/faults", json=fault)
        before = len(await self._refunds())
        payment = await self._somebody_elses_payment()
        self._teller.say("Stripe answers every call with 429 from now on. Bea asks for a refund.")
        operation = await self._people.ask(
            "/v1/refunds",
            {
                "payment_intent": payment,
                "amount_minor": 1500,
                "reason": "duplicate",
                "note": "The train ticket was on the invoice twice.",
            },
        )
        incident = await self._degraded()
        await self._people.until(operation, lambda now: now["state"] == "held")
        await self._follow_the_runbook(incident)
        await self._people.stripe("DELETE", "/_sandbox/faults")
        self._teller.say("Stripe answers again. Plixo looks for a while before it believes it.")
        result = (await self._people.ended(operation))["result"]
        made = (await self._refunds())[before:]
        expect(len(made) == 1, f"one refund to be carried out, but there were {len(made)}")
        self._teller.say(
            f"The refund went on where it was: {result['refund']} {result['status']}, carried out once."
        )
        await self._people.timeline(operation)
        await self._clear(incident)
        self.done.append(
            f"A refund of {money(**result['amount'])} was held while Stripe was away, and made once."
        )

    async def _somebody_elses_payment(self) -> str:
        """Of whom nothing is in Bea's windows yet: it is within her authority."""
        known = self._people.stack.info()["example"]["customer"]
        page = await self._people.get("billing_admin", "/v1/payments?refundable=true&limit=100")
        found = next((one for one in page["data"] if one["customer"] != known), None)
        expect(found is not None, "a payment of another customer")
        return str(found["id"]) if found else ""

    async def _degraded(self) -> Json:
        """The banner, as soon as it rises."""

        async def risen() -> Json | None:
            banner = await self._people.get("billing_admin", "/v1/banner")
            return next((one for one in banner["incidents"] if one["component"] == "stripe"), None)

        incident = await self._people.seen(risen, lambda: "the banner to rise")
        self._teller.say(f"The banner rises by itself: {incident['words']}")
        for one in incident["capabilities"]:
            self._teller.item(f"{one['capability'].replace('_', ' ')}: {one['words']}")
        return incident

    async def _follow_the_runbook(self, incident: Json) -> None:
        where = f"/v1/incidents/{incident['id']}"

        async def told() -> Json | None:
            found = await self._people.get("controller", where)
            return found if found["held"] and found["alerted_at"] else None

        found = await self._people.seen(told, lambda: "the controller to be alerted, and the refund be held")
        self._teller.say(
            f"Cora, the controller, was alerted by mail. {found['held']} operation is held, none has "
            "failed. The runbook's steps, the first of which Bea ticks off:"
        )
        for step in found["steps"]:
            self._teller.item(f"{step['number']}. {step['text']}")
        await self._people.post("billing_admin", f"{where}/steps/1", {}, (200,))
        early = await self._people.post(
            "billing_admin", f"{where}/resolve", {"note": "It looks fine from here."}, (409,)
        )
        self._teller.say(f"To clear it now is refused: {early['detail']}")

    async def _clear(self, incident: Json) -> None:
        where = f"/v1/incidents/{incident['id']}"
        note = "Stripe limited us for a minute; nothing was lost, the queue has drained."

        async def well() -> Json | None:
            found = await self._people.get("controller", where)
            return found if found["recovered_at"] else None

        await self._people.seen(well, lambda: "the incident to be found recovered")
        await self._people.post("billing_admin", f"{where}/resolve", {"note": note}, (200, 202))

        async def cleared() -> Json | None:
            found = await self._people.get("controller", where)
            return found if found["cleared_at"] else None

        found = await self._people.seen(cleared, lambda: "the incident to be cleared")
        banner = await self._people.get("billing_admin", "/v1/banner")
        expect(banner["incidents"] == [], "no banner any more")
        opened, over = (datetime.fromisoformat(found[name]) for name in ("opened_at", "cleared_at"))
        self._teller.say(
            f"Bea's note clears the banner, {(over - opened).total_seconds():.0f} s after it rose; Finance "
            "is told that normal operations have resumed."
        )
        self.done.append("The banner rose and fell by itself but for the note, which it cannot do without.")

    async def _refunds(self) -> list[Json]:
        """Those that the stand-in has carried out."""
        lines: list[Json] = (await self._people.stripe("GET", "/_sandbox/requests")).json()
        return [
            line
            for line in lines
            if (line["method"], line["path"]) == ("POST", "/v1/refunds")
            and line["executed"]
            and not line["replayed"]
        ]
