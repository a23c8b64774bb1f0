"""What a timeline tells, as tests compare it."""

from db.tables import TimelineEvent


def named(event: TimelineEvent) -> str:
    """An event's code, with the roles that are asked instead of a vacant rung's or are still to approve."""
    roles = [*event.detail.get("instead", ()), *event.detail.get("missing", ())]
    return " ".join([event.code, *roles])
