"""Organizations' own words for mails to their customers; ours hold where there are none."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from fastapi import Query as QueryOf
from pydantic import AfterValidator, Field
from starlette.concurrency import run_in_threadpool

from billing.mail.customer_mail_text import NAMES, SPOILT, VARIABLES, Name, Words, built_in
from billing.mail.languages import known_tag
from billing.mail.phrases import PHRASES
from billing.mail.template_checks import FILTERS, Fault, validate
from billing.mail.template_examples import SO, Case, preview
from billing.mail.template_review import APPROVERS, why_not
from db.core.clock import utc_now
from db.core.pages import FewRows
from db.mail import templates as mail_templates
from db.mirror import mirror
from db.people import people
from db.tables import MailTemplate

from ..http.auth import Actor, AnyCaller, BillingAdmin
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.models import DOWNWARDS, Answer, Body, ListOf, Query, plain
from ..http.openapi import WITH_BODY, answers, body_example
from ..operations import views
from ..problems.catalogue import CATALOGUE
from ..problems.common import (
    BODY_TOO_LARGE,
    INVALID_REQUEST,
    LANGUAGE_UNKNOWN,
    NOT_FOUND,
    ROLE_MISSING,
    UNSUPPORTED_MEDIA_TYPE,
)
from ..problems.field_errors import FieldError
from ..problems.problem import ApiProblem, existing, not_found
from .problems import TEMPLATE_AUTHOR, TEMPLATE_FAILS, TEMPLATE_VERSION_CHANGED, TOO_MANY_TEMPLATES, UNFIT

router = APIRouter(prefix="/v1/mail-templates", tags=["Portal"])

ANY = "*"


def _tag(text: str, where: str) -> str:
    """Raises ApiProblem `language_unknown`; returns the tag as it is usually written."""
    tag = known_tag(text) if len(text) <= 35 else None
    if tag is None:
        detail = "language must be a known BCP 47 language tag, such as de or pt-BR."
        raise ApiProblem.at(LANGUAGE_UNKNOWN, detail, "/language", where=where)
    return tag


MailName = Annotated[Name, Path(description="The mail's name")]
Language = Annotated[
    str,
    Path(description="A language tag (BCP 47), or `*` for every language without its own template"),
    AfterValidator(lambda text: text if text == ANY else _tag(text, "path")),
]
Source = Annotated[str, Field(min_length=1), AfterValidator(plain)]


class WordsBody(Body):
    """Jinja templates of variables, `{% if %}` and filters."""

    subject: Source = Field(description="One line, at most 200 characters after substitution")
    text: Source = Field(description="At most 64 KiB; must include link, and opt_out in reminders")
    html: Source | None = Field(default=None, description="As for text; null: the mail is plain text only")


class PreviewBody(WordsBody):
    language: str = Field(default="en", description="A language tag, used for dates, amounts and when_due")
    case: Case = Field(default="due", description="The kind of sample invoice")


class VersionsQuery(Query):
    sort: Literal["version", "-version"] = Field(default="-version", description=DOWNWARDS)


class TemplateAnswer(Answer):
    """A customer's own language comes first, then `*`, then what is built in."""

    name: Name
    language: str = Field(description="A language tag; * for any")
    source: Literal["own", "built_in"]
    state: Literal["draft", "approved", "retired"] | None = Field(
        description="Only approved templates are sent; null: built-in"
    )
    version: int | None
    subject: str
    text: str
    html: str | None
    written_by: str | None
    written_at: datetime | None
    approved_by: str | None
    approved_at: datetime | None
    retired_by: str | None
    retired_at: datetime | None


class TemplatesAnswer(Answer):
    """All there are; an approved template of your own replaces the built-in one of its language."""

    data: list[TemplateAnswer]
    variables: dict[str, str] = Field(description="The variables that a template can use")
    filters: list[str] = Field(description="The filters that a template can use")


class ApproveBody(Body):
    version: int = Field(ge=1, description="The draft that you reviewed; any other version is refused")


class MailAnswer(Answer):
    subject: str
    text: str
    html: str | None


@router.get("", summary="List mail templates", responses=answers({200: example("mail/templates")}))
async def list_templates(caller: AnyCaller, context: InContext) -> TemplatesAnswer:
    """The built-in templates, which you can start from, and your organization's own."""
    async with context.database.reading() as session:
        own = await mail_templates.of_organization(session, caller.organization)
    ours = [_ours(name, language) for name in NAMES for language in PHRASES]
    return TemplatesAnswer(data=[*ours, *map(_answer, own)], variables=dict(VARIABLES), filters=list(FILTERS))


@router.put(
    "/{name}/{language}",
    summary="Draft a mail template",
    responses=answers(
        {200: example("mail/draft")}, *WITH_BODY, ROLE_MISSING, LANGUAGE_UNKNOWN, TOO_MANY_TEMPLATES, *UNFIT
    ),
    openapi_extra=body_example(example("mail/template_body")),
)
async def put_template(
    name: MailName, language: Language, body: WordsBody, caller: BillingAdmin, context: InContext
) -> TemplateAnswer:
    """Stores a draft, after testing it with invoices of every kind. It is not used until somebody else
    approves it; until then the current template stays in use.
    """
    await _check(name, body)
    async with context.database.transaction() as session:
        draft = await mail_templates.add_draft(
            session,
            caller.organization,
            name,
            language,
            subject=body.subject,
            text=body.text,
            html=body.html,
            by=caller.person,
            at=utc_now(),
        )
        if draft is None:
            raise ApiProblem.of(TOO_MANY_TEMPLATES)
        return _answer(draft)


