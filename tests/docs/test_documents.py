"""What the documents name exists, and what they must name is named."""

import pkgutil
import re
from itertools import chain
from pathlib import Path

import pytest

from settings.settings import Settings, variable
from worker.provisioning.file import OrganizationFile, PersonFile

from ..test_layout import CAPABILITIES, FLOORS
from .documents import DOCUMENTS, GUIDES, ROOT, name

TOP = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
OPERATING = ROOT / "docs" / "operating"
PACKAGES = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))


def _links(text: str) -> list[str]:
    """Where its links lead in the repository, without the place on the page."""
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [link.partition("#")[0] for link in found if not re.match(r"[a-z]+:|#", link)]


def _paths(text: str) -> list[str]:
    """What stands in backticks and begins like a path of ours: `db/core/timeline.py`, `*/plan_changes/`."""
    inline = re.findall(r"`([^`\s]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    return [
        path for path in inline if "/" in path and path.partition("/")[0] in TOP | {"*"} and "<" not in path
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text()
    missing = [link for link in _links(text) if not (document.parent / link).exists()]
    missing += [path for path in _paths(text) if not list(ROOT.glob(path.rstrip("/")))]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_function_that_a_document_names_exists(document: Path) -> None:
    """Written `db.mirror.mirror:store`."""
    missing = []
    for module, named in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+):(\w+)`", document.read_text()):
        file = ROOT / f"{module.replace('.', '/')}.py"
        if not file.exists() or not re.search(rf"(?:def|class) {named}\b", file.read_text()):
            missing.append(f"{module}:{named}")
    assert not missing


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_and_path_that_a_comment_names_exists(package: str) -> None:
    """Written `db.core.timeline`, or with what is in it: `db.core.timeline.append`."""
    dotted = re.compile(rf"`((?:{'|'.join(PACKAGES)})(?:\.\w+)+)")
    missing = []
    for file in (ROOT / package).rglob("*.py"):
        text = file.read_text()
        wrong = chain(
            (named for named in dotted.findall(text) if not _resolves(named)),
            (path for path in _paths(text) if not list(ROOT.glob(path.rstrip("/")))),
        )
        missing += [f"{name(file)}: {one}" for one in wrong]
    assert not missing


def _resolves(dotted: str) -> bool:
    try:
        pkgutil.resolve_name(dotted)
    except (ImportError, AttributeError):
        return False
    return True


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_make_command_that_a_document_names_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    text = document.read_text()
    in_code = "".join(re.findall(r"^```.*?^```", text, re.M | re.S))
    named = set(re.findall(r"`make ([a-z-]+)", text)) | set(re.findall(r"^make ([a-z-]+)", in_code, re.M))
    assert named <= targets


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_readmes_table_has_every_capability_on_its_floors() -> None:
    rows = [line.split("|")[2:7] for line in (ROOT / "README.md").read_text().splitlines() if "` |" in line]
    shown = {
        (floor, room)
        for row in rows
        for floor, cell in zip(FLOORS, row, strict=True)
        for room in re.findall(r"`([a-z_]+)`", cell)
    }
    missing = {
        (floor, capability)
        for capability, without in CAPABILITIES.items()
        for floor in FLOORS
        if floor not in without
    } - shown
    assert not missing
    assert not [f"{floor}/{room}" for floor, room in shown if not (ROOT / floor / room).is_dir()]


def test_every_guide_is_listed() -> None:
    listed = (ROOT / "docs" / "guides" / "README.md").read_text()
    assert [
        guide.name for guide in GUIDES if guide.name != "README.md" and f"({guide.name})" not in listed
    ] == []


def test_every_setting_is_documented() -> None:
    named = set(
        re.findall(r"`((?:PLIXO|TEMPORAL|OTEL_EXPORTER)_[A-Z_]+)`", (OPERATING / "settings.md").read_text())
    )
    assert named == {variable(field) for field in Settings.model_fields}


def test_every_field_of_a_provisioning_file_is_documented() -> None:
    rows = re.findall(r"^\| (.+?) \|", (OPERATING / "provisioning.md").read_text(), re.M)
    named = set(re.findall(r"`([a-z_\[\].]+)`", "\n".join(rows)))
    of_organizations = set(OrganizationFile.model_fields)
    of_people = {f"people[].{field}" for field in PersonFile.model_fields}
    assert named == of_organizations | of_people


def test_every_decision_has_a_number_of_its_own_and_says_what_follows() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert [int(path.name[:4]) for path in decisions] == list(range(1, len(decisions) + 1))
    for path in decisions:
        headings = re.findall(r"^## (.+)$", path.read_text(), re.M)
        assert headings == ["Context", "Decision", "Consequences"], path.name
