"""How many queries an answer takes, without those that find out who calls."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from .conftest import Api

_OF_THE_KEY = ("FROM api_keys", "FROM key_uses", "INTO key_uses")


@contextmanager
def queries(api: Api) -> Iterator[list[str]]:
    """The statements that are sent to the records within the block."""
    sent: list[str] = []

    def note(*given: object) -> None:
        statement = " ".join(str(given[2]).split())
        if not any(part in statement for part in _OF_THE_KEY):
            sent.append(statement)

    engine = api.context.database._reader.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)
