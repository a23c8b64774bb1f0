"""What keeps an operation from being acted on, in general or by this person."""

from ..problems.catalogue import declare

NOT_TAKABLE = declare(
    "not_takable",
    409,
    "The case is closed",
    "This case is completed (stage done): it can no longer be assigned.",
)

NOT_CONFIRMABLE = declare(
    "not_confirmable",
    409,
    "Nothing to confirm",
    "This case is running (stage note_owed): it can be confirmed only while someone is named as "
    "having made the change.",
)

NOT_NAMED = declare(
    "not_named",
    403,
    "You are not named",
    "Only the person named as having made the change in Stripe can say whether they did.",
)

NOT_PAUSABLE = declare(
    "not_pausable",
    409,
    "Can't be paused",
    "This reminder run is held (stage paused): it can be paused only while it is deciding or sending.",
)

NOT_RESUMABLE = declare(
    "not_resumable",
    409,
    "Can't be resumed",
    "This reminder run is running (stage sending): it can be resumed only while it is paused.",
)

OWN_REQUEST = declare(
    "own_request",
    403,
    "This is your own request",
    "Requesters can't decide on their own requests. Someone else must decide.",
)

REQUESTERS_DELEGATE = declare(
    "requesters_delegate",
    403,
    "You are a delegate of the requester",
    "Delegates of someone who requested or revised it can't decide on it. Someone who isn't a "
    "delegate of its authors must decide.",
)

OWN_APPROVAL = declare(
    "own_approval",
    403,
    "You approved it",
    "Approvers can't retry what they approved. Someone who neither approved it nor acts for you "
    "must retry it.",
)

OTHERS_AUTHORITY = declare(
    "others_authority",
    403,
    "It isn't your authority",
    "It was granted on another person's authority, which only they can use. Ask them to retry it, "
    "or close it and request a refund of your own.",
)

NOT_CANCELLABLE = declare(
    "not_cancellable",
    409,
    "Can't be cancelled",
    "This plan change is completed (stage done): it can no longer be cancelled.",
)

NOT_REVISABLE = declare(
    "not_revisable",
    409,
    "Can't be revised",
    "This plan change is awaiting approval (stage review): "
    "it can be revised only after a reviewer has requested changes.",
)

NOT_RESOLVABLE = declare(
    "not_resolvable",
    409,
    "Can't be resolved",
    "This plan change is completed (stage done): it can be accepted only while it is mismatched.",
)

TOO_LATE = declare(
    "too_late",
    409,
    "Too late",
    "The change is already being applied in Stripe.",
)

NOTHING_TO_RESOLVE = declare(
    "nothing_to_resolve",
    409,
    "Nothing to resolve",
    "There is no mismatch to resolve.",
)

COMMENTS_FULL = declare(
    "comments_full",
    409,
    "Too many comments",
    "This operation already has 200 comments, the most that one can have.",
)

PLAN_CHANGE_OPEN = declare(
    "plan_change_open",
    409,
    "A plan change is in progress",
    "A plan change (op_01JD0V7G8M3Q2Z6W5T4R9YXKBN) is still in progress: wait until it ends, or cancel it "
    "first.",
)

CANCELLATION_OPEN = declare(
    "cancellation_open",
    409,
    "A cancellation is in progress",
    "A cancellation (op_01JD0V7G8M3Q2Z6W5T4R9YXKBN) is still in progress: wait until it ends, or cancel it "
    "first.",
)

NOT_SYNCED = declare(
    "not_synced",
    409,
    "Not synced yet",
    "Your subscription or the plans have not been synced from Stripe yet; try again in a minute.",
)

NOT_CLOSABLE = declare(
    "not_closable",
    409,
    "Already closed",
    "This portal trouble is completed (stage done): it was already closed.",
)
