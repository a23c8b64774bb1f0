"""The rules by which cases are opened under the policy that the project ships."""

from functools import cache

from billing.policy.policy import policy_from_toml
from db.cases.cases import CaseRules
from settings.settings import DEFAULT_POLICY


@cache
def case_rules() -> CaseRules:
    """Made once: reading a policy reads the holidays of its calendars."""
    return CaseRules.of(policy_from_toml(DEFAULT_POLICY.read_text(encoding="utf-8")))
