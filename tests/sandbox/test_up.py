"""`python -m sandbox up` as its users meet it: a process, its info file, and what is left when it is gone."""

import json
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

pytestmark = pytest.mark.slow

ROLES = {"billing_admin", "controller", "legal", "finance", "auditor"}


@dataclass
class Up:
    """A running `up`, its info, and the processes that it started."""

    process: subprocess.Popen[str]
    info: dict[str, Any]
    children: list[psutil.Process]
    output: Path

    def get(self, path: str, role: str = "billing_admin") -> httpx.Response:
        key = self.info["people"][role]["api_key"]
        return httpx.get(self.info["api"] + path, headers={"Authorization": f"Bearer {key}"}, timeout=10)

    def named(self, part: str) -> psutil.Process:
        [found] = [child for child in self.children if self.info["commands"][part] == child.cmdline()]
        return found

    def said(self) -> str:
        return self.output.read_text()


def until(happened: Callable[[], bool], within: float = 60) -> None:
    deadline = time.monotonic() + within
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@contextmanager
def running(data_dir: Path, *options: str) -> Iterator[Up]:
    info = data_dir.with_suffix(".json")
    output = data_dir.with_suffix(".out")
    info.unlink(missing_ok=True)
    with output.open("w") as out:
        command = [sys.executable, "-m", "sandbox", "up", "--data-dir", str(data_dir), "--info", str(info)]
        process = subprocess.Popen([*command, *options], stdout=out, stderr=out, text=True)
    try:
        until(lambda: info.exists() or process.poll() is not None, within=120)
        assert process.poll() is None, output.read_text()
        children = psutil.Process(process.pid).children(recursive=True)
        yield Up(process, json.loads(info.read_text()), children, output)
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("up") / "data") as up:
        yield up


def test_info_names_every_address_person_and_example(stack: Up) -> None:
    info = stack.info
    assert set(info) >= {
        *("api", "console", "stripe", "temporal", "temporal_ui", "mail"),
        *("env", "people", "organization", "example"),
    }
    assert set(info["people"]) == ROLES
    assert all(set(person) == {"person", "name", "api_key", "sign_in"} for person in info["people"].values())
    assert set(info["example"]) == {"customer", "open_invoice", "paid_invoice", "payment_intent"}
    assert info["env"]["PLIXO_STRIPE_API_BASE"] == info["stripe"]
    assert info["env"]["TEMPORAL_ADDRESS"] == info["temporal"]


