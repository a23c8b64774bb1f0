"""Scenarios that are always played: each course that money back can take is in one of them."""

from .machine_steps import (
    AddNote,
    AtOnce,
    Bill,
    Cancel,
    Credit,
    Decide,
    Elsewhere,
    Events,
    Pass,
    PayBill,
    Payment,
    Refund,
    Resolve,
    Revise,
    Scenario,
    Trouble,
    Waive,
)

WITHIN_AUTHORITY = Scenario(
    [Payment()],
    [Bill()],
    [
        Refund(percent=40, twice=True),
        Refund(percent=101),
        AddNote(),
        Credit(bill=True),
        Credit(reason="goodwill", bill=True),
        Trouble(),
        AtOnce((Credit(5_000), Refund(percent=20), AddNote("Seen by the customer."))),
        Trouble("error_after"),
        Refund(),
        Refund(),
    ],
)
COURSES = Scenario(
    [Payment("pendingRefund"), Payment("refundActionTaken"), Payment("createDispute")],
    [],
    [
        Refund(of=0, percent=20),
        Refund(of=1, percent=20),
        Events("hold"),
        Refund(of=2, percent=20),
        Pass(),
        Events("duplicate"),
    ],
)
TAKEN_BACK = Scenario(
    [Payment("refundRequiresAction"), Payment("refundRequiresAction", customer=1)],
    [],
    [
        AtOnce((Refund(of=0, percent=20), Refund(of=1, percent=20, by="deputy"))),
        AtOnce((Cancel(), AddNote(which=0))),
    ],
)
FAILURES = Scenario(
    [Payment("refundFail"), Payment("refundFailAtOnce"), Payment("pendingRefundFail", customer=1)],
    [Bill("in two", card="refundFailAtOnce")],
    [
        Refund(of=0, percent=20),
        Refund(of=1, percent=20),
        Refund(percent=80, bill=True, by="deputy"),
        Refund(of=2, percent=20),
        Resolve("retry", which=2),
        Resolve("close"),
        Resolve("close"),
        Pass(),
        AtOnce((Resolve("close"), Refund(of=0, percent=80, by="controller"))),
    ],
)
REFUSED = Scenario(
    [Payment(), Payment("refundFailAtOnce")],
    [Bill("whole")],
    [
        Trouble("decline"),
        Credit(bill=True),
        Trouble("decline"),
        Refund(of=1, percent=20),
        Refund(of=0, percent=20),
        Trouble("decline"),
        Resolve("retry"),
    ],
)
FAILED_HALFWAY = Scenario(
    [Payment()], [Bill("in two", card="refundFailAtOnce", customer=1)], [Refund(percent=80, bill=True)]
)
FAILED_UNHEARD = Scenario(
    [Payment("refundFail"), Payment("pendingRefundFail")],
    [],
    [Events("drop"), Refund(of=0, percent=40), Refund(of=1, percent=40), Elsewhere(of=1, percent=50)],
)
SPLIT = Scenario(
    [Payment(), Payment(amount=250_000, customer=1)],
    [],
    [
        AtOnce((Credit(25_000), Credit(25_000, of=1), Credit(25_000))),
        Pass(25),
        Credit(20_000),
        Decide("approve", "partner"),
        Pass(25),
        AtOnce((Credit(20_000, by="deputy"), Credit(25_000, of=1), Refund(percent=20))),
        Decide("approve", "stand_in"),
    ],
)
AT_THE_SAME_MOMENT = Scenario(
    [Payment(customer=1)],
    [Bill("whole")],
    [
        AtOnce((Refund(percent=80), Refund(percent=80, by="deputy"), Elsewhere(percent=10))),
        AtOnce((Credit(20_000, bill=True), Credit(25_000, bill=True, by="deputy"), Refund(bill=True))),
        AtOnce((Decide("approve", "controller"), Decide("reject", "legal"), Decide("approve", "partner"))),
        Events("reorder"),
    ],
)
DECIDED = Scenario(
    [Payment(amount=250_000), Payment()],
    [],
    [
        Refund(of=1, percent=80),
        Decide("approve", "admin"),
        Decide("approve", "partner"),
        AtOnce((Decide("approve", "stand_in"), Decide("approve", "legal"))),
        Refund(of=0, reason="fraudulent", by="deputy"),
        Decide("reject", "legal"),
        Refund(of=0, by="deputy"),
        Decide("request_changes"),
        AtOnce((Revise(50), Decide("approve"))),
        Credit(60_000, by="deputy"),
        AtOnce((Decide("approve"), Cancel("deputy"))),
        Credit(60_000, by="deputy"),
        AtOnce((Cancel("deputy"), Decide("approve"))),
        Credit(60_000, by="deputy"),
        AtOnce((Decide("request_changes"), Cancel("deputy"))),
        Credit(60_000),
        Decide("reject", "stand_in"),
        Credit(60_000),
        Cancel(),
    ],
)
ANSWERED_AT_ONCE = Scenario(
    [Payment(), Payment("refundFailAtOnce")],
    [],
    [
        Refund(of=0, percent=20),
        AtOnce((Resolve("retry"), Resolve("close"))),
        AtOnce((Resolve("retry"), Resolve("retry"), Resolve("close"))),
        Credit(60_000),
        Decide("request_changes"),
        AtOnce((Revise(50), Revise(100))),
        Decide("request_changes"),
        AtOnce((Revise(100), Cancel())),
    ],
)
"""Two people say different things to one question."""
LEFT_OPEN = Scenario(
    [Payment(), Payment("refundRequiresAction")],
    [],
    [
        Refund(of=0, percent=20),
        Refund(of=1),
        Decide("request_changes"),
        Credit(60_000),
        Decide("request_changes"),
        Credit(60_000, of=1),
        Refund(of=1, percent=20, reason="fraudulent", by="deputy"),
        Refund(of=0, by="deputy"),
    ],
)
UNANSWERED = Scenario(
    [Payment(), Payment(amount=250_000)],
    [Bill()],
    [
        Credit(60_000, bill=True),
        PayBill(),
        Decide("approve"),
        Pass(9),
        Decide("approve", "legal"),
        Credit(5_000, bill=True),
        Refund(of=1),
        Pass(9),
        Elsewhere(of=1, percent=50),
        Decide("approve", "legal"),
        Refund(of=1, percent=20),
        Refund(),
        Credit(160_000, by="controller"),
        Pass(25),
    ],
)
GIVEN_UP = Scenario(
    [Payment()],
    [Bill(), Bill(amount=61_000, customer=1), Bill(), Bill(amount=160_000)],
    [
        Waive(of=3),
        Trouble(),
        Waive(of=1, off=True, by="deputy"),
        Waive(of=2),
        Credit(5_000, bill=True, of=2),
        AtOnce((Decide("approve"), PayBill(of=2))),
        Trouble("error_after"),
        Waive(of=0, off=True, by="controller"),
        Decide("approve", "legal"),
        Decide("approve", "partner"),
        Refund(percent=40),
    ],
)
"""Within authority and beyond it, beside a credit of the same bill and a customer who pays it."""
NOT_GIVEN_UP = Scenario(
    [Payment()],
    [Bill(amount=160_000), Bill(amount=61_000), Bill(), Bill()],
    [
        Waive(of=2),
        Decide("reject"),
        Waive(of=2, off=True),
        Decide("request_changes"),
        AtOnce((Revise(), Cancel())),
        Trouble("decline"),
        Waive(of=0, by="deputy"),
        Waive(of=0, by="deputy", off=True),
        Waive(of=1),
        PayBill(of=1),
        Waive(of=3),
        Pass(25),
    ],
)

