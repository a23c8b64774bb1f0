"""Workflows that go on for long do so in one history after the other, and by a new release from then on."""

from typing import Any, NoReturn

from temporalio import workflow
from temporalio.workflow import ContinueAsNewVersioningBehavior

from . import options


def is_time() -> bool:
    """Whether to go on in a new history: this one has grown long, or there is a release after this one."""
    info = workflow.info()
    return info.is_continue_as_new_suggested() or info.is_target_worker_deployment_version_changed()


def is_time_early() -> bool:
    """Likewise, already of a history that is long for one whose every step is kept in it."""
    return is_time() or workflow.info().get_current_history_length() > options.LONG_HISTORY


def go_on(state: Any) -> NoReturn:
    """In a new history, and by the release that is current then."""
    version = workflow.info().get_current_deployment_version()
    versioned = version is not None and bool(version.deployment_name)
    upgrade = ContinueAsNewVersioningBehavior.AUTO_UPGRADE if versioned else None
    workflow.continue_as_new(state, initial_versioning_behavior=upgrade)
