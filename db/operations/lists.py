"""Lists of operations: filtered, searched and sorted."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, or_
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from billing.core.operations import Kind, State
from billing.core.search_terms import SearchTerm

from ..core.pages import FirstOf, PagedRows, order
from ..core.search import contains, is_amount, of_customers
from ..tables import Invoice, Operation, OperationObject

OperationSort = Literal["created_at", "-created_at", "updated_at", "-updated_at", "amount", "-amount"]

_KEYS: Mapping[str, tuple[Any, ...]] = {
    "created_at": (col(Operation.id),),  # ids are in the order in which they were made
    "updated_at": (col(Operation.updated_at), col(Operation.id)),
    "amount": (FirstOf(col(Operation.amount_minor), 0), col(Operation.id)),
}


@dataclass(frozen=True)
class OperationFilter:
    """Which operations: all that is set has to hold; `open` is whether they are not closed."""

    kind: Kind | None = None
    state: State | None = None
    open: bool | None = None
    requested_by: str | None = None
    customer_id: str | None = None
    object_ids: Collection[str] = ()
    """Objects in Stripe, of which they are about one."""
    created_after: datetime | None = None
    created_before: datetime | None = None
    term: SearchTerm | None = None

    def conditions(self, organization_id: str) -> list[ColumnElement[bool]]:
        wanted = [col(Operation.organization_id) == organization_id]
        if self.kind:
            wanted.append(col(Operation.kind) == self.kind.value)
        if self.state:
            wanted.append(col(Operation.state) == self.state.value)
        if self.open is not None:
            closed_at = col(Operation.closed_at)
            wanted.append(closed_at.is_(None) if self.open else closed_at.is_not(None))
        if self.requested_by:
            wanted.append(col(Operation.requested_by) == self.requested_by)
        if self.customer_id:
            wanted.append(col(Operation.customer_id) == self.customer_id)
        if self.object_ids:
            wanted.append(col(Operation.id).in_(_about(organization_id, self.object_ids)))
        if self.created_after:
            wanted.append(col(Operation.created_at) >= self.created_after)
        if self.created_before:
            wanted.append(col(Operation.created_at) < self.created_before)
        if self.term:
            wanted.append(_found(organization_id, self.term))
        return wanted


ALL = OperationFilter()


def operations(
    organization_id: str, wanted: OperationFilter = ALL, *, sort: OperationSort = "-created_at"
) -> PagedRows[Operation]:
    """An organization's operations."""
    rows = select(Operation).where(*wanted.conditions(organization_id))
    return PagedRows(rows, *order(_KEYS, sort))


def _found(organization_id: str, term: SearchTerm) -> ColumnElement[bool]:
    id_ = col(Operation.id)
    if term.id is not None:
        about = _about(organization_id, [term.id])
        return or_(id_ == term.id, col(Operation.approval_id) == term.id, id_.in_(about))
    customer: Any = Operation.customer_id
    # Not joined: SQLite would look up the invoice of every object there is.
    numbered = select(Invoice.id).where(
        Invoice.organization_id == organization_id, contains(col(Invoice.number), term)
    )
    return or_(
        of_customers(customer, organization_id, term),
        id_.in_(_about(organization_id, numbered)),
        is_amount(term, col(Operation.currency), col(Operation.amount_minor)),
    )


def _about(organization_id: str, object_ids: Collection[str] | SelectOfScalar[str]) -> SelectOfScalar[str]:
    return select(OperationObject.operation_id).where(
        OperationObject.organization_id == organization_id, col(OperationObject.object_id).in_(object_ids)
    )
