"""Auditors read. Whatever other roles they have, they change nothing, by whatever route there is."""

import re
from typing import Any

from billing.core.operations import Role
from db.core.session import Database

from ...support.builders import Tenant, member
from ..conftest import ON_ONE_DATABASE, Api

READING = {
    ("POST", "/v1/invoices/{id}/access-diagnosis"),
    ("POST", "/v1/mail-templates/{name}/preview"),
}
"""What changes nothing although it is no GET."""

JUDGED = ("POST", "/v1/approvals/{id}/decision")
"""Refused by the rule of who decides, which says more."""


@ON_ONE_DATABASE
async def test_an_auditor_with_every_other_role_changes_nothing(
    api: Api, acme: Tenant, database: Database
) -> None:
    everything = await member(database, acme.organization, list(Role))
    document: dict[str, Any] = (await api.get("/openapi.json", everything)).json()
    routes = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if path.startswith("/v1/") and method in ("post", "put", "patch", "delete")
    }
    assert READING | {JUDGED} < routes
    refused = {}
    for method, path in sorted(routes - READING - {JUDGED}):
        answer = await api.http.request(
            method,
            re.sub(r"\{n\}", "1", re.sub(r"\{(?:id|name|language)\}", "some_id", path)),
            json={},
            headers=everything.headers | {"Idempotency-Key": "auditor-1"},
        )
        refused[method, path] = (answer.status_code, answer.json()["code"])
    assert set(refused.values()) == {(403, "role_missing")}, refused
