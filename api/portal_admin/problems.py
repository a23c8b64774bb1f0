"""What can be wrong with a request for a portal link, a pay link or a PDF, and with a customer's settings."""

from ..problems.entries import Entry, declare

FETCHED = ("not_found", "pdf_unusable", "stripe_unavailable")
"""What reading an invoice from Stripe can be answered with."""

PROBLEMS: dict[str, Entry] = {
    "invoice_not_linkable": Entry(
        409,
        "The invoice has no page",
        "This invoice is void: it has no page that a customer could open. "
        "Choose one that is open, paid or uncollectible.",
    ),
    "customer_without_address": Entry(
        409,
        "The customer has no mail address",
        "There is no mail address of this customer. Add it to the customer in Stripe, or issue a link and "
        "pass it on yourself.",
    ),
    "customer_address_bounced": Entry(
        409,
        "Mail to this address comes back",
        "The customer's mail server refused the address for good. Put another one to the customer in Stripe, "
        "or issue a link and pass it on yourself.",
    ),
    "link_mailed_just_now": Entry(
        429,
        "A link was mailed just now",
        "A new link to this invoice was mailed less than a minute ago. Wait as long as Retry-After says.",
    ),
    "link_expiry_past": Entry(
        422, "The link would be dead", "expires_at must be later than now.", "/expires_at"
    ),
    "link_expiry_far": Entry(
        422,
        "The link would live too long",
        "expires_at must be at most 180 days from now, as the policy has it; choose an earlier one.",
        "/expires_at",
    ),
    "not_payable": Entry(
        409,
        "Nothing is to be paid",
        "In Stripe this invoice is paid: it has no address where it could be paid.",
    ),
    "no_pdf": Entry(
        409, "There is no PDF", "In Stripe this invoice is a draft: it gets its PDF when it is final."
    ),
    "pdf_unusable": Entry(
        502,
        "Stripe's PDF can't be used",
        "What Stripe gave for this invoice is no PDF, or too large. Look at the invoice in Stripe.",
    ),
    "stripe_unavailable": Entry(
        503,
        "Stripe can't be asked just now",
        "The invoice could not be read from Stripe in time. Send the request again.",
    ),
    "language_not_offered": Entry(
        422,
        "There is no mail in this language",
        "There is no mail in fr. Choose one of de, en, or first write a mail template of your own in that "
        "language and have it approved.",
        "/language",
    ),
    "zone_unknown": Entry(
        422,
        "Unknown time zone",
        "zone must be the IANA name of a time zone, such as Europe/Vienna; null for the organization's.",
        "/zone",
    ),
    "country_unknown": Entry(
        422,
        "Unknown country",
        "country must be a two-letter code (ISO 3166-1) in upper case of a country whose public holidays are "
        "known, such as AT; null for Stripe's.",
        "/country",
    ),
    "subdivision_unknown": Entry(
        422,
        "Unknown subdivision",
        "subdivision must be a part of the customer's country whose public holidays are known, such as BY in "
        "DE; name the country along with it, or send null.",
        "/subdivision",
    ),
}
declare(PROBLEMS)
