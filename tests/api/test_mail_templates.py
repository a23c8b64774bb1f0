"""Organizations' own words for mails: who sets them, what they are tried out on, and what they look like."""

import asyncio
from typing import Any

import pytest
from httpx import Response

from api import mail_template_examples as shown
from billing.customer_mail_text import NAMES, VARIABLES, built_in
from billing.mail_template_checks import FILTERS, LARGEST_PART
from db.mail_templates import MOST
from db.session import Database
from db.tables import MailTemplate

from ..builders import NOW, Member, Tenant, store
from .conftest import ON_ONE_DATABASE, Api, counted

PATH = "/v1/mail-templates"
WORDS: dict[str, Any] = {
    "subject": "Pay {{ number }}",
    "text": "{{ amount }}: {{ link }}\n\n{{ opt_out }}\n",
    "html": '<a href="{{ link }}">{{ customer }}</a> <a href="{{ opt_out }}">no more</a>',
}


async def put(api: Api, who: Member, where: str = "reminder/de", **changes: Any) -> Response:
    return await api.http.put(f"{PATH}/{where}", headers=who.headers, json=WORDS | changes)


async def delete(api: Api, who: Member, where: str = "reminder/de") -> Response:
    return await api.http.delete(f"{PATH}/{where}", headers=who.headers)


async def own(api: Api, who: Member) -> list[dict[str, Any]]:
    listed = (await api.get(PATH, who)).json()["data"]
    return [one for one in listed if one["source"] == "own"]


async def test_ours_are_listed_with_all_that_a_template_can_show(api: Api, acme: Tenant) -> None:
    listed = (await api.get(PATH, acme.auditor)).json()
    assert listed["variables"] == VARIABLES
    assert listed["filters"] == list(FILTERS)
    assert [(one["name"], one["language"], one["source"]) for one in listed["data"]] == [
        (name, language, "built_in") for name in NAMES for language in ("en", "de")
    ]
    assert listed["data"][0] == {
        "name": "reminder",
        "language": "en",
        "source": "built_in",
        **built_in("reminder", "en")._asdict(),
        "updated_by": None,
        "updated_at": None,
    }


async def test_a_template_is_set_replaced_and_deleted(api: Api, acme: Tenant, other: Tenant) -> None:
    first = await put(api, acme.admin)
    assert first.status_code == 200, first.text
    assert first.json() == WORDS | {
        "name": "reminder",
        "language": "de",
        "source": "own",
        "updated_by": acme.admin.id,
        "updated_at": first.json()["updated_at"],
    }
    second = await put(api, acme.admin, subject="Bitte {{ number }}", html=None)
    everywhere = await put(api, acme.admin, "reminder/*")
    assert await own(api, acme.auditor) == [everywhere.json(), second.json()]
    assert (second.json()["subject"], second.json()["html"]) == ("Bitte {{ number }}", None)
    assert await own(api, other.admin) == []
    assert (await delete(api, other.admin)).status_code == 404

    gone = await delete(api, acme.admin)
    assert (gone.status_code, gone.json()) == (200, second.json())
    again = await delete(api, acme.admin)
    assert (again.status_code, again.json()["code"]) == (404, "not_found")
    assert await own(api, acme.admin) == [everywhere.json()]


