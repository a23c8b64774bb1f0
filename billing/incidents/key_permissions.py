"""What our key at Stripe may lack, and what that stops: by the permissions of a restricted key.

The cause of such an incident is `UNPERMITTED` and the permissions' names, as Stripe has them.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

from .holds import UNPERMITTED


class Capability(StrEnum):
    """What people do with Plixo."""

    PLAN_CHANGES = "plan_changes"
    REFUNDS = "refunds"
    CREDITS = "credits"
    CUSTOMER_PORTAL = "customer_portal"
    REMINDERS = "reminders"
    MAILS = "mails"


_HOLDABLE = (Capability.PLAN_CHANGES, Capability.REFUNDS, Capability.CREDITS)
"""What is held, and goes on."""

_STOPS: Mapping[str, tuple[str, tuple[Capability, ...]]] = MappingProxyType(
    {
        "customer": ("credits, and reading customers", (Capability.CREDITS,)),
        "subscription": ("plan changes, and reading subscriptions", (Capability.PLAN_CHANGES,)),
        "invoice": (
            "voids and write-offs, previews of plan changes, links to pay, and reading invoices",
            (*_HOLDABLE, Capability.CUSTOMER_PORTAL, Capability.REMINDERS),
        ),
        "charge": ("refunds", (Capability.REFUNDS, Capability.CREDITS)),
        "payment_intent": ("refunds, and reading payments", (Capability.REFUNDS, Capability.CREDITS)),
        "plan": ("plan changes, and reading prices", (Capability.PLAN_CHANGES,)),
        "credit_note": ("credits on invoices, and refunds", (Capability.REFUNDS, Capability.CREDITS)),
        "coupon": ("plan changes of subscriptions with discounts", (Capability.PLAN_CHANGES,)),
        "dispute": (
            "refunds of disputed payments, and reading disputes",
            (Capability.REFUNDS, Capability.CREDITS),
        ),
        "event": (
            "catching up on what webhooks have missed, and voids and write-offs whose answer was lost",
            (Capability.CREDITS,),
        ),
    }
)
"""By what a permission is about: what it stops, and for which capabilities something is held."""

_MEANWHILE: Mapping[Capability, str] = MappingProxyType(
    {
        Capability.CUSTOMER_PORTAL: "Customers see their invoices; paying and PDFs may not work.",
        Capability.REMINDERS: "Reminders go on, by what we last read from Stripe.",
    }
)


def cause_of(lacking: Sequence[str]) -> str:
    """The cause of an incident while these permissions are missing."""
    return f"{UNPERMITTED}: {', '.join(lacking)}"


def permissions_in(cause: str | None) -> tuple[str, ...]:
    """Their names, from such a cause; none where it names none."""
    code, _, names = (cause or "").partition(": ")
    return tuple(names.split(", ")) if code == UNPERMITTED and names else ()


def told_apart(lacking: Sequence[str]) -> str:
    """Each with what it stops, in a part of a sentence."""
    return _listed([_with_what_it_stops(name) for name in lacking]) if lacking else "a permission"


def held_by(lacking: Sequence[str]) -> dict[Capability, str]:
    """What it means for what people do, where it is not as usual."""
    if not lacking:
        return {one: _held(["the permission"]) for one in _HOLDABLE}
    needing: dict[Capability, list[str]] = {}
    for name in lacking:
        for one in _STOPS.get(_about(name), ("", ()))[1]:
            needing.setdefault(one, []).append(name)
    return {one: _MEANWHILE.get(one) or _held(names) for one, names in needing.items()}


def _held(names: Sequence[str]) -> str:
    it, verb = ("it", "is") if len(names) == 1 else ("them", "are")
    return f"What needs {it} is held until {_listed(names)} {verb} granted; nothing is lost."


def _with_what_it_stops(name: str) -> str:
    stops = _STOPS.get(_about(name), ("", ()))[0]
    return f"{name} ({stops})" if stops else name


def _about(name: str) -> str:
    return name.removeprefix("rak_").removesuffix("_write").removesuffix("_read")


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
