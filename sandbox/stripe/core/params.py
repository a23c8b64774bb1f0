"""Requests against the SDK's own parameter types: decoding to typed values, and Stripe's refusals.

The checks come before anything executes, so their refusals aren't kept under an idempotency key.
Decimals (`unit_amount_decimal`) stay strings, as Stripe's JSON has them. "" survives where the SDK says
that a parameter can be unset.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any, get_args, get_origin

import typing_extensions as te
from stripe._request_options import RequestOptions
from stripe._stripe_object import UntypedStripeObject

from .annotations import Unknown, arms, literals
from .errors import StripeError, invalid
from .forms import Given, Tree
from .kernel import METADATA_KEYS

Parser = Callable[[Any, str], Any]
"""Takes the raw value (str or dict) and the parameter's full name; raises StripeError."""

UNSET_TOO = {("CustomerCreateParams", "name"), ("SubscriptionUpdateParams", "default_payment_method")}
"""What real Stripe lets be empty although the SDK doesn't say so (recorded behavior)."""

_INTEGER = re.compile(r"[+-]?\d{1,18}\Z")
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)\Z")
_METADATA_KEY, _METADATA_VALUE = 40, 500


def refuse_unseen(params: dict[str, Any]) -> None:
    """Refuse by name what was given and nobody looked at, rather than ignore it in silence."""
    names = params.unseen() if isinstance(params, Given) else []
    for name in names:
        if name != "expand":
            raise invalid(f"This stand-in does not support the parameter {name} here.", param=name)


def check(params: type | None, given: Tree) -> Given:
    """The typed parameters of a request; raises `parameter_unknown`, `parameter_missing` and the like."""
    try:
        return _object(params)(given, "") if params else _only_expand(given, "")
    except StripeError as error:
        error.saved = False
        raise


@cache
def _object(params: type) -> Parser:
    """The parser of one TypedDict."""
    excluded = set(RequestOptions.__annotations__)
    fields = {name: ann for name, ann in params.__annotations__.items() if name not in excluded}
    required = [name for name in fields if name in params.__required_keys__]  # type: ignore[attr-defined]
    parsers: dict[str, Parser] = {}

    def parse(given: Any, name: str) -> Given:
        if not isinstance(given, dict):
            raise invalid("Invalid object", param=name)
        unknown = [_nested(name, key) for key in given if key not in fields]
        if unknown:
            raise _unknown(unknown)
        parsed = {}
        for key, value in given.items():
            parser = parsers.get(key)
            if parser is None:
                parser = parsers[key] = _parser(key, arms(fields[key], params), params)
            parsed[key] = parser(value, _nested(name, key) if name else key)
        for key in required:
            if key not in parsed:
                raise missing_param(_nested(name, key))
        return Given(parsed)

    return parse


def _only_expand(given: Any, name: str) -> Given:
    unknown = [key for key in given if key != "expand"]
    if unknown:
        raise _unknown(unknown)
    return Given({key: _array(_text)(value, key) for key, value in given.items()})


def _unknown(names: list[str]) -> StripeError:
    label = "parameter" if len(names) == 1 else "parameters"
    message = f"Received unknown {label}: {', '.join(names)}"
    return invalid(message, code="parameter_unknown", param=names[0])


def missing_param(name: str) -> StripeError:
    """`parameter_missing`, also for the cross-field rules of handlers."""
    return invalid(f"Missing required param: {name}.", code="parameter_missing", param=name)


def _nested(name: str, key: str) -> str:
    return f"{name}[{key}]" if name else key


def _parser(key: str, alternatives: list[Any], owner: type) -> Parser:
    """The parser of one parameter that may be any of the alternatives."""
    values = literals(alternatives)
    can_unset = "" in values or (owner.__name__, key) in UNSET_TOO
    choices = [value for value in values if value != ""]
    rest = [arm for arm in alternatives if get_origin(arm) is not te.Literal]
    structured = next((p for arm in rest if (p := _structured(key, arm, owner)) is not None), None)
    scalar = _scalar(rest, choices)

    def parse(value: Any, name: str) -> Any:
        if value == "" and (can_unset or scalar is None):
            return ""
        if isinstance(value, dict) and structured is not None:
            return structured(value, name)
        if scalar is None:
            return structured(value, name) if structured is not None else value
        if isinstance(value, dict):
            raise invalid(f"Invalid string: {value}", param=name)
        if value == "":
            raise _empty(name)
        if value in choices:
            return value
        return scalar(value, name)

    return parse