async def test_what_is_sent_twice_at_once_is_there_once(api: Api, acme: Tenant, database: Database) -> None:
    answers = await asyncio.gather(*(put(api, acme.admin, subject=f"Pay {n}") for n in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert await counted(database, MailTemplate) == [1]
    assert (await own(api, acme.admin))[0] in [answer.json() for answer in answers]


async def test_an_organization_has_so_many_templates_and_no_more(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    await store(
        database,
        *(
            MailTemplate(
                organization_id=acme.id,
                name="portal_link",
                language=f"x{n}",
                subject="S",
                text="{{ link }}",
                updated_by=acme.admin.id,
                updated_at=NOW,
            )
            for n in range(MOST - 1)
        ),
    )
    assert (await put(api, acme.admin)).status_code == 200
    over = await put(api, acme.admin, "reminder/en")
    assert (over.status_code, over.json()["code"]) == (409, "too_many_templates")
    assert (await put(api, acme.admin, subject="Again")).status_code == 200
    assert (await put(api, other.admin, "reminder/en")).status_code == 200


@ON_ONE_DATABASE
async def test_only_a_billing_admin_changes_what_everybody_reads(
    api: Api, acme: Tenant, database: Database
) -> None:
    for who in (acme.controller, acme.legal, acme.finance, acme.auditor):
        for refused in (await put(api, who), await delete(api, who)):
            assert (refused.status_code, refused.json()["code"]) == (403, "role_missing")
        assert (await api.get(PATH, who)).status_code == 200
        assert (await api.post(f"{PATH}/reminder/preview", who, WORDS)).status_code == 200
    assert (await api.get(PATH)).status_code == 401
    assert await counted(database, MailTemplate) == [0]


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("asked", "kept"), [("de-at", "de-AT"), ("PT_br", "pt-BR"), ("*", "*"), ("fr", "fr")]
)
async def test_a_language_is_kept_as_it_is_usually_written(
    api: Api, acme: Tenant, asked: str, kept: str
) -> None:
    assert (await put(api, acme.admin, f"reminder/{asked}")).json()["language"] == kept
    assert (await delete(api, acme.admin, f"reminder/{kept}")).json()["language"] == kept


@ON_ONE_DATABASE
@pytest.mark.parametrize("tag", ["xx", "klingon", "root", "**", "de-%00", "a" * 300, "%20"])
async def test_a_language_that_is_none_is_refused(api: Api, acme: Tenant, tag: str) -> None:
    for refused in (
        await put(api, acme.admin, f"reminder/{tag}"),
        await delete(api, acme.admin, f"reminder/{tag}"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (422, "language_unknown")
        assert [(e["where"], e["pointer"]) for e in refused.json()["errors"]] == [("path", "/language")]
    body = WORDS | {"language": tag}
    previewed = (await api.post(f"{PATH}/reminder/preview", acme.admin, body)).json()
    assert (previewed["code"], previewed["errors"][0]["where"]) == ("language_unknown", "body")


@ON_ONE_DATABASE
async def test_a_mail_that_there_is_not_is_refused(api: Api, acme: Tenant) -> None:
    refused = (await put(api, acme.admin, "newsletter/de")).json()
    assert refused["code"] == "invalid_request"
    assert refused["detail"] == "name must be 'reminder' or 'portal_link'."


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"text": "{{ link"}, "template_malformed", "/text"),
        ({"html": "{% for x in y %}{% endfor %}"}, "template_unsupported", "/html"),
        ({"subject": "{{ nobody }}"}, "template_variable_unknown", "/subject"),
        ({"text": "x" * (LARGEST_PART + 1)}, "template_too_large", "/text"),
        ({"subject": "a\nb"}, "template_subject_unfit", "/subject"),
        ({"html": "{{ opt_out }}"}, "template_link_missing", "/html"),
        ({"text": "{{ link }}"}, "template_opt_out_missing", "/text"),
        ({"text": "{{ link }}{{ opt_out }}{{ days_left|abs }}"}, "template_fails", "/text"),
        ({"text": ""}, "invalid_request", "/text"),
        ({"text": "\x00"}, "invalid_request", "/text"),
        ({"css": "x"}, "invalid_request", "/css"),
    ],
)
async def test_words_that_do_not_work_are_refused_with_a_pointer_and_never_kept(
    api: Api, acme: Tenant, database: Database, changes: dict[str, str], code: str, pointer: str
) -> None:
    refused = [
        await put(api, acme.admin, **changes),
        await api.post(f"{PATH}/reminder/preview", acme.admin, WORDS | changes),
    ]
    for answer in refused:
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, code)
        assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert await counted(database, MailTemplate) == [0]


@ON_ONE_DATABASE
async def test_all_that_is_wrong_is_told_at_once(api: Api, acme: Tenant) -> None:
    problem = (await put(api, acme.admin, subject="{{ a }}", text="\n{% set a = 1 %}")).json()
    assert problem["code"] == "template_variable_unknown"
    assert problem["detail"] == (
        "subject, line 1: there is no a. Use one of: seller, customer, number, amount, paid, due_date, "
        "days_left, when_due, link, link_until, opt_out, language. There are 2 problems, see errors."
    )
    assert problem["errors"][1] == {
        "where": "body",
        "pointer": "/text",
        "code": "template_unsupported",
        "message": "text, line 2: {% set %} can't be used in mails. "
        "Use variables, {% if %} and filters only.",
    }


async def test_a_preview_shows_the_mail_and_keeps_nothing(api: Api, acme: Tenant, database: Database) -> None:
    body = {
        "subject": "{{ seller }}: {{ amount }}",
        "text": "{{ due_date }}, {{ when_due }}\n{{ link }}",
        "html": "<p>{{ customer }} {{ link }}</p>",
        "language": "de-AT",
        "case": "overdue",
    }
    answer = await api.post(f"{PATH}/portal_link/preview", acme.auditor, body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "subject": f"{acme.organization.name}: USD 1.234,50",
        "text": "12. April 2026, 3 Tage überfällig\nhttps://billing.example/portal/EXAMPLE-LINK\n",
        "html": "<p>Kunde &amp; Söhne https://billing.example/portal/EXAMPLE-LINK</p>",
    }
    assert await counted(database, MailTemplate) == [0]


@ON_ONE_DATABASE
async def test_what_works_for_all_but_one_language_is_no_crash_there(api: Api, acme: Tenant) -> None:
    text = "{% if language == 'fr' %}{{ seller|abs }}{% endif %}" + WORDS["text"]
    body = WORDS | {"text": text, "language": "fr"}
    problem = (await api.post(f"{PATH}/reminder/preview", acme.admin, body)).json()
    assert (problem["status"], problem["code"]) == (422, "template_fails")
    assert problem["detail"] == (
        "In fr it can't be filled in for an invoice that is due in 7 days; look at what it does only then."
    )


@ON_ONE_DATABASE
async def test_the_documents_preview_is_what_comes_of_its_body(api: Api, acme: Tenant) -> None:
    made = (await api.post(f"{PATH}/reminder/preview", acme.admin, shown.PREVIEW_BODY)).json()
    assert made["subject"] == shown.PREVIEW["subject"]
    assert made["text"] == shown.PREVIEW["text"].replace("Acme Ltd", acme.organization.name)


@ON_ONE_DATABASE
async def test_ours_can_be_taken_as_they_are_to_start_from(api: Api, acme: Tenant) -> None:
    for one in (await api.get(PATH, acme.admin)).json()["data"]:
        words = {part: one[part] for part in ("subject", "text", "html")}
        kept = await put(api, acme.admin, f"{one['name']}/{one['language']}", **words)
        assert (kept.status_code, {part: kept.json()[part] for part in words}) == (200, words)
