"""A workflow that leaves something to chance when it is told to; in a module of its own, which the sandbox
loads."""

import random

from temporalio import workflow


@workflow.defn
class ChanceWorkflow:
    """Returns what came of it."""

    @workflow.run
    async def run(self, tries: bool) -> str:
        return str(random.random()) if tries else "not tried"
