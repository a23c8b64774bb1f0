"""What can be wrong with links, customers' settings, networks and troubles of the portal."""

from ..problems.catalogue import declare
from ..problems.common import NOT_FOUND, STRIPE_UNAVAILABLE

NETWORK_LISTED = declare(
    "network_listed",
    409,
    "A conflicting rule exists",
    "198.51.100.0/24 is allowed for all customers already: remove that rule first.",
    more={"portal_network": "net_01JD0V9Q4R7T1W5Y8B2D6F9HKM"},
)

NETWORK_MALFORMED = declare(
    "network_malformed",
    422,
    "Malformed network",
    "198.51.100.7/24 is an address inside a network; write 198.51.100.0/24 for the network, or "
    "198.51.100.7/32 for this one address.",
    "/network",
)

INVOICE_NOT_LINKABLE = declare(
    "invoice_not_linkable",
    409,
    "The invoice has no page",
    "This invoice is void: it has no page for the customer to open. Choose one that is open, paid "
    "or uncollectible.",
)

CUSTOMER_ERASED = declare(
    "customer_erased",
    409,
    "The customer's personal data was erased",
    "Nothing is fetched for or sent to this customer any more. Use Stripe's dashboard where you have to.",
)

CUSTOMER_WITHOUT_ADDRESS = declare(
    "customer_without_address",
    409,
    "The customer has no email address",
    "This customer has no email address. Add one in Stripe, or issue a link and pass it on yourself.",
)

CUSTOMER_ADDRESS_BOUNCED = declare(
    "customer_address_bounced",
    409,
    "Mail to this address bounces",
    "The customer's mail server permanently rejected this address. Change the customer's address "
    "in Stripe, or issue a link and pass it on yourself.",
)

LINK_MAILED_JUST_NOW = declare(
    "link_mailed_just_now",
    429,
    "A link was just mailed",
    "A new link to this invoice was mailed less than a minute ago. Try again in a minute.",
)

LINK_EXPIRY_PAST = declare(
    "link_expiry_past",
    422,
    "The expiry is in the past",
    "expires_at must be in the future.",
    "/expires_at",
)

LINK_EXPIRY_FAR = declare(
    "link_expiry_far",
    422,
    "The expiry is too far away",
    "The policy allows expires_at to be at most 180 days from now; choose an earlier time.",
    "/expires_at",
)

NOT_PAYABLE = declare(
    "not_payable",
    409,
    "Nothing to pay",
    "In Stripe this invoice is paid: there is nothing to pay on it.",
)

NO_PDF = declare(
    "no_pdf",
    409,
    "There is no PDF",
    "In Stripe this invoice is a draft: it has no PDF until it is finalized.",
)

PDF_UNUSABLE = declare(
    "pdf_unusable",
    502,
    "Stripe's PDF can't be used",
    "What Stripe returned for this invoice is not a PDF, or is too large. Check the invoice in Stripe.",
)

LANGUAGE_NOT_OFFERED = declare(
    "language_not_offered",
    422,
    "Mail is not available in this language",
    "Mail is not available in fr. Choose one of de, en, or first create a mail template in that "
    "language and have it approved.",
    "/language",
)

ZONE_UNKNOWN = declare(
    "zone_unknown",
    422,
    "Unknown time zone",
    "zone must be an IANA time zone name, such as Europe/Vienna.",
    "/zone",
    for_programs="Send null to use the organization's.",
)

COUNTRY_UNKNOWN = declare(
    "country_unknown",
    422,
    "Unknown country",
    "country must be an uppercase two-letter country code (ISO 3166-1) with known public "
    "holidays, such as AT.",
    "/country",
    for_programs="Send null to use Stripe's.",
)

SUBDIVISION_UNKNOWN = declare(
    "subdivision_unknown",
    422,
    "Unknown subdivision",
    "subdivision must be a part of the customer's country with known public holidays, such as BY in DE.",
    "/subdivision",
    for_programs="Send country along with it, or send null.",
)

PORTAL_TROUBLE_OPEN = declare(
    "portal_trouble_open",
    409,
    "Already reported",
    "A portal trouble (op_01JD0V7G8M3Q2Z6W5T4R9YXKBN) is already open for this invoice: follow that one.",
    more={"portal_trouble": "op_01JD0V7G8M3Q2Z6W5T4R9YXKBN"},
)

INVOICE_SETTLED = declare(
    "invoice_settled",
    409,
    "Nothing to pay",
    "This invoice is paid: nobody needs access to pay it.",
    for_programs="POST /v1/invoices/{id}/access-diagnosis shows what its customer can see.",
)

PORTAL_INVOICE_UNKNOWN = declare(
    "portal_invoice_unknown",
    422,
    "Unknown invoice",
    "There is no such invoice: choose another one.",
    "/invoice",
)

FETCHED = (
    NOT_FOUND,
    PDF_UNUSABLE,
    STRIPE_UNAVAILABLE,
)
"""What reading an invoice from Stripe can be answered with."""
