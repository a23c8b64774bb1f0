"""Where mails link to, until the console is there: what to do, and by which request, without doing it.

These pages are the same for everybody. They look nothing up, so they tell nobody whether an id exists, and
following a link, as mail scanners do, decides nothing.
"""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Request
from jinja2 import Environment, StrictUndefined
from starlette.responses import HTMLResponse

from ..http.ids import Id
from ..problems.problem import not_found

router = APIRouter(prefix="/console", include_in_schema=False)

Place = Literal["approvals", "operations", "finance", "incidents", "customers", "delegations"]


@dataclass(frozen=True)
class Step:
    """One request of the API, and what it does, as a person would say it."""

    method: str
    path: str
    does: str
    body: str | None = None


@dataclass(frozen=True)
class Page:
    title: str
    lead: str
    requests: tuple[Step, ...]


_OF_ONE: dict[Place, Page] = {
    "approvals": Page(
        "Approval",
        "You are asked to decide on this request.",
        (
            Step("GET", "/v1/approvals/{id}", "Read it; note its subject_hash."),
            Step(
                "POST",
                "/v1/approvals/{id}/decision",
                "Approve it; or say reject or request_changes, with a comment.",
                '{"decision": "approve", "subject_hash": "…"}',
            ),
            Step("POST", "/v1/approvals/{id}/delegate", "Let a colleague decide in your place."),
        ),
    ),
    "operations": Page(
        "Operation",
        "Here is how far it has come, and what you can do about it.",
        (
            Step("GET", "/v1/operations/{id}", "Read it; allowed_actions says what you can do now."),
            Step("GET", "/v1/operations/{id}/timeline", "Read what has happened, step by step."),
            Step("POST", "/v1/plan-changes/{id}/cancel", "Cancel a plan change."),
            Step("POST", "/v1/plan-changes/{id}/revision", "Send a revised plan change."),
            Step("POST", "/v1/plan-changes/{id}/resolution", "Accept or revert a plan change that differs."),
            Step("POST", "/v1/refunds/{id}/revision", "Send a revised refund; credits are at /v1/credits."),
            Step("POST", "/v1/refunds/{id}/resolution", "Try a failed refund again, or close it."),
            Step("POST", "/v1/credits/{id}/resolution", "Accept a credit that differs."),
            Step("POST", "/v1/cases/{id}/take", "Take on what was made in Stripe itself."),
            Step("POST", "/v1/cases/{id}/close", "Close it with its note.", '{"note": "…"}'),
            Step(
                "POST",
                "/v1/portal-troubles/{id}/close",
                "Close a customer's trouble with the portal.",
                '{"note": "…"}',
            ),
        ),
    ),
    "finance": Page(
        "Notice to Finance",
        "Finance is asked to confirm that it has seen this.",
        (
            Step("GET", "/v1/notices", "Read the notices, the newest first."),
            Step("POST", "/v1/notices/{id}/acknowledge", "Confirm that you have seen this one."),
        ),
    ),
    "incidents": Page(
        "Incident",
        "A part of Plixo did not work, or does not work now.",
        (
            Step("GET", "/v1/incidents/{id}", "Read what it means and which steps to take."),
            Step(
                "POST",
                "/v1/incidents/{id}/resolve",
                "When it works again, say what was wrong and what was done.",
                '{"note": "…"}',
            ),
        ),
    ),
    "customers": Page(
        "Customer",
        "Find the customer and their invoices.",
        (
            Step("GET", "/v1/customers", "Read your customers."),
            Step("GET", "/v1/invoices", "Read their invoices."),
        ),
    ),
}
_OF_ONE["delegations"] = Page(
    "Delegation",
    "A colleague asks you to decide in their place.",
    (
        Step("GET", "/v1/delegations", "Read the delegations that you gave or were given."),
        Step("POST", "/v1/delegations/{id}/accept", "Accept this one."),
        Step("POST", "/v1/delegations/{id}/decline", "Decline it."),
    ),
)
_OF_ALL: dict[Place, Page] = {
    "approvals": Page(
        "Approvals",
        "What waits for a decision.",
        (Step("GET", "/v1/approvals?needs_me=true", "Read what waits for you."),),
    ),
    "operations": Page(
        "Operations",
        "What was asked for, and how far it has come.",
        (Step("GET", "/v1/operations", "Read them, the newest first."),),
    ),
    "finance": Page("Finance", _OF_ONE["finance"].lead, (_OF_ONE["finance"].requests[0],)),
    "incidents": Page(
        "Incidents",
        _OF_ONE["incidents"].lead,
        (Step("GET", "/v1/incidents", "Read them, the newest first."),),
    ),
    "customers": _OF_ONE["customers"],
    "delegations": Page("Delegations", "Who decides in whose place.", _OF_ONE["delegations"].requests[:1]),
}

_FIRST = Page(
    "Plixo Billing",
    "What waits for you, and what has happened.",
    tuple(page.requests[0] for page in _OF_ALL.values()),
)

_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER.parent / "http" / "docs.css").read_text(encoding="utf-8")
_PAGE = Environment(
    autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
).from_string((_FOLDER / "console.html").read_text(encoding="utf-8"))
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Robots-Tag": "noindex",
}


@router.api_route("", methods=["GET", "HEAD"])
@router.api_route("/", methods=["GET", "HEAD"])
async def first(request: Request) -> HTMLResponse:
    return _page(_FIRST, None, request)


@router.api_route("/{place}", methods=["GET", "HEAD"])
async def every(place: str, request: Request) -> HTMLResponse:
    return _page(_of(_OF_ALL, place), None, request)


@router.api_route("/{place}/{id}", methods=["GET", "HEAD"])
async def one(place: str, id: Id, request: Request) -> HTMLResponse:
    return _page(_of(_OF_ONE, place), id, request)


def _of(pages: dict[Place, Page], place: str) -> Page:
    for name, page in pages.items():
        if name == place:
            return page
    raise not_found()


def _page(page: Page, id_: str | None, request: Request) -> HTMLResponse:
    site: str = request.app.state.context.site.public_url.rstrip("/")
    shown = [
        {
            "method": step.method,
            "url": f"{site}{step.path.replace('{id}', id_ or '')}",
            "does": step.does,
            "body": step.body,
        }
        for step in page.requests
    ]
    body = _PAGE.render(
        title=page.title, lead=page.lead, id=id_, requests=shown, docs=f"{site}/docs", style=_STYLE
    )
    return HTMLResponse(body, headers=_HEADERS)
