"""The search attributes by which an operation's workflow is found in Temporal, and when its state changes.

Each change is an action that Temporal bills, so only what an operator looks for is said: that it waits for
people, for Stripe, or for nothing any more. What began as `running` and is completed stays as it is.
"""

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

with workflow.unsafe.imports_passed_through():
    from billing.core.operations import State
    from billing.operations.found_by import FoundBy

ORGANIZATION = SearchAttributeKey.for_keyword("PlixoOrganization")
KIND = SearchAttributeKey.for_keyword("PlixoKind")
STATE = SearchAttributeKey.for_keyword("PlixoState")
CUSTOMER = SearchAttributeKey.for_keyword("PlixoCustomer")
KEYS = (ORGANIZATION, KIND, STATE, CUSTOMER)

PASSING = frozenset({"previewed", "checked", "applying", "issuing", "reverting"})
"""Stages of `running` that are over in a moment, or are held."""


def attributes(found_by: FoundBy) -> TypedSearchAttributes:
    """As a workflow is started with them."""
    pairs = [
        SearchAttributePair(ORGANIZATION, found_by.organization),
        SearchAttributePair(KIND, found_by.kind.value),
        SearchAttributePair(STATE, found_by.state.value),
    ]
    if found_by.customer is not None:
        pairs.append(SearchAttributePair(CUSTOMER, found_by.customer))
    return TypedSearchAttributes(pairs)


def shown() -> State | None:
    """The state by which this workflow is found; None where it was started without: its server has no such
    attribute, and a workflow that set it there could not go on."""
    state = workflow.info().typed_search_attributes.get(STATE)
    return State(state) if state is not None else None


def show(state: State, stage: str = "") -> None:
    """From here on it is found by this state, unless that is over in a moment."""
    before = shown()
    if before in (None, state) or (before is State.RUNNING and state is State.COMPLETED):
        return
    if state is State.RUNNING and stage in PASSING:
        return
    workflow.upsert_search_attributes([STATE.value_set(state.value)])
