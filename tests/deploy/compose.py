"""`docker-compose.yml` as Compose would read it, for machines without Docker."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<how>[-?])(?P<rest>[^}]*))?\}")


class NotSet(Exception):
    """A variable that has no default is missing, which stops `docker compose` too."""


def services(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Every service with its variables filled in. Raises NotSet."""
    text = (ROOT / "docker-compose.yml").read_text()
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    return {name: _filled(service, environment) for name, service in loaded.items()}


def settings(service: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a service's process; a name without a value is passed on where it is set."""
    given = service.get("environment", {})
    passed = {
        name: environment[name] for name, value in given.items() if value is None and name in environment
    }
    return {name: str(value) for name, value in given.items() if value is not None} | passed


def _filled(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: _value(found, environment), value)
    if isinstance(value, dict):
        return {key: _filled(each, environment) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, environment) for each in value]
    return value


def _value(found: re.Match[str], environment: Mapping[str, str]) -> str:
    name, how, rest = found["name"], found["how"], found["rest"]
    if environment.get(name):
        return environment[name]
    if how == "-":
        return rest or ""
    raise NotSet(f"{name}: {rest}")
