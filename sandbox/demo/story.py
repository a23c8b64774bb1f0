"""The main job from end to end, as people would do it through the API, told as it happens."""

from dataclasses import dataclass, field

import httpx

from ..stack.stack import Stack
from .bad_hour import BadHour
from .money import MoneyBack
from .people import DemoFailed as DemoFailed
from .people import People, expect
from .plan_change import PlanChanges
from .portal import CustomersSide
from .telling import Teller


@dataclass
class Demo:
    """Plan changes, refunds, credits, links, reminders and a bad hour of the example organization's."""

    stack: Stack
    teller: Teller
    done: list[str] = field(default_factory=list)

    async def play(self) -> None:
        """All of it. Raises DemoFailed at the first thing that is not as it should be."""
        people = People(self.stack, self.teller)
        try:
            for part in (PlanChanges(people), MoneyBack(people), CustomersSide(people), BadHour(people)):
                await part.play()
                self.done += part.done
            await self._mails()
        except httpx.HTTPError as error:
            raise DemoFailed(f"the API did not answer: {error!r}") from error
        finally:
            await people.close()

    async def _mails(self) -> None:
        self.teller.chapter("The mails that went out")
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            mails = (await http.get(self.stack.places.url("mail") + "/messages")).raise_for_status().json()
        expect(bool(mails), "mails to have been sent, but there are none")
        for mail in mails:
            self.teller.item(f"to {', '.join(mail['to'])}: {mail['subject']}")
