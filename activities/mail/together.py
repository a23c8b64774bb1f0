"""What several mails of one operation need of the records, in one look and one transaction for all of them.

The mails that a step tells people by are claimed together, and mostly taken by the mail server at about the
same moment.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from billing.mail.messages import MailRequest

from .records import Mailing

LONGEST = 0.1
"""Seconds that a mail which was sent waits for the others, to be noted with them."""

Asked = TypeVar("Asked")
Found = TypeVar("Found")


class LooksTogether(Generic[Asked, Found]):
    """Looks that are asked for at the same moment, with the same key, are one look."""

    def __init__(self, look: Callable[[Sequence[Asked]], Awaitable[Sequence[Found]]]) -> None:
        self._look = look
        self._asked: dict[Hashable, tuple[list[Asked], asyncio.Task[Sequence[Found]]]] = {}

    async def find(self, key: Hashable, asked: Asked) -> Found:
        """Raises what the look raises."""
        if key not in self._asked:
            all_: list[Asked] = []
            self._asked[key] = all_, asyncio.create_task(self._together(key, all_))
        all_, looking = self._asked[key]
        all_.append(asked)
        place = len(all_) - 1
        return (await asyncio.shield(looking))[place]

    async def _together(self, key: Hashable, asked: Sequence[Asked]) -> Sequence[Found]:
        await asyncio.sleep(0)  # who begins with the first has asked by then
        del self._asked[key]
        return await self._look(asked)


@dataclass(frozen=True)
class SentMail:
    """What the mail server took, the recipients by Message-ID; `settles` is the row of the outbox that is
    settled with it."""

    request: MailRequest
    mailing: Mailing
    taken: Mapping[str, str]
    settles: str | None


@dataclass
class _NoteBatch:
    sent: list[SentMail] = field(default_factory=list)
    complete: asyncio.Event = field(default_factory=asyncio.Event)
    noted: asyncio.Task[None] | None = None


class NotesTogether:
    """What is sent of one operation is noted once nothing more of it is under way, but soon in any case."""

    def __init__(self, note: Callable[[Sequence[SentMail]], Awaitable[None]]) -> None:
        self._note = note
        self._under_way: Counter[str] = Counter()
        self._gathering: dict[str, _NoteBatch] = {}

    @contextmanager
    def under_way(self, operation: str) -> Iterator[None]:
        """While a mail of the operation is sent."""
        self._under_way[operation] += 1
        try:
            yield
        finally:
            self._ends(operation)

    async def note(self, sent: SentMail) -> None:
        """Of a mail that is under way. Raises what noting them raises."""
        operation = sent.request.operation
        gathering = self._gathering.setdefault(operation, _NoteBatch())
        gathering.sent.append(sent)
        if gathering.noted is None:
            gathering.noted = asyncio.create_task(self._together(operation, gathering))
        self._ends(operation)
        try:
            await asyncio.shield(gathering.noted)
        finally:
            self._under_way[operation] += 1

    def _ends(self, operation: str) -> None:
        self._under_way[operation] -= 1
        if not self._under_way[operation]:
            del self._under_way[operation]
            if (gathering := self._gathering.get(operation)) is not None:
                gathering.complete.set()

    async def _together(self, operation: str, gathering: _NoteBatch) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST):
                await gathering.complete.wait()
        del self._gathering[operation]
        await self._note(gathering.sent)
