"""Every endpoint and parameter of the stand-in, as a document: `python -m sandbox.stripe.reference`.

Made from the code: what an endpoint does and by whose word is in the docstrings of its handler and module,
its parameters are those of the SDK's types, and which of them are refused or never looked at is read from
what the handler and the functions that it calls do with them.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from stripe._request_options import RequestOptions

from .core.kernel import API_VERSION, EXPANDABLE, ROUTES, Route
from .core.updates import not_built, without_effect
from .server import resources, restricted_keys
from .settings.switches import Switches
from .versions import changes, registry

PACKAGE = __name__.rpartition(".")[0]
EVERYWHERE = {"ending_before", "expand", "include", "limit", "page", "starting_after"}
"""Parameters that lists and expansion look at for every endpoint."""
WIDTH = 116
HERE = str(Path(__file__).parent)
KERNEL = (f"{PACKAGE}.core.store", f"{PACKAGE}.core.kernel")
"""What handlers are written against; it looks at no parameter of one endpoint only."""
HEAD = f"""# Endpoints of the stand-in

Made from the code by `python -m sandbox.stripe.reference > sandbox/stripe/ENDPOINTS.md`; a test holds the two
together. Version {API_VERSION}; what older ones had instead is at the end.

Of the parameters, **bold** ones are required, ~~struck~~ ones are refused by name as not supported, and
*slanted* ones are accepted, and nothing could be seen of what they do: no mails are sent, for example.
Whatever isn't listed is refused as unknown. The evidence is where the rules of an endpoint are from.
"""
SWITCHES = """## Switches

