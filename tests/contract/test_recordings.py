"""Recorded conversations with real Stripe, played to the stand-in: the same amounts, texts and states."""

import re
from collections.abc import Iterator

import httpx
import pytest

from sandbox.stripe.server.inprocess import StandIn

from .conftest import KEY
from .recordings.differences import DIFFERENCES, LEFT_OUT
from .recordings.replay import Difference, Replay, names

SPOKEN_OF = re.compile(
    r"(.*\.)?(amount\w*|\w*_amount|total\w*|subtotal\w*|\w*balance|fee|net|percent_off|status|description|code"
    r"|decline_code|message|paid|captured|refunded|billing_reason|type)"
)
"""Paths of amounts, texts and states, in which nothing may be otherwise."""


@pytest.fixture
def client(frozen_stand_in: StandIn) -> Iterator[httpx.Client]:
    """Plain HTTP to an empty stand-in whose clock stands still."""
    frozen_stand_in.reset()
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=frozen_stand_in.url, headers=headers, timeout=30) as client:
        yield client


def played(stand_in: StandIn, client: httpx.Client, name: str) -> Iterator[list[Difference]]:
    """What is otherwise in each step of a conversation, played at the seconds at which it took place."""
    replay = Replay(name, client)
    stand_in.control("clock", {"now": replay.began, "frozen": True})
    replay.prepare()
    for number, step in replay.steps():
        stand_in.control("clock", {"now": replay.began + step["at"], "frozen": True})
        yield replay.differences(number, step)


@pytest.mark.parametrize("name", [name for name in names() if name not in LEFT_OUT])
def test_a_recorded_conversation_goes_as_it_went(
    frozen_stand_in: StandIn, client: httpx.Client, name: str
) -> None:
    known = len(frozen_stand_in.violations())
    for differences in played(frozen_stand_in, client, name):
        assert [str(one) for one in differences if not _expected(one)] == []
    assert frozen_stand_in.violations()[known:] == []


@pytest.mark.parametrize("name", LEFT_OUT)
def test_one_that_is_left_out_goes_as_it_went_up_to_what_is_not_built(
    frozen_stand_in: StandIn, client: httpx.Client, name: str
) -> None:
    for differences in played(frozen_stand_in, client, name):
        if any(one.path == "status" for one in differences):
            assert "Unrecognized request URL" in differences[0].here
            return
        assert [str(one) for one in differences if not _expected(one)] == []
    pytest.fail(f"{name} goes through: take it out of LEFT_OUT")


def test_every_listed_difference_is_met_and_none_is_of_an_amount_a_text_or_a_state(
    frozen_stand_in: StandIn, client: httpx.Client
) -> None:
    met = set()
    for name in ("can_swap_and_invoice_a_subscription", "can_create_an_invoice"):
        frozen_stand_in.reset()
        for differences in played(frozen_stand_in, client, name):
            met |= {
                pattern for one in differences for pattern in DIFFERENCES if re.fullmatch(pattern, one.path)
            }
            assert [str(one) for one in differences if SPOKEN_OF.fullmatch(one.path)] == []
    assert met == set(DIFFERENCES)


def _expected(difference: Difference) -> bool:
    return any(re.fullmatch(pattern, difference.path) for pattern in DIFFERENCES)
