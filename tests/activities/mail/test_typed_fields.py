"""Templates read what their types have: every field that a template names is one."""

from collections.abc import Iterator

import pytest
from jinja2 import Environment, PackageLoader, nodes

from billing.cases.case import CaseSubject
from billing.incidents.words import IncidentSubject
from billing.mail.messages import MailContext
from billing.money.credit import CreditSubject
from billing.money.credit_report import CreditResult
from billing.money.refund import RefundSubject
from billing.money.refund_report import RefundedPart, RefundResult
from billing.plan_changes.report import PlanChangeResult
from billing.plan_changes.subject import PlanChangeSubject
from billing.portal.trouble import AccessTroubleSubject

TYPES: dict[str, type] = {
    "mail": MailContext,
    "case": CaseSubject,
    "change": PlanChangeSubject,
    "refund": RefundSubject,
    "credit": CreditSubject,
    "trouble": AccessTroubleSubject,
    "incident": IncidentSubject,
    "outcome": PlanChangeResult,
    "refunded": RefundResult,
    "credited": CreditResult,
}
ENVIRONMENT = Environment(loader=PackageLoader("activities.mail", "templates"))


def _has(type_: type, name: str) -> bool:
    return name in getattr(type_, "model_fields", {}) or isinstance(getattr(type_, name, None), property)


def _named(template: str) -> Iterator[tuple[str, str]]:
    """Each `variable.field` of a template."""
    source, _, _ = ENVIRONMENT.loader.get_source(ENVIRONMENT, template)  # type: ignore[union-attr]
    for found in ENVIRONMENT.parse(source).find_all(nodes.Getattr):
        if isinstance(found.node, nodes.Name):
            yield found.node.name, found.attr


@pytest.mark.parametrize("template", ENVIRONMENT.list_templates())
def test_every_field_that_a_template_reads_is_there(template: str) -> None:
    types = dict(TYPES)
    if template == "_since.txt.j2":
        types.pop("change")  # one thing that is new
    if template == "_refunded.txt.j2":
        types["part"] = RefundedPart
    for variable, field in _named(template):
        if variable in types:
            assert _has(types[variable], field), f"{variable}.{field}"
