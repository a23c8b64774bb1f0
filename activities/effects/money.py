"""What the effects that give money back have in common: how they are found again, and the notes."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import stripe

from billing.stripe.effects import Effect

from .protocol import EffectResult, MadeOtherwise, bears_later_mark, options, plain, request_of

PAGE = 100
"""The most that Stripe gives at a time."""


async def made_by(
    effect: Effect,
    listing: Awaitable[stripe.ListObject[Any]],
    *asked: str,
    alike: Callable[[Any], bool] = lambda _: True,
) -> str | None:
    """The id of the object in a list, newest first, that the effect made; None when it has made none.

    If need be every page is looked at: what was made long ago is found however much was made since. It bears
    the effect's mark, which anybody can write, and is in what was `asked` (names of parameters) just that, or
    `alike`. Raises MadeOtherwise where there is only something else that bears the mark: it is somebody
    else's, or ours of a time that the records don't know.
    """
    other: str | None = None
    page = await listing
    async for one in page.auto_paging_iter():
        if not bears_later_mark(one.metadata, effect):
            continue
        if all(one[name] == effect.params[name] for name in asked) and alike(one):
            return str(one.id)
        other = other or str(one.id)
    if other is not None:
        raise MadeOtherwise(other)
    return None


class Bearer(Protocol):
    """A kind of object in Stripe that bears notes."""

    async def read(self, client: stripe.StripeClient, target: str) -> Any: ...

    async def write(
        self, client: stripe.StripeClient, target: str, params: Any, options: stripe.RequestOptions
    ) -> Any: ...


class AddNotes:
    """Adds notes to the metadata of an object. Its mark stays that of the effect which made the object."""

    def __init__(self, bearer: Bearer) -> None:
        self._bearer = bearer

    async def call(self, client: stripe.StripeClient, effect: Effect) -> EffectResult:
        params = {"metadata": effect.params["metadata"]}
        return self._result(await self._bearer.write(client, effect.target, params, options(effect)))

    async def read_back(self, client: stripe.StripeClient, effect: Effect) -> EffectResult | None:
        """There is one when the object bears every note, whoever wrote it."""
        bearer = await self._bearer.read(client, effect.target)
        held = plain(bearer.metadata)
        wanted: dict[str, str] = effect.params["metadata"]
        return self._result(bearer) if wanted.items() <= held.items() else None

    def _result(self, bearer: Any) -> EffectResult:
        return EffectResult(bearer.id, request_of(bearer), {"metadata": plain(bearer.metadata)})
