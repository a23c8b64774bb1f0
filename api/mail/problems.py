"""What can be wrong with an organization's own words for mails to its customers."""

from ..problems.catalogue import declare

TOO_MANY_TEMPLATES = declare(
    "too_many_templates",
    409,
    "There are too many templates",
    "Your organization has 50 templates of its own, which is the most: delete one of them first.",
)

TEMPLATE_MALFORMED = declare(
    "template_malformed",
    422,
    "This is no template",
    "text, line 3: this can't be read: Encountered unknown tag 'endfi'. Correct what stands there.",
    "/text",
)

TEMPLATE_UNSUPPORTED = declare(
    "template_unsupported",
    422,
    "This can't be used in mails",
    "text, line 3: {% for %} can't be used in mails. Use variables, {% if %} and filters only.",
    "/text",
)

TEMPLATE_VARIABLE_UNKNOWN = declare(
    "template_variable_unknown",
    422,
    "There is no such variable",
    "text, line 2: there is no customer_name. Use one of: seller, customer, number, amount, paid, "
    "due_date, days_left, when_due, link, link_until, opt_out, language.",
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
    "This can't be a subject",
    "subject: the subject has to be one line that is not empty. Write it on one line.",
    "/subject",
)

TEMPLATE_LINK_MISSING = declare(
    "template_link_missing",
    422,
    "The link is missing",
    "text: for a paid invoice it does not show link, for which it is sent. Add {{ link }}, as it is.",
    "/text",
)

TEMPLATE_OPT_OUT_MISSING = declare(
    "template_opt_out_missing",
    422,
    "There is no way to end reminders",
    "text: for an overdue invoice it does not show opt_out, by which customers end reminders. "
    "Add {{ opt_out }}, as it is.",
    "/text",
)

TEMPLATE_AUTHOR = declare(
    "template_author",
    403,
    "Somebody else has to approve it",
    "You wrote this draft, or one that it took the place of: have another billing admin, the controller "
    "or Legal read and approve it.",
)

TEMPLATE_VERSION_CHANGED = declare(
    "template_version_changed",
    409,
    "The draft is another one now",
    "The draft is version 3 now: read it, and approve that one if it is right.",
    "/version",
)

TEMPLATE_LINK_FOREIGN = declare(
    "template_link_foreign",
    422,
    "Only links of ours may be in it",
    "html, line 2: https://example.com is, or could be read as, a link that is not ours, or something "
    "around ours. Use {{ link }} and {{ opt_out }} with spaces around them, mail addresses, and no other "
    "addresses, images or forms.",
    "/html",
)

TEMPLATE_LINK_ALTERED = declare(
    "template_link_altered",
    422,
    "The link has to stay as it is",
    "text, line 2: link is changed or put together with something. Show it as it is, by itself.",
    "/text",
)

TEMPLATE_FAILS = declare(
    "template_fails",
    422,
    "It does not work for every invoice",
    "text, line 2: for an invoice without a due date it can't be filled in. Put what may be none "
    "(due_date, days_left, when_due) into {% if … %}, use abs for numbers only, and truncate for "
    "at least 3 characters.",
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
