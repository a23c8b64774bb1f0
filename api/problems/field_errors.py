"""What pydantic found wrong with a request: stable codes, JSON pointers, sentences that say what to do."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .catalogue import CATALOGUE, to_programs

MAX_ERRORS = 20
LONGEST_NAME = 60

_CODES = {
    "missing": "required",
    "extra_forbidden": "unknown_field",
    "literal_error": "not_allowed",
    "enum": "not_allowed",
    "string_too_short": "too_short",
    "string_too_long": "too_long",
    "greater_than_equal": "too_small",
    "less_than_equal": "too_large",
    "string_unicode": "invalid_text",
    "string_pattern_mismatch": "invalid_text",
    "value_error": "invalid_text",
}
_TYPES = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "a text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "model_attributes_type": "a JSON object",
    "model_type": "a JSON object",
    "dict_type": "a JSON object",
}
_AS_JSON = {
    "int_type": "Send it without quotes or decimals.",
    "string_type": "Send it in quotes.",
    "bool_type": "Send it without quotes.",
}
"""What follows for those who write JSON."""

_OWN = {
    ("missing", "note"): "note_missing",
    ("string_too_short", "note"): "note_too_short",
    ("string_too_long", "note"): "note_too_long",
    ("value_error", "note"): "note_unreadable",
    ("greater_than_equal", "amount_minor"): "amount_not_positive",
    ("less_than_equal", "amount_minor"): "amount_too_large",
    ("int_type", "amount_minor"): "amount_not_whole",
    ("string_pattern_mismatch", "currency"): "unknown_currency",
    ("literal_error", "reason"): "unknown_reason",
    ("literal_error", "instrument"): "unknown_instrument",
    ("string_pattern_mismatch", "payment_intent"): "payment_id_malformed",
    ("string_pattern_mismatch", "invoice"): "invoice_id_malformed",
    ("string_pattern_mismatch", "customer"): "customer_id_malformed",
}
"""Fields whose mistakes have codes of their own, by pydantic's type: the catalogue says what to do."""

_WITH_FIGURES = {"less_than_equal", "literal_error"}
"""What is said of these names the limit or the values; the catalogue has an example of it."""


@dataclass(frozen=True)
class FieldError:
    """One thing wrong. `where` is body, query or header; `pointer` is an RFC 6901 pointer into it.
    `for_programs` follows the message in the document; see `ProblemType`."""

    where: str
    pointer: str
    code: str
    message: str
    for_programs: str = ""

    def document(self) -> dict[str, str]:
        said = asdict(self)
        said["message"] = to_programs(self.message, said.pop("for_programs"))
        return said

    def to_people(self, label: str) -> str:
        """The message for whoever knows the field by the label that a page gives it."""
        name = self.pointer.removeprefix("/").replace("/", ".")
        said = self.message.removeprefix(f"{name} ")
        return self.message if said == self.message else f"{label} {said}"


def field_errors(errors: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    """At most `MAX_ERRORS` of pydantic's errors; of what the caller sent only field names are repeated."""
    return [_field_error(error) for error in errors[:MAX_ERRORS]]


def _field_error(error: Mapping[str, Any]) -> FieldError:
    where, *path = [str(part) for part in error["loc"]]
    kind = str(error["type"])
    code = "wrong_type" if kind in _TYPES else _CODES.get(kind, "invalid")
    name = _short(".".join(path)) or f"the {where}"
    said, for_programs = _say(kind, error), _AS_JSON.get(kind, "")
    field = path[-1] if path else ""
    if where == "body" and (own := _OWN.get((kind, field))):
        code = own
        if kind not in _WITH_FIGURES:
            said = CATALOGUE[own].detail.removeprefix(f"{field} ").removesuffix(".")
            for_programs = CATALOGUE[own].for_programs
    return FieldError(where, pointer_to(path), code, f"{name} {said}.", for_programs)


def _say(kind: str, error: Mapping[str, Any]) -> str:
    limits = error.get("ctx") or {}
    match kind:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return "is not a known field; remove it"
        case "literal_error" | "enum":
            return f"must be {limits.get('expected')}"
        case "string_too_short":
            return f"must have at least {limits.get('min_length')} characters"
        case "string_too_long":
            return f"must have at most {limits.get('max_length')} characters"
        case "greater_than_equal":
            return f"must be at least {limits.get('ge')}"
        case "less_than_equal":
            return f"must be at most {limits.get('le')}"
        case "string_pattern_mismatch":
            return "must be an id: letters, digits, _ and -, at most 128 of them"
        case "string_unicode":
            return "must be valid Unicode text; it contains half of a surrogate pair"
        case "value_error":
            return str(limits.get("error", "is not valid"))
        case _ if kind in _TYPES:
            return f"must be {_TYPES[kind]}"
        case _:
            return "is not valid; see /docs for what is expected"


def pointer_to(path: Sequence[str]) -> str:
    """An RFC 6901 pointer; a name that the caller made up is cut short."""
    return "".join("/" + _short(part).replace("~", "~0").replace("/", "~1") for part in path)


def _short(name: str) -> str:
    name = name.encode("utf-8", "replace").decode("utf-8")  # half a character can't be sent back
    return name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME] + "…"
