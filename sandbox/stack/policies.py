"""The policy that is shipped, with other figures: for a demonstration, a benchmark or a test in a hurry."""

import re
from collections.abc import Mapping

from settings.settings import DEFAULT_POLICY


def restated(figures: Mapping[str, float], text: str | None = None) -> str:
    """A policy file's text (the shipped one's unless given) that states these figures instead of its own.

    Raises ValueError for one that the text does not state once, on a line of its own.
    """
    text = DEFAULT_POLICY.read_text(encoding="utf-8") if text is None else text
    for name, figure in figures.items():
        text, found = re.subn(rf"(?m)^{name} = .*$", f"{name} = {figure}", text)
        if found != 1:
            raise ValueError(f"the policy states {name} {found} times on a line of its own, not once")
    return text
