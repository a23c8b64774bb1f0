"""Stripe's search query language: https://docs.stripe.com/search#search-query-language.

    email:"jo@example.com"            metadata['order']:'6735'        created>=1712000000
    -status:"paid"                    name~"lim"                      metadata["order"]:null

Clauses are joined by AND (or by a space) or by OR, never by both; there are no parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import StripeError, invalid

_CLAUSE = re.compile(
    r"""\s*(?P<joint>AND\b|OR\b)?\s*
        (?P<negated>-)?
        (?P<field>[a-z_][a-z0-9_.]*)
        (?:\[(?P<key>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')\])?
        \s*(?P<operator>:|~|>=|<=|>|<|=)\s*
        (?P<value>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|-?\d+(?:\.\d+)?|null\b)""",
    re.VERBOSE,
)
SHORTEST_PART = 3
"""Characters of a substring, at least."""
TOKEN, TEXT, NUMBER = "token", "text", "number"
"""What a field is: compared as a whole, also by a part, or by size."""


@dataclass(frozen=True)
class Clause:
    """One condition on a field, or on a key of the metadata."""

    path: tuple[str, ...]
    operator: str
    value: str | None
    negated: bool

    def met_by(self, obj: Mapping[str, Any]) -> bool:
        """Whether an object meets it."""
        found: Any = obj
        for name in self.path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return self._holds(found) != self.negated

    def _holds(self, found: Any) -> bool:
        if self.value is None:
            return found is None
        if found is None:
            return False
        if self.operator in (":", "~"):
            text = str(found).lower()
            return text == self.value.lower() if self.operator == ":" else self.value.lower() in text
        size, wanted = float(found), float(self.value)
        return {
            ">": size > wanted,
            ">=": size >= wanted,
            "<": size < wanted,
            "<=": size <= wanted,
        }.get(self.operator, size == wanted)


@dataclass(frozen=True)
class Query:
    """Clauses of which all, or any, must hold."""

    clauses: tuple[Clause, ...]
    any: bool

    def met_by(self, obj: Mapping[str, Any]) -> bool:
        """Whether an object is found."""
        met = (clause.met_by(obj) for clause in self.clauses)
        return any(met) if self.any else all(met)


Field = tuple[str, tuple[str, ...]]
"""What a field is, and where it is in the object."""


def parse(text: str, fields: Mapping[str, Field], resource: str) -> Query:
    """The query of a resource with these fields; raises 400 for what can't be understood."""
    clauses: list[Clause] = []
    joints: set[str] = set()
    at = 0
    while text[at:].strip():
        match = _CLAUSE.match(text, at)
        if match is None or (clauses and match.start("joint") < 0 and not text[at].isspace()):
            raise _unreadable()
        if bool(match["joint"]) and not clauses:
            raise _unreadable()
        if clauses:
            joints.add(match["joint"] or "AND")
        clauses.append(_clause(match, fields, resource))
        at = match.end()
    if not clauses:
        raise _unreadable()
    if len(joints) > 1:
        raise invalid("You cannot combine AND and OR in the same query.", param="query")
    return Query(tuple(clauses), joints == {"OR"})


def _clause(match: re.Match[str], fields: Mapping[str, Field], resource: str) -> Clause:
    name, operator = match["field"], match["operator"]
    if (name == "metadata") != (match["key"] is not None):
        raise _unreadable()
    if name != "metadata" and name not in fields:
        message = (
            f"Field `{name}` is an unsupported search field for resource `{resource}`. See "
            f"https://stripe.com/docs/search#query-fields-for-{resource.replace('_', '-')} for a list of "
            "supported fields."
        )
        raise invalid(message, param="query")
    key = match["key"]
    sort, path = (TOKEN, ("metadata", _unquoted(key))) if key else fields[name]
    value = None if match["value"] == "null" else _unquoted(match["value"])
    if operator == "~" and (sort != TEXT or value is None or len(value) < SHORTEST_PART):
        message = f"The operator `~` takes a part of at least {SHORTEST_PART} characters, of a string field."
        raise invalid(message, param="query")
    if operator not in (":", "~") and (sort != NUMBER or value is None):
        raise invalid(f"Field `{name}` does not support the operator `{operator}`.", param="query")
    if sort == NUMBER and value is not None and not re.fullmatch(r"-?\d+(\.\d+)?", value):
        raise invalid(f"Field `{name}` takes a number.", param="query")
    if sort == NUMBER and operator == ":" and value is not None:
        operator = "="
    return Clause(path, operator, value, bool(match["negated"]))


def _unquoted(given: str) -> str:
    return re.sub(r"\\(.)", r"\1", given[1:-1]) if given[0] in "\"'" else given


def _unreadable() -> StripeError:
    return invalid(
        'We were unable to parse your search query. Try using the format `metadata["key"]:"value"` to query '
        'for metadata or `key:"value"` to query for other fields.',
        param="query",
    )
