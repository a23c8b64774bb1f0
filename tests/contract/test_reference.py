"""The list of endpoints is what the code says."""

from pathlib import Path

from sandbox.stripe import reference

LISTED = Path(reference.__file__).with_name("ENDPOINTS.md")


def test_the_list_of_endpoints_is_the_codes() -> None:
    assert LISTED.read_text() == reference.document(), (
        "run: python -m sandbox.stripe.reference > sandbox/stripe/ENDPOINTS.md"
    )


def test_parameters_are_told_apart_by_what_is_done_with_them() -> None:
    text = " ".join(LISTED.read_text().split())
    customer = text.partition("### POST /v1/customers ")[2].partition("###")[0]
    assert "~~cash_balance~~" in customer
    assert "permission: `rak_customer_write`" in customer
    assert " email," in customer
    endpoint = text.partition("### POST /v1/webhook_endpoints ")[2].partition("###")[0]
    assert "**enabled_events**" in endpoint
    assert "~~connect~~" in endpoint
    assert "https://docs.stripe.com/api/webhook_endpoints" in endpoint