def test_info_holds_keys_and_is_for_its_owner_alone(stack: Up) -> None:
    file = Path(stack.info["data_dir"]).with_suffix(".json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_example_organization_is_on_growth_and_too_large_for_starter(stack: Up) -> None:
    organization = stack.get("/v1/organization").json()
    assert (organization["plan"], organization["seats"], organization["interval"]) == ("growth", 5, "month")
    limits = {limit["name"]: (limit["used"], limit["allowed"]) for limit in organization["limits"]}
    assert limits == {"seats": (5, 5), "customers": (60, 500), "ar_balance": (315_000, 10_000_000)}
    plans = {plan["plan"]: plan["limits"] for plan in stack.get("/v1/plans").json()["data"]}
    assert plans["starter"]["customers"] == 50
    assert plans["scale"]["customers"] is None


@pytest.mark.parametrize("role", sorted(ROLES))
def test_every_persons_key_works(stack: Up, role: str) -> None:
    assert stack.get("/v1/organization", role).status_code == 200


def test_the_example_invoices_are_what_they_are_called(stack: Up) -> None:
    example = stack.info["example"]
    unpaid = stack.get(f"/v1/invoices/{example['open_invoice']}").json()
    paid = stack.get(f"/v1/invoices/{example['paid_invoice']}").json()
    assert (unpaid["status"], unpaid["customer"]) == ("open", example["customer"])
    assert (paid["status"], paid["customer"]) == ("paid", example["customer"])


def test_mail_and_temporals_pages_answer(stack: Up) -> None:
    assert httpx.get(stack.info["mail"] + "/messages").json() == []
    assert httpx.get(stack.info["temporal_ui"], follow_redirects=True).status_code == 200


def test_the_stand_in_gave_no_answer_that_stripe_would_not(stack: Up) -> None:
    assert httpx.get(stack.info["stripe"] + "/_sandbox/violations").json() == []


def test_what_changes_in_stripe_is_told_and_seen_in_the_api(stack: Up) -> None:
    customer = stack.info["example"]["customer"]
    changed = httpx.post(
        f"{stack.info['stripe']}/v1/customers/{customer}",
        data={"name": "Renamed in Stripe"},
        auth=(stack.info["env"]["PLIXO_STRIPE_API_KEY"], ""),
    )
    assert changed.status_code == 200

    def seen() -> bool:
        customers = stack.get("/v1/customers?limit=100").json()["data"]
        return {"Renamed in Stripe"} <= {one["name"] for one in customers if one["id"] == customer}

    until(seen)
    figures = httpx.get(stack.info["figures"]).raise_for_status().text
    refused = [line for line in figures.splitlines() if "webhook" in line and "forged" in line]
    assert refused == []


def test_the_stand_in_tells_the_machines_time_although_the_subscription_is_days_old(stack: Up) -> None:
    clock = httpx.get(stack.info["stripe"] + "/_sandbox/clock").json()
    assert abs(clock["offset"]) <= 1
    renews = stack.get("/v1/organization").json()["renews_at"]
    assert renews is not None


def test_a_second_stack_on_the_same_data_directory_is_refused(stack: Up) -> None:
    again = subprocess.run(
        [sys.executable, "-m", "sandbox", "up", "--data-dir", stack.info["data_dir"]],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert again.returncode == 1
    assert f"is in use by the stack with pid {stack.process.pid}" in again.stderr


def test_a_part_that_there_is_not_is_refused_by_name() -> None:
    wrong = subprocess.run(
        [sys.executable, "-m", "sandbox", "up", "--without", "postgres"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert wrong.returncode == 2
    assert "postgres" in wrong.stderr
    assert "temporal, stripe, mail, api, worker" in wrong.stderr


def test_sigterm_ends_every_child_and_the_same_directory_brings_everything_back(stack: Up) -> None:
    """The last one that asks for the stack of them all."""
    assert len(stack.children) == 5
    stack.process.send_signal(signal.SIGTERM)
    assert stack.process.wait(timeout=30) == 0
    assert not any(child.is_running() for child in stack.children)

    with running(Path(stack.info["data_dir"])) as second:
        links = [{person.pop("sign_in") for person in up.info["people"].values()} for up in (stack, second)]
        assert len(set.union(*links)) == 10, "each is good for one sign-in, so there are new ones"
        assert second.info == stack.info
        assert len(second.get("/v1/customers?limit=100").json()["data"]) == 60

        second.process.kill()
        second.process.wait(timeout=30)
        until(lambda: not any(child.is_running() for child in second.children))


def test_a_child_that_dies_ends_the_stack_and_its_log_is_shown(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--without", "worker,temporal") as up:
        up.named("mail").kill()
        assert up.process.wait(timeout=30) == 1
        assert "mail ended unexpectedly" in up.said()
        assert not any(child.is_running() for child in up.children)


def test_what_is_left_out_can_be_started_separately_with_the_env_and_commands_of_info(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--without", "stripe,mail,worker,temporal,api") as up:
        assert up.children == []
        address = urlsplit(up.info["stripe"])
        with socket.socket() as probe:
            assert probe.connect_ex((address.hostname, address.port)) != 0

        mine = subprocess.Popen(up.info["commands"]["stripe"])
        try:
            until(lambda: _answers(up.info["stripe"] + "/_sandbox/healthz"))
            key = up.info["env"]["PLIXO_STRIPE_API_KEY"]
            customer = httpx.get(
                f"{up.info['stripe']}/v1/customers/{up.info['example']['customer']}", auth=(key, "")
            )
            assert customer.json()["metadata"]["plixo_organization"] == up.info["organization"]
        finally:
            mine.terminate()
            mine.wait(timeout=10)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False
