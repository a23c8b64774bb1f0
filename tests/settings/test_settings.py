"""Settings and policy are checked at the start, everything wrong at once, before anything is done."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from settings.settings import DEFAULT_POLICY, InvalidSettings, load

from ..crash.stage import ROOT


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No PLIXO_ or TEMPORAL_ variable and no .env of the machine."""
    for name in [name for name in os.environ if name.startswith(("PLIXO_", "TEMPORAL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_the_shipped_policy_and_a_stripe_key_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_test_x")
    settings, policy = load()
    assert settings.database_url == "sqlite:///plixo.db"
    assert policy.plan_change.ladder in policy.ladders


def test_every_wrong_setting_and_every_wrong_rule_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy = tmp_path / "wrong.toml"
    text = DEFAULT_POLICY.read_text().replace('ladder = "plan_change"', 'ladder = "nobody"')
    policy.write_text(text.replace('zone = "America/New_York"', 'zone = "Mars/Olympus"'))
    monkeypatch.setenv("PLIXO_DATABASE_URL", "mysql://x")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "nowhere")
    monkeypatch.setenv("PLIXO_SMTP_URL", "http://mail")
    monkeypatch.setenv("PLIXO_POLICY_FILE", str(policy))

    with pytest.raises(InvalidSettings) as wrong:
        load()

    said = "\n".join(wrong.value.problems)
    for name in ("DATABASE_URL", "TEMPORAL_ADDRESS", "SMTP_URL", "STRIPE_API_KEY"):
        assert f"{name}:" in said
    assert "plan_change.ladder: 'nobody'" in said
    assert "Mars/Olympus" in said
    assert "is not set" in said


def test_a_policy_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_test_x")
    monkeypatch.setenv("PLIXO_POLICY_FILE", "/nowhere/policy.toml")
    with pytest.raises(InvalidSettings, match=r"PLIXO_POLICY_FILE: /nowhere/policy.toml can't be read"):
        load()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("# B\u00fcro\n".encode("latin-1"), "is not UTF-8 (byte 3); save it as UTF-8"),
        ("# Regeln\n".encode("utf-16"), "is not UTF-8 (byte 0); save it as UTF-8"),
        (b"a = " + b"[" * 50_000, "is not a policy: it is nested too deeply, or has an endless number"),
        (b"a = " + b"1" * 50_000, "is not a policy: it is nested too deeply, or has an endless number"),
    ],
    ids=["Latin 1", "UTF-16", "too deep", "too long a number"],
)
def test_a_policy_file_that_is_no_text_or_no_policy_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes, said: str
) -> None:
    policy = tmp_path / "ours.toml"
    policy.write_bytes(content)
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_test_x")
    monkeypatch.setenv("PLIXO_POLICY_FILE", str(policy))
    with pytest.raises(InvalidSettings) as wrong:
        load()
    assert wrong.value.problems == [f"ours.toml: {said}"]


