"""Everybody can use every page in every state: axe finds nothing, nothing is too wide, no page complains."""

import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage

from api.console.routes import ROUTERS
from api.sign_in import decisions
from api.sign_in import routes as sign_in

from .gallery.seeds import Seeds
from .gallery.studio import Scene, Studio, studio
from .looks import LOOKS, Look, faults

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PARTS = 8


class Gallery:
    """All scenes in one studio, each of which is opened once."""

    def __init__(self, built: Studio, seeds: Seeds, browser: Browser) -> None:
        self._built, self.seeds, self._browser = built, seeds, browser
        scenes = [*seeds.calm, *seeds.troubled]
        first = {scene.page: scene for scene in reversed(scenes)}
        self._looks = {
            scene: LOOKS if first[scene.page] is scene else (LOOKS[number % len(LOOKS)],)
            for number, scene in enumerate(scenes)
        }

    async def faults(self, scenes: Sequence[Scene]) -> dict[str, list[Any]]:
        """Of each scene by its name: of a page's first state in every look, of the others in one."""
        found = {scene.name: await self._faults(scene, self._looks[scene]) for scene in scenes}
        return {name: wrong for name, wrong in found.items() if wrong}

    async def _faults(self, scene: Scene, looks: Sequence[Look]) -> list[Any]:
        heard: list[Any] = []
        page = await self._built.page(self._browser, scene)

        def listen(said: ConsoleMessage) -> None:
            if said.type == "error" and "Failed to load resource" not in said.text:
                heard.append(said.text)

        page.on("console", listen)
        await self._built.show(page, scene, looks[0])
        heard += await faults(page, looks)
        page.remove_listener("console", listen)
        return heard


@pytest.fixture(scope="module")
async def gallery(chromium: Browser) -> AsyncIterator[Gallery]:
    async with studio() as built:
        seeds = Seeds(built)
        await seeds.plant()
        yield Gallery(built, seeds, chromium)


UNSEEN = re.compile(r"\{path:path\}|/assets/|/csv$|/json$|/evidence$|/pdf/|^/console$")
"""Addresses that are no pages, or lead to one."""


async def test_every_page_is_in_the_gallery(gallery: Gallery) -> None:
    seeds = gallery.seeds
    shown = {scene.path.partition("?")[0] for scene in (*seeds.calm, *seeds.troubled)}
    missing = [
        route.path
        for router in (*ROUTERS, sign_in.router, decisions.router)
        for route in router.routes
        if "GET" in getattr(route, "methods", ()) and not UNSEEN.search(route.path)
        and not any(re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", route.path), path) for path in shown)
    ]  # fmt: skip
    assert missing == []


@pytest.mark.parametrize("part", range(PARTS))
async def test_everybody_can_use_every_page_in_every_state(gallery: Gallery, part: int) -> None:
    calm = gallery.seeds.calm
    scenes = calm[len(calm) * part // PARTS : len(calm) * (part + 1) // PARTS]
    assert await gallery.faults(scenes) == {}


async def test_everybody_can_use_every_page_while_something_is_wrong(gallery: Gallery) -> None:
    await gallery.seeds.worsen()
    assert await gallery.faults(gallery.seeds.troubled) == {}