def _empty(name: str) -> StripeError:
    message = (
        f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a "
        f"parameter; however '{name}' cannot be unset. You should remove '{name}' from your request "
        "or supply a non-empty value."
    )
    return invalid(message, code="parameter_invalid_empty", param=name)


def _structured(key: str, arm: Any, owner: type) -> Parser | None:
    """The parser of a list, mapping or nested object; None for scalars."""
    origin = get_origin(arm)
    if origin is list:
        return _array(_parser(key, arms(get_args(arm)[0], owner), owner))
    if origin is dict or origin is UntypedStripeObject:
        inner = _parser(key, arms(get_args(arm)[-1], owner), owner)
        return _metadata if key == "metadata" else _mapping(inner)
    if isinstance(arm, type) and hasattr(arm, "__required_keys__"):
        return _object(arm)
    return None


def _scalar(alternatives: list[Any], choices: list[Any]) -> Parser | None:
    """The parser of a plain value; None when only structures are allowed."""
    if int in alternatives:
        return _integer
    if bool in alternatives:
        return _boolean
    if choices:
        return _choice(choices)
    if float in alternatives:
        return lambda value, name: float(_decimal(value, name))
    if Decimal in alternatives:
        return _decimal
    if str in alternatives or Unknown in alternatives:
        return _text
    return None


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise invalid(f"Invalid string: {value}", param=name)
    return value


def _integer(value: str, name: str) -> int:
    if not _INTEGER.match(value):
        raise invalid(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
    return int(value)


def _boolean(value: str, name: str) -> bool:
    if value not in ("true", "false", "True", "False"):  # older SDKs for Python send their own words
        raise invalid(f"Invalid boolean: {value}", param=name)
    return value in ("true", "True")


def _decimal(value: str, name: str) -> str:
    if not _DECIMAL.match(value):
        raise invalid(f"Invalid decimal: {value}", param=name)
    return value


def _choice(choices: list[Any]) -> Parser:
    listed = f"{', '.join(choices[:-1])}, or {choices[-1]}" if len(choices) > 2 else " or ".join(choices)

    def parse(value: str, name: str) -> str:
        raise invalid(f"Invalid {name}: must be one of {listed}", param=name)

    return parse


def _array(inner: Parser) -> Parser:
    def parse(given: Any, name: str) -> list[Any]:
        if not isinstance(given, dict) or not all(key.isdigit() for key in given):
            raise invalid("Invalid array", param=name)
        return [inner(given[key], f"{name}[{key}]") for key in sorted(given, key=int)]

    return parse


def _mapping(inner: Parser) -> Parser:
    def parse(given: Any, name: str) -> dict[str, Any]:
        if not isinstance(given, dict):
            raise invalid("Invalid object", param=name)
        return {key: inner(value, f"{name}[{key}]") for key, value in given.items()}

    return parse


def _metadata(given: Any, name: str) -> dict[str, str]:
    """Metadata within the limits of https://docs.stripe.com/api/metadata."""
    if not isinstance(given, dict):
        raise invalid(f"Invalid object: {name} must be a set of key-value pairs", param=name)
    if len(given) > METADATA_KEYS:
        message = f"You can have at most {METADATA_KEYS} metadata keys, but you passed {len(given)}."
        raise invalid(message, param=name)
    for key, value in given.items():
        param = f"{name}[{key}]"
        if len(key) > _METADATA_KEY:
            raise _too_long("keys", _METADATA_KEY, key, param)
        if len(_text(value, param)) > _METADATA_VALUE:
            raise _too_long("values", _METADATA_VALUE, value, param)
    return dict(given)


def _too_long(what: str, most: int, given: str, param: str) -> StripeError:
    message = (
        f"Metadata {what} can have up to {most} characters, but you passed in a {what[:-1]} that is "
        f"{len(given)} characters. Invalid {what[:-1]}: {given}"
    )
    return invalid(message, param=param)
