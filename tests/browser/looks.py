"""How pages are looked at: on a desk or a phone, light or dark; and what keeps people from using them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
SIZES: Mapping[str, Any] = {"desk": DESK, "phone": PHONE}
SCHEMES: tuple[Any, ...] = ("light", "dark")


class Look(NamedTuple):
    scheme: Any
    size: str


LOOKS = (Look("light", "desk"), Look("dark", "desk"), Look("dark", "phone"), Look("light", "phone"))
"""From each to the next, one thing changes."""
ON_A_PHONE = tuple(look for look in LOOKS if look.size == "phone")

AXE = Axe().axe_script
VIOLATIONS = """axe.run({ resultTypes: ["violations"] }).then(
    (found) => found.violations.map((one) => [one.id, one.nodes[0].html]))"""
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


async def turn(page: Page, look: Look) -> None:
    """To another look of what is open. Its context has `reduced_motion`: what is on its way from one color to
    another is neither."""
    await page.emulate_media(color_scheme=look.scheme)
    await page.set_viewport_size(SIZES[look.size])


async def faults(page: Page, looks: Sequence[Look]) -> list[tuple[str, ...]]:
    """What axe finds on the open page in each look, and where it is wider than the screen.

    A click returns as soon as its answer begins: of a page that is still on its way axe would see nothing.
    """
    await page.wait_for_load_state()
    await page.evaluate(AXE)
    found: list[tuple[str, ...]] = []
    for look in looks:
        await turn(page, look)
        found += [(*look, *one) for one in await page.evaluate(VIOLATIONS)]
        if await page.evaluate(TOO_WIDE):
            found.append((*look, "wider than the screen"))
    return found