What Stripe's pages leave open, or contradict each other in. `POST /_sandbox/switches` sets some of them,
`/_sandbox/reset` all of them back to the **first** value; what isn't named stays.
"""


@dataclass
class Facts:
    """What the code of an endpoint says about parameters."""

    refused: set[str] = field(default_factory=set)
    idle: set[str] = field(default_factory=set)
    """Accepted without effect."""
    named: set[str] = field(default_factory=set)


def document() -> str:
    """The whole document."""
    assert resources is not None
    assert changes is not None
    parts = [HEAD]
    rooms: dict[str, list[Route]] = {}
    for route in sorted(ROUTES, key=lambda one: (one.path.split("/")[1:4], one.path, one.method)):
        rooms.setdefault("/".join(route.path.split("/")[: 4 if "/v2/" in route.path else 3]), []).append(
            route
        )
    for path, routes in rooms.items():
        parts.append(f"## {path}\n")
        parts += [_endpoint(route) for route in routes]
    parts.append(SWITCHES)
    for name, field_info in Switches.model_fields.items():
        first, *others = (f"`{value}`" for value in Switches.values(name))
        said = " ".join((field_info.description or "").split())
        parts.append(_item(f"`{name}` **{first}** {' '.join(others)}: {said}"))
    parts.append("\n## Fields that are answered only when `expand` names them\n")
    parts += [f"- {kind}: `{name}`" for kind, name in sorted(EXPANDABLE)]
    parts.append("\n## What older versions had instead\n")
    parts += [_item(change) for change in registry.differences()]
    return "\n".join(parts) + "\n"


def _endpoint(route: Route) -> str:
    facts = _facts(route)
    lines = [f"### {route.method} {route.path}\n", _sentence(route.handler.__doc__)]
    if permission := restricted_keys.permission(route.method, tuple(route.path.split("/"))):
        lines.append(f"- permission: `rak_{permission}`")
    lines.append(_item(f"evidence: {', '.join(_evidence(route)) or 'recorded behavior'}"))
    names = [_shown(name, required, facts) for name, required in _parameters(route)]
    lines.append(_item(f"parameters: {', '.join(names) or 'none'}") + "\n")
    return "\n".join(lines)


def _parameters(route: Route) -> Iterator[tuple[str, bool]]:
    if route.params is None:
        yield "expand", False
        return
    required: frozenset[str] = route.params.__required_keys__  # type: ignore[attr-defined]
    for name in sorted(route.params.__annotations__):
        if name not in RequestOptions.__annotations__:
            yield name, name in required


def _shown(name: str, required: bool, facts: Facts) -> str:
    if name in facts.refused:
        return f"~~{name}~~"
    if name in facts.idle - facts.named:
        return f"*{name}*"
    if name not in facts.named | EVERYWHERE:
        return f"{name} (ignored)"
    return f"**{name}**" if required else name


def _sentence(doc: str | None) -> str:
    return textwrap.fill((doc or "").split("\n\n")[0], WIDTH) + "\n"


def _item(text: str) -> str:
    """An item of a list; no name is broken."""
    inner = textwrap.fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)
    return f"- {inner}"


def _evidence(route: Route) -> list[str]:
    module = sys.modules[route.handler.__module__]
    said = f"{module.__doc__ or ''} {route.handler.__doc__ or ''}"
    found = re.findall(r"https://\S+[\w/]", said)
    return list(dict.fromkeys(found))


# -- what the code does with parameters ----------------------------------------------------------------


def _facts(route: Route) -> Facts:
    facts, seen = Facts(), set[FunctionType]()
    waiting: list[FunctionType] = [_plain(route.handler)]
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        names, refused, idle, called = _read(function)
        facts.named |= names
        facts.refused |= refused
        facts.idle |= idle
        waiting += called
    return facts


@cache
def _read(
    function: FunctionType,
) -> tuple[frozenset[str], frozenset[str], frozenset[str], tuple[FunctionType, ...]]:
    """The strings that a function names, those that it refuses or accepts without effect, and the functions
    of ours that it uses."""
    names, called = set[str](), list[FunctionType]()
    told_apart: dict[Any, set[str]] = {not_built: set(), without_effect: set()}
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    turned_away = set[ast.AST]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (by := _value(node.func, function)) in (not_built, without_effect):
            told_apart[by] |= {name for argument in node.args[1:] for name in _strings(argument, function)}
            turned_away |= set(ast.walk(node))
    for node in ast.walk(tree):
        if node in turned_away:
            continue
        names |= _strings(node, function)
        value = _value(node, function)
        if isinstance(value, FunctionType) and value.__module__.startswith(PACKAGE):
            called.append(_plain(value))
        elif isinstance(value, type) and value.__module__.startswith(PACKAGE):
            called += [one for one in vars(value).values() if isinstance(one, FunctionType)]
    ours = [
        one for one in called if one.__module__ not in KERNEL and one.__code__.co_filename.startswith(HERE)
    ]
    refused, idle = frozenset(told_apart[not_built]), frozenset(told_apart[without_effect])
    return frozenset(names), refused, idle, tuple(ours)


def _strings(node: ast.AST, function: FunctionType) -> set[str]:
    if isinstance(node, ast.Starred):
        node = node.value
    if isinstance(node, ast.Constant):
        return {node.value} if isinstance(node.value, str) else set()
    value = _value(node, function)
    if isinstance(value, tuple | list | set | frozenset | dict):
        return {one for one in value if isinstance(one, str)}
    return {value} if isinstance(value, str) else set()


def _value(node: ast.AST, function: FunctionType) -> Any:
    """What a name, or an attribute of a module, stands for within a function; None: unknown."""
    if isinstance(node, ast.Name):
        closed = inspect.getclosurevars(function).nonlocals
        return closed.get(node.id, function.__globals__.get(node.id))
    if isinstance(node, ast.Attribute):
        owner = _value(node.value, function)
        return getattr(owner, node.attr, None) if isinstance(owner, ModuleType) else None
    return None


def _plain(function: Callable[..., Any]) -> FunctionType:
    plain = inspect.unwrap(function)
    assert isinstance(plain, FunctionType)
    return plain


if __name__ == "__main__":
    sys.stdout.write(document())
