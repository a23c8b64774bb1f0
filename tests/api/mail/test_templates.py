"""Organizations' own words for mails: who sets them, what they are tried out on, and what they look like."""

import asyncio
import re
from typing import Any

import pytest
from httpx import Response
from sqlalchemy.exc import IntegrityError

from api.http.examples import read_example
from billing.mail.customer_mail_text import NAMES, VARIABLES, built_in
from billing.mail.template_checks import FILTERS, LARGEST_PART
from db.core.session import Database
from db.mail.templates import MAX_TEMPLATES
from db.tables import MailTemplate, Person

from ...support.builders import NOW, Member, Tenant, a_customer, store
from ..conftest import ON_ONE_DATABASE, Api, counted

PATH = "/v1/mail-templates"
WORDS: dict[str, Any] = {
    "subject": "Pay {{ number }}",
    "text": "{{ amount }}: {{ link }}\n\n{{ opt_out }}\n",
    "html": '<a href="{{ link }}">{{ customer }}</a> <a href="{{ opt_out }}">no more</a>',
}

LINKS_IN_HTML = WORDS["html"]
NO_VERSION: dict[str, Any] = {
    "state": None,
    "version": None,
    "written_by": None,
    "written_at": None,
    "approved_by": None,
    "approved_at": None,
    "retired_by": None,
    "retired_at": None,
}


async def put(api: Api, who: Member, where: str = "reminder/de", **changes: Any) -> Response:
    return await api.http.put(f"{PATH}/{where}", headers=who.headers, json=WORDS | changes)


async def delete(api: Api, who: Member, where: str = "reminder/de") -> Response:
    return await api.http.delete(f"{PATH}/{where}", headers=who.headers)


async def approve(api: Api, who: Member, version: int = 1, where: str = "reminder/de") -> Response:
    return await api.post(f"{PATH}/{where}/approve", who, {"version": version})


async def history(api: Api, who: Member, where: str = "reminder/de") -> list[dict[str, Any]]:
    return list((await api.get(f"{PATH}/{where}/versions", who)).json()["data"])


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
        **NO_VERSION,
    }


async def test_words_are_used_once_a_second_person_approves_them(
    api: Api, acme: Tenant, other: Tenant
) -> None:
    first = (await put(api, acme.admin)).json()
    assert first == WORDS | NO_VERSION | {
        "name": "reminder",
        "language": "de",
        "source": "own",
        "state": "draft",
        "version": 1,
        "written_by": acme.admin.id,
        "written_at": first["written_at"],
    }
    refused = await approve(api, acme.admin)
    assert (refused.status_code, refused.json()["code"]) == (403, "template_author")
    for nobody in (acme.finance, acme.auditor):
        assert (await approve(api, nobody)).json()["code"] == "role_missing"
    assert (await approve(api, other.controller)).status_code == 404
    used = (await approve(api, acme.controller)).json()
    assert used == first | {
        "state": "approved",
        "approved_by": acme.controller.id,
        "approved_at": used["approved_at"],
    }
    assert (await approve(api, acme.legal)).status_code == 404, "there is no draft any more"
    assert await own(api, acme.auditor) == [used]


async def test_who_replaces_a_draft_does_not_make_its_author_somebody_else(
    api: Api, acme: Tenant, database: Database
) -> None:
    """The controller writes too, in a role of a billing admin's: neither approves what both have shaped."""
    async with database.transaction() as session:
        person = await session.get(Person, acme.controller.id)
        assert person is not None
        person.roles = ["billing_admin", "controller"]
        session.add(person)
    await put(api, acme.admin)
    await put(api, acme.controller, subject="Bitte {{ number }}")
    for author in (acme.admin, acme.controller):
        assert (await approve(api, author, 2)).json()["code"] == "template_author"
    assert (await approve(api, acme.legal, 2)).status_code == 200
    await put(api, acme.controller, subject="Noch einmal {{ number }}")
    assert (await approve(api, acme.admin, 3)).status_code == 200, "they had no part in this one"


async def test_what_was_read_is_approved_and_nothing_else(api: Api, acme: Tenant) -> None:
    await put(api, acme.admin)
    await put(api, acme.admin, subject="Changed {{ number }}")
    refused = await approve(api, acme.controller, 1)
    assert (refused.status_code, refused.json()["code"]) == (409, "template_version_changed")
    assert [one["state"] for one in await own(api, acme.admin)] == ["draft"]


