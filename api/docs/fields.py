"""The fields of a schema as tables: one of each object that is named, in the order in which they are met."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from markupsafe import Markup

Schema = Mapping[str, Any]
_NAMES = {"date-time": "time, RFC 3339 in UTC", "date": "date, such as 2026-03-02"}


class FieldRow(NamedTuple):
    """`type` has links to the tables of the objects that it names; `required` is None for what is no
    field but one of several kinds."""

    name: str
    type: Markup
    required: bool | None
    text: str


class FieldTable(NamedTuple):
    """`name` is the object's, empty for one that is told apart by its kind; then `rows` are its kinds.
    What is no object but one of some `values` has no rows."""

    name: str
    text: str
    rows: list[FieldRow]
    values: Markup = Markup()


def tables(schema: Schema, schemas: Mapping[str, Schema]) -> list[FieldTable]:
    """Those of all that a body or an answer has."""
    waiting = list(_named(schema))
    found = {"": _table("", schema)} if "properties" in schema else {}
    while waiting:
        name = waiting.pop(0)
        if name in found:
            continue
        one = schemas[name]
        found[name] = _table(name, one)
        waiting += _named(one)
    return [table for table in found.values() if table.rows or table.values]


def type_of(schema: Schema) -> Markup:
    """In words, such as `list of Line, or null`."""
    if "$ref" in schema:
        name = _name(schema["$ref"])
        return Markup('<a href="#schema-{0}">{0}</a>').format(name)
    if "const" in schema:
        return Markup("<code>{}</code>").format(schema["const"])
    if "enum" in schema:
        return Markup(", ").join(Markup("<code>{}</code>").format(value) for value in schema["enum"])
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return Markup(", or ").join(type_of(one) for one in schema[choice])
    if schema.get("type") == "array":
        return Markup("list of {}").format(type_of(schema.get("items", {})))
    return Markup("{}").format(_plain(schema))


def _plain(schema: Schema) -> str:
    words = _NAMES.get(schema.get("format", ""), schema.get("type", "anything"))
    bounds = [
        f"{said} {_number(schema[name])}"
        for name, said in (
            ("minimum", "from"),
            ("maximum", "to"),
            ("minLength", "at least"),
            ("maxLength", "at most"),
        )
        if name in schema
    ]
    unit = " characters" if "maxLength" in schema or "minLength" in schema else ""
    return f"{words} ({', '.join(bounds)}{unit})" if bounds else str(words)


def _number(value: float) -> float:
    return int(value) if value == int(value) else value


def _table(name: str, schema: Schema) -> FieldTable:
    required = schema.get("required", ())
    rows = [
        FieldRow(field, type_of(one), field in required, one.get("description", ""))
        for field, one in schema.get("properties", {}).items()
    ]
    if "discriminator" in schema:
        by = schema["discriminator"]
        rows = [
            FieldRow(f"{by['propertyName']}: {value}", type_of({"$ref": ref}), None, "")
            for value, ref in by["mapping"].items()
        ]
    values = type_of(schema) if "enum" in schema else Markup()
    return FieldTable(name, schema.get("description", ""), rows, values)


def _named(schema: Any) -> Iterator[str]:
    """The objects that it names itself."""
    if isinstance(schema, list):
        for inner in schema:
            yield from _named(inner)
    elif isinstance(schema, Mapping):
        if "$ref" in schema:
            yield _name(schema["$ref"])
        for key, inner in schema.items():
            if key != "discriminator":
                yield from _named(inner)


def _name(ref: str) -> str:
    return ref.rpartition("/")[2]
