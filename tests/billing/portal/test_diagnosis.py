"""Which one thing keeps a customer from an invoice, since when, by what evidence, and what fixes it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.portal.access_facts import AccessFacts, BlockFact, LinkFact, MailFact, VisitFact
from billing.portal.diagnosis import FindingSource, diagnose, fixed_by_link

NOW = datetime(2026, 4, 16, 14, 0, tzinfo=UTC)
RESEND = ("POST", "/v1/invoices/in_1/portal-links/resend")


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


def a_link(number: int = 1, **more: Any) -> LinkFact:
    """A link of ten days ago that is good for twenty more and was opened once."""
    usual: dict[str, Any] = {
        "id": f"plk_{number}",
        "created_at": ago(days=10),
        "expires_at": NOW + timedelta(days=20),
        "opens": 1,
    }
    return LinkFact(**usual | more)


def a_visit(outcome: str, number: int = 1, **more: Any) -> VisitFact:
    usual: dict[str, Any] = {
        "id": f"pac_{number}",
        "link": "plk_1",
        "at": ago(hours=1),
        "address": "192.0.2.7",
    }
    return VisitFact(outcome=outcome, **usual | more)


def facts(**more: Any) -> AccessFacts:
    """All is well, unless told otherwise."""
    usual: dict[str, Any] = {
        "at": NOW,
        "invoice": "in_1",
        "customer": "cus_1",
        "status": "open",
        "changed_at": ago(days=3),
        "address": "pay@customer.example",
        "links": (a_link(),),
        "visits": (a_visit("opened"),),
    }
    return AccessFacts(**usual | more)


EXPIRED = {"links": (a_link(expires_at=ago(days=1)),), "visits": (a_visit("expired"),)}
BLOCKED = {
    "visits": (a_visit("blocked"), a_visit("blocked", 2, at=ago(days=2))),
    "blocked": (BlockFact(address="192.0.2.7", rule="net_1", since=ago(days=5)),),
}
CASES: dict[str, tuple[dict[str, Any], datetime | None, tuple[str, str] | None]] = {
    "paid": ({"status": "paid"}, ago(days=3), ("POST", "/v1/invoices/in_1/pdf")),
    "void": ({"status": "void"}, ago(days=3), None),
    "not_finalized": ({"status": "draft"}, None, ("POST", "/v1/invoices/in_1/finalize")),
    "portal_down": ({"visits": (a_visit("unavailable"),)}, ago(hours=1), ("GET", "/v1/incidents")),
    "blocked_address": (BLOCKED, ago(days=2), ("DELETE", "/v1/portal-networks/net_1")),
    "no_address": ({"address": None}, None, ("POST", "/v1/customers/cus_1")),
    "wrong_mail": (
        {
            "bounced_address": "pay@customer.example",
            "bounced_at": ago(days=2),
            "mails": (MailFact(id="cml_1", at=ago(days=2), state="bounced", address="pay@customer.example"),),
        },
        ago(days=2),
        ("POST", "/v1/customers/cus_1"),
    ),
    "expired": (EXPIRED, ago(days=1), RESEND),
    "revoked": (
        {
            "links": (a_link(ended_at=ago(days=4), end_reason="revoked"),),
            "visits": (a_visit("revoked"),),
        },
        ago(days=4),
        RESEND,
    ),
    "replaced": (
        {
            "links": (
                a_link(2, created_at=ago(days=6)),
                a_link(1, ended_at=ago(days=6), end_reason="replaced"),
            ),
            "visits": (a_visit("replaced"),),
        },
        ago(days=6),
        RESEND,
    ),
    "stripe_url_expired": (
        {"pay_link_until": ago(days=1), "visits": ()},
        ago(days=1),
        ("POST", "/v1/invoices/in_1/pay-link"),
    ),
    "never_opened": ({"links": (a_link(opens=0),), "visits": ()}, ago(days=10), RESEND),
    "nothing_wrong": ({}, None, ("POST", "/v1/invoices/in_1/pay-link")),
}


@pytest.mark.parametrize("code", CASES)
def test_each_cause_has_its_moment_and_the_one_action_that_mends_it(code: str) -> None:
    told, since, action = CASES[code]
    cause = diagnose(facts(**told)).cause
    assert (cause.code, cause.since) == (code, since)
    assert (cause.action and (cause.action.method, cause.action.path)) == action
    assert cause.words


def test_the_evidence_is_the_rows_that_it_rests_on() -> None:
    cause = diagnose(facts(**EXPIRED)).cause
    assert cause.evidence == (
        FindingSource(kind="link", id="plk_1", at=ago(days=1), what="expired"),
        FindingSource(kind="visit", id="pac_1", at=ago(hours=1), what="expired from 192.0.2.7"),
    )


def test_what_a_new_link_can_not_mend_comes_before_what_it_does() -> None:
    told = EXPIRED | {"visits": BLOCKED["visits"], "blocked": BLOCKED["blocked"], "address": None}
    found = [finding.code for finding in diagnose(facts(**told)).findings]
    assert found == ["blocked_address", "no_address", "expired"]


def test_a_mail_that_went_to_a_former_address_is_sent_again() -> None:
    sent = MailFact(id="cml_1", link="plk_1", at=ago(days=2), state="sent", address="old@customer.example")
    cause = diagnose(facts(mails=(sent,))).cause
    assert (cause.code, cause.since) == ("wrong_mail", ago(days=2))
    assert cause.action is not None
    assert (cause.action.method, cause.action.path) == RESEND


REVOKED_THEN_NEW = (
    a_link(2, created_at=ago(hours=2), opens=0),
    a_link(1, ended_at=ago(hours=3), end_reason="revoked"),
)


@pytest.mark.parametrize("outcome", ["opened", "paying", "pdf", "expired", "revoked", "unavailable"])
def test_a_visit_by_another_link_proves_nothing_about_the_one_that_is_meant(outcome: str) -> None:
    """The faults' case: opened, revoked, and another one was sent that nobody has tried."""
    visits = (a_visit(outcome, at=ago(hours=4)), a_visit("opened", 2, at=ago(days=2)))
    found = diagnose(facts(links=REVOKED_THEN_NEW, visits=visits))
    assert [finding.code for finding in found.findings] == ["never_opened"]


