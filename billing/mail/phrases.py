"""The phrases of mails to customers, by language. They are Jinja: {{ … }} is filled in for each mail.

A language that is not here gets the English ones. Counted phrases have one form for 1 and one for others.
"""

from collections.abc import Mapping
from types import MappingProxyType

ENGLISH = "en"

_EN = {
    "reminder_subject": "{{ number }} from {{ seller }}: {{ amount }}"
    "{% if when_due and not paid %}, {{ when_due }}{% endif %}",
    "link_subject": "Your link to invoice {{ number }} from {{ seller }}",
    "hello": "Hello{% if customer %} {{ customer }}{% endif %},",
    "remind": "This is a reminder that invoice {{ number }} from {{ seller }} has not been paid yet.",
    "here_is_link": "Here is your link to invoice {{ number }} from {{ seller }}.",
    "paid": "The invoice is paid. There is nothing left to do.",
    "invoice": "Invoice",
    "amount": "Amount due",
    "due": "Due",
    "open": "View and pay the invoice",
    "open_paid": "View the invoice",
    "until": "This link is valid until {{ link_until }}. "
    "It is for you only: anybody who has it can see your invoices.",
    "trouble": "If it has expired, open it anyway: the page can send you a new one.",
    "no_more": "No more reminders",
    "opt_out": "If you no longer want reminders about invoices from {{ seller }}:",
}
_DE = {
    "reminder_subject": "{{ number }} von {{ seller }}: {{ amount }}"
    "{% if when_due and not paid %}, {{ when_due }}{% endif %}",
    "link_subject": "Ihr Link zur Rechnung {{ number }} von {{ seller }}",
    "hello": "Guten Tag{% if customer %} {{ customer }}{% endif %},",
    "remind": "wir möchten Sie daran erinnern, dass die Rechnung {{ number }} "
    "von {{ seller }} noch offen ist.",
    "here_is_link": "hier ist Ihr Link zur Rechnung {{ number }} von {{ seller }}.",
    "paid": "Die Rechnung ist bezahlt: Es ist nichts mehr zu tun.",
    "invoice": "Rechnung",
    "amount": "Offener Betrag",
    "due": "Fällig",
    "open": "Rechnung ansehen und bezahlen",
    "open_paid": "Rechnung ansehen",
    "until": "Der Link gilt bis zum {{ link_until }}. "
    "Er ist nur für Sie: Wer ihn hat, sieht Ihre Rechnungen.",
    "trouble": "Öffnet er sich nicht mehr, folgen Sie ihm trotzdem: "
    "Die Seite kann Ihnen einen neuen schicken.",
    "no_more": "Keine Erinnerungen mehr",
    "opt_out": "Wenn Sie an Rechnungen von {{ seller }} nicht erinnert werden möchten:",
}
PHRASES: Mapping[str, Mapping[str, str]] = MappingProxyType({ENGLISH: _EN, "de": _DE})

_WHEN = {
    ENGLISH: ("due today", "due tomorrow", "due in {days} days", "1 day overdue", "{days} days overdue"),
    "de": (
        "heute fällig",
        "morgen fällig",
        "fällig in {days} Tagen",
        "1 Tag überfällig",
        "{days} Tage überfällig",
    ),
}


def when_due(language: str, days: int) -> str:
    """`due in 3 days`, `3 days overdue`: by the whole days until the due date, negative after it."""
    today, tomorrow, ahead, yesterday, past = _WHEN[language]
    match days:
        case 0:
            return today
        case 1:
            return tomorrow
        case -1:
            return yesterday
    return (ahead if days > 0 else past).format(days=abs(days))