@router.post(
    "/{name}/{language}/approve",
    summary="Approve a mail template",
    responses=answers(
        {200: example("mail/approved")},
        *WITH_BODY,
        ROLE_MISSING,
        NOT_FOUND,
        LANGUAGE_UNKNOWN,
        TEMPLATE_AUTHOR,
        TEMPLATE_VERSION_CHANGED,
    ),
    openapi_extra=body_example(example("mail/approve_body")),
)
async def approve_template(
    name: MailName, language: Language, body: ApproveBody, caller: Actor, context: InContext
) -> TemplateAnswer:
    """Mails use it from now on. A billing admin, controller or Legal can approve it, but nobody who wrote it
    or one of its earlier drafts.
    """
    caller.needs(*sorted(APPROVERS))
    async with context.database.transaction() as session:
        await people.lock_organization(session, caller.organization)
        before = await mail_templates.versions(session, caller.organization, name, language)
        draft = existing(next((one for one in before if one.state == mail_templates.DRAFT), None))
        refusal = why_not(caller.person, caller.roles, mail_templates.authors(before))
        if refusal is not None:
            raise ApiProblem.of(CATALOGUE[refusal])
        if draft.version != body.version:
            detail = (
                f"The draft is now version {draft.version}: review it, "
                "and approve that version if it is right."
            )
            raise ApiProblem.at(TEMPLATE_VERSION_CHANGED, detail, "/version")
        await mail_templates.approve(session, draft, before, by=caller.person, at=utc_now())
        return _answer(draft)


@router.get(
    "/{name}/{language}/versions",
    summary="List a mail template's versions",
    response_model=ListOf[TemplateAnswer],
    responses=list_answers("mail/draft", TemplateAnswer, LANGUAGE_UNKNOWN),
)
async def list_versions(
    name: MailName,
    language: Language,
    query: Annotated[VersionsQuery, QueryOf()],
    request: Request,
    caller: AnyCaller,
    context: InContext,
) -> Any:
    """Newest first unless `sort` says otherwise, with who wrote, approved and retired each version. Versions
    never change."""
    async with context.database.reading() as session:
        newest_first = await mail_templates.versions(session, caller.organization, name, language)
    rows = FewRows(newest_first[::-1], lambda row: row.id, query.sort)
    return await answer_list(request, context, query, rows, views.each(_answer), TemplateAnswer)


@router.delete(
    "/{name}/{language}",
    summary="Delete a mail template",
    responses=answers(
        {200: example("mail/retired")},
        ROLE_MISSING,
        NOT_FOUND,
        INVALID_REQUEST,
        LANGUAGE_UNKNOWN,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
    ),
)
async def delete_template(
    name: MailName, language: Language, caller: BillingAdmin, context: InContext
) -> TemplateAnswer:
    """The template in use and its draft are retired, and kept as versions. The built-in template, which can't
    be deleted, is used again.
    """
    async with context.database.transaction() as session:
        row = await mail_templates.retire(
            session, caller.organization, name, language, by=caller.person, at=utc_now()
        )
        if row is None:
            raise not_found()
        return _answer(row)


@router.post(
    "/{name}/preview",
    summary="Preview a mail template",
    responses=answers({200: example("mail/preview")}, *WITH_BODY, LANGUAGE_UNKNOWN, *UNFIT),
    openapi_extra=body_example(example("mail/preview_body")),
)
async def preview_template(
    name: MailName, body: PreviewBody, caller: AnyCaller, context: InContext
) -> MailAnswer:
    """A mail about a sample invoice. Nothing is stored or sent, and its links do not work."""
    language = _tag(body.language, "body")
    await _check(name, body)
    async with context.database.reading() as session:
        seller = (await mirror.organization(session, caller.organization)).name
    words = Words(body.subject, body.text, body.html)
    try:
        mail = await run_in_threadpool(preview, name, words, body.case, language=language, seller=seller)
    except SPOILT as error:  # for this language or seller only, of which validate tries one
        detail = f"In {language} it can't be rendered for {SO[body.case]}; check what it does in that case."
        raise ApiProblem.at(TEMPLATE_FAILS, detail, "/text") from error
    return MailAnswer(**mail._asdict())


async def _check(name: Name, body: WordsBody) -> None:
    """Raises ApiProblem with everything that is wrong; in a thread, as it may take a tenth of a second."""
    faults = await run_in_threadpool(validate, name, body.subject, body.text, body.html)
    if faults:
        errors = [_blamed(fault) for fault in faults]
        more = "" if len(errors) == 1 else f" There are {len(errors)} problems; see errors."
        raise ApiProblem(CATALOGUE[errors[0].code], errors[0].message + more, errors)


def _blamed(fault: Fault) -> FieldError:
    return FieldError("body", f"/{fault.field}", fault.code, fault.message)


_OF_VERSIONS = (
    *(
        "state",
        "version",
        "written_by",
        "written_at",
        "approved_by",
        "approved_at",
        "retired_by",
        "retired_at",
    ),
)


def _ours(name: Name, language: str) -> TemplateAnswer:
    words = built_in(name, language)
    return TemplateAnswer(
        name=name, language=language, source="built_in", **words._asdict(), **dict.fromkeys(_OF_VERSIONS)
    )


def _answer(row: MailTemplate) -> TemplateAnswer:
    return TemplateAnswer.model_validate(row.model_dump() | {"source": "own"})
