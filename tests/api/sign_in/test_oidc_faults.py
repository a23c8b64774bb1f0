"""What a provider may say wrongly, signed as it wants: each is refused, and none is said to the visitor."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from temporalio.client import Client

from api.http.site import Site
from api.oidc import provider as provider_module
from api.oidc.tokens import at_hash
from api.sign_in.oidc_routes import REFUSED
from api.sign_in.pages import NOT_FINISHED
from billing.policy.policy import Policy
from db.core.session import Database
from db.tables import ConsoleSession, Person

from ...support.builders import Tenant
from ..conftest import ON_ONE_DATABASE, Api, counted, serving
from .conftest import PAGE, add_probe
from .providers import CLIENT, SigningProvider, a_provider, asked_for, back, begin, signing_provider
from .visitors import SITE, Visitor, title

pytestmark = ON_ONE_DATABASE


@pytest.fixture
async def signing() -> AsyncIterator[SigningProvider]:
    async with signing_provider() as provider:
        yield provider


ROLES = {"admins": "billing_admin", "lawyers": "legal", "both": "legal"}


@pytest.fixture
async def web(
    request: pytest.FixtureRequest,
    database: Database,
    policy: Policy,
    no_temporal: Client,
    signing: SigningProvider,
) -> AsyncIterator[Api]:
    provider = a_provider(signing.issuer, **getattr(request, "param", {}))
    site = Site(public_url=SITE, floor=0)
    async for api in serving(database, policy, no_temporal, site=site, provider=provider):
        add_probe(api)
        yield api


async def subject_of(database: Database, person: Person, subject: str = "s-1") -> None:
    async with database.transaction() as session:
        row = await session.get(Person, person.id)
        assert row is not None
        row.subject = subject


async def sign_in(visitor: Visitor, signing: SigningProvider, more: str = "") -> Any:
    asked = asked_for(await begin(visitor))
    signing.nonce = asked["nonce"]
    return await back(visitor, f"{SITE}/console/sign-in/callback?code=c-1&state={asked['state']}{more}")


def now(seconds: int = 0) -> int:
    return int(time.time()) + seconds


def after(seconds: int) -> Callable[[], int]:
    """A time that is only known when a token is signed."""
    return lambda: now(seconds)


def named(claims: object) -> str:
    return "+".join(claims) if isinstance(claims, dict) else str(claims)


GOOD: list[dict[str, Any]] = [
    {},
    {"aud": [CLIENT]},
    {"aud": [CLIENT, "other"], "azp": CLIENT},
    {"at_hash": at_hash("at-1", "RS256")},
    {"exp": after(-30)},  # within the skew
    {"iat": after(30)},
]


@pytest.mark.parametrize("claims", GOOD, ids=named)
async def test_what_is_right_signs_in(
    visitor: Visitor, acme: Tenant, database: Database, signing: SigningProvider, claims: dict[str, Any]
) -> None:
    await subject_of(database, acme.legal.person)
    signing.claims = claims
    assert (await sign_in(visitor, signing)).status_code == 303
    assert (await visitor.get(PAGE)).json()["person"] == acme.legal.id


BAD: list[dict[str, Any]] = [
    {"nonce": "of another sign-in"},
    {"nonce": None},
    {"nonce": ["x"]},
    {"aud": "another-client"},
    {"aud": ["another-client"]},
    {"aud": None},
    {"aud": [CLIENT, "other"]},
    {"azp": "other"},
    {"iss": "https://evil.example"},
    {"iss": None},
    {"exp": after(-3600)},
    {"exp": None},
    {"exp": "9999999999"},
    {"exp": True},
    {"iat": after(3600)},
    {"iat": None},
    {"nbf": after(3600)},
    {"at_hash": "of another access token"},
    {"sub": None},
    {"sub": ""},
    {"sub": 1},
    {"sub": "x" * 256},
]


@pytest.mark.parametrize("claims", BAD, ids=named)
async def test_what_is_wrong_in_a_token_is_refused(
    visitor: Visitor, acme: Tenant, database: Database, signing: SigningProvider, claims: dict[str, Any]
) -> None:
    await subject_of(database, acme.legal.person)
    signing.claims = claims
    answer = await sign_in(visitor, signing)
    assert (answer.status_code, title(answer)) == (400, NOT_FINISHED)
    assert REFUSED in answer.text
    assert await counted(database, ConsoleSession) == [0]


def part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def unsigned(signing: SigningProvider, **header: object) -> str:
    header = {"alg": "none"} | header
    return f"{part(json.dumps(header).encode())}.{part(json.dumps(whole(signing)).encode())}."


def whole(signing: SigningProvider) -> dict[str, Any]:
    return {
        "iss": signing.issuer, "aud": CLIENT, "sub": "s-1", "nonce": signing.nonce,
        "iat": now(), "exp": now(300),
    }  # fmt: skip


def by_public_key(signing: SigningProvider) -> str:
    """What lets anybody sign, where a public key is taken for a shared secret."""
    text = unsigned(signing, alg="HS256", kid=signing.key.kid)[:-1]
    secret = signing.key.as_pem(private=False)
    return f"{text}.{part(hmac.digest(secret, text.encode(), 'sha256'))}"


def by_another_key(signing: SigningProvider) -> str:
    other = RSAKey.generate_key(2048, {"kid": signing.key.kid or ""})
    return jwt.encode({"alg": "RS256", "kid": signing.key.kid}, whole(signing), other)


def with_its_own_key(signing: SigningProvider) -> str:
    own = RSAKey.generate_key(2048)
    header = {"alg": "RS256", "jwk": own.as_dict(private=False)}
    return jwt.encode(header, whole(signing), own)


def no_token(signing: SigningProvider) -> str:
    return "not.a.token"


@pytest.mark.parametrize("forge", [unsigned, by_public_key, by_another_key, with_its_own_key, no_token])
async def test_what_the_provider_has_not_signed_is_refused(
    visitor: Visitor,
    acme: Tenant,
    database: Database,
    signing: SigningProvider,
    forge: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await subject_of(database, acme.legal.person)
    monkeypatch.setattr(signing, "token", lambda **claims: forge(signing))
    answer = await sign_in(visitor, signing)
    assert (answer.status_code, title(answer)) == (400, NOT_FINISHED)
    assert await counted(database, ConsoleSession) == [0]


async def test_the_code_goes_with_the_verifier_of_the_challenge(
    visitor: Visitor, acme: Tenant, database: Database, signing: SigningProvider
) -> None:
    await subject_of(database, acme.legal.person)
    asked = asked_for(await begin(visitor))
    signing.nonce = asked["nonce"]
    await back(visitor, f"{SITE}/console/sign-in/callback?code=c-1&state={asked['state']}")
    (sent,) = signing.asked
    digest = hashlib.sha256(sent["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]
    assert (sent["code"], sent["client_id"], sent["authorization"]) == ("c-1", CLIENT, "")


async def test_an_answer_of_another_issuer_is_refused(
    visitor: Visitor, acme: Tenant, database: Database, signing: SigningProvider
) -> None:
    await subject_of(database, acme.legal.person)
    assert (await sign_in(visitor, signing, "&iss=https://evil.example")).status_code == 400
    assert signing.asked == [], "the code was told to nobody"
    assert (await sign_in(visitor, signing, f"&iss={signing.issuer}")).status_code == 303


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
    ],
    ids=str,
)
async def test_discovery_of_something_else_sends_nobody_there(
    visitor: Visitor, signing: SigningProvider, document: dict[str, Any]
) -> None:
    signing.document = document
    answer = await visitor.post("/console/sign-in/oidc")
    assert answer.status_code == 503
    assert "refresh" not in answer.headers


async def test_a_new_key_is_looked_for_and_an_unknown_one_not_for_ever(
    web: Api, acme: Tenant, database: Database, signing: SigningProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    await subject_of(database, acme.legal.person)
    assert (await sign_in(Visitor(web.app), signing)).status_code == 303
    signing.key = RSAKey.generate_key(2048, {"kid": "second"})
    for _ in range(3):
        assert (await sign_in(Visitor(web.app), signing)).status_code == 400, "just looked"
    assert signing.keys_read == 1
    monkeypatch.setattr(provider_module, "KEYS_AGAIN", 0.0)
    assert (await sign_in(Visitor(web.app), signing)).status_code == 303
    assert signing.keys_read == 2


@pytest.mark.parametrize("web", [{"roles_claim": "groups", "roles": ROLES}], indirect=True, ids=["by groups"])
@pytest.mark.parametrize(
    ("groups", "roles"),
    [
        (["lawyers", "others"], ["legal"]),
        ("lawyers", ["legal"]),
        (["admins"], None),
        (["legal"], None),
        ([], None),
        (None, None),
        ([{"x": 1}, ["lawyers"]], None),
    ],
    ids=str,
)
async def test_a_role_needs_the_claim_and_the_records(
    visitor: Visitor,
    acme: Tenant,
    database: Database,
    signing: SigningProvider,
    groups: object,
    roles: list[str] | None,
) -> None:
    await subject_of(database, acme.legal.person)
    signing.claims = {"groups": groups}
    answer = await sign_in(visitor, signing)
    if roles is None:
        assert answer.status_code == 403
    else:
        assert (await visitor.get(PAGE)).json()["roles"] == roles


# --- Access tokens for the API ------------------------------------------------------------------------


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_an_access_token_of_the_provider_is_an_api_credential(
    web: Api, acme: Tenant, database: Database, signing: SigningProvider
) -> None:
    await subject_of(database, acme.legal.person)
    answer = await web.http.get("/v1/me", headers=bearer(signing.token()))
    assert answer.status_code == 200, answer.text
    by_key = await web.get("/v1/me", acme.legal)
    assert answer.json() == by_key.json()


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"aud": "another-api"}, "credentials_invalid"),
        ({"iss": "https://evil.example"}, "credentials_invalid"),
        ({"exp": after(-3600)}, "credentials_expired"),
        ({"sub": "nobody"}, "credentials_invalid"),
        ({"nonce": "of a sign-in"}, "credentials_invalid"),
    ],
    ids=named,
)
async def test_any_other_token_is_none(
    web: Api, acme: Tenant, database: Database, signing: SigningProvider, claims: dict[str, Any], code: str
) -> None:
    await subject_of(database, acme.legal.person)
    answer = await web.http.get("/v1/people", headers=bearer(signing.token(**claims)))
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("web", [{"audience": "plixo-api"}], indirect=True, ids=["audience"])
async def test_an_audience_that_is_set_is_the_only_one(
    web: Api, acme: Tenant, database: Database, signing: SigningProvider
) -> None:
    await subject_of(database, acme.legal.person)
    ours = await web.http.get("/v1/people", headers=bearer(signing.token(aud=["plixo-api"])))
    other = await web.http.get("/v1/people", headers=bearer(signing.token(aud=CLIENT)))
    assert (ours.status_code, other.status_code) == (200, 401)


async def test_a_token_of_people_of_several_organizations_is_none(
    web: Api, acme: Tenant, other: Tenant, database: Database, signing: SigningProvider
) -> None:
    await subject_of(database, acme.legal.person)
    await subject_of(database, other.legal.person)
    answer = await web.http.get("/v1/people", headers=bearer(signing.token()))
    assert answer.json()["code"] == "credentials_invalid"


async def test_keys_go_on_working_beside_it(web: Api, acme: Tenant) -> None:
    assert (await web.get("/v1/people", acme.legal)).status_code == 200
    answer = await web.http.get("/v1/people", headers=bearer("pk_x_y"))
    assert answer.json()["code"] == "credentials_invalid"


async def test_while_the_provider_is_away_nobody_is_called_invalid(
    web: Api, acme: Tenant, signing: SigningProvider
) -> None:
    signing.document = {"issuer": "https://away.example"}
    answer = await web.http.get("/v1/people", headers=bearer(signing.token()))
    assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")


async def test_answers_that_are_nobodys_are_counted_and_who_signs_in_rightly_is_let_in(
    browsers: Callable[..., Visitor], signing: SigningProvider, acme: Tenant, database: Database
) -> None:
    stranger = browsers()
    path = "/console/sign-in/callback?code=x&state=none-of-ours"
    seen = [await stranger.get(path) for _ in range(22)]
    assert [answer.status_code for answer in seen] == [400] * 20 + [429] * 2
    assert title(seen[-1]) == "Too many attempts"
    assert int(seen[-1].headers["Retry-After"]) > 0
