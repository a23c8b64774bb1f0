"""Timeouts, retry policies and priorities, by name; workflows hold no literals.

Units are those of `timedelta`. A heartbeat timeout makes the work of a killed worker start again within
seconds; beating is the worker's business (an interceptor), not the activity's.
"""

from dataclasses import replace
from datetime import timedelta

from temporalio.common import Priority, RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig, LocalActivityConfig

from billing.incidents.holds import HELD, UNPERMITTED

from . import ids

PEOPLE = Priority(priority_key=1)
"""Somebody waits for it."""
EVENTS = Priority(priority_key=2)
"""Stripe has told of it: after what somebody waits for."""
RESUMED = Priority(priority_key=3)
"""It was held: after what comes in now."""
LOOKS = Priority(priority_key=3)
"""A workflow looks by itself, because events may be missing: after the events."""
SWEEP = Priority(priority_key=4)


def place(organization: str | None) -> tuple[str, Priority]:
    """Where a workflow is started, how urgent it is, and in whose turn: each organization gets its share,
    however much one of them has asked for. What it starts inherits the turn.
    """
    return ids.MAIN_QUEUE, replace(PEOPLE, fairness_key=organization) if organization else PEOPLE


PATIENT = RetryPolicy(
    initial_interval=timedelta(milliseconds=500),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=30),
)

UNLESS_HELD = RetryPolicy(
    initial_interval=PATIENT.initial_interval,
    backoff_coefficient=PATIENT.backoff_coefficient,
    maximum_interval=PATIENT.maximum_interval,
    non_retryable_error_types=[HELD, UNPERMITTED],
)
"""Of workflows that can be held: they wait for a release and don't ask again and again."""

PERMISSION_LOOKS = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 15))
"""How long a workflow that lacks a permission at Stripe waits before it tries again; the last one repeats."""

HOLD_LOOKS = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 30, 60))
"""How long a held workflow waits between looks at whether its hold still stands; the last one repeats. It is
told before that, mostly: a look is for a release that was lost, and costs six events."""

RESUMED_FOR = timedelta(minutes=5)
"""How long what a workflow asks of Stripe after its release comes after what comes in."""

STRIPE_EFFECT: ActivityConfig = {
    "task_queue": ids.STRIPE_QUEUE,
    "start_to_close_timeout": timedelta(seconds=60),
    "heartbeat_timeout": timedelta(seconds=5),
    "retry_policy": PATIENT,
    "priority": PEOPLE,
}
"""Tried until the outcome is known: an effect that was given up might have happened. Never as a local
activity: a lost workflow task would run it again."""

STRIPE_READ: ActivityConfig = STRIPE_EFFECT | {
    # Stripe's bad hours are waited for; after a week somebody has to look.
    "schedule_to_close_timeout": timedelta(days=7),
}

STRIPE_LOOK: ActivityConfig = STRIPE_READ | {"start_to_close_timeout": timedelta(minutes=2)}
"""Several reads, each of which may have to wait for its turn."""

INVOICE_FETCH: ActivityConfig = STRIPE_READ | {
    "start_to_close_timeout": timedelta(seconds=20),
    "schedule_to_close_timeout": timedelta(seconds=30),
}
"""Nobody waits for it longer than that: who still wants it asks again."""

GLANCE: ActivityConfig = {
    "start_to_close_timeout": timedelta(seconds=20),
    "schedule_to_close_timeout": timedelta(minutes=1),
    "retry_policy": UNLESS_HELD,
    "priority": EVENTS,
}
"""Whether what a request is about has ended; without an answer it is looked at later."""

QUOTE: ActivityConfig = GLANCE | {
    "start_to_close_timeout": timedelta(seconds=8),
    "schedule_to_close_timeout": timedelta(seconds=8),
    "retry_policy": replace(UNLESS_HELD, maximum_attempts=3),
    "priority": PEOPLE,
}
"""Somebody waits for it, and not longer than that: who still wants it asks again."""

OTHER_CHANGE = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 15, 60))
"""How long to wait between looks at another operation that was told to look at Stripe, and may then end."""

LAST_INVOICE = tuple(timedelta(seconds=seconds) for seconds in (20, 40, 240, 900, 2700, *[3600] * 23))
"""How long to wait between looks at a last invoice that is not there or not final yet: a day in all. Stripe
makes most within seconds, and leaves some as a draft for an hour."""

