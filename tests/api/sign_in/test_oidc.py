"""Single sign-on with a real provider, as a process of its own."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from sqlmodel import select
from temporalio.client import Client

from api.http.site import Site
from api.oidc import provider as provider_module
from api.sign_in.pages import NOT_FINISHED
from billing.core.operations import Role
from billing.policy.policy import Policy
from db.core.session import Database
from db.tables import ConsoleSession, Person, SignInAttempt

from ...support.builders import Tenant, a_person, store
from ..conftest import ON_ONE_DATABASE, Api, serving
from .conftest import PAGE, add_probe
from .providers import (
    CLIENT,
    a_provider,
    agree,
    asked_for,
    back,
    begin,
    free_port,
    known,
    mock_provider,
    sign_in_by_provider,
)
from .visitors import SITE, Visitor, title

pytestmark = ON_ONE_DATABASE
SECRET = "a secret that the mock does not look at"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with mock_provider(free_port(), "--require-nonce", "true") as issuer:
        yield issuer


@pytest.fixture
async def web(database: Database, policy: Policy, no_temporal: Client, issuer: str) -> AsyncIterator[Api]:
    """In place of the app that signs in by mail."""
    site = Site(public_url=SITE, floor=0)
    async for api in serving(
        database,
        policy,
        no_temporal,
        site=site,
        by_mail=False,
        provider=a_provider(issuer, client_secret=SECRET),
    ):
        add_probe(api)
        yield api


async def verified(issuer: str, person: Person, subject: str) -> str:
    await known(issuer, subject, email=person.email.upper(), email_verified=True)
    return subject


async def test_somebody_signs_in_by_their_verified_address(
    visitor: Visitor, acme: Tenant, issuer: str, database: Database
) -> None:
    page = await visitor.get(f"/console/sign-in?next={PAGE}")
    assert "Continue with single sign-on" in page.text
    assert "Work email" not in page.text
    answer = await sign_in_by_provider(visitor, await verified(issuer, acme.legal.person, "lee"), PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    assert (await visitor.get(PAGE)).json()["person"] == acme.legal.id
    async with database.reading() as session:
        assert (await session.exec(select(ConsoleSession.how))).one() == "oidc"


async def test_what_is_asked_is_a_code_with_pkce_for_this_browser_alone(
    browsers: Callable[..., Visitor], acme: Tenant, issuer: str
) -> None:
    first, second = [asked_for(await begin(browsers())) for _ in range(2)]
    assert first["response_type"] == "code"
    assert first["code_challenge_method"] == "S256"
    assert first["client_id"] == CLIENT
    assert first["scope"] == "openid email profile"
    assert first["redirect_uri"] == f"{SITE}/console/sign-in/callback"
    assert len(first["state"]) >= 43
    assert all(first[name] != second[name] for name in ("state", "nonce", "code_challenge"))


async def test_no_secret_of_a_sign_in_on_its_way_is_kept(
    visitor: Visitor, acme: Tenant, issuer: str, database: Database
) -> None:
    asked = asked_for(await begin(visitor))
    async with database.reading() as session:
        (row,) = (await session.exec(select(SignInAttempt))).all()
    kept = row.model_dump_json()
    assert not any(secret in kept for secret in (asked["state"], asked["nonce"], asked["code_challenge"]))


async def test_somebody_is_found_by_their_subject_whatever_their_address_is(
    visitor: Visitor, acme: Tenant, issuer: str, database: Database
) -> None:
    async with database.transaction() as session:
        person = await session.get(Person, acme.legal.id)
        assert person is not None
        person.subject = "sub-lee"
    await known(issuer, "sub-lee", email="lee@elsewhere.example", email_verified=False)
    await sign_in_by_provider(visitor, "sub-lee")
    assert (await visitor.get(PAGE)).json()["person"] == acme.legal.id


async def test_an_address_that_has_passed_to_somebody_else_lets_nobody_in(
    visitor: Visitor, acme: Tenant, issuer: str, database: Database
) -> None:
    async with database.transaction() as session:
        person = await session.get(Person, acme.legal.id)
        assert person is not None
        person.subject = "the-first"
    answer = await sign_in_by_provider(visitor, await verified(issuer, acme.legal.person, "the-second"))
    assert (answer.status_code, title(answer)) == (403, NOT_FINISHED)


@pytest.mark.parametrize("said", [False, None, "true", 1])
async def test_an_address_that_is_not_verified_lets_nobody_in(
    visitor: Visitor, acme: Tenant, issuer: str, said: object
) -> None:
    await known(issuer, "lax", email=acme.admin.person.email, email_verified=said)
    answer = await sign_in_by_provider(visitor, "lax")
    assert (answer.status_code, title(answer)) == (403, NOT_FINISHED)
    assert visitor.secret is None


async def test_somebody_whom_nobody_here_knows_is_told_what_to_do(
    visitor: Visitor, acme: Tenant, issuer: str
) -> None:
    await known(issuer, "stranger", email="stranger@else.example", email_verified=True)
    answer = await sign_in_by_provider(visitor, "stranger")
    assert answer.status_code == 403
    assert "Ask your administrator" in answer.text


@pytest.mark.parametrize("change", [{"active": False}, {"roles": []}])
async def test_who_may_not_come_in_does_not(
    visitor: Visitor, acme: Tenant, issuer: str, database: Database, change: dict[str, object]
) -> None:
    subject = await verified(issuer, acme.admin.person, "former")
    async with database.transaction() as session:
        person = await session.get(Person, acme.admin.id)
        assert person is not None
        person.sqlmodel_update(change)
    assert (await sign_in_by_provider(visitor, subject)).status_code == 403


async def test_a_state_from_another_browser_is_refused_and_stays_its_own(
    browsers: Callable[..., Visitor], acme: Tenant, issuer: str
) -> None:
    mine, other = browsers(), browsers()
    url = await agree(await begin(mine), await verified(issuer, acme.admin.person, "bea"))
    assert title(await back(other, url)) == NOT_FINISHED
    await begin(other)
    assert title(await back(other, url)) == NOT_FINISHED
    assert other.secret is None
    assert (await back(mine, url)).status_code == 303


async def test_an_answer_is_taken_once(visitor: Visitor, acme: Tenant, issuer: str) -> None:
    start = await begin(visitor)
    cookies = dict(visitor.http.cookies)
    url = await agree(start, await verified(issuer, acme.admin.person, "bea"))
    assert (await back(visitor, url)).status_code == 303
    again = Visitor(visitor.app)
    again.http.cookies.update(cookies)
    assert title(await back(again, url)) == NOT_FINISHED


async def test_a_code_that_was_used_gets_nothing_more(
    browsers: Callable[..., Visitor], acme: Tenant, issuer: str
) -> None:
    victim, thief = browsers(), browsers()
    url = await agree(await begin(victim), await verified(issuer, acme.admin.person, "bea"))
    await back(victim, url)
    state = asked_for(await begin(thief))["state"]
    answer = await back(thief, f"{SITE}/console/sign-in/callback?code={asked_for(url)['code']}&state={state}")
    assert (answer.status_code, title(answer)) == (400, NOT_FINISHED)


async def test_a_head_uses_nothing_up(visitor: Visitor, acme: Tenant, issuer: str) -> None:
    url = await agree(await begin(visitor), await verified(issuer, acme.admin.person, "bea"))
    assert (await visitor.http.head(url.removeprefix(SITE))).status_code == 303
    assert visitor.secret is None
    assert (await back(visitor, url)).headers["location"] == "/console/"
    assert visitor.secret


async def test_who_changes_their_mind_is_told_so(visitor: Visitor, acme: Tenant, issuer: str) -> None:
    state = asked_for(await begin(visitor))["state"]
    answer = await back(visitor, f"{SITE}/console/sign-in/callback?error=access_denied&state={state}")
    assert (answer.status_code, title(answer)) == (400, NOT_FINISHED)


async def test_somebody_of_two_organizations_chooses_one(
    visitor: Visitor, acme: Tenant, other: Tenant, issuer: str, database: Database
) -> None:
    there = a_person(other.id, roles=[Role.LEGAL], email=acme.admin.person.email)
    await store(database, there)
    answer = await sign_in_by_provider(visitor, await verified(issuer, there, "both"), PAGE)
    assert answer.headers["location"] == "/console/sign-in/choose"
    page = await visitor.get("/console/sign-in/choose")
    assert acme.organization.name in page.text
    assert other.organization.name in page.text
    assert title(await visitor.post("/console/sign-in/choose", person=acme.controller.id)) == NOT_FINISHED
    assert visitor.secret is None
    stranger = Visitor(visitor.app)
    assert title(await stranger.post("/console/sign-in/choose", person=there.id)) == NOT_FINISHED
    answer = await visitor.post("/console/sign-in/choose", person=there.id)
    assert answer.headers["location"] == PAGE
    assert (await visitor.get(PAGE)).json()["person"] == there.id
    assert title(await visitor.post("/console/sign-in/choose", person=acme.admin.id)) == NOT_FINISHED


async def test_signing_out_signs_out_of_the_provider_too(visitor: Visitor, acme: Tenant, issuer: str) -> None:
    await sign_in_by_provider(visitor, await verified(issuer, acme.admin.person, "bea"))
    answer = await visitor.post("/console/sign-out")
    url = answer.headers["refresh"].removeprefix("0; url=")
    assert url.startswith(f"{issuer}/oauth2/end_session?")
    assert asked_for(url) == {
        "client_id": CLIENT,
        "post_logout_redirect_uri": f"{SITE}/console/signed-out",
    }
    assert visitor.secret is None
    assert (await visitor.get(PAGE)).status_code == 303


async def test_keys_that_have_changed_are_read_anew(
    database: Database, policy: Policy, no_temporal: Client, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_module, "KEYS_AGAIN", 0.0)
    port = free_port()
    provider = a_provider(f"http://127.0.0.1:{port}", client_secret=SECRET)
    site = Site(public_url=SITE, floor=0)
    async for api in serving(database, policy, no_temporal, site=site, provider=provider):
        for _ in range(2):
            with mock_provider(port) as issuer:  # with other keys each time
                subject = await verified(issuer, acme.admin.person, "bea")
                assert (await sign_in_by_provider(Visitor(api.app), subject)).status_code == 303
        visitor = Visitor(api.app)
        start = await begin(visitor)  # what was discovered is still known
        state = asked_for(start)["state"]
        answer = await back(visitor, f"{SITE}/console/sign-in/callback?code=x&state={state}")
        assert (answer.status_code, title(answer)) == (503, NOT_FINISHED), "the provider is away"


async def test_a_provider_that_is_away_is_said_to_be(
    database: Database, policy: Policy, no_temporal: Client
) -> None:
    provider = a_provider(f"http://127.0.0.1:{free_port()}")
    site = Site(public_url=SITE, floor=0)
    async for api in serving(database, policy, no_temporal, site=site, provider=provider):
        answer = await Visitor(api.app).post("/console/sign-in/oidc")
        assert (answer.status_code, title(answer)) == (503, NOT_FINISHED)
