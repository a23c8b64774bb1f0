"""The words of an invoice's page, by language; a language that is not here gets the English ones."""

from collections.abc import Mapping
from types import MappingProxyType

ENGLISH = "en"

_EN = {
    "title": "Invoice {number} from {seller}",
    "heading": "Invoice {number}",
    "amount_due": "Amount due",
    "due": "Due",
    "pay": "Pay {amount}",
    "by_stripe": "You pay on a page of Stripe, our payment service.",
    "paid": "This invoice is paid. Thank you: nothing is left to do.",
    "void": "This invoice was cancelled: there is nothing to pay.",
    "nothing": "There is nothing to pay.",
    "lines": "What is charged",
    "what": "Description",
    "amount": "Amount",
    "charge": "Charge",
    "more_lines": "And more: the PDF has all lines.",
    "pdf": "Open the PDF",
    "until": "This link is good until {until}. Whoever has it sees the invoice.",
    "contact": "Questions? Write to",
    "testing_label": "Test mode",
    "testing_text": "Test mode: no real money is moved.",
}
_DE = {
    "title": "Rechnung {number} von {seller}",
    "heading": "Rechnung {number}",
    "amount_due": "Offener Betrag",
    "due": "Fällig am",
    "pay": "{amount} bezahlen",
    "by_stripe": "Sie bezahlen auf einer Seite von Stripe, unserem Zahlungsdienst.",
    "paid": "Diese Rechnung ist bezahlt. Vielen Dank: Es ist nichts mehr zu tun.",
    "void": "Diese Rechnung wurde storniert: Es ist nichts zu bezahlen.",
    "nothing": "Es ist nichts zu bezahlen.",
    "lines": "Was berechnet wird",
    "what": "Beschreibung",
    "amount": "Betrag",
    "charge": "Posten",
    "more_lines": "Und weitere: Alle Posten stehen im PDF.",
    "pdf": "PDF öffnen",
    "until": "Dieser Link gilt bis {until}. Wer ihn hat, sieht die Rechnung.",
    "contact": "Fragen? Schreiben Sie an",
    "testing_label": "Testbetrieb",
    "testing_text": "Testbetrieb: Es fließt kein echtes Geld.",
}
WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType({ENGLISH: _EN, "de": _DE})
