"""The OpenAPI document and its page say what the API does."""

import json
import re
from typing import Any

import pytest
from jsonschema_rs import validator_for

from api.http.scopes import scope_of
from api.problems.catalogue import CATALOGUE
from billing.core.operations import Kind

from ..conftest import ON_ONE_DATABASE, Api

pytestmark = ON_ONE_DATABASE


@pytest.fixture
async def document(api: Api) -> dict[str, Any]:
    answer = await api.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


async def test_it_names_every_route_that_there_is(document: dict[str, Any]) -> None:
    assert {(method, path) for method, path, _ in operations(document)} == {
        ("POST", "/v1/plan-changes"),
        ("POST", "/v1/plan-changes/quote"),
        ("POST", "/v1/plan-changes/{id}/cancel"),
        ("POST", "/v1/plan-changes/{id}/revision"),
        ("POST", "/v1/plan-changes/{id}/resolution"),
        ("POST", "/v1/cancellations"),
        ("POST", "/v1/cancellations/quote"),
        ("POST", "/v1/cancellations/{id}/cancel"),
        ("POST", "/v1/cancellations/{id}/revision"),
        ("POST", "/v1/cancellations/{id}/resolution"),
        *(
            (method, f"/v1/{kind}{path}")
            for kind in ("refunds", "credits", "voids", "write-offs")
            for method, path in (
                ("POST", ""),
                ("POST", "/quote"),
                ("POST", "/{id}/cancel"),
                ("POST", "/{id}/revision"),
                ("POST", "/{id}/resolution"),
                ("GET", "/{id}/notes"),
                ("POST", "/{id}/notes"),
            )
        ),
        ("GET", "/v1/approvals"),
        ("GET", "/v1/approvals/{id}"),
        ("POST", "/v1/approvals/{id}/decision"),
        ("POST", "/v1/approvals/{id}/delegate"),
        ("GET", "/v1/delegations"),
        ("POST", "/v1/delegations"),
        ("GET", "/v1/delegations/{id}"),
        ("POST", "/v1/delegations/{id}/accept"),
        ("POST", "/v1/delegations/{id}/decline"),
        ("POST", "/v1/delegations/{id}/revoke"),
        ("GET", "/v1/me"),
        ("GET", "/v1/people"),
        ("GET", "/v1/people/{id}"),
        ("GET", "/v1/api-keys"),
        ("POST", "/v1/api-keys"),
        ("POST", "/v1/api-keys/{id}/revoke"),
        ("POST", "/v1/api-keys/{id}/rotation"),
        ("GET", "/v1/policy"),
        ("GET", "/v1/policy/simulation"),
        ("GET", "/v1/reads"),
        ("GET", "/v1/sessions"),
        ("POST", "/v1/sessions/revoke"),
        ("POST", "/v1/sessions/{id}/revoke"),
        ("GET", "/v1/operations"),
        ("GET", "/v1/operations/{id}"),
        ("GET", "/v1/operations/{id}/timeline"),
        ("GET", "/v1/operations/{id}/evidence"),
        ("GET", "/v1/operations/{id}/evidence/seal"),
        ("GET", "/v1/evidence/export"),
        ("GET", "/v1/evidence/heads"),
        ("GET", "/v1/evidence/keys"),
        ("GET", "/v1/evidence/roots"),
        ("GET", "/v1/operations/{id}/comments"),
        ("POST", "/v1/operations/{id}/comments"),
        ("GET", "/v1/organization"),
        ("GET", "/v1/organization/invoices"),
        ("GET", "/v1/organization/invoices/{id}"),
        ("POST", "/v1/organization/invoices/{id}/pay-link"),
        ("POST", "/v1/organization/invoices/{id}/pdf"),
        ("GET", "/v1/organization/invoices/{id}/pdf/{pdf}"),
        ("GET", "/v1/organization/pending-items"),
        ("GET", "/v1/organization/renewal"),
        ("GET", "/v1/plans"),
        ("GET", "/v1/add-ons"),
        ("GET", "/v1/customers"),
        ("GET", "/v1/customers/{id}"),
        ("POST", "/v1/customers/{id}/erasure"),
        ("GET", "/v1/customers/{id}/erasure"),
        ("GET", "/v1/search"),
        ("GET", "/v1/invoices"),
        ("GET", "/v1/invoices/{id}"),
        ("POST", "/v1/invoices/bulk"),
        *(
            ("GET", f"/v1/customers/{{id}}/{what}")
            for what in ("refunds", "credit-notes", "balance-transactions", "portal-links", "mails")
        ),
        ("POST", "/v1/invoices/{id}/access-diagnosis"),
        ("GET", "/v1/cases"),
        ("GET", "/v1/cases/{id}"),
        ("POST", "/v1/cases/{id}/take"),
        ("POST", "/v1/cases/{id}/close"),
        ("POST", "/v1/cases/{id}/confirm"),
        ("GET", "/v1/cases/{id}/notes"),
        ("POST", "/v1/cases/{id}/notes"),
        ("GET", "/v1/portal-troubles"),
        ("POST", "/v1/portal-troubles"),
        ("POST", "/v1/portal-troubles/{id}/close"),
        ("GET", "/v1/invoices/{id}/portal-links"),
        ("POST", "/v1/invoices/{id}/portal-links"),
        ("POST", "/v1/invoices/{id}/portal-links/resend"),
        ("POST", "/v1/portal-links/{id}/revoke"),
        ("POST", "/v1/invoices/{id}/pay-link"),
        ("POST", "/v1/invoices/{id}/pdf"),
        ("GET", "/v1/invoices/{id}/pdf/{pdf}"),
        ("GET", "/v1/customers/{id}/settings"),
        ("PATCH", "/v1/customers/{id}/settings"),
        ("GET", "/v1/payments"),
        ("GET", "/v1/payments/{id}"),
        ("GET", "/v1/disputes"),
        ("GET", "/v1/notices"),
        ("POST", "/v1/notices/{id}/acknowledge"),
        ("GET", "/v1/reconciliations"),
        ("POST", "/v1/reconciliations"),
        ("GET", "/v1/reconciliations/{id}"),
        ("GET", "/v1/differences"),
        ("GET", "/v1/reminder-runs"),
        ("POST", "/v1/reminder-runs"),
        ("GET", "/v1/reminder-runs/{id}"),
        ("GET", "/v1/reminder-runs/{id}/decisions"),
        ("POST", "/v1/reminder-runs/{id}/pause"),
        ("POST", "/v1/reminder-runs/{id}/resume"),
        ("POST", "/v1/reminder-runs/{id}/cancel"),
        ("GET", "/v1/invoices/{id}/reminders"),
        ("PUT", "/v1/invoices/{id}/reminder-pause"),
        ("DELETE", "/v1/invoices/{id}/reminder-pause"),
        ("GET", "/v1/portal-networks"),
        ("POST", "/v1/portal-networks"),
        ("DELETE", "/v1/portal-networks/{id}"),
        ("GET", "/v1/mail-templates"),
        ("PUT", "/v1/mail-templates/{name}/{language}"),
        ("DELETE", "/v1/mail-templates/{name}/{language}"),
        ("POST", "/v1/mail-templates/{name}/{language}/approve"),
        ("GET", "/v1/mail-templates/{name}/{language}/versions"),
        ("POST", "/v1/mail-templates/{name}/preview"),
        ("GET", "/v1/banner"),
        ("GET", "/v1/incidents"),
        ("GET", "/v1/incidents/{id}"),
        ("POST", "/v1/incidents/{id}/steps/{n}"),
        ("POST", "/v1/incidents/{id}/resolve"),
        ("GET", "/v1/months/{month}"),
        ("GET", "/v1/months/{month}/operations"),
        ("GET", "/v1/months/{month}/intents"),
        ("GET", "/v1/months/{month}/evidence-heads"),
        ("GET", "/v1/success-checks"),
        ("GET", "/v1/success-checks/{name}/series"),
        ("GET", "/v1/success-checks/{name}/rows"),
        ("POST", "/webhooks/stripe"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
    }


async def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    components = document["components"]
    checks: dict[str, Any] = {}

    def check_of(schema: dict[str, Any]) -> Any:
        """Most routes have the same problems, and to read all components anew takes long."""
        name = json.dumps(schema, sort_keys=True)
        if name not in checks:
            checks[name] = validator_for({"components": components, **schema})
        return checks[name]

    checked = 0
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            for media in response.get("content", {}).values():
                shown = [one["value"] for one in media.get("examples", {}).values()]
                if "example" in media:
                    shown.append(media["example"])
                check = check_of(media["schema"])
                for example in shown:
                    assert check.is_valid(example), (method, path, status, list(check.iter_errors(example)))
                    checked += 1
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body:
            assert check_of(body["schema"]).is_valid(body["example"])
            checked += 1
    assert checked > 200


async def test_every_route_shows_a_success_and_every_problem_of_its_statuses(
    document: dict[str, Any],
) -> None:
    for method, path, operation in operations(document):
        if not path.startswith("/v1"):
            continue
        assert operation["security"] == [{"ApiKey": [scope_of(method, path)]}], path
        successes = [
            media["example"]
            for status, response in operation["responses"].items()
            if status.startswith("2")
            for media in response["content"].values()
        ]
        assert successes, path
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                continue
            examples_ = response["content"]["application/problem+json"]["examples"]
            assert {one["value"]["status"] for one in examples_.values()} == {int(status)}, (method, path)
            assert {one["value"]["code"] for one in examples_.values()} == set(examples_)


async def test_every_code_of_the_catalogue_is_shown_somewhere(document: dict[str, Any]) -> None:
    shown = {
        code
        for _, _, operation in operations(document)
        for response in operation["responses"].values()
        for code in response.get("content", {}).get("application/problem+json", {}).get("examples", {})
    }
    assert set(CATALOGUE) - shown == {"method_not_allowed"}, "no route of its own answers with it"


async def test_operations_have_ids_that_speak(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    assert [id_ for id_ in ids if not re.fullmatch(r"[a-z]+(_[a-z]+){1,4}", id_)] == []
    assert document["paths"]["/v1/refunds"]["post"]["operationId"] == "request_refund"
    assert document["paths"]["/v1/refunds/{id}/revision"]["post"]["operationId"] == "revise_refund"


async def test_every_tag_is_described_in_one_group(document: dict[str, Any]) -> None:
    used = {tag for _, _, operation in operations(document) for tag in operation["tags"]}
    described = [tag["name"] for tag in document["tags"] if tag["description"]]
    grouped = [tag for group in document["x-tagGroups"] for tag in group["tags"]]
    assert sorted(described) == sorted(grouped) == sorted(used)


async def test_it_keeps_the_rules_by_which_others_read_it(document: dict[str, Any]) -> None:
    """Those of `redocly lint` that were once broken: what an operation needs, and what refers where."""
    assert document["servers"] == [{"url": "/"}]
    for method, path, operation in operations(document):
        assert "security" in operation, (method, path)
        assert operation["summary"], (method, path)
        in_path = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path)), (method, path)
        named = [(one["in"], one["name"]) for one in operation.get("parameters", [])]
        assert len(set(named)) == len(named), (method, path)
    schemas = document["components"]["schemas"]
    referred = set(re.findall(r"'#/components/schemas/([^']+)'", str(document)))
    assert referred == set(schemas), "nothing is referred to that isn't there, or there for nobody"
    assert [name for name in schemas if not re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", name)] == []


def _within(schema: Any) -> list[dict[str, Any]]:
    """Every schema of an object within it."""
    if isinstance(schema, list):
        return [found for one in schema for found in _within(one)]
    if not isinstance(schema, dict):
        return []
    here = [schema] if "required" in schema else []
    return here + [found for one in schema.values() for found in _within(one)]


async def test_what_is_required_is_described(document: dict[str, Any]) -> None:
    bodies = [operation.get("requestBody", {}) for _, _, operation in operations(document)]
    for schema in _within([bodies, *document["components"]["schemas"].values()]):
        if isinstance(schema["required"], list):
            assert set(schema["required"]) <= set(schema.get("properties", {})), schema


@pytest.mark.parametrize("kind", list(Kind))
async def test_the_documents_of_an_operation_are_typed_by_its_kind(
    document: dict[str, Any], kind: Kind
) -> None:
    schemas = document["components"]["schemas"]
    answer = schemas["OperationAnswer"]
    assert answer["discriminator"]["propertyName"] == "kind"
    of_kind = schemas[answer["discriminator"]["mapping"][kind.value].rpartition("/")[2]]
    assert of_kind["properties"]["kind"]["const"] == kind.value
    for name in ("request", "subject", "result"):
        inner = str(of_kind["properties"][name])
        for found in re.findall(r"'#/components/schemas/(\w+)'", inner):
            assert schemas[found]["properties"], name
            assert "about" not in schemas[found]["properties"], "rows hold documents without their tag"
        assert "$ref" in inner, name


async def test_it_promises_nothing_of_the_framework(document: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in str(document)
    assert set(document["components"]["securitySchemes"]) == {"ApiKey"}


@pytest.mark.parametrize(
    "kind", ["plan-changes", "cancellations", "refunds", "credits", "voids", "write-offs"]
)
async def test_an_idempotency_key_is_required_where_an_operation_starts(
    document: dict[str, Any], kind: str
) -> None:
    [parameter] = document["paths"][f"/v1/{kind}"]["post"]["parameters"]
    assert (parameter["name"], parameter["in"], parameter["required"]) == ("Idempotency-Key", "header", True)
