"""Everybody can use every page in every state: axe finds nothing, nothing is too wide, no page complains."""

import re
from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage

from api.console.routes import ROUTERS
from api.sign_in import decisions
from api.sign_in import routes as sign_in

from .gallery.seeds import Seeds
from .gallery.studio import SCHEMES, SIZES, Scene, Studio, studio

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LOOKS = tuple(product(SCHEMES, SIZES))


def share(scenes: Sequence[Scene], look: int) -> list[Scene]:
    """The first state of each page in this look, and of the others those whose turn it is."""
    first = {scene.page: number for number, scene in reversed(list(enumerate(scenes)))}
    wanted = set(first.values()) | set(range(look, len(scenes), len(LOOKS)))
    return [scenes[number] for number in sorted(wanted)]


async def faults(built: Studio, browser: Browser, scene: Scene, scheme: str, size: str) -> list[Any]:
    heard: list[Any] = []
    context = await built.context(browser, scene, scheme, size)

    def listen(said: ConsoleMessage) -> None:
        if said.type == "error":
            heard.append(said.text)

    context.on("console", listen)
    async with built.at(browser, scene, scheme, size) as page:
        violations = (await Axe().run(page)).response["violations"]
        heard += [(one["id"], one["nodes"][0]["html"]) for one in violations]
        root = "document.documentElement"
        if await page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"):
            heard.append("wider than the screen")
    context.remove_listener("console", listen)
    return [one for one in heard if not (isinstance(one, str) and "Failed to load resource" in one)]


UNSEEN = re.compile(r"\{path:path\}|/assets/|/csv$|/json$|/evidence$|/pdf/|^/console$")
"""Addresses that are no pages, or lead to one."""


async def test_every_page_is_in_the_gallery() -> None:
    async with studio() as built:
        scenes = await Seeds(built).plant()
    shown = {scene.path.partition("?")[0] for scene in scenes}
    missing = [
        route.path
        for router in (*ROUTERS, sign_in.router, decisions.router)
        for route in router.routes
        if "GET" in getattr(route, "methods", ()) and not UNSEEN.search(route.path)
        and not any(re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", route.path), path) for path in shown)
    ]  # fmt: skip
    assert missing == []


@pytest.mark.parametrize("look", range(len(LOOKS)), ids=["-".join(look) for look in LOOKS])
async def test_everybody_can_use_every_page_in_every_state(browser: Browser, look: int) -> None:
    scheme, size = LOOKS[look]
    async with studio() as built:
        seeds = Seeds(built)
        scenes = await seeds.plant()
        late = [scene for scene in scenes if scene.page in seeds.TROUBLED]
        found: dict[str, list[Any]] = {}
        for part in ([scene for scene in scenes if scene not in late], late):
            if part is late:
                await seeds.worsen()
            for scene in share(part, look):
                if wrong := await faults(built, browser, scene, scheme, size):
                    found[scene.name] = wrong
    assert found == {}
