"""The examples of the documentation are what the API would write and read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

import api as package
from api.http import models
from api.http.examples import listed, pending, read_example
from api.http.openapi import problem_example
from api.problems.catalogue import CATALOGUE, ProblemType

from ..conftest import ON_ONE_DATABASE, Api


@pytest.mark.parametrize("type_", CATALOGUE.values(), ids=CATALOGUE)
def test_a_problem_fits_its_model(type_: ProblemType) -> None:
    models.ProblemAnswer.model_validate(problem_example(type_))


def routes(api: Api) -> Iterator[tuple[APIRoute, dict[str, Any]]]:
    """Each route, and what the document says of it."""
    paths = api.app.openapi()["paths"]
    for route in api.app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods:
                yield route, paths[route.path_format][method.lower()]


@ON_ONE_DATABASE
async def test_every_example_of_an_answer_reads_as_its_model_and_back(api: Api) -> None:
    for route, shown in routes(api):
        for status, response in shown["responses"].items():
            media = response.get("content", {}).get("application/json", {})
            if "example" in media:
                model = TypeAdapter(route.responses.get(int(status), {}).get("model") or route.response_model)
                read = model.validate_python(media["example"])
                assert model.dump_python(read, mode="json", by_alias=True) == media["example"], route.path


@ON_ONE_DATABASE
async def test_every_example_of_a_body_reads_as_its_model_and_back(api: Api) -> None:
    for route, shown in routes(api):
        if route.body_field is not None:
            body = shown["requestBody"]["content"]["application/json"]["example"]
            model = TypeAdapter(route.body_field.field_info.annotation)
            read = model.validate_python(body)
            assert model.dump_python(read, mode="json", by_alias=True, exclude_unset=True) == body, route.path


@ON_ONE_DATABASE
async def test_every_example_is_shown_by_a_route(api: Api) -> None:
    shown = [
        media["example"]
        for path in api.app.openapi()["paths"].values()
        for method in path.values()
        for part in (method.get("requestBody", {}), *method["responses"].values())
        for media in part.get("content", {}).values()
        if "example" in media
    ]
    for path in Path(package.__path__[0]).glob("*/examples/*"):
        made = read_example(f"{path.parts[-3]}/{path.stem}")
        assert any(as_shown in shown for as_shown in (made, pending(made), listed(made))), path
