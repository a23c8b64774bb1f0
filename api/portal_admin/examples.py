"""The examples of portal links, pay links, PDFs and customers' settings."""

from ..http.examples import CUSTOMER, INVOICE, PERSON, Example

_ID = "plk_01JD0W2B5N8Q1T4V7Y0B3E6H9K"
_PDF = "pdf_01JD0W4C7P0S3V6X9A2D5G8K1M"

LINK_BODY: Example = {"expires_at": "2026-05-31T00:00:00Z"}
REVOKE: Example = {"reason": "It was sent to the wrong person."}
LINK: Example = {
    "id": _ID,
    "invoice": INVOICE["id"],
    "customer": CUSTOMER["id"],
    "state": "live",
    "reason": "issued",
    "issued_by": PERSON["id"],
    "operation": None,
    "created_at": "2026-04-16T00:00:00Z",
    "expires_at": "2026-05-31T00:00:00Z",
    "opens": 0,
    "first_opened_at": None,
    "last_opened_at": None,
    "ended_at": None,
    "ended_by": None,
    "end_note": None,
}
ISSUED: Example = LINK | {
    "url": "https://billing.example.com/portal/Zm9yLXRoZS1leGFtcGxlLW9ubHktbm90LWEtdG9rZW4"
}
REVOKED: Example = LINK | {
    "state": "revoked",
    "ended_at": "2026-04-16T00:05:00Z",
    "ended_by": PERSON["id"],
    "end_note": REVOKE["reason"],
}
MAILED: Example = {"mail": "cml_01JD0W3C6P9R2U5W8Z1C4F7J0L", "link": _ID, "state": "due"}
PAY_LINK: Example = {
    "url": "https://invoice.stripe.com/i/acct_1Q2w3E4r5T6y7U8i/live_YWNjdF8x",
    "read_at": "2026-04-16T00:00:00Z",
    "expires_at": "2026-06-15T00:00:00Z",
}
PDF: Example = {
    "id": _PDF,
    "sha256": "0c9d4b1c7f3e5a628d90b1f2e3a4c5d6978899aabbccddeeff00112233445566",
    "size": 48213,
    "fetched_at": "2026-04-16T00:00:00Z",
    "url": f"/v1/invoices/{INVOICE['id']}/pdf/{_PDF}",
}
SETTINGS_BODY: Example = {"language": "de-AT", "approval_cycle_days": 60, "opted_out": False}
SETTINGS: Example = {
    "customer": CUSTOMER["id"],
    "language": {"value": "de-AT", "source": "settings"},
    "zone": {"value": "America/New_York", "source": "organization"},
    "country": {"value": "AT", "source": "stripe"},
    "subdivision": {"value": None, "source": None},
    "approval_cycle_days": 60,
    "opted_out": False,
    "opted_out_at": None,
    "opted_out_by": None,
    "bounced": None,
    "bounce_lifted": None,
    "updated_at": "2026-04-16T00:00:00Z",
    "updated_by": PERSON["id"],
}
