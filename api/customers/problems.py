"""What can be wrong with customers."""

from ..problems.catalogue import declare

ERASURE_NAMES_CUSTOMER = declare(
    "erasure_names_customer",
    422,
    "The reason names the customer",
    "The reason is kept: write it without the customer's name and mail address.",
    "/reason",
)
