"""The end of a scenario: everything comes to rest, and nothing may be left hanging."""

from billing.money.notes import with_objects
from workflows.core import ids

from .machine import SETTLED, Scene
from .machine_checks import failures_of, told_of
from .machine_standing import until_nothing
from .machine_world import World, read


async def come_to_rest(scene: Scene) -> World:
    """Lets go the events that were held, lets time pass, looks for what was dropped, and reads everything."""
    home = scene.home
    home.stand_in.webhooks(mode="normal")
    await home.followed()
    home.stand_in.advance(SETTLED)
    await home.skip(seconds=SETTLED)
    await home.followed()
    if home.stand_in.webhooks()["dropped"]:
        # What no webhook tells is found by asking: nobody looks at what had succeeded.
        await home.catch_up()
        await scene.operations.rest()
        await home.followed()
        await home.run(ids.RECONCILE)
    return await _settled(scene)


async def _settled(scene: Scene) -> World:
    """As soon as every workflow knows what has become of its refunds, Finance is told of those that failed,
    and every note is in Stripe."""
    worlds: list[World] = []

    async def open_ends() -> list[str]:
        await scene.operations.rest()
        world = await read(scene.home, scene.tenant.id)
        worlds.append(world)
        return [*_unseen(world), *_untold(world), *_unwritten(world), *_missing_notes(world)]

    await until_nothing(open_ends, scene.home.patience)
    return worlds[-1]


def _unseen(world: World) -> list[str]:
    """Refunds of which the workflow says otherwise than Stripe."""
    found = []
    for operation in world.of_kind("refund"):
        for part in (operation.result or {}).get("parts", []):
            refund = world.stripe.refunds.get(part["refund"] or "")
            if refund is not None and refund["status"] != part["status"]:
                found.append(f"{operation.id} says {part}, Stripe {refund['status']}")
    return found


def _untold(world: World) -> list[str]:
    """Failures of which Finance does not know."""
    return [id_ for id_ in world.operations if len(told_of(world, id_)) < len(failures_of(world, id_))]


def _unwritten(world: World) -> list[str]:
    """Effects of which nobody knows whether they happened."""
    return [
        f"{intent.idempotency_key} is open"
        for intents in world.intents.values()
        for intent in intents
        if intent.state == "open"
    ]


def _missing_notes(world: World) -> list[str]:
    """Notes of what is done that Stripe does not have, or without what they are about."""
    missing = []
    for operation in world.operations.values():
        if operation.state != "completed":
            continue
        assert world.notes[operation.id], f"{operation.id} has no note"
        for made in world.stripe.made_by(operation.id):
            for note in world.notes[operation.id]:
                key = "plixo_note" if note.seq == 1 else f"plixo_note_{note.seq}"
                about = made["id"] if made["object"] == "invoice" else made.get("payment_intent")
                text = with_objects(note.text, [about] if about else [])
                if made["metadata"].get(key) != text:
                    missing.append(f"{made['id']} has {key} {made['metadata'].get(key)!r}, not {text!r}")
    return missing
