"""What can be wrong with links, customers' settings, networks and troubles of the portal."""

from ..problems.catalogue import declare
from ..problems.common import NOT_FOUND

NETWORK_LISTED = declare(
    "network_listed",
    409,
    "The opposite holds",
    "198.51.100.0/24 is allowed for all customers by net_01JD0V9Q4R7T1W5Y8B2D6F9HKM: "
    "DELETE /v1/portal-networks/net_01JD0V9Q4R7T1W5Y8B2D6F9HKM takes that away first.",
    more={"portal_network": "net_01JD0V9Q4R7T1W5Y8B2D6F9HKM"},
)

NETWORK_MALFORMED = declare(
    "network_malformed",
    422,
    "Not a network",
    "198.51.100.7/24 is an address inside of a network; write 198.51.100.0/24 for the network, "
    "or 198.51.100.7/32 for this one address.",
    "/network",
)

INVOICE_NOT_LINKABLE = declare(
    "invoice_not_linkable",
    409,
    "The invoice has no page",
    "This invoice is void: it has no page that a customer could open. "
    "Choose one that is open, paid or uncollectible.",
)

CUSTOMER_WITHOUT_ADDRESS = declare(
    "customer_without_address",
    409,
    "The customer has no mail address",
    "There is no mail address of this customer. Add it to the customer in Stripe, or issue a link and "
    "pass it on yourself.",
)

CUSTOMER_ADDRESS_BOUNCED = declare(
    "customer_address_bounced",
    409,
    "Mail to this address comes back",
    "The customer's mail server refused the address for good. Put another one to the customer in Stripe, "
    "or issue a link and pass it on yourself.",
)

LINK_MAILED_JUST_NOW = declare(
    "link_mailed_just_now",
    429,
    "A link was mailed just now",
    "A new link to this invoice was mailed less than a minute ago. Wait as long as Retry-After says.",
)

LINK_EXPIRY_PAST = declare(
    "link_expiry_past",
    422,
    "The link would be dead",
    "expires_at must be later than now.",
    "/expires_at",
)

LINK_EXPIRY_FAR = declare(
    "link_expiry_far",
    422,
    "The link would live too long",
    "expires_at must be at most 180 days from now, as the policy has it; choose an earlier one.",
    "/expires_at",
)

NOT_PAYABLE = declare(
    "not_payable",
    409,
    "Nothing is to be paid",
    "In Stripe this invoice is paid: it has no address where it could be paid.",
)

NO_PDF = declare(
    "no_pdf",
    409,
    "There is no PDF",
    "In Stripe this invoice is a draft: it gets its PDF when it is final.",
)

PDF_UNUSABLE = declare(
    "pdf_unusable",
    502,
    "Stripe's PDF can't be used",
    "What Stripe gave for this invoice is no PDF, or too large. Look at the invoice in Stripe.",
)

STRIPE_UNAVAILABLE = declare(
    "stripe_unavailable",
    503,
    "Stripe can't be asked just now",
    "The invoice could not be read from Stripe in time. Send the request again.",
)

LANGUAGE_NOT_OFFERED = declare(
    "language_not_offered",
    422,
    "There is no mail in this language",
    "There is no mail in fr. Choose one of de, en, or first write a mail template of your own in that "
    "language and have it approved.",
    "/language",
)

ZONE_UNKNOWN = declare(
    "zone_unknown",
    422,
    "Unknown time zone",
    "zone must be the IANA name of a time zone, such as Europe/Vienna; null for the organization's.",
    "/zone",
)

COUNTRY_UNKNOWN = declare(
    "country_unknown",
    422,
    "Unknown country",
    "country must be a two-letter code (ISO 3166-1) in upper case of a country whose public holidays are "
    "known, such as AT; null for Stripe's.",
    "/country",
)

SUBDIVISION_UNKNOWN = declare(
    "subdivision_unknown",
    422,
    "Unknown subdivision",
    "subdivision must be a part of the customer's country whose public holidays are known, such as BY in "
    "DE; name the country along with it, or send null.",
    "/subdivision",
)

PORTAL_TROUBLE_OPEN = declare(
    "portal_trouble_open",
    409,
    "It is being seen to",
    "Portal trouble op_01JD0V7G8M3Q2Z6W5T4R9YXKBN is already open for this invoice: follow that one.",
    more={"portal_trouble": "op_01JD0V7G8M3Q2Z6W5T4R9YXKBN"},
)

INVOICE_SETTLED = declare(
    "invoice_settled",
    409,
    "Nothing is to be paid",
    "This invoice is paid: nobody needs a way in to pay it. "
    "POST /v1/invoices/{id}/access-diagnosis says what its customer can see.",
)

PORTAL_INVOICE_UNKNOWN = declare(
    "portal_invoice_unknown",
    422,
    "Unknown invoice",
    "There is no such invoice: name one of those of GET /v1/invoices.",
    "/invoice",
)

FETCHED = (
    NOT_FOUND,
    PDF_UNUSABLE,
    STRIPE_UNAVAILABLE,
)
"""What reading an invoice from Stripe can be answered with."""
