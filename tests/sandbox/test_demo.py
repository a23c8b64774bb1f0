"""`make demo`: what it promises, as a process."""

import subprocess
import sys

import pytest

from billing.core.events import EventCode
from billing.evidence.event_words import WORDS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    empty = tmp_path_factory.mktemp("empty")
    demo = subprocess.run(
        [sys.executable, "-m", "sandbox", "demo"],
        capture_output=True,
        text=True,
        timeout=110,
        env={"TMPDIR": str(empty), "PATH": "/usr/bin:/bin"},
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert list(empty.iterdir()) == []
    return demo.stdout


@pytest.mark.parametrize(
    "promise",
    [
        "API documentation  http://127.0.0.1:",
        "Temporal's pages   http://127.0.0.1:",
        "Unused time on 5 × Growth",
        "Remaining time on 8 × Scale",
        "Every line is as approved.",
        f"{WORDS[EventCode.VERIFIED]}, by system",
        "Finn, of Finance, acknowledges that one.",
        "Blocked, and nobody was bothered for an approval: Customers: 60 in use, 50 allowed after the change",
        "What was paid before bore neither and is credited as it was paid",
        "waits for its payer, who is mailed where to confirm it.",
        "Confirmed, paid and verified: lines, discount, tax and total are as they were quoted.",
        "Scheduled in Stripe as sub_sched_",
        "Charged for two hours that were not worked. (Stripe payment pi_",
        "The same note stands in Stripe's metadata.",
        "read Stripe back before sending anything again, and found it: re_",
        "The payment has two refunds: USD 45.00, USD 30.00.",
        "controller and legal must both approve",
        "Given once and read back: cbtxn_",
        "offers a new one.",
        "opens the invoice, without a login.",
        "ours says that it is paid.",
        f"{WORDS[EventCode.CUSTOMER_GOT_IN]}, by customer",
        "opted out: skipped. The customer does not want to be reminded.",
        "A second run decides nothing anew.",
        "The banner rises by itself: ",
        "1 operation is held, none has failed. The runbook's steps",
        "To clear it now is refused: ",
        "carried out once.",
        "note clears the banner",
        "to cora@plixo.example: ",
        "== Summary",
    ],
)
def test_the_demo_shows(told: str, promise: str) -> None:
    assert promise in told
