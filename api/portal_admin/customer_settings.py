"""How a customer is written to: what was set here, and what holds where nothing was."""

from typing import Any

from fastapi import APIRouter
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.business_time import known_country, known_subdivision, known_zone
from billing.core.customers import Correspondent, Whereabouts, correspondent
from billing.mail.customer_mail_text import candidates
from billing.mail.languages import is_offered, known_tag, offered
from billing.mail.phrases import ENGLISH
from db.core.clock import utc_now
from db.customers import settings as customer_settings
from db.mail import templates as mail_templates
from db.mirror import mirror
from db.tables import Customer, CustomerSettings, Organization

from ..http.auth import AnyCaller, Caller, Giver
from ..http.context import InContext
from ..http.examples import example
from ..http.ids import Id
from ..http.openapi import WITH_BODY, answers, body_example
from ..problems.common import LANGUAGE_UNKNOWN, NOT_FOUND, ROLE_MISSING
from ..problems.problem import ApiProblem, existing
from .problems import COUNTRY_UNKNOWN, LANGUAGE_NOT_OFFERED, SUBDIVISION_UNKNOWN, ZONE_UNKNOWN
from .schemas import BounceAnswer, Effective, LiftedAnswer, SettingsAnswer, SettingsBody, Source

router = APIRouter(prefix="/v1/customers", tags=["Customers and invoices"])

Known = tuple[Customer, Organization]
"""A customer and whose they are."""


@router.get(
    "/{id}/settings",
    summary="Read a customer's settings",
    responses=answers({200: example("portal_admin/settings")}, NOT_FOUND),
)
async def read_settings(id: Id, caller: AnyCaller, context: InContext) -> SettingsAnswer:
    """The values in effect and their source: these settings, then Stripe, then the organization."""
    async with context.database.reading() as session:
        known, row = await known_with_settings(session, caller, id)
    return settings_answer(known, row)


@router.patch(
    "/{id}/settings",
    summary="Change a customer's settings",
    responses=answers(
        {200: example("portal_admin/settings")},
        *WITH_BODY,
        ROLE_MISSING,
        NOT_FOUND,
        LANGUAGE_UNKNOWN,
        LANGUAGE_NOT_OFFERED,
        ZONE_UNKNOWN,
        COUNTRY_UNKNOWN,
        SUBDIVISION_UNKNOWN,
    ),
    openapi_extra=body_example(example("portal_admin/settings_body")),
)
async def change_settings(id: Id, body: SettingsBody, caller: Giver, context: InContext) -> SettingsAnswer:
    """Applies from the next decision on; earlier decisions stay as they are."""
    at = utc_now()
    wanted = body.model_dump(exclude_unset=True)
    opted_out = wanted.pop("opted_out", None) if "opted_out" in wanted else ...
    lift = wanted.pop("bounced", None) is False
    _check(wanted)
    async with context.database.transaction() as session:
        known = await known_customer(session, caller, id)
        await _check_language(session, caller, wanted.get("language"))
        row = await customer_settings.locked(session, caller.organization, id, by=caller.person, at=at)
        for name, value in wanted.items():
            setattr(row, name, value)
        if opted_out is not ...:
            row.opted_out_at = (row.opted_out_at or at) if opted_out else None
            row.opted_out_by = (row.opted_out_by or caller.person) if opted_out else None
        if lift and row.bounced_address is not None:
            for name, value in customer_settings.lifted(by=caller.person, why="person", at=at).items():
                setattr(row, name, value)
        row.updated_at, row.updated_by = at, caller.person
        _check_subdivision(known, row)
        session.add(row)
        await session.flush()
        return settings_answer(known, row)


async def known_with_settings(
    session: AsyncSession, caller: Caller, customer_id: str
) -> tuple[Known, CustomerSettings | None]:
    """In one statement. Raises ApiProblem `not_found`."""
    customer, organization, settings = existing(
        await customer_settings.with_settings(session, caller.organization, customer_id)
    )
    return (customer, organization), settings


async def known_customer(session: AsyncSession, caller: Caller, customer_id: str) -> Known:
    customer = existing(await mirror.customer(session, caller.organization, customer_id))
    return customer, await mirror.organization(session, caller.organization)


