"""The tables of the first revision, as `db/tables` declares them. Both may change together, until a database
is anywhere that has to be kept: from then on, `db/tables` changes with a revision of its own.
"""

from . import (
    accounts,
    approvals,
    bill,
    evidence,
    incidents,
    mirror,
    operations,
    portal,
    reconciliation,
    sign_in,
)


def create() -> None:
    """Make every table, with its indexes, constraints and triggers. For a revision's `upgrade`."""
    accounts.create()
    operations.create()
    approvals.create()
    sign_in.create()
    mirror.create()
    bill.create()
    portal.create()
    incidents.create()
    reconciliation.create()
    evidence.create()