def test_a_policy_file_may_begin_with_a_byte_order_mark(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy = tmp_path / "ours.toml"
    policy.write_bytes(b"\xef\xbb\xbf" + DEFAULT_POLICY.read_bytes())
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_test_x")
    monkeypatch.setenv("PLIXO_POLICY_FILE", str(policy))
    assert load()[1].ladders


def test_a_wrong_value_is_said_without_repeating_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_live_secret")
    monkeypatch.setenv("PLIXO_API_PORT", "99999")
    with pytest.raises(InvalidSettings) as wrong:
        load()
    assert "sk_live_secret" not in str(wrong.value)


def test_during_a_rotation_there_are_several_webhook_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_test_x")
    assert load()[0].webhook_secrets == ()
    monkeypatch.setenv("PLIXO_STRIPE_WEBHOOK_SECRET", "")
    assert load()[0].webhook_secrets == ()
    monkeypatch.setenv("PLIXO_STRIPE_WEBHOOK_SECRET", "whsec_new, whsec_old,")
    assert load()[0].webhook_secrets == ("whsec_new", "whsec_old")


def test_a_webhook_secret_that_is_none_is_named_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_test_x")
    monkeypatch.setenv("PLIXO_STRIPE_WEBHOOK_SECRET", "whsec_new;secret,sk_live_secret")
    with pytest.raises(InvalidSettings, match=r"PLIXO_STRIPE_WEBHOOK_SECRET: must be whsec_") as wrong:
        load()
    assert "secret,sk" not in str(wrong.value)


@pytest.mark.parametrize(
    ("key", "livemode"),
    [("sk_test_x", False), ("rk_test_x", False), ("sk_live_x", True), ("rk_live_x", True)],
)
def test_the_key_says_whether_the_money_is_real(
    monkeypatch: pytest.MonkeyPatch, key: str, livemode: bool
) -> None:
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", key)
    assert load()[0].livemode is livemode


@pytest.mark.slow
@pytest.mark.parametrize("process", ["api", "worker"])
async def test_a_process_with_wrong_settings_says_all_and_ends_with_2(process: str) -> None:
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", process),
        cwd=ROOT,
        env={**os.environ, "PLIXO_DATABASE_URL": "mysql://x", "TEMPORAL_ADDRESS": "nowhere"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(started.communicate(), 60)
    assert started.returncode == 2
    assert b"PLIXO_DATABASE_URL" in said
    assert b"TEMPORAL_ADDRESS" in said
    assert b"PLIXO_STRIPE_API_KEY" in said


def test_trusted_proxies_are_networks_and_by_default_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_test_x")
    assert load()[0].trusted_proxies == ()
    monkeypatch.setenv("PLIXO_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.7,2001:DB8::/32,")
    assert load()[0].trusted_proxies == ("10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32")


def test_every_wrong_proxy_is_named_and_all_addresses_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_test_x")
    monkeypatch.setenv("PLIXO_TRUSTED_PROXIES", "*,10.0.0.0/8,10.0.0.1/8,proxy.example,0.0.0.0/0")
    with pytest.raises(InvalidSettings) as wrong:
        load()
    [problem] = wrong.value.problems
    assert problem.startswith("PLIXO_TRUSTED_PROXIES: '*': ")
    assert "; '10.0.0.1/8': " in problem
    assert "write 10.0.0.0/8" in problem
    assert "; 'proxy.example': " in problem
    assert "; '0.0.0.0/0': all addresses" in problem
    assert "'10.0.0.0/8':" not in problem


@pytest.mark.parametrize("key", ["foo", "pk_live_1", "sk_", "sk_live_", "sk_prod_1", "whsec_1", "sk_live_1 "])
def test_what_is_no_key_of_stripes_is_refused_by_its_form(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", key)
    with pytest.raises(
        InvalidSettings, match="PLIXO_STRIPE_API_KEY: must be a secret or restricted key"
    ) as wrong:
        load()
    assert key not in str(wrong.value).replace("sk_live_…", "") or len(key) < 9


@pytest.mark.parametrize(
    ("name", "value", "warned"),
    [
        ("PUBLIC_URL", "http://127.0.0.1:8000", False),
        ("PUBLIC_URL", "https://billing.example.com", True),
        ("API_HOST", "0.0.0.0", True),
        ("API_HOST", "::1", False),
    ],
)
def test_a_proxy_that_nobody_named_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, warned: bool
) -> None:
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_test_x")
    monkeypatch.setenv(f"PLIXO_{name}", value)
    assert ["PLIXO_TRUSTED_PROXIES" in one for one in load()[0].warnings] == [True] * warned
    monkeypatch.setenv("PLIXO_TRUSTED_PROXIES", "10.0.0.1")
    assert load()[0].warnings == ()


def test_people_sign_in_by_mail_unless_there_is_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_test_1")
    assert load()[0].by_mail
    monkeypatch.setenv("PLIXO_OIDC_ISSUER", "https://login.example.com/")
    monkeypatch.setenv("PLIXO_OIDC_CLIENT_ID", "plixo")
    settings = load()[0]
    assert not settings.by_mail
    assert settings.oidc_issuer == "https://login.example.com/", "as the provider spells it"
    monkeypatch.setenv("PLIXO_SIGN_IN_BY_MAIL", "true")
    assert load()[0].by_mail


def test_temporals_ui_has_an_origin_and_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_test_1")
    monkeypatch.setenv("PLIXO_TEMPORAL_UI_ORIGIN", "")
    assert load()[0].temporal_ui_origin is None, "as Compose passes what is not set"
    for origin in ("https://Temporal.example.com/", "https://temporal.example.com"):
        monkeypatch.setenv("PLIXO_TEMPORAL_UI_ORIGIN", origin)
        assert load()[0].temporal_ui_origin == "https://temporal.example.com"
    monkeypatch.setenv("PLIXO_TEMPORAL_UI_ORIGIN", "http://127.0.0.1:8080")
    assert load()[0].temporal_ui_origin == "http://127.0.0.1:8080"
    for wrong in (
        "*",
        "temporal.example.com",
        "http://temporal.example.com",
        "https://temporal.example.com/ui",
    ):
        monkeypatch.setenv("PLIXO_TEMPORAL_UI_ORIGIN", wrong)
        with pytest.raises(InvalidSettings, match=r"^PLIXO_TEMPORAL_UI_ORIGIN: must be the origin"):
            load()


def test_a_claim_s_names_are_roles_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_test_1")
    monkeypatch.setenv("PLIXO_OIDC_ROLES_CLAIM", "groups")
    monkeypatch.setenv("PLIXO_OIDC_ROLES", "billing team=billing_admin, cn=cfo=controller,")
    assert load()[0].oidc_roles == {"billing team": "billing_admin", "cn=cfo": "controller"}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("PLIXO_OIDC_ISSUER", {"OIDC_ISSUER": "http://login.example.com", "OIDC_CLIENT_ID": "plixo"}),
        ("PLIXO_OIDC_ISSUER", {"OIDC_ISSUER": "https://login.example.com/?x=1", "OIDC_CLIENT_ID": "plixo"}),
        ("PLIXO_OIDC_CLIENT_ID", {"OIDC_ISSUER": "https://login.example.com"}),
        ("PLIXO_OIDC_SCOPES", {"OIDC_SCOPES": "email"}),
        ("PLIXO_OIDC_ROLES", {"OIDC_ROLES_CLAIM": "groups"}),
        ("PLIXO_OIDC_ROLES", {"OIDC_ROLES": "team=legal"}),
        ("PLIXO_OIDC_ROLES", {"OIDC_ROLES_CLAIM": "groups", "OIDC_ROLES": "team=boss"}),
        ("PLIXO_OIDC_ROLES", {"OIDC_ROLES_CLAIM": "groups", "OIDC_ROLES": "legal"}),
    ],
)
def test_what_would_let_nobody_in_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, values: dict[str, str]
) -> None:
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_test_1")
    for setting, value in values.items():
        monkeypatch.setenv(f"PLIXO_{setting}", value)
    with pytest.raises(InvalidSettings) as wrong:
        load()
    assert [problem.partition(":")[0] for problem in wrong.value.problems] == [name]


