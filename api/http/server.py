"""How long a connection may take: uvicorn's protocol, with an end to every wait for the other side.

uvicorn itself only ends connections that are idle after an answer. A body that is too slow is first told so
by `api.http.bodies`; here it is cut off when it goes on all the same.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_WITHIN = 10.0
"""Seconds from the connection, or from the first byte of a further request, to the end of the headers."""
BODY_WITHIN = 30.0
"""Seconds from there to the end of the body, whether anybody reads it or not."""
ANSWER_TAKEN_WITHIN = 60.0
"""Seconds in which the other side has to take more of an answer."""
MAX_CONNECTIONS = 1000
"""At a time; requests on further ones are answered 503."""


class PatientProtocol(H11Protocol):
    """Patient up to a point. One timer for what is to arrive, one for what is to be taken."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._arriving: tuple[type[Any], asyncio.TimerHandle] | None = None
        self._taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect(h11.IDLE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self.conn.their_state
        super().data_received(data)
        now = self.conn.their_state
        # An answered request leaves IDLE behind: only bytes of the next one begin the wait for its headers.
        if now is h11.SEND_BODY or (now is h11.IDLE and before is h11.IDLE):
            self._expect(now)
        else:
            self._expect(None)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._taking is None:
            self._taking = self.loop.call_later(ANSWER_TAKEN_WITHIN, self._give_up)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _expect(self, what: type[Any] | None) -> None:
        """Headers (IDLE), a body (SEND_BODY) or nothing; the time for one begins once."""
        if self._arriving is not None:
            if self._arriving[0] is what:
                return
            self._arriving[1].cancel()
            self._arriving = None
        if what is not None:
            within = HEADERS_WITHIN if what is h11.IDLE else BODY_WITHIN
            self._arriving = what, self.loop.call_later(within, self._give_up)

    def _give_up(self) -> None:
        """Without a word: the answer to a request that is half there would not be read."""
        self.transport.abort()
