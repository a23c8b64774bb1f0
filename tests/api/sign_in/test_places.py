"""Where somebody may be sent on to after sign-in: nowhere but to the console."""

import pytest

from api.sign_in.places import local, sign_in_for
from db.core.session import Database

from ...support.builders import Tenant
from ..conftest import ON_ONE_DATABASE
from .visitors import Visitor, sign_in

OURS = [
    "/console",
    "/console/",
    "/console/approvals/apr_01JD0V7G8M3Q2Z6W5T4R9YXKBN",
    "/console/invoices?state=open&q=acme+inc&cursor=b3BfMDFK",
    "/console/invoices?q=50%25%20off",
]
NOT_OURS = [
    "",
    "https://evil.example/",
    "https://evil.example/console/",
    "//evil.example/console/",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/console//evil.example",
    "/console/\\evil.example",
    "/console/../v1/refunds",
    "/console/..",
    "/console/./x",
    "/console/%2e%2e/v1",
    "/console/%2F%2Fevil.example",
    "/console/x\r\nSet-Cookie: a=b",
    "/console/x\n",
    "/console/\tx",
    "/console/\x00",
    "\t/console/",
    " /console/",
    "/console@evil.example",
    "/console.evil.example",
    "/consoleevil",
    "/v1/refunds",
    "/portal/x",
    "/",
    "javascript:alert(1)",
    "data:text/html,x",
    "/console/?next=https://evil.example",
    "/console/x#//evil.example",
    "/console/x;y",
    "/console/ｘ",
    "/console/sign-in",
    "/console/sign-in?next=/console/",
    "/console/sign-in/link/x",
    "/console/sign-out",
    "/console/signed-out",
    "/console/" + "x" * 1000,
]


@pytest.mark.parametrize("wanted", OURS)
def test_a_page_of_the_console_is_gone_on_to(wanted: str) -> None:
    assert local(wanted) == wanted


@pytest.mark.parametrize("wanted", NOT_OURS)
def test_nothing_else_is(wanted: str) -> None:
    assert local(wanted) is None


def test_the_first_page_needs_no_way_back() -> None:
    assert {sign_in_for("/console"), sign_in_for("/console/"), sign_in_for("/console//x")} == {
        "/console/sign-in"
    }


@ON_ONE_DATABASE
@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "/console//evil.example"])
async def test_a_link_leads_to_no_other_site(
    visitor: Visitor, acme: Tenant, database: Database, wanted: str
) -> None:
    assert "evil" not in (await visitor.get(f"/console/sign-in?next={wanted}")).text
    answer = await sign_in(visitor, database, acme.admin.person, next=wanted)
    assert answer.headers["location"] == "/console/"
    answer = await visitor.get(f"/console/sign-in?next={wanted}")
    assert answer.headers["location"] == "/console/"