def test_a_console_that_nobody_can_sign_in_to_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_test_1")
    monkeypatch.setenv("PLIXO_TRUSTED_PROXIES", "10.0.0.0/8")
    assert load()[0].warnings == ()
    monkeypatch.setenv("PLIXO_PUBLIC_URL", "http://billing.acme.example")
    assert "nobody can sign in" in load()[0].warnings[0]


def test_secret_keys_that_are_none_are_named_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_test_1")
    assert load()[0].keys is None
    monkeypatch.setenv("PLIXO_SECRET_KEYS", "2026-12=c2VjcmV0")
    with pytest.raises(InvalidSettings, match="PLIXO_SECRET_KEYS: 2026-12: must be 32 bytes") as wrong:
        load()
    assert "c2VjcmV0" not in str(wrong.value)


def test_a_signing_key_that_is_none_is_named_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PLIXO_STRIPE_API_KEY", "sk_test_1")
    file = tmp_path / "signing.pem"
    monkeypatch.setenv("PLIXO_SIGNING_KEY_FILE", str(file))
    with pytest.raises(InvalidSettings, match=r"PLIXO_SIGNING_KEY_FILE: .* can't be read"):
        load()
    file.write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    with pytest.raises(InvalidSettings, match=r"PLIXO_SIGNING_KEY_FILE: .* must be an Ed25519") as wrong:
        load()
    assert "c2VjcmV0" not in str(wrong.value)
