"""What a timeline and mails tell, as tests compare it: by codes, whatever the words are."""

from collections.abc import Mapping
from typing import Any

from db.tables import TimelineEvent


def named(event: TimelineEvent) -> str:
    """An event's code, with the roles that are asked instead of a vacant rung's or are still to approve."""
    roles = [*event.detail.get("instead", ()), *event.detail.get("missing", ())]
    return " ".join([event.code, *roles])


def mail_name(mail: Mapping[str, Any]) -> str:
    """A mail's template, with the state, the notice or the component that it tells of."""
    headers = mail["headers"]
    parts = (headers.get(f"X-Plixo-{part}") for part in ("Template", "State", "Notice", "Component"))
    return " ".join(filter(None, parts))
