"""The examples of organizations' own words for mails to their customers."""

from billing.mail.customer_mail_text import VARIABLES
from billing.mail.template_checks import FILTERS

from ..http.examples import OPERATION, Example

WORDS: Example = {
    "subject": "Invoice {{ number }}: {{ amount }}{% if when_due %}, {{ when_due }}{% endif %}",
    "text": "Hello {{ customer|default('there', true) }},\n\n{{ amount }} is still open: {{ link }}\n\n"
    "{{ seller }}\n\nNo more reminders: {{ opt_out }}\n",
    "html": None,
}
TEMPLATE: Example = WORDS | {
    "name": "reminder",
    "language": "en",
    "source": "own",
    "state": "draft",
    "version": 1,
    "written_by": OPERATION["requested_by"],
    "written_at": "2026-04-16T00:00:00Z",
    "approved_by": None,
    "approved_at": None,
    "retired_by": None,
    "retired_at": None,
}
APPROVE: Example = {"version": 1}
APPROVED: Example = TEMPLATE | {
    "state": "approved",
    "approved_by": "per_01K4YV0B3R8N6W2C9D5F7H1J2M",
    "approved_at": "2026-04-16T09:00:00Z",
}
RETIRED: Example = APPROVED | {
    "state": "retired",
    "retired_by": OPERATION["requested_by"],
    "retired_at": "2026-04-17T09:00:00Z",
}
_BUILT_IN = dict.fromkeys(
    ("state", "version", "written_by", "written_at", "approved_by", "approved_at", "retired_by", "retired_at")
)
TEMPLATES: Example = {
    "data": [TEMPLATE | {"source": "built_in"} | _BUILT_IN, APPROVED],
    "variables": dict(VARIABLES),
    "filters": list(FILTERS),
}
PREVIEW_BODY: Example = WORDS | {"language": "en", "case": "due"}
PREVIEW: Example = {
    "subject": "Invoice A-0001: USD 1,234.50, due in 7 days",
    "text": "Hello Kunde & Söhne,\n\nUSD 1,234.50 is still open: "
    "https://billing.example/portal/EXAMPLE-LINK\n\nAcme Ltd\n\n"
    "No more reminders: https://billing.example/portal/opt-out/EXAMPLE-LINK\n",
    "html": None,
}