def _check(wanted: dict[str, Any]) -> None:
    """Raises ApiProblem `language_unknown`, `zone_unknown` and `country_unknown`; writes the language tag
    as it is usually written."""
    if wanted.get("language") is not None:
        wanted["language"] = _language(wanted["language"])
    if wanted.get("zone") is not None and not known_zone(wanted["zone"]):
        raise ApiProblem.of(ZONE_UNKNOWN)
    if wanted.get("country") is not None and not known_country(wanted["country"]):
        raise ApiProblem.of(COUNTRY_UNKNOWN)


def _language(text: str) -> str:
    tag = known_tag(text)
    if tag is None:
        raise ApiProblem.of(LANGUAGE_UNKNOWN)
    return tag


async def _check_language(session: AsyncSession, caller: Caller, tag: str | None) -> None:
    """Raises ApiProblem `language_not_offered` for a language that no mail or page is there in."""
    if tag is None or is_offered(tag):
        return
    own = await mail_templates.languages(session, caller.organization)
    if own.isdisjoint(set(candidates(tag)) - {"*", ENGLISH}):
        detail = (
            f"Mail is not available in {tag}. Choose one of {offered()}, or first create a mail template in "
            "that language and have it approved."
        )
        raise ApiProblem.at(LANGUAGE_NOT_OFFERED, detail, "/language")


def _check_subdivision(known: Known, row: CustomerSettings) -> None:
    """Raises ApiProblem `subdivision_unknown`: it has to be of the country that will hold."""
    if row.subdivision is None:
        return
    country = _effective(known, row).country
    if country is None or not known_subdivision(country, row.subdivision):
        raise ApiProblem.of(SUBDIVISION_UNKNOWN)


def _ranked(known: Known, row: CustomerSettings | None) -> dict[Source, Whereabouts]:
    customer, organization = known
    return {
        "settings": Whereabouts(row.language, row.zone, row.country, row.subdivision)
        if row
        else Whereabouts(),
        "stripe": Whereabouts(language=customer.language, country=customer.country),
        "organization": Whereabouts(
            zone=organization.zone, country=organization.country, subdivision=organization.subdivision
        ),
    }


def _effective(known: Known, row: CustomerSettings | None) -> Correspondent:
    customer, ranked = known[0], _ranked(known, row)
    return correspondent(
        customer=customer.id,
        name=customer.name,
        email=customer.email,
        settings=ranked["settings"],
        stripe=ranked["stripe"],
        organization=ranked["organization"],
    )


def settings_answer(known: Known, row: CustomerSettings | None) -> SettingsAnswer:
    holds, ranked = _effective(known, row), _ranked(known, row)

    def effective(name: str) -> Effective:
        value = getattr(holds, name)
        if value is None:
            return Effective(value=None, source=None)
        sources = (source for source, said in ranked.items() if getattr(said, name) == value)
        return Effective(value=value, source=next(sources, "default"))

    return SettingsAnswer(
        customer=known[0].id,
        language=effective("language"),
        zone=effective("zone"),
        country=effective("country"),
        subdivision=effective("subdivision"),
        approval_cycle_days=row.approval_cycle_days if row else None,
        opted_out=bool(row and row.opted_out_at),
        opted_out_at=row.opted_out_at if row else None,
        opted_out_by=row.opted_out_by if row else None,
        bounced=_bounce(row),
        bounce_lifted=_lifted(row),
        updated_at=row.updated_at if row else None,
        updated_by=row.updated_by if row else None,
    )


def _lifted(row: CustomerSettings | None) -> LiftedAnswer | None:
    if row is None or row.bounce_lifted_at is None:
        return None
    return LiftedAnswer(at=row.bounce_lifted_at, by=row.bounce_lifted_by, why=row.bounce_lifted_why)


def _bounce(row: CustomerSettings | None) -> BounceAnswer | None:
    if row is None or row.bounced_address is None or row.bounced_at is None:
        return None
    return BounceAnswer(address=row.bounced_address, at=row.bounced_at, code=row.bounce_code)
