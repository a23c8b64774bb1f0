"""What can be wrong with a report of trouble with the mini-portal."""

from ..problems.entries import Entry, declare

PROBLEMS: dict[str, Entry] = {
    "portal_trouble_open": Entry(
        409,
        "It is being seen to",
        "Portal trouble op_01JD0V7G8M3Q2Z6W5T4R9YXKBN is already open for this invoice: follow that one.",
        more={"portal_trouble": "op_01JD0V7G8M3Q2Z6W5T4R9YXKBN"},
    ),
    "invoice_settled": Entry(
        409,
        "Nothing is to be paid",
        "This invoice is paid: nobody needs a way in to pay it. "
        "POST /v1/invoices/{id}/access-diagnosis says what its customer can see.",
    ),
    "portal_invoice_unknown": Entry(
        422,
        "Unknown invoice",
        "There is no such invoice: name one of those of GET /v1/invoices.",
        "/invoice",
    ),
}
declare(PROBLEMS)
