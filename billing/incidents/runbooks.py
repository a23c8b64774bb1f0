"""The runbooks: what to do about a degraded component, in steps to tick off.

Each is a Markdown file of this package: a title, what one sees, what it means, and numbered steps. A step
goes on over the lines that are indented below it.
"""

import re
from functools import cache
from importlib.resources import files

from ..core.operations import Message
from .states import Component

_SECTION = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)
_STEP = re.compile(r"^(?P<number>\d+)\. (?P<text>.+(?:\n {2,}\S.*)*)$", re.MULTILINE)
SYMPTOM, MEANING, STEPS = "What you see", "What it means", "Steps"


class Runbook(Message):
    title: str
    symptom: str
    meaning: str
    steps: tuple[str, ...]
    """The first is number 1."""


@cache
def runbook(component: Component) -> Runbook:
    """The component's runbook. Raises ValueError for a file that is none."""
    file = files("billing.incidents").joinpath("runbook_texts", f"{component.value}.md")
    return parse(file.read_text(encoding="utf-8"))


def parse(text: str) -> Runbook:
    """Raises ValueError when a part is missing or steps are not numbered 1, 2, 3 …"""
    heading, *parts = _SECTION.split(text)
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    missing = [title for title in (SYMPTOM, MEANING, STEPS) if not sections.get(title, "").strip()]
    if not heading.startswith("# ") or missing:
        raise ValueError(f"a runbook needs a title and {', '.join(missing) or 'nothing else'}")
    steps = list(_STEP.finditer(sections[STEPS]))
    if not steps or [int(step["number"]) for step in steps] != list(range(1, len(steps) + 1)):
        raise ValueError("the steps of a runbook are numbered 1, 2, 3 …")
    return Runbook(
        title=_flowing(heading.removeprefix("# ")),
        symptom=_flowing(sections[SYMPTOM]),
        meaning=_flowing(sections[MEANING]),
        steps=tuple(_flowing(step["text"]) for step in steps),
    )


def _flowing(text: str) -> str:
    """Lines of a file as one line; an empty one stays a paragraph's end."""
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))