def test_a_replaced_link_that_was_tried_before_the_present_one_proves_nothing_about_it() -> None:
    tried = a_visit("replaced", at=ago(hours=4))
    assert diagnose(facts(links=REVOKED_THEN_NEW, visits=(tried,))).cause.code == "never_opened"
    later = a_visit("replaced", at=ago(hours=1))
    assert diagnose(facts(links=REVOKED_THEN_NEW, visits=(later, tried))).cause.code == "replaced"


def test_the_mail_of_another_link_says_nothing_about_where_this_one_went() -> None:
    sent = MailFact(id="cml_1", link="plk_1", at=ago(days=2), state="sent", address="old@customer.example")
    found = diagnose(facts(links=REVOKED_THEN_NEW, visits=(), mails=(sent,)))
    assert (found.cause.code, found.cause.evidence) == ("never_opened", ())


def test_an_address_that_is_let_in_meanwhile_is_not_blocked_any_more() -> None:
    assert diagnose(facts(visits=BLOCKED["visits"])).cause.code == "nothing_wrong"


def test_an_address_outside_of_the_allowed_networks_is_to_be_allowed() -> None:
    refused = BlockFact(address="192.0.2.7")
    cause = diagnose(facts(visits=(a_visit("blocked"),), blocked=(refused,))).cause
    assert cause.action is not None
    assert (cause.code, cause.action.method, cause.action.path) == (
        "blocked_address",
        "POST",
        "/v1/portal-networks",
    )


def test_an_open_incident_of_the_portal_comes_first() -> None:
    told = EXPIRED | {"portal_down_since": ago(minutes=20)}
    found = diagnose(facts(**told))
    assert [finding.code for finding in found.findings] == ["portal_down", "expired"]
    assert found.cause.since == ago(minutes=20)


def test_the_words_name_no_address_of_the_customers() -> None:
    for told, _, _ in CASES.values():
        for finding in diagnose(facts(**told)).findings:
            assert "192.0.2" not in finding.words
            assert "@" not in finding.words


@pytest.mark.parametrize(
    ("told", "fixes"),
    [
        (EXPIRED, True),
        (EXPIRED | {"address": None}, False),
        (EXPIRED | {"bounced_address": "pay@customer.example", "bounced_at": ago(days=9)}, False),
        (CASES["revoked"][0], False),
        (CASES["replaced"][0], True),
        ({}, False),
    ],
)
def test_a_link_goes_out_by_itself_only_where_it_mends_and_arrives(told: dict[str, Any], fixes: bool) -> None:
    seen = facts(**told)
    assert fixed_by_link(diagnose(seen), seen) is fixes
