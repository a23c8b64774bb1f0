"""The documents that are written for people."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def name(document: Path) -> str:
    """Its path from the project's root."""
    return str(document.relative_to(ROOT))
