"""The runbooks that are shipped, and the banner's words, are whole."""

import re

import pytest

from billing.incidents.key_permissions import cause_of
from billing.incidents.runbooks import parse, runbook
from billing.incidents.states import Component, IncidentState
from billing.incidents.words import Capability, Severity, affected, capabilities, headline, severity


@pytest.mark.parametrize("component", list(Component))
def test_each_component_has_one_whose_last_step_is_the_note(component: Component) -> None:
    book = runbook(component)
    assert len(book.steps) >= 5
    assert "remediation note" in book.steps[-1]
    assert not re.search(r"(GET|POST|/v1)\b", " ".join([book.symptom, book.meaning, *book.steps])), "pages"
    assert not re.search(r"^\d+\.", "\n".join(book.steps), re.MULTILINE), "each step is one"
    assert book.symptom
    assert book.meaning


def test_a_step_goes_on_over_indented_lines() -> None:
    book = parse(
        "# T\n\n## What you see\n\nThis\nand that.\n\nMore.\n\n## What it means\n\nIt.\n\n"
        "## Steps\n\n1. Do this\n   and this.\n2. Then that.\n"
    )
    assert book.steps == ("Do this and this.", "Then that.")
    assert book.symptom == "This and that.\n\nMore."


@pytest.mark.parametrize(
    "text",
    [
        "no title",
        "# T\n\n## What you see\n\nx\n\n## What it means\n\nx\n",
        "# T\n\n## What you see\n\nx\n\n## What it means\n\nx\n\n## Steps\n\n1. a\n3. c\n",
        "# T\n\n## What you see\n\nx\n\n## What it means\n\nx\n\n## Steps\n\n- a\n",
    ],
)
def test_what_is_no_runbook_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="runbook"):
        parse(text)


@pytest.mark.parametrize("component", list(Component))
def test_the_banner_says_of_everything_that_people_do_what_it_means(component: Component) -> None:
    for state in IncidentState:
        meaning = capabilities(component, state, None)
        assert list(meaning) == list(Capability)
        assert all(words.endswith(".") for words in meaning.values())
    assert affected(component, IncidentState.DEGRADED, None)


def test_the_severity_tells_slow_from_gone() -> None:
    assert severity(Component.STRIPE, IncidentState.DEGRADED, "rate_limit") is Severity.DEGRADED
    assert severity(Component.STRIPE, IncidentState.DEGRADED, "stripe_unreachable") is Severity.DOWN
    assert severity(Component.STRIPE, IncidentState.RECOVERED, "rate_limit") is Severity.RECOVERED
    words = headline(Component.STRIPE, IncidentState.DEGRADED, "rate_limit")
    assert words.startswith("Stripe is degraded: Stripe limits our request rate.")
    assert headline(Component.MAIL, IncidentState.DEGRADED, "odd").startswith("The mail server is down.")
    assert "still needs a note" in headline(Component.MAIL, IncidentState.RECOVERED, None)


def test_the_permissions_that_a_key_lacks_are_named_with_what_each_stops() -> None:
    cause = cause_of(["rak_charge_write", "rak_event_read"])
    of = (Component.STRIPE_KEY, IncidentState.DEGRADED, cause)
    assert severity(*of) is Severity.DEGRADED
    assert headline(*of) == (
        "Plixo's key at Stripe lacks rak_charge_write (refunds) and rak_event_read (catching up on what "
        "webhooks have missed, and voids and write-offs whose answer was lost). Only what needs it is held; "
        "everything else works, and nothing is lost."
    )
    held = "What needs it is held until rak_charge_write is granted; nothing is lost."
    both = "What needs them is held until rak_charge_write and rak_event_read are granted; nothing is lost."
    assert affected(*of) == {Capability.REFUNDS: held, Capability.CREDITS: both}
    unknown = (Component.STRIPE_KEY, IncidentState.DEGRADED, cause_of(["rak_tax_read"]))
    assert headline(*unknown).startswith("Plixo's key at Stripe lacks rak_tax_read. Only")
    assert list(affected(*unknown)) == []
    assert headline(of[0], of[1], None).startswith("Plixo's key at Stripe lacks a permission. Only")
