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
class ApiCall:
    """One request of the API, and what it does, as a person would say it."""

    method: str
    path: str
    does: str
    body: str | None = None


@dataclass(frozen=True)
class LandingPage:
    title: str
    lead: str
    requests: tuple[ApiCall, ...]


_OF_ONE: dict[Place, LandingPage] = {
    "approvals": LandingPage(
        "Approval",
        "You are asked to decide on this request.",
        (
            ApiCall("GET", "/v1/approvals/{id}", "Read it; note its subject_hash."),
            ApiCall(
                "POST",
                "/v1/approvals/{id}/decision",
                "Approve it, or send reject or request_changes with a comment.",
                '{"decision": "approve", "subject_hash": "…"}',
            ),
            ApiCall("POST", "/v1/approvals/{id}/delegate", "Delegate it to a colleague."),
        ),
    ),
    "operations": LandingPage(
        "Operation",
        "See its progress, and what you can do.",
        (
            ApiCall("GET", "/v1/operations/{id}", "Read it; allowed_actions says what you can do now."),
            ApiCall("GET", "/v1/operations/{id}/timeline", "Read what has happened, step by step."),
            ApiCall("POST", "/v1/plan-changes/{id}/cancel", "Cancel a plan change."),
            ApiCall("POST", "/v1/plan-changes/{id}/revision", "Send a revised plan change."),
            ApiCall(
                "POST",
                "/v1/plan-changes/{id}/resolution",
                "Accept or revert a plan change that differs from the approval.",
            ),
            ApiCall(
                "POST", "/v1/refunds/{id}/revision", "Send a revised refund; credits are at /v1/credits."
            ),
            ApiCall("POST", "/v1/refunds/{id}/resolution", "Retry or close a failed refund."),
            ApiCall(
                "POST", "/v1/credits/{id}/resolution", "Accept a credit that differs from what was agreed."
            ),
            ApiCall("POST", "/v1/cases/{id}/take", "Assign a case to yourself."),
            ApiCall("POST", "/v1/cases/{id}/close", "Close a case with a note.", '{"note": "…"}'),
            ApiCall(
                "POST",
                "/v1/portal-troubles/{id}/close",
                "Close a portal trouble.",
                '{"note": "…"}',
            ),
        ),
    ),
    "finance": LandingPage(
        "Notice to Finance",
        "Finance is asked to confirm that it has seen this.",
        (
            ApiCall("GET", "/v1/notices", "Read the notices, newest first."),
            ApiCall("POST", "/v1/notices/{id}/acknowledge", "Confirm that you have seen this one."),
        ),
    ),
    "incidents": LandingPage(
        "Incident",
        "A part of Plixo is or was degraded.",
        (
            ApiCall("GET", "/v1/incidents/{id}", "Read what it means and which steps to take."),
            ApiCall(
                "POST",
                "/v1/incidents/{id}/resolve",
                "After it recovers, record what was wrong and what was done.",
                '{"note": "…"}',
            ),
        ),
    ),
    "customers": LandingPage(
        "Customer",
        "Find the customer and their invoices.",
        (
            ApiCall("GET", "/v1/customers", "Read your customers."),
            ApiCall("GET", "/v1/invoices", "Read their invoices."),
        ),
    ),
}
_OF_ONE["delegations"] = LandingPage(
    "Delegation",
    "A colleague asks you to decide in their place.",
    (
        ApiCall("GET", "/v1/delegations", "Read the delegations that you gave or received."),
        ApiCall("POST", "/v1/delegations/{id}/accept", "Accept this one."),
        ApiCall("POST", "/v1/delegations/{id}/decline", "Decline it."),
    ),
)
_OF_ALL: dict[Place, LandingPage] = {
    "approvals": LandingPage(
        "Approvals",
        "Requests that need a decision.",
        (ApiCall("GET", "/v1/approvals?needs_me=true", "Read the approvals that you may decide."),),
    ),
    "operations": LandingPage(
        "Operations",
        "Requests and their progress.",
        (ApiCall("GET", "/v1/operations", "Read them, newest first."),),
    ),
    "finance": LandingPage("Finance", _OF_ONE["finance"].lead, (_OF_ONE["finance"].requests[0],)),
    "incidents": LandingPage(
        "Incidents",
        _OF_ONE["incidents"].lead,
        (ApiCall("GET", "/v1/incidents", "Read them, newest first."),),
    ),
    "customers": _OF_ONE["customers"],
    "delegations": LandingPage(
        "Delegations", "Who decides in whose place.", _OF_ONE["delegations"].requests[:1]
    ),
}

_FIRST = LandingPage(
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


def _of(pages: dict[Place, LandingPage], place: str) -> LandingPage:
    for name, page in pages.items():
        if name == place:
            return page
    raise not_found()


def _page(page: LandingPage, id_: str | None, request: Request) -> HTMLResponse:
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
