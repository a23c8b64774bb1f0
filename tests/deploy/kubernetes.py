"""The folder deploy/kubernetes as `kubectl apply -k` sends it, for machines without kubectl."""

from collections.abc import Iterator
from typing import Any

import yaml

from .compose import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"

Json = dict[str, Any]


def kustomization() -> Json:
    loaded: Json = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    return loaded


def objects() -> list[Json]:
    """Every object of every resource, with the labels and the images that the kustomization gives."""
    wanted = kustomization()
    found = []
    for resource in wanted["resources"]:
        for document in yaml.safe_load_all((FOLDER / resource).read_text()):
            _labeled(document, wanted["labels"][0]["pairs"])
            found.append(document)
    images = {one["name"]: f"{one['newName']}:{one['newTag']}" for one in wanted["images"]}
    for pod in pods(found):
        for container in pod["containers"]:
            container["image"] = images[container["image"]]
    return found


def of_kind(kind: str) -> dict[str, Json]:
    """By their names."""
    return {one["metadata"]["name"]: one for one in objects() if one["kind"] == kind}


def pods(found: list[Json]) -> Iterator[Json]:
    """The specification of each pod that any of these makes."""
    for one in found:
        template = one["spec"].get("template") if "spec" in one else None
        if template is not None:
            yield template["spec"]


def _labeled(document: Json, labels: Json) -> None:
    document["metadata"].setdefault("labels", {}).update(labels)
    spec = document.get("spec", {})
    if "template" in spec:
        spec["template"]["metadata"]["labels"].update(labels)
    selector = spec.get("selector", {})
    if document["kind"] == "Service":
        selector.update(labels)
    elif "matchLabels" in selector:
        selector["matchLabels"].update(labels)
