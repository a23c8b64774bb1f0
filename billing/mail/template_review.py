"""Who may approve an organization's own words for its customers: somebody else than whoever wrote them."""

from collections.abc import Collection
from typing import Literal

from ..core.operations import Role

APPROVERS = frozenset({Role.BILLING_ADMIN, Role.CONTROLLER, Role.LEGAL})
"""Who writes templates, or answers for what goes out, and is not their author."""

Refusal = Literal["role_missing", "template_author"]


def why_not(person: str, roles: Collection[Role], authors: Collection[str]) -> Refusal | None:
    """Why this person may not approve a draft; None: they may.

    `authors` wrote the draft or one before it that was never approved: a draft begins with what it replaces.
    """
    if Role.AUDITOR in roles or APPROVERS.isdisjoint(roles):
        return "role_missing"
    return "template_author" if person in authors else None
