"""The built-in mails to customers, word by word, and what holds for the words of anybody."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from billing.mail.customer_mail_text import (
    LONGEST_SUBJECT,
    NAMES,
    CompiledTemplate,
    MailFacts,
    Name,
    Words,
    built_in,
    candidates,
    known_tag,
    spoken,
    variables,
)

AT = datetime(2026, 4, 15, 16, 0, tzinfo=UTC)
LINK = "https://billing.plixo.test/portal/TOKEN"
OPT_OUT = "https://billing.plixo.test/portal/opt-out/TOKEN"


def facts(
    language: str = "en",
    days: int | None = 7,
    *,
    amount: int = 10_000,
    customer: str | None = "Kunde & Co",
    zone: str = "UTC",
    seller: str = "Acme",
) -> MailFacts:
    return MailFacts(
        seller=seller,
        customer=customer,
        number="A-0001",
        amount_minor=amount,
        currency="usd",
        due_date=None if days is None else AT + timedelta(days=days),
        link_until=AT + timedelta(days=30),
        language=language,
        zone=zone,
    )


def written(name: Name, known: MailFacts, words: Words | None = None) -> Words:
    source = words or built_in(name, spoken(known.language))
    return CompiledTemplate(source).render(variables(name, known, AT, LINK, OPT_OUT))


ENGLISH_REMINDER = f"""\
Hello Kunde & Co,

This is a reminder that invoice A-0001 from Acme has not been paid yet.

Invoice: A-0001
Amount due: USD 100.00
Due: April 22, 2026 (due in 7 days)

View and pay the invoice:

{LINK}

This link is valid until May 15, 2026. It is for you only: anybody who has it can see your invoices.
If it has expired, open it anyway: the page can send you a new one.

Acme

--\x20
If you no longer want reminders about invoices from Acme:
{OPT_OUT}
"""
GERMAN_LINK = f"""\
Guten Tag Kunde & Co,

hier ist Ihr Link zur Rechnung A-0001 von Acme.

Rechnung: A-0001
Offener Betrag: USD 100,00
Fällig: 22. April 2026 (fällig in 7 Tagen)

Rechnung ansehen und bezahlen:

{LINK}

Der Link gilt bis zum 15. Mai 2026. Er ist nur für Sie: Wer ihn hat, sieht Ihre Rechnungen.
Öffnet er sich nicht mehr, folgen Sie ihm trotzdem: Die Seite kann Ihnen einen neuen schicken.

Acme
"""
GERMAN_REMINDER = (
    GERMAN_LINK.replace(
        "hier ist Ihr Link zur Rechnung A-0001 von Acme.",
        "wir möchten Sie daran erinnern, dass die Rechnung A-0001 von Acme noch offen ist.",
    )
    + f"""
