"""Lines of the log say what they are about, in both forms."""

import asyncio
import logging
from io import StringIO

from settings import logs
from settings.logs import LogFormat, about, learned

from ..support.logged import logged

log = logging.getLogger("billing.somewhere")


def test_a_line_of_json_has_what_it_says_and_what_it_is_about() -> None:
    with logged() as lines, about(request="req_1", person=None):
        log.info("%d pages", 3, extra={"pages": 3})
    [line] = lines
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "billing.somewhere",
        "message": "3 pages",
        "pages": 3,
        "request": "req_1",
    }


def test_a_line_of_text_has_it_at_its_end() -> None:
    stream, root = StringIO(), logging.getLogger()
    before = root.handlers[:]
    logs.configure(LogFormat.TEXT, stream)
    try:
        with about(request="req_1"):
            learned(operation="op_1")
            log.warning("slow")
        log.warning("alone")
    finally:
        root.handlers[:] = before
    first, second = stream.getvalue().splitlines()
    assert first.endswith("WARNING billing.somewhere slow [operation=op_1 request=req_1]")
    assert second.endswith("WARNING billing.somewhere alone")


def test_what_was_learned_within_is_forgotten_after_it() -> None:
    with logged() as lines, about(request="req_1"):
        with about(operation="op_1"):
            learned(person="per_1", request="req_2")
            log.info("inside")
        log.info("outside")
    assert [set(line) & {"request", "operation", "person"} for line in lines] == [
        {"request", "operation", "person"},
        {"request"},
    ]
    assert lines[1]["request"] == "req_1"


async def test_tasks_at_the_same_time_do_not_mix_up_what_they_are_about() -> None:
    async def work(number: int) -> None:
        with about(operation=f"op_{number}"):
            await asyncio.sleep(0)
            log.info("%d", number)

    with logged() as lines:
        await asyncio.gather(*(work(number) for number in range(5)))
    assert [(line["message"], line["operation"]) for line in lines] == [(str(n), f"op_{n}") for n in range(5)]


def test_an_exception_is_told_with_its_trace_in_one_line() -> None:
    with logged() as lines:
        try:
            raise ValueError("broken")
        except ValueError:
            log.exception("failed")
    [line] = lines
    assert line["message"] == "failed"
    assert line["exception"].splitlines()[-1] == "ValueError: broken"


def test_what_others_say_of_each_request_is_not_told() -> None:
    with logged() as lines:
        for name in ("httpx", "stripe"):
            logging.getLogger(name).info("GET https://pay.stripe.com/secret")
    assert lines == []
