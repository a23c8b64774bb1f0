"""A hundred thousand objects: the memory that they take grows with their number, not faster."""

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.slow

FEW, MANY = 25_000, 100_000


def measured(count: int) -> dict[str, Any]:
    """What so many objects cost, in a process of their own."""
    command = [sys.executable, "-m", "tests.contract.growth", str(count)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_memory_grows_with_the_number_of_objects_and_pages_take_little_of_it() -> None:
    few, many = measured(FEW), measured(MANY)
    print(few, many, sep="\n")
    assert few["in_order"]
    assert many["in_order"]
    assert many["bytes"] / few["bytes"] == pytest.approx(MANY / FEW, rel=0.25)
    assert many["bytes_of_pages"] < many["bytes"] / 20
