"""The words of the customers' pages, by language: each language has them all."""

from collections.abc import Mapping
from types import MappingProxyType

from billing.mail.languages import spoken

_EN = {
    # The invoice
    "title": "Invoice {number} from {seller}",
    "heading": "Invoice {number}",
    "amount_due": "Amount due",
    "due": "Due",
    "pay": "Pay {amount}",
    "by_stripe": "You pay on a page of Stripe, our payment service.",
    "paid": "This invoice is paid. Thank you: there is nothing left to do.",
    "void": "This invoice was cancelled: there is nothing to pay.",
    "nothing": "There is nothing to pay.",
    "changed": "This invoice has changed since you opened the page, so nothing was paid. "
    "This is how it stands now.",
    "total": "Total",
    "lines": "What it is for",
    "what": "Description",
    "amount": "Amount",
    "charge": "Charge",
    "more_lines": "There are more lines: the PDF has all of them.",
    "pdf": "Open the PDF",
    "until": "This link works until {until}. Anyone who has it can see the invoice.",
    "until_account": "This link works until {until}. Anyone who has it can see all your invoices.",
    # All invoices of a customer
    "account": "All your invoices",
    "account_title": "Your invoices from {seller}",
    "unpaid": "To pay",
    "none_unpaid": "There is nothing to pay.",
    "paid_lately": "Paid in the last 90 days",
    "number": "Invoice",
    "more_invoices": "Only the first {count} are shown.",
    "account_changed": "An invoice has changed since you opened the page, so nothing was paid. "
    "This is how things stand now.",
    # A promise to pay
    "promise": "Tell us when you will pay",
    "promise_again": "Choose another day",
    "promise_title": "When will you pay invoice {number}?",
    "promise_text": "Reminders of this invoice stop until the day that you choose. It stays due as before.",
    "promise_day": "Day",
    "promise_days": "A day from {first} to {last}.",
    "promise_word": "Anything we should know (optional)",
    "promise_send": "I’ll pay by this day",
    "promise_wrong": "Choose a day from {first} to {last}.",
    "promise_none": "A day can no longer be chosen here for this invoice. Please pay it, or write to us.",
    "promised": "You said that you will pay by {day}. Until then we won’t remind you.",
    "promise_missed": "You said that you would pay by {day}.",
    "back_account": "Back to your invoices",
    # A link that does not open, and asking for another
    "neutral_title": "This link doesn’t work",
    "neutral_text": "It may be too old, or a newer link may have taken its place. "
    "You can have a new one sent to you.",
    "new_link": "Mail me a new link",
    "neutral_where": "It goes to the address that the invoice was sent to, if the invoice is still unpaid.",
    "asked_title": "Check your mail",
    "asked_text": "If the link was one of ours and the invoice is still unpaid, a new link is on its way "
    "to the address that the invoice was sent to.",
    "asked_later": "It can take a few minutes. If nothing comes, check your spam folder; "
    "you can ask again in {minutes} minutes.",
    # Reminders
    "reminders_title": "Reminders",
    "stop_title": "Stop reminders?",
    "stop_text": "You will no longer be reminded of invoices by mail. "
    "Your invoices stay due on the same dates.",
    "stop": "Stop the reminders",
    "stopped_title": "No more reminders",
    "stopped_text": "You will no longer be reminded of invoices. Your invoices stay due on the same dates.",
    "again": "Remind me again",
    "again_title": "Reminders are on",
    "again_text": "You will be reminded of invoices that are due.",
    "dead_title": "This link doesn’t work",
    "dead_text": "Nothing was changed. Use the link in the newest mail about your invoice, or write to us.",
    # When something is wrong
    "unavailable_title": "Please try again in a few minutes",
    "unavailable_text": "This page does not work at the moment. Nothing is lost.",
    "elsewhere_title": "This request came from another site",
    "elsewhere_text": "Nothing was done. Use the buttons on the invoice's own page.",
    "back": "Back to the invoice",
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
    "changed": "Diese Rechnung hat sich geändert, seit Sie die Seite geöffnet haben. "
    "Es wurde nichts bezahlt; so steht sie jetzt.",
    "total": "Gesamtbetrag",
    "lines": "Positionen",
    "what": "Beschreibung",
    "amount": "Betrag",
    "charge": "Posten",
    "more_lines": "Es gibt weitere Posten: Im PDF stehen alle.",
    "pdf": "PDF öffnen",
    "until": "Dieser Link gilt bis zum {until}. Wer ihn hat, sieht die Rechnung.",
    "until_account": "Dieser Link gilt bis zum {until}. Wer ihn hat, sieht alle Ihre Rechnungen.",
    "account": "Alle Ihre Rechnungen",
    "account_title": "Ihre Rechnungen von {seller}",
    "unpaid": "Noch zu bezahlen",
    "none_unpaid": "Es ist nichts zu bezahlen.",
    "paid_lately": "In den letzten 90 Tagen bezahlt",
    "number": "Rechnung",
    "more_invoices": "Es werden nur die ersten {count} gezeigt.",
    "account_changed": "Eine Rechnung hat sich geändert, seit Sie die Seite geöffnet haben. "
    "Es wurde nichts bezahlt; so steht es jetzt.",
    "promise": "Sagen Sie uns, wann Sie bezahlen",
    "promise_again": "Anderen Tag wählen",
    "promise_title": "Wann bezahlen Sie Rechnung {number}?",
    "promise_text": "Bis zu dem Tag, den Sie wählen, erinnern wir Sie nicht an diese Rechnung. "
    "Sie bleibt fällig wie bisher.",
    "promise_day": "Tag",
    "promise_days": "Ein Tag vom {first} bis zum {last}.",
    "promise_word": "Was wir wissen sollten (freiwillig)",
    "promise_send": "Bis zu diesem Tag bezahle ich",
    "promise_wrong": "Wählen Sie einen Tag vom {first} bis zum {last}.",
    "promise_none": "Für diese Rechnung kann hier kein Tag mehr gewählt werden. "
    "Bitte bezahlen Sie sie, oder schreiben Sie uns.",
    "promised": "Sie haben zugesagt, bis zum {day} zu bezahlen. Bis dahin erinnern wir Sie nicht.",
    "promise_missed": "Sie hatten zugesagt, bis zum {day} zu bezahlen.",
    "back_account": "Zurück zu Ihren Rechnungen",
    "neutral_title": "Dieser Link funktioniert nicht",
    "neutral_text": "Er ist vielleicht zu alt, oder ein neuerer hat ihn ersetzt. "
    "Sie können sich einen neuen schicken lassen.",
    "new_link": "Neuen Link per E-Mail schicken",
    "neutral_where": "Er geht an die Adresse, an die die Rechnung geschickt wurde, "
    "sofern sie noch offen ist.",
    "asked_title": "Bitte prüfen Sie Ihr Postfach",
    "asked_text": "Wenn der Link von uns war und die Rechnung noch offen ist, ist ein neuer Link unterwegs "
    "an die Adresse, an die die Rechnung geschickt wurde.",
    "asked_later": "Das kann einige Minuten dauern. Kommt nichts an, sehen Sie im Spam-Ordner nach; "
    "in {minutes} Minuten können Sie es noch einmal versuchen.",
    "reminders_title": "Erinnerungen",
    "stop_title": "Keine Erinnerungen mehr?",
    "stop_text": "Sie werden dann nicht mehr per E-Mail an Rechnungen erinnert. "
    "Ihre Rechnungen bleiben fällig wie bisher.",
    "stop": "Erinnerungen abbestellen",
    "stopped_title": "Keine Erinnerungen mehr",
    "stopped_text": "Sie werden nicht mehr an Rechnungen erinnert. "
    "Ihre Rechnungen bleiben fällig wie bisher.",
    "again": "Erinnerungen wieder einschalten",
    "again_title": "Erinnerungen sind eingeschaltet",
    "again_text": "Sie werden an fällige Rechnungen erinnert.",
    "dead_title": "Dieser Link funktioniert nicht",
    "dead_text": "Es wurde nichts geändert. "
    "Verwenden Sie den Link aus der neuesten E-Mail zu Ihrer Rechnung, oder schreiben Sie uns.",
    "unavailable_title": "Bitte versuchen Sie es in einigen Minuten noch einmal",
    "unavailable_text": "Diese Seite funktioniert gerade nicht. Es geht nichts verloren.",
    "elsewhere_title": "Diese Anfrage kam von einer anderen Website",
    "elsewhere_text": "Es ist nichts geschehen. Verwenden Sie die Schaltflächen auf der Seite der Rechnung.",
    "back": "Zurück zur Rechnung",
    "contact": "Fragen? Schreiben Sie an",
    "testing_label": "Testbetrieb",
    "testing_text": "Testbetrieb: Es fließt kein echtes Geld.",
}
WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType({"en": _EN, "de": _DE})


def words_in(tag: str) -> Mapping[str, str]:
    """Those of a tag's language, else the English ones."""
    return WORDS[spoken(tag)]
