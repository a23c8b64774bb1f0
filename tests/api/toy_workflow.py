"""A workflow that takes what the API sends and remembers it; it stands in for the real workflows."""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError


@workflow.defn(name="PlanChangeWorkflow")
class Toy:
    """Takes updates and signals until it is told to stop. A comment that begins with "refuse:" is refused by
    its code."""

    @workflow.init
    def __init__(self, request: dict[str, Any]) -> None:
        self._got: list[dict[str, Any]] = [request]
        self._stopped = False

    @workflow.run
    async def run(self, request: dict[str, Any]) -> None:
        await workflow.wait_condition(lambda: self._stopped)
        await workflow.wait_condition(workflow.all_handlers_finished)

    @workflow.query
    def got(self) -> list[dict[str, Any]]:
        return self._got

    @workflow.signal
    def stop(self) -> None:
        self._stopped = True

    @workflow.update
    async def cancel(self, message: dict[str, Any]) -> None:
        self._take(message)

    @workflow.signal
    def decided(self, message: dict[str, Any]) -> None:
        self._got.append(message)

    @workflow.update
    async def acknowledge(self, message: dict[str, Any]) -> None:
        self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        refusal, _, code = str(message.get("comment")).partition(":")
        if refusal == "refuse":
            raise ApplicationError("No, said the workflow.", type=code)
        self._got.append(message)