async def test_every_version_is_kept_with_who_and_when(api: Api, acme: Tenant, other: Tenant) -> None:
    await put(api, acme.admin)
    await approve(api, acme.controller)
    await put(api, acme.admin, subject="Second {{ number }}")
    await put(api, acme.admin, subject="Third {{ number }}")
    await approve(api, acme.legal, 3)
    gone = await delete(api, acme.admin)
    assert (gone.status_code, gone.json()["version"], gone.json()["state"]) == (200, 3, "retired")
    assert (await delete(api, acme.admin)).status_code == 404
    found = await history(api, acme.auditor)
    assert [(one["version"], one["written_by"], one["approved_by"], one["retired_by"]) for one in found] == [
        (3, acme.admin.id, acme.legal.id, acme.admin.id),
        (2, acme.admin.id, None, acme.admin.id),
        (1, acme.admin.id, acme.controller.id, acme.legal.id),
    ]
    assert await own(api, acme.admin) == []
    assert await history(api, other.auditor) == []


async def test_the_database_too_keeps_authors_from_approving(acme: Tenant, database: Database) -> None:
    both = MailTemplate(
        id="mtp_1",
        organization_id=acme.id,
        name="reminder",
        language="de",
        version=1,
        state="approved",
        subject="S",
        text="{{ link }} {{ opt_out }}",
        written_by=acme.admin.id,
        written_at=NOW,
        approved_by=acme.admin.id,
        approved_at=NOW,
    )
    with pytest.raises(IntegrityError):
        await store(database, both)


async def test_a_language_of_ones_own_words_is_there_for_customers_once_they_are_approved(
    api: Api, acme: Tenant, database: Database
) -> None:
    customer = a_customer(acme.id)
    await store(database, customer)
    path = f"/v1/customers/{customer.id}/settings"

    async def french() -> Response:
        return await api.http.patch(path, headers=acme.admin.headers, json={"language": "fr-CA"})

    await put(api, acme.admin, "reminder/fr")
    assert (await french()).json()["code"] == "language_not_offered"
    await approve(api, acme.controller, where="reminder/fr")
    assert (await french()).status_code == 200


async def test_what_is_sent_twice_at_once_is_there_once(api: Api, acme: Tenant, database: Database) -> None:
    answers = await asyncio.gather(*(put(api, acme.admin, subject=f"Pay {n}") for n in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["version"] for answer in answers) == [1, 2, 3, 4]
    [draft] = await own(api, acme.admin)
    assert (draft["version"], draft in [answer.json() for answer in answers]) == (4, True)


async def test_an_organization_has_so_many_templates_and_no_more(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    await store(
        database,
        *(
            MailTemplate(
                id=f"mtp_{acme.id}_{n}",
                organization_id=acme.id,
                name="portal_link",
                language=f"x{n}",
                version=1,
                state="draft",
                subject="S",
                text="{{ link }}",
                written_by=acme.admin.id,
                written_at=NOW,
            )
            for n in range(MAX_TEMPLATES - 1)
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
    assert [(one["where"], one["pointer"]) for one in refused["errors"]] == [("path", "/name")]
    assert all(name in refused["detail"] for name in ("reminder", "portal_link")), "those that there are"


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
        ({"text": "{{ link }} {{ opt_out }} {{ days_left|abs }}"}, "template_fails", "/text"),
        ({"html": f"{LINKS_IN_HTML} <img src='https://evil.example/x'>"}, "template_link_foreign", "/html"),
        (
            {"text": "{{ link }} {{ opt_out }} {% if number == 'x' %}{{ link|lower }}{% endif %}"},
            "template_link_altered",
            "/text",
        ),
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
    assert [(one["pointer"], one["code"]) for one in problem["errors"]] == [
        ("/subject", "template_variable_unknown"),
        ("/text", "template_unsupported"),
    ]
    variables = {"seller", "customer", "number", "amount", "paid", "due_date", "days_left", "when_due"}
    offered = variables | {"link", "link_until", "opt_out", "language"}
    assert offered <= set(re.findall(r"\w+", problem["errors"][0]["message"]))
    assert problem["detail"].startswith(problem["errors"][0]["message"])


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
    assert {"fr", "7"} <= set(re.findall(r"\w+", problem["detail"])), "in which language, and of which case"


@ON_ONE_DATABASE
async def test_the_documents_preview_is_what_comes_of_its_body(api: Api, acme: Tenant) -> None:
    made = (await api.post(f"{PATH}/reminder/preview", acme.admin, read_example("mail/preview_body"))).json()
    assert made["subject"] == read_example("mail/preview")["subject"]
    assert made["text"] == read_example("mail/preview")["text"].replace(
        "Acme Receivables", acme.organization.name
    )


@ON_ONE_DATABASE
async def test_ours_can_be_taken_as_they_are_to_start_from(api: Api, acme: Tenant) -> None:
    for one in (await api.get(PATH, acme.admin)).json()["data"]:
        words = {part: one[part] for part in ("subject", "text", "html")}
        kept = await put(api, acme.admin, f"{one['name']}/{one['language']}", **words)
        assert (kept.status_code, {part: kept.json()[part] for part in words}) == (200, words)