FOLLOW = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 60, 300, 900, 3600, 4 * 3600, 12 * 3600))
"""How long to wait between looks at what Stripe still works on; the last one repeats."""

RECORD_AT_ONCE: LocalActivityConfig = {
    # Together less than the time after which a workflow task is reported as still going on. By attempts: no
    # time-out ends a local activity between two of them.
    "start_to_close_timeout": timedelta(seconds=2),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(milliseconds=300), backoff_coefficient=2.0, maximum_attempts=3
    ),
}
"""Short transactions, as local activities; see `workflows.core.recorded`."""

RECORD: ActivityConfig = {
    "start_to_close_timeout": timedelta(seconds=20),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=1),
        backoff_coefficient=2.0,
        maximum_interval=timedelta(minutes=1),
    ),
    "priority": PEOPLE,
}
"""The same while the records are away: a database is waited for, for as long as it takes."""

MAIL: ActivityConfig = {
    "start_to_close_timeout": timedelta(seconds=60),
    "heartbeat_timeout": timedelta(seconds=5),
    "schedule_to_close_timeout": timedelta(days=3),
    # Ever less often: some 440 tries in three days.
    "retry_policy": RetryPolicy(
        initial_interval=PATIENT.initial_interval,
        backoff_coefficient=PATIENT.backoff_coefficient,
        maximum_interval=timedelta(minutes=10),
    ),
    "cancellation_type": ActivityCancellationType.TRY_CANCEL,
}

SWEEP_CALL: ActivityConfig = {
    "start_to_close_timeout": timedelta(minutes=2),
    "heartbeat_timeout": timedelta(seconds=10),
    "schedule_to_close_timeout": timedelta(minutes=10),
    "retry_policy": PATIENT,
    "priority": SWEEP,
}

STRIPE_PAGE: ActivityConfig = STRIPE_READ | {
    "schedule_to_close_timeout": timedelta(hours=6),
    "priority": SWEEP,
}

REMINDER_PAGE: ActivityConfig = SWEEP_CALL | {"schedule_to_close_timeout": timedelta(days=7)}
"""A page of invoices decided; a database that is away is waited for."""

REMINDER_MAILS: ActivityConfig = REMINDER_PAGE | {"start_to_close_timeout": timedelta(minutes=30)}
"""A batch of mails, one after the other."""

CUSTOMER_MAIL: ActivityConfig = MAIL | {"priority": PEOPLE}
"""One mail that somebody waits for."""

MAIL_AGAIN = (
    *(timedelta(minutes=minutes) for minutes in (2, 3, 5, 10, 20, 40)),
    *(timedelta(minutes=61) for _ in range(70)),
)
"""How long to wait between tries at such a mail: longer than it is postponed by, three days in all."""

SEND_LATER = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 16))
"""How long a run waits between tries at what the mail server could not take, before it ends."""

LONG_HISTORY = 2000
"""Events after which a run goes on in a new history."""

PROBE: ActivityConfig = {
    "start_to_close_timeout": timedelta(seconds=20),
    "heartbeat_timeout": timedelta(seconds=5),
    "retry_policy": PATIENT,
    "priority": PEOPLE,
}
"""Is the component well? Asked again and again until it is known."""

ALERT: ActivityConfig = PROBE | {"schedule_to_close_timeout": timedelta(minutes=10)}
"""Given up in time for the next one."""

RELEASE_EVERY = timedelta(seconds=1)
UNDER_WAY_EVERY = timedelta(seconds=10)
"""How long to wait until it is seen whether those who were told have gone on."""
UNDER_WAY_FOR = timedelta(minutes=5)
"""How long a cleared incident waits for them; later they find out by themselves."""
MAX_RELEASED = 16
"""Workflows that are told at a time to go on; the first time one, then two, four, eight. Fewer where Stripe's
budget takes no more."""

TRIAL_LOOKS = 2
"""Looks, after the first workflow may try, at which nothing may have failed."""

RECONCILIATION: ActivityConfig = SWEEP_CALL | {"schedule_to_close_timeout": timedelta(days=7)}
"""The rows of a run that compares; a database that is away is waited for."""
