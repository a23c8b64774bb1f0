"""What keeps an operation from being acted on, in general or by this person."""

from ..problems.catalogue import declare

NOT_TAKABLE = declare(
    "not_takable",
    409,
    "It is closed",
    "This case is at done (completed): it can't be taken on any more.",
)

NOT_CONFIRMABLE = declare(
    "not_confirmable",
    409,
    "There is nothing to confirm",
    "This case is at note_owed (running): it can be confirmed only while somebody is said to have made it.",
)

NOT_NAMED = declare(
    "not_named",
    403,
    "Nobody says that you made it",
    "Only the person who is said to have made it in Stripe can say whether they did.",
)

NOT_PAUSABLE = declare(
    "not_pausable",
    409,
    "Can't be paused",
    "This reminder run is at paused (held): it can be paused only while it is deciding or sending.",
)

NOT_RESUMABLE = declare(
    "not_resumable",
    409,
    "Can't be resumed",
    "This reminder run is at sending (running): it can be resumed only while it is paused.",
)

OWN_REQUEST = declare(
    "own_request",
    403,
    "It is your own request",
    "Nobody decides on their own request. Somebody else has to decide.",
)

REQUESTERS_DELEGATE = declare(
    "requesters_delegate",
    403,
    "You act for the requester",
    "Nobody who acts for somebody who asked for it or revised it decides on it. "
    "Somebody who acts for none of its authors has to decide.",
)

OWN_APPROVAL = declare(
    "own_approval",
    403,
    "You approved it",
    "Nobody has tried again what they approved. "
    "Somebody who did not approve it, nor acts for you, has to try it again.",
)

OTHERS_AUTHORITY = declare(
    "others_authority",
    403,
    "It is not your authority",
    "It was given on somebody else's own authority, and nobody spends that but they. "
    "Ask them to, or leave it at that and ask for a refund of your own.",
)

NOT_CANCELLABLE = declare(
    "not_cancellable",
    409,
    "Can't be cancelled",
    "This plan change is at done (completed): it can't be cancelled any more.",
)

NOT_REVISABLE = declare(
    "not_revisable",
    409,
    "Can't be revised",
    "This plan change is at review (awaiting_approval): "
    "it can be revised only after a reviewer asked for changes.",
)

NOT_RESOLVABLE = declare(
    "not_resolvable",
    409,
    "Can't be resolved",
    "This plan change is at done (completed): it can be accepted only while it is mismatched.",
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

NOT_SYNCED = declare(
    "not_synced",
    409,
    "Not read from Stripe yet",
    "Your subscription or the plans were not read from Stripe yet; try again in a minute.",
)

NOT_CLOSABLE = declare(
    "not_closable",
    409,
    "It is closed",
    "This portal access is at done (completed): it was closed before.",
)