ALWAYS = (
    WITHIN_AUTHORITY,
    COURSES,
    TAKEN_BACK,
    FAILURES,
    REFUSED,
    FAILED_HALFWAY,
    FAILED_UNHEARD,
    SPLIT,
    AT_THE_SAME_MOMENT,
    DECIDED,
    ANSWERED_AT_ONCE,
    LEFT_OPEN,
    GIVEN_UP,
    NOT_GIVEN_UP,
    UNANSWERED,
)

ENDS = frozenset(
    [
        "refund completed/done",
        "refund failed/refund_failed",
        "refund failed/done",
        "refund mismatched/refund_failed",
        "refund cancelled/done",
        "refund rejected/done",
        "refund expired/done",
        "refund blocked/done",
        "refund awaiting_approval/review",
        "refund awaiting_approval/changes_requested",
        "refund running/requires_action",
        "case running/note_owed",
        "credit completed/done",
        "credit rejected/done",
        "credit cancelled/done",
        "credit expired/done",
        "credit blocked/done",
        "credit failed/done",
        "credit awaiting_approval/review",
        "credit awaiting_approval/changes_requested",
        "void completed/done",
        "void rejected/done",
        "void failed/done",
        "write_off completed/done",
    ]
)
"""Where an operation can be at rest; in these scenarios each is somewhere."""
