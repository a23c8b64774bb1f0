"""What can be wrong with an organization's own words for mails to its customers."""

from ..problems.catalogue import declare

TOO_MANY_TEMPLATES = declare(
    "too_many_templates",
    409,
    "Too many templates",
    "Your organization has reached the limit of 50 templates of its own: delete one first.",
)

TEMPLATE_MALFORMED = declare(
    "template_malformed",
    422,
    "The template can't be parsed",
    "text, line 3: this can't be parsed: Encountered unknown tag 'endfi'. Correct the syntax.",
    "/text",
)

TEMPLATE_UNSUPPORTED = declare(
    "template_unsupported",
    422,
    "Not supported in mail templates",
    "text, line 3: {% for %} is not supported in mail templates. Use variables, {% if %} and filters only.",
    "/text",
)

TEMPLATE_VARIABLE_UNKNOWN = declare(
    "template_variable_unknown",
    422,
    "Unknown variable",
    "text, line 2: there is no variable customer_name. Use one of: seller, customer, number, "
    "amount, paid, due_date, days_left, when_due, link, link_until, opt_out, language.",
    "/text",
)

TEMPLATE_TOO_LARGE = declare(
    "template_too_large",
    422,
    "The template is too large",
    "html: it has 70000 bytes, more than 65536. Shorten it.",
    "/html",
)

TEMPLATE_SUBJECT_UNFIT = declare(
    "template_subject_unfit",
    422,
    "The subject is not valid",
    "subject: the subject must be one non-empty line. Write it on one line.",
    "/subject",
)

TEMPLATE_LINK_MISSING = declare(
    "template_link_missing",
    422,
    "The link is missing",
    "text: for a paid invoice it doesn't show link, which the mail is sent for. Add {{ link }} unchanged.",
    "/text",
)

TEMPLATE_OPT_OUT_MISSING = declare(
    "template_opt_out_missing",
    422,
    "The opt-out link is missing",
    "text: for an overdue invoice it doesn't show opt_out, which lets customers stop reminders. "
    "Add {{ opt_out }} unchanged.",
    "/text",
)

TEMPLATE_AUTHOR = declare(
    "template_author",
    403,
    "Someone else must approve it",
    "You wrote this draft or one that it replaces: ask another billing admin, the controller or "
    "Legal to review and approve it.",
)

TEMPLATE_VERSION_CHANGED = declare(
    "template_version_changed",
    409,
    "The draft has changed",
    "The draft is now version 3: review it, and approve that version if it is right.",
    "/version",
)

TEMPLATE_LINK_FOREIGN = declare(
    "template_link_foreign",
    422,
    "Only Plixo links are allowed",
    "html, line 2: https://example.com is, or could be read as, a link other than Plixo's, or "
    "text attached to one. Use {{ link }} and {{ opt_out }} with spaces around them, mail "
    "addresses, and no other addresses, images or forms.",
    "/html",
)

TEMPLATE_LINK_ALTERED = declare(
    "template_link_altered",
    422,
    "The link must not be changed",
    "text, line 2: link is changed or combined with other text. Show it unchanged and on its own.",
    "/text",
)

TEMPLATE_FAILS = declare(
    "template_fails",
    422,
    "The template doesn't work for every invoice",
    "text, line 2: it can't be rendered for an invoice without a due date. Wrap values that can "
    "be none (due_date, days_left, when_due) in {% if … %}, use abs on numbers only, and truncate "
    "to at least 3 characters.",
    "/text",
)

UNFIT = (
    TEMPLATE_MALFORMED,
    TEMPLATE_UNSUPPORTED,
    TEMPLATE_VARIABLE_UNKNOWN,
    TEMPLATE_TOO_LARGE,
    TEMPLATE_SUBJECT_UNFIT,
    TEMPLATE_LINK_MISSING,
    TEMPLATE_OPT_OUT_MISSING,
    TEMPLATE_LINK_FOREIGN,
    TEMPLATE_LINK_ALTERED,
    TEMPLATE_FAILS,
)
"""What keeps a template from being used."""