--\x20
Wenn Sie an Rechnungen von Acme nicht erinnert werden möchten:
{OPT_OUT}
"""
)
ENGLISH_LINK = ENGLISH_REMINDER.partition("\n-- ")[0].replace(
    "This is a reminder that invoice A-0001 from Acme has not been paid yet.",
    "Here is your link to invoice A-0001 from Acme.",
)


@pytest.mark.parametrize(
    ("name", "language", "subject", "text"),
    [
        ("reminder", "en", "A-0001 from Acme: USD 100.00, due in 7 days", ENGLISH_REMINDER),
        ("reminder", "de", "A-0001 von Acme: USD 100,00, fällig in 7 Tagen", GERMAN_REMINDER),
        ("portal_link", "en", "Your link to invoice A-0001 from Acme", ENGLISH_LINK),
        ("portal_link", "de", "Ihr Link zur Rechnung A-0001 von Acme", GERMAN_LINK),
    ],
)
def test_the_built_in_mails_say_this(name: Name, language: str, subject: str, text: str) -> None:
    mail = written(name, facts(language))
    assert mail.subject == subject
    assert mail.text == text


@pytest.mark.parametrize(
    ("days", "english", "german"),
    [
        (2, "due in 2 days", "fällig in 2 Tagen"),
        (1, "due tomorrow", "morgen fällig"),
        (0, "due today", "heute fällig"),
        (-1, "1 day overdue", "1 Tag überfällig"),
        (-3, "3 days overdue", "3 Tage überfällig"),
    ],
)
def test_when_it_is_due_is_told_in_words(days: int, english: str, german: str) -> None:
    for language, words in (("en", english), ("de", german)):
        mail = written("reminder", facts(language, days))
        assert mail.subject.endswith(f", {words}")
        assert f"({words})" in mail.text
        assert mail.html is not None
        assert f"({words})" in mail.html


@pytest.mark.parametrize(("language", "due"), [("en", "Due:"), ("de", "Fällig:")])
def test_without_a_due_date_none_is_told(language: str, due: str) -> None:
    mail = written("reminder", facts(language, None))
    assert mail.subject.endswith((": USD 100.00", ": USD 100,00"))
    assert due not in mail.text
    assert due not in (mail.html or "")
    assert "\n\n\n" not in mail.text


@pytest.mark.parametrize(
    ("language", "done", "look"),
    [
        ("en", "The invoice is paid. There is nothing left to do.", "View the invoice"),
        ("de", "Die Rechnung ist bezahlt: Es ist nichts mehr zu tun.", "Rechnung ansehen"),
    ],
)
def test_of_a_paid_invoice_nothing_is_asked(language: str, done: str, look: str) -> None:
    mail = written("portal_link", facts(language, -3, amount=0))
    assert f"{done}\n\n{look}:\n\n{LINK}\n" in mail.text
    assert f'">{look}</a>' in (mail.html or "")
    for said in mail:
        assert "USD" not in (said or "")
        assert "overdue" not in (said or "")
        assert "überfällig" not in (said or "")
    assert written("reminder", facts("en", 7, amount=0)).subject == "A-0001 from Acme: USD 0.00"


def test_days_are_counted_by_the_customers_clock() -> None:
    known = facts(zone="Pacific/Auckland")._replace(due_date=datetime(2026, 4, 15, 13, 0, tzinfo=UTC))
    assert variables("reminder", known, AT, LINK, OPT_OUT) | {"seller": ""} == {
        "seller": "",
        "customer": "Kunde & Co",
        "number": "A-0001",
        "amount": "USD 100.00",
        "paid": False,
        "due_date": "April 16, 2026",
        "days_left": 0,
        "when_due": "due today",
        "link": LINK,
        "link_until": "May 16, 2026",
        "opt_out": OPT_OUT,
        "language": "en",
    }


@pytest.mark.parametrize("tag", ["xx", "", "tlh-001", "not a tag"])
def test_a_language_that_is_not_known_is_written_to_in_english(tag: str) -> None:
    assert written("reminder", facts(tag))[:2] == written("reminder", facts("en"))[:2]


def test_an_unknown_kind_of_german_is_written_to_in_german() -> None:
    assert written("reminder", facts("de_1_2_3")).text == GERMAN_REMINDER


def test_french_gets_english_words_with_french_dates_and_amounts() -> None:
    mail = written("reminder", facts("fr-CA"))
    assert mail.text.startswith("Hello Kunde & Co,")
    assert "Due: 22 avril 2026 (due in 7 days)" in mail.text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("tag", "language"), [("en-GB", "en"), ("de-AT", "de"), ("fr", "en")])
def test_the_html_names_the_language_of_its_words(name: Name, tag: str, language: str) -> None:
    html = written(name, facts(tag)).html or ""
    assert f'<html lang="{language}" dir="ltr">' in html
    assert re.findall(r'(?:src|href)="([^"]+)"', html) == [LINK, *([OPT_OUT] if name == "reminder" else [])]


def test_a_name_is_escaped_in_html_and_left_alone_in_text() -> None:
    mail = written("reminder", facts(customer='<img src=x onerror="steal()"> & Söhne', seller="<b>"))
    assert 'Hello <img src=x onerror="steal()"> & Söhne,' in mail.text
    html = mail.html or ""
    assert "Hello &lt;img src=x onerror=&#34;steal()&#34;&gt; &amp; Söhne," in html
    assert "<img" not in html
    assert "<b>" not in html
    assert mail.subject.startswith("A-0001 from <b>: ")


def test_a_name_with_lines_in_it_stays_on_one() -> None:
    mail = written("reminder", facts(customer="A\r\nB\x00\u202e C", seller="Acme\r\nBcc: x@y.example"))
    assert mail.subject == "A-0001 from Acme Bcc: x@y.example: USD 100.00, due in 7 days"
    assert mail.text.startswith("Hello A B C,\n\n")


def test_without_a_name_nobody_is_named() -> None:
    mail = written("reminder", facts(customer=None))
    assert mail.text.startswith("Hello,\n\n")
    assert "<p>Hello,</p>" in (mail.html or "")


def test_a_name_is_no_template() -> None:
    mail = written("reminder", facts(customer="{{ link }}{% for %}"))
    assert mail.text.startswith("Hello {{ link }}{% for %},\n")


def test_a_subject_that_is_too_long_is_cut() -> None:
    mail = written("reminder", facts(seller="A" * 300))
    assert len(mail.subject) == LONGEST_SUBJECT
    assert mail.subject.endswith("A…")


def test_words_without_html_make_a_plain_mail() -> None:
    own = Words("Pay {{ number }}", "\n\n{{ link }}\n\n\n", None)
    assert written("reminder", facts(), own) == Words("Pay A-0001", f"{LINK}\n", None)


@pytest.mark.parametrize(
    ("tag", "order"),
    [
        ("en", ("en", "*")),
        ("de-AT", ("de-AT", "de", "*")),
        ("pt_br", ("pt-br", "pt-BR", "pt", "*", "en")),
        ("xx", ("xx", "*", "en")),
    ],
)
def test_an_organizations_own_words_are_looked_for_in_this_order(tag: str, order: tuple[str, ...]) -> None:
    assert candidates(tag) == order


@pytest.mark.parametrize(
    ("tag", "known"),
    [("DE_at", "de-AT"), ("pt-br", "pt-BR"), ("sr-latn", "sr-Latn"), ("en", "en")]
    + [(tag, None) for tag in ("", "*", "root", "xx", "english", "de-", "../de", "d\x00e")],
)
def test_a_tag_is_written_as_usual(tag: str, known: str | None) -> None:
    assert known_tag(tag) == known


@pytest.mark.parametrize("name", ["👨‍👩‍👧 Söhne", "می‌خواهم", "שלום"])
@pytest.mark.parametrize("mail", NAMES)
def test_a_name_of_any_script_stands_in_the_mail_as_it_is_written(mail: Name, name: str) -> None:
    words = written(mail, facts(seller=name, customer=name))
    assert name in words.subject
    assert f" {name}," in words.text
    assert words.html is not None
    assert name in words.html
