"""Every capability has one address on every floor, and what lies there stays small enough to be found."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FLOORS = ("billing", "db", "activities", "workflows", "api")
PRODUCT = (*FLOORS, "worker", "settings")
CODE = (*PRODUCT, "sandbox", "bench")

CAPABILITIES: Mapping[str, Mapping[str, str]] = {
    "approvals": {},
    "cancellations": {"db": "its records are those of every operation and of the mirror"},
    "cases": {},
    "evidence": {
        "activities": "it is read from the records as they are",
        "workflows": "it is read from the records as they are",
    },
    "incidents": {},
    "mail": {},
    "mirror": {},
    "money": {},
    "operations": {"workflows": "what they share is workflows/core"},
    "people": {
        "billing": "their roles are every room's: billing/core",
        "activities": "people are provisioned by the worker",
        "workflows": "people are provisioned by the worker",
    },
    "plan_changes": {"db": "its records are those of every operation and of the mirror"},
    "portal": {},
    "quotes": {
        "db": "nothing of it is kept",
        "activities": "it asks what reviews ask: approvals, money, plan_changes",
    },
    "reminders": {},
    "sign_in": {
        "billing": "its rules are the policy's",
        "activities": "its mail is one of activities/mail",
        "workflows": "its mail is one of workflows/mail",
    },
    "success_checks": {
        "activities": "they are counted from the records as they are",
        "workflows": "they are counted from the records as they are",
    },
}
"""Each with the floors that it leaves out, and why."""

SHARED: Mapping[str, set[str]] = {
    "billing": {"core", "policy", "stripe"},
    "db": {"core", "customers", "delivery", "migrations", "stripe", "tables", "tracing"},
    "activities": {"core", "effects", "stripe"},
    "workflows": {"client", "core"},
    "api": {
        *("console", "customers", "dispatch", "docs", "health", "http", "limits", "monitoring", "notes"),
        *("policy", "problems"),
        "codec",  # what Temporal keeps encrypted, of every capability
        "bill",  # what the organization itself owes, of which the mirror has everything
        "oidc",  # what a provider of single sign-on says, for sign_in and http alike
        "portal_admin",  # what staff do for the customers' portal, whose pages are `portal`
    },
}
"""Rooms of one floor that belong to no capability: what several of them stand on."""

MAX_MODULES = 16
MORE_MODULES = {"api/http": 20, "sandbox/stripe/core": 20}
MAX_LINES = 400

NOUNS = {"Finding", "Mailing", "Opening", "Reading", "Standing"}
"""That end as participles do."""
# fmt: off
IRREGULAR = {
    "Begun", "Built", "Done", "Drawn", "Found", "Given", "Gone", "Held", "Hidden", "Kept", "Known", "Left",
    "Lost", "Made", "Met", "Paid", "Put", "Said", "Seen", "Sent", "Shown", "Stuck", "Taken", "Told", "Unsent",
    "Withdrawn", "Written",
}
# fmt: on


def modules(*packages: str) -> Iterator[Path]:
    for package in packages:
        yield from (ROOT / package).rglob("*.py")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def rooms(floor: str) -> set[str]:
    return {path.parent.name for path in (ROOT / floor).glob("*/__init__.py")} | (
        {"migrations"} if floor == "db" else set()
    )


def classes() -> dict[str, list[str]]:
    """Where the product defines each class at the top of a module, by its name."""
    found = defaultdict(list)
    for path in modules(*PRODUCT):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                found[node.name].append(name(path))
    return found


@pytest.mark.parametrize("floor", FLOORS)
def test_each_capability_has_its_room_on_every_floor_but_those_it_names(floor: str) -> None:
    expected = {capability for capability, without in CAPABILITIES.items() if floor not in without}
    assert rooms(floor) - SHARED[floor] == expected


def test_no_folder_holds_more_modules_than_one_finds_ones_way_in() -> None:
    counted: dict[str, int] = defaultdict(int)
    for path in modules(*CODE):
        counted[name(path.parent)] += path.name != "__init__.py"
    crowded = {folder: n for folder, n in counted.items() if n > MORE_MODULES.get(folder, MAX_MODULES)}
    assert not crowded


def test_no_file_is_longer_than_one_reads_at_a_time() -> None:
    long = {name(path) for path in modules(*CODE) if len(path.read_text().splitlines()) > MAX_LINES}
    assert not long


def test_no_two_classes_have_one_name() -> None:
    shared = {class_ for class_, places in classes().items() if len(places) > 1}
    assert not shared


def test_no_class_is_a_bare_participle() -> None:
    participles = {
        class_
        for class_ in {class_.lstrip("_") for class_ in classes()}
        if class_ not in NOUNS and (class_ in IRREGULAR or re.fullmatch(r"[A-Z][a-z]+(ed|ing)", class_))
    }
    assert not participles


def test_the_tests_have_the_same_rooms() -> None:
    for floor in FLOORS:
        there = {path.name for path in (ROOT / "tests" / floor).iterdir() if (path / "__init__.py").exists()}
        assert there <= rooms(floor), floor
