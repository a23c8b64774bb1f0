"""The customer's side: a link that has expired, a new one by mail, a payment; and who is reminded."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx

from .people import Json, People, expect, read
from .telling import money

DAY = 86_400
ZONES = ("America/New_York", "Europe/Berlin", "Asia/Kolkata", "Pacific/Auckland", "America/Los_Angeles")
OFFICE = range(9, 17)
LINK_VALIDITY = timedelta(seconds=2)


class CustomersSide:
    """Told as it happens; `done` sums it up."""

    def __init__(self, people: People) -> None:
        self._people, self._teller = people, people.teller
        self._places = people.stack.places
        self.done: list[str] = []

    async def play(self) -> None:
        async with httpx.AsyncClient(
            base_url=self._places.url("api"),
            trust_env=False,
            timeout=20,
            headers={"User-Agent": "Mozilla/5.0"},
        ) as browser:
            await self._expired_link(browser)
        await self._reminders()

    # --- A link that has expired ----------------------------------------------------------------------

    async def _expired_link(self, browser: httpx.AsyncClient) -> None:
        self._teller.chapter("A customer's link has expired")
        invoice = self._people.stack.info()["example"]["open_invoice"]
        until = datetime.now(UTC) + LINK_VALIDITY
        link = await self._people.post(
            "billing_admin",
            f"/v1/invoices/{invoice}/portal-links",
            {"expires_at": until.isoformat()},
            (201,),
        )
        await asyncio.sleep(LINK_VALIDITY.total_seconds())
        page = await self._open(browser, link["url"])
        expect(page.status_code == 404, f"the expired link not to open, but it answers {page.status_code}")
        self._teller.say("The page says no more than that the link can't be opened, and offers a new one.")
        seen = len(await self._mails())
        asked = await browser.post(page.url.join("new-link"))
        expect(asked.status_code == 200, f"a new link to be asked for, but it answers {asked.status_code}")
        fresh = await self._link_in_mail(seen)
        page = await self._open(browser, fresh)
        expect(page.status_code == 200 and "Pay" in page.text, "the new link to open the invoice's page")
        self._teller.say("The new one came by mail and opens the invoice, without a login.")
        await self._pay(browser, page)
        trouble = await self._solved(invoice)
        self._teller.say(
            f"The trouble was noticed when the customer asked, and closed by itself ({trouble['how']}). "
            f"Had it lasted, the controller would have heard before {trouble['deadline'][:16]} UTC."
        )
        await self._people.timeline(trouble["id"])
        self.done.append("An expired link was replaced by mail, opened and paid; nobody had to do anything.")

    async def _pay(self, browser: httpx.AsyncClient, page: httpx.Response) -> None:
        """On Stripe's own page, which the button leads to; the form says what the page has shown."""
        shown = re.search(r'name="shown" value="([0-9a-f]+)"', page.text)
        expect(shown is not None, "the page to have a button to pay")
        assert shown is not None
        to_stripe = await browser.post(page.url.join("pay"), data={"shown": shown[1]})
        expect(to_stripe.status_code == 303, f"the way to Stripe's page, but it is {to_stripe.status_code}")
        paid = await browser.post(to_stripe.headers["location"], data={"card": "visa"})
        expect(paid.status_code in (200, 303), f"the card to be taken, but it is {paid.status_code}")

        async def said() -> bool | None:
            text = (await browser.get(page.url)).text
            return True if "paid" in text.lower() and "Pay " not in text else None

        await self._people.seen(said, lambda: "the page to say that the invoice is paid")
        self._teller.say(
            "Pay leads to Stripe's page, its address read fresh; afterwards ours says that it is paid."
        )

    async def _open(self, browser: httpx.AsyncClient, url: str) -> httpx.Response:
        """As a person does: the token goes into a cookie, and the page is shown."""
        first = await browser.get(url, headers={"Accept": "text/html"})
        expect(
            first.status_code == 303, f"{first.request.method} of a link to redirect, got {first.status_code}"
        )
        return await browser.get(first.headers["location"], headers={"Accept": "text/html"})

    async def _link_in_mail(self, seen: int) -> str:
        async def there() -> str | None:
            for mail in (await self._mails())[seen:]:
                if found := re.search(r"http://\S+/portal/[A-Za-z0-9_-]{43}(?!\S)", mail["text"]):
                    self._teller.item(f"to {', '.join(mail['to'])}: {mail['subject']}")
                    return found[0]
            return None

        return await self._people.seen(there, lambda: "a mail with a new link")

    async def _solved(self, invoice: str) -> Json:
        async def closed() -> Json | None:
            page = await self._people.get("controller", f"/v1/portal-troubles?invoice={invoice}")
            return next((one for one in page["data"] if one["closed_at"]), None)

        return await self._people.seen(closed, lambda: "the trouble to be closed by itself")

    async def _mails(self) -> list[Json]:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            mails: list[Json] = (await http.get(self._places.url("mail") + "/messages")).json()
        return mails

    # --- Reminders ------------------------------------------------------------------------------------

    async def _reminders(self) -> None:
        self._teller.chapter("Who is reminded, and who is not")
        now = datetime.now(UTC)
        open_, shut = _zones(now)
        found = (await self._people.get("billing_admin", "/v1/customers?limit=50"))["data"]
        taken = self._people.stack.info()["example"]["customer"]
        at_work, asleep, opted_out = [one["id"] for one in found if one["id"] != taken][:3]
        bills = set()
        for customer, settings in (
            (at_work, {"zone": open_}),
            (asleep, {"zone": shut}),
            (opted_out, {"zone": open_, "opted_out": True}),
        ):
            await self._settings(customer, settings)
            bills.add(await self._bill(customer, int(now.timestamp()) + 6 * DAY))
        self._teller.say(
            "Three invoices are due in six days; the reminder of seven days before is due by now."
        )
        run = await self._people.ask("/v1/reminder-runs", {})
        done = (await self._people.ended(run))["result"]
        decisions = await self._decided(bills)
        where = {at_work: f"at work in {open_}", asleep: f"out of hours in {shut}", opted_out: "opted out"}
        for one in decisions:
            self._teller.item(
                f"{one['step']} to the customer {where.get(one['customer'], one['customer'])}: "
                f"{one['state']}. {one['words']}"
            )
        expect(len(decisions) == 3, f"three decisions, but there are {len(decisions)}")
        expect(
            next(one for one in decisions if one["customer"] == opted_out)["reason"] == "opted_out",
            "who has opted out not to be reminded",
        )
        again = await self._people.ask("/v1/reminder-runs", {})
        counted = (await self._people.ended(again))["result"]["counts"]
        expect(counted == [], f"a second run to decide nothing anew, but it did: {counted}")
        unpaid = sum(one["amount"]["amount_minor"] for one in decisions)
        self._teller.say(
            f"{done['seen']} open invoices were looked at; {money(unpaid, 'usd')} is unpaid on "
            "those three. A second run decides nothing anew."
        )
        self.done.append(
            "Each reminder was decided once: sent, held for the customer's own hours, or left out."
        )

    async def _decided(self, invoices: set[str]) -> list[Json]:
        """What was decided of these, by whichever run: every quarter of an hour there is one by itself."""
        decisions = []
        for run in (await self._people.get("auditor", "/v1/reminder-runs"))["data"]:
            await self._people.ended(run["id"])
            found = await self._people.get("auditor", f"/v1/reminder-runs/{run['id']}/decisions")
            decisions += [one for one in found["data"] if one["invoice"] in invoices]
        return decisions

    async def _settings(self, customer: str, settings: Json) -> None:
        headers = {"Authorization": f"Bearer {self._places.memory.people['billing_admin'].api_key}"}
        async with httpx.AsyncClient(base_url=self._places.url("api"), trust_env=False, timeout=20) as http:
            read(
                await http.patch(f"/v1/customers/{customer}/settings", json=settings, headers=headers), (200,)
            )

    async def _bill(self, customer: str, due: int) -> str:
        """An invoice as it is made in Stripe; Plixo hears of it by Stripe's events."""
        draft = await self._people.make(
            "invoices", {"customer": customer, "collection_method": "send_invoice", "due_date": due}
        )
        await self._people.make(
            "invoiceitems",
            {"customer": customer, "invoice": draft["id"], "amount": 12_500, "currency": "usd"},
        )
        await self._people.make(f"invoices/{draft['id']}/finalize", {})

        async def mirrored() -> Json | None:
            page = await self._people.get("billing_admin", f"/v1/invoices?customer={customer}&status=open")
            return next((one for one in page["data"] if one["id"] == draft["id"]), None)

        await self._people.seen(mirrored, lambda: f"invoice {draft['id']} to be mirrored")
        return str(draft["id"])


def _zones(now: datetime) -> tuple[str, str]:
    """A zone where the office is open now, unless it is nowhere, and one where it is not."""

    def works(zone: str) -> bool:
        there = now.astimezone(ZoneInfo(zone))
        return there.weekday() < 5 and there.hour in OFFICE

    open_ = next((zone for zone in ZONES if works(zone)), ZONES[0])
    return open_, next(zone for zone in reversed(ZONES) if not works(zone))
