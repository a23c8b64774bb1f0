"""What stands in deploy/kubernetes is valid, keeps to the least it needs, and knows every setting."""

import re
from typing import Any

import kubernetes_validate
import promql_parser
import pytest
import yaml

from activities.stripe import client
from settings import tracing
from settings.settings import QUEUES, Settings, variable
from worker import listening, queues
from workflows.core import ids

from . import kubernetes
from .kubernetes import of_kind

OLDEST, NEWEST = "1.34", "1.37"
SECRETS = {
    "PLIXO_DATABASE_URL",
    "PLIXO_SECRET_KEYS",
    "PLIXO_STRIPE_API_KEY",
    "PLIXO_STRIPE_WEBHOOK_SECRET",
    "PLIXO_SMTP_URL",
}
GUIDE = (kubernetes.ROOT / "docs/operating/kubernetes.md").read_text()


def containers(kind: str) -> dict[str, dict[str, Any]]:
    """The one container of each, by the object's name."""
    return {name: one["spec"]["template"]["spec"]["containers"][0] for name, one in of_kind(kind).items()}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_each_object_is_as_kubernetes_wants_it(version: str) -> None:
    for one in kubernetes.objects():
        kubernetes_validate.validate(one, version, strict=True)


def test_no_file_is_left_out() -> None:
    files = {file.name for file in kubernetes.FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kubernetes.kustomization()["resources"]) == files


def test_no_pod_has_a_right_that_it_does_not_need() -> None:
    for pod in kubernetes.pods(kubernetes.objects()):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            mounts = {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
            assert mounts == {"tmp"}


def test_only_settings_that_exist_are_given_and_secrets_never_here() -> None:
    known = {variable(name) for name in Settings.model_fields}
    given = set(of_kind("ConfigMap")["plixo-settings"]["data"])
    for container in (*containers("Deployment").values(), *containers("Job").values()):
        given |= {one["name"] for one in container["env"]}
    assert given - known == set()
    written = {one["name"] for one in containers("Deployment")["plixo-worker"]["env"]} | set(
        of_kind("ConfigMap")["plixo-settings"]["data"]
    )
    assert written & SECRETS == set()
    assert [name for name in SECRETS if f"{name}=" not in GUIDE] == []


WORKERS = {"plixo-worker": "plixo", "plixo-worker-stripe": "stripe"}
"""The queue that each serves."""


@pytest.mark.parametrize("name", WORKERS)
def test_what_stops_has_the_time_that_its_longest_call_may_take(name: str) -> None:
    worker = of_kind("Deployment")[name]["spec"]["template"]["spec"]
    assert queues.LET_END.total_seconds() > client.TIMEOUT
    needed = queues.LET_END.total_seconds() + listening.LET_END + tracing.ENDS_WITHIN
    assert needed < worker["terminationGracePeriodSeconds"] - 3


def test_every_queue_has_workers_of_its_own_that_no_other_selector_takes() -> None:
    given = {}
    deployments = {name: one for name, one in of_kind("Deployment").items() if name in WORKERS}
    for name, container in containers("Deployment").items():
        if name in WORKERS:
            env = {one["name"]: one["value"] for one in container["env"]}
            given[name] = env["PLIXO_QUEUES"]
            assert ("PLIXO_SIGNING_KEY_FILE" in env) == (given[name] == ids.MAIN_QUEUE)
    assert given == WORKERS
    assert sorted(WORKERS.values()) == sorted(QUEUES)
    for name, one in deployments.items():
        chosen = one["spec"]["selector"]["matchLabels"].items()
        assert [
            other
            for other, made in deployments.items()
            if chosen <= made["spec"]["template"]["metadata"]["labels"].items()
        ] == [name]


@pytest.mark.parametrize("name", WORKERS)
def test_workers_are_scaled_by_how_long_their_own_queue_waits(name: str) -> None:
    (metric,) = of_kind("HorizontalPodAutoscaler")[name]["spec"]["metrics"]
    rules = yaml.safe_load(re.findall(r"```yaml\n(externalRules.*?)```", GUIDE, re.S)[0])["externalRules"]
    by_name = {rule["name"]["as"]: rule["metricsQuery"] for rule in rules}
    query = by_name[metric["external"]["metric"]["name"]]
    promql_parser.parse(query)
    assert f'task_queue="{WORKERS[name]}"' in query


@pytest.mark.parametrize("name", ["plixo-api", *WORKERS])
def test_one_is_always_there_and_more_come_with_the_load(name: str) -> None:
    labels = of_kind("Deployment")[name]["spec"]["template"]["metadata"]["labels"]
    budget, scaler = of_kind("PodDisruptionBudget")[name], of_kind("HorizontalPodAutoscaler")[name]
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert of_kind("Deployment")[name]["spec"]["replicas"] == scaler["spec"]["minReplicas"] > 1
    assert scaler["spec"]["scaleTargetRef"]["name"] == name
    for metric in scaler["spec"]["metrics"]:
        assert metric["type"] == "Resource" or metric["external"]["metric"]["name"] in GUIDE


def test_whom_the_network_lets_in_reaches_a_port_that_is_there() -> None:
    policies = of_kind("NetworkPolicy")
    everything = policies.pop("plixo-nothing")["spec"]
    assert everything == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    ports = {port["containerPort"] for one in containers("Deployment").values() for port in one["ports"]}
    for policy in policies.values():
        for rule in policy["spec"].get("ingress", ()):
            assert rule["from"], "nobody is let in without a name"
            assert {port["port"] for port in rule["ports"]} <= ports


def test_the_api_and_every_worker_reach_the_collector_that_settings_propose_and_no_other_pod_does() -> None:
    policy = of_kind("NetworkPolicy")["plixo-traces"]["spec"]
    assert policy["policyTypes"] == ["Egress"]
    [chosen] = policy["podSelector"]["matchExpressions"]
    of_ours = {
        name: one["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"] in chosen["values"]
        for kind in ("Deployment", "Job")
        for name, one in of_kind(kind).items()
    }
    assert of_ours == {"plixo-api": True, "plixo-migrate": False} | dict.fromkeys(WORKERS, True)
    [rule] = policy["egress"]
    [place] = rule["to"]
    namespace = place["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
    proposed = re.search(
        rf"# {variable('otlp_endpoint')}: (\S+)", (kubernetes.FOLDER / "settings.yaml").read_text()
    )
    assert proposed is not None
    assert proposed[1] == f"http://collector.{namespace}:{rule['ports'][0]['port']}"


def test_the_service_leads_to_the_port_of_the_api() -> None:
    service = of_kind("Service")["plixo-api"]["spec"]
    labels = of_kind("Deployment")["plixo-api"]["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    named = {port["name"]: port["containerPort"] for port in containers("Deployment")["plixo-api"]["ports"]}
    assert named[service["ports"][0]["targetPort"]] == 8000


def test_images_are_of_a_release() -> None:
    for pod in kubernetes.pods(kubernetes.objects()):
        for container in pod["containers"]:
            assert not container["image"].endswith(("latest", "plixo-billing"))
