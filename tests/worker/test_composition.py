"""What the worker registers: activities are named by verb and noun, as Temporal's pages show them."""

import pkgutil
from collections import Counter
from importlib import import_module
from inspect import getmembers, isclass, isfunction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from pydantic import SecretStr
from temporalio.client import Client

import activities
from activities.stripe.gate import StripeGate
from activities.stripe.permissions import KeyPermissions
from db.core.session import Database
from db.incidents.health_meter import HealthMeter
from settings.settings import Settings
from worker import composition

from ..support.house import default_policy

VERBS = """
abandon add assign begin cancel catch check clear climb close commit count decide end
fetch find hold look mail mirror open perform post preview probe read record release remind
resume review save send settle
"""
"""What only reads begins with `read`, `check`, `look` or `find`: a retried `refund` looks like money."""


def activity_types() -> dict[str, str]:
    """The types of all activities, each with its method."""
    found: dict[str, str] = {}
    for module in pkgutil.walk_packages(activities.__path__, "activities."):
        for _, class_ in getmembers(import_module(module.name), isclass):
            if class_.__module__ != module.name:
                continue
            for method, function in getmembers(class_, isfunction):
                definition: Any = getattr(function, "__temporal_activity_definition", None)
                if definition is not None:
                    assert definition.name not in found, f"two activities are called {definition.name}"
                    found[definition.name] = method
    return found


def test_every_activity_is_named_by_a_verb_and_a_noun_as_its_method_is() -> None:
    types, verbs = activity_types(), set(VERBS.split())
    assert len(types) > 80
    assert {name for name, method in types.items() if name != method} == set()
    assert [name for name in types if "_" not in name or name.split("_")[0] not in verbs] == []
    assert verbs - {name.split("_")[0] for name in types} == set(), "no activity begins with these"


async def test_every_activity_is_hosted_once(
    tmp_path: Path,
) -> None:
    settings = Settings(
        database_url=f"sqlite:///{tmp_path}/plixo.db",
        stripe_api_key=SecretStr("sk_test_plixo"),
        stripe_webhook_secret=SecretStr("whsec_plixo"),
        smtp_url="smtp://127.0.0.1:1025",
        public_url="http://plixo.test",
    )
    database, policy = Database(settings.database_url), default_policy()
    temporal = SimpleNamespace(service_client=SimpleNamespace(config=SimpleNamespace(runtime=None)))
    gate, permissions, meter = StripeGate(database, 1), KeyPermissions(), HealthMeter()
    stripe_api = composition.build_stripe(settings, gate, permissions, meter)
    hosted = composition.build_activities(
        settings, database, cast(Client, temporal), stripe_api, gate, policy, meter, permissions
    )
    queues = (hosted.main, hosted.stripe)
    times = Counter(method.__name__ for queue in queues for method in queue)
    assert times == Counter({*activity_types().values()})
    await hosted.close()
    await database.dispose()
