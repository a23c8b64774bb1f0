"""Settings of the API as such: the account's version, and how late search is."""

from dataclasses import replace
from typing import Any

from pydantic import Field

from ..engine.engine import Engine
from ..versions import releases
from .control_parts import Body, Endpoint, Query


class VersionRequest(Body):
    """The account's version of the API."""

    version: str


class SearchRequest(Body):
    """How old an object must be to be found by a search."""

    delay_seconds: int = Field(ge=0)


def _version(engine: Engine, given: Any, query: Query) -> Any:
    return {"version": engine.account.api_version}


def _set_version(engine: Engine, given: Any, query: Query) -> Any:
    asked = VersionRequest.model_validate(given)
    if (refusal := releases.refusal(asked.version)) is not None:
        raise ValueError(refusal.message)
    engine.account = replace(engine.account, api_version=asked.version)
    return _version(engine, given, query)


def _search(engine: Engine, given: Any, query: Query) -> Any:
    return {"delay_seconds": engine.account.search_delay_seconds}


def _set_search(engine: Engine, given: Any, query: Query) -> Any:
    asked = SearchRequest.model_validate(given)
    engine.account = replace(engine.account, search_delay_seconds=asked.delay_seconds)
    return _search(engine, given, query)


ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("GET", "version"): _version,
    ("POST", "version"): _set_version,
    ("GET", "search"): _search,
    ("POST", "search"): _set_search,
}
