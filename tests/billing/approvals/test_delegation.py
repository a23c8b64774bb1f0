from datetime import UTC, datetime, timedelta

import pytest

from billing.approvals.authorship import Author
from billing.approvals.deciders import ApproverPool, Deciders, DelegatedRole
from billing.approvals.delegation import check_delegate, check_of_approval, check_period
from billing.core.errors import BillingError

NOW = datetime(2026, 4, 17, 16, tzinfo=UTC)
DAY = timedelta(days=1)


def refused(check, *arguments, **more):
    try:
        check(*arguments, **more)
    except BillingError as refusal:
        return refusal.code, refusal.field
    return None


@pytest.mark.parametrize(
    ("starts", "ends", "refusal"),
    [
        (0 * DAY, DAY, None),
        (DAY, 2 * DAY, None),
        (-timedelta(minutes=4), DAY, None),
        (0 * DAY, 366 * DAY, None),
        (DAY, DAY, ("delegation_inverted", "ends_at")),
        (2 * DAY, DAY, ("delegation_inverted", "ends_at")),
        (-2 * DAY, -DAY, ("delegation_in_past", "ends_at")),
        (-DAY, DAY, ("delegation_in_past", "starts_at")),
        (-timedelta(minutes=4), 0 * DAY, ("delegation_in_past", "ends_at")),
        (0 * DAY, 366 * DAY + timedelta(seconds=1), ("delegation_too_long", "ends_at")),
    ],
)
def test_a_delegation_runs_from_now_or_later_for_at_most_a_year(starts, ends, refusal):
    assert refused(check_period, NOW + starts, NOW + ends, NOW) == refusal


def test_the_fields_are_named_as_the_caller_names_them():
    late = refused(check_period, NOW - 2 * DAY, NOW - DAY, NOW, fields=("from", "until"))
    assert late == ("delegation_in_past", "until")


@pytest.mark.parametrize(
    ("to", "active", "roles", "refusal"),
    [
        ("dan", True, [], None),
        ("cleo", True, [], "delegate_is_self"),
        ("dan", None, [], "delegate_unknown"),
        ("dan", False, [], "delegate_inactive"),
        ("dan", True, ["controller", "auditor"], "delegate_is_auditor"),
    ],
)
def test_a_delegate_is_somebody_else_who_is_there_and_audits_nothing(to, active, roles, refusal):
    found = refused(check_delegate, "cleo", to, active, roles)
    assert found == (None if refusal is None else (refusal, "to"))


@pytest.mark.parametrize("to", ["ada", "dan"])
def test_who_may_have_no_say_is_no_delegate(to):
    ada = Author(person="ada", at=NOW, how="asked")
    deciders = Deciders(ApproverPool({}, [DelegatedRole("ada", "dan")]), "apr_1", [ada])
    assert refused(check_of_approval, to, deciders) == ("delegate_is_requester", "to")
    assert refused(check_of_approval, "lee", deciders) is None
