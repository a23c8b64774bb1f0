"""What can be wrong with a decision, a delegation or an acknowledgement."""

from ..problems.catalogue import declare

OWN_DOING = declare(
    "own_doing",
    403,
    "This is your own action",
    "People can't acknowledge notices about what they did or approved. Another member of Finance "
    "must acknowledge it, or a controller once it is escalated.",
)

AUTHORITY_TOO_SMALL = declare(
    "authority_too_small",
    403,
    "Exceeds your authority",
    "USD 1,200.00 exceeds the authority of a controller, per item or for the rolling window. "
    "Someone with more authority must decide.",
)

ROLE_NOT_HELD = declare(
    "role_not_held",
    403,
    "You don't hold this role",
    "You don't hold the role controller yourself; a role that was delegated to you can't be "
    "delegated further.",
)

NOT_YOUR_DELEGATION = declare(
    "not_your_delegation",
    403,
    "This delegation is not addressed to you",
    "Only the person named as the delegate can accept or decline a delegation.",
)

APPROVAL_CLOSED = declare(
    "approval_closed",
    409,
    "The approval is closed",
    "This approval is already approved; no further decision is possible.",
)

DELEGATION_CLOSED = declare(
    "delegation_closed",
    409,
    "The delegation can no longer be answered",
    "This delegation is declined: create a new one.",
)

ALREADY_DECIDED = declare(
    "already_decided",
    409,
    "Already decided",
    "per_01JD0V5N3C has just decided it: see how it stands.",
)

STALE_SUBJECT = declare(
    "stale_subject",
    409,
    "The subject has changed",
    "What you decided on has changed meanwhile: look at it as it is now, then decide.",
    "/subject_hash",
    for_programs="subject_hash is that of another subject: read the approval again.",
    more={"subject_hash": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"},
)

NOTICE_SUPERSEDED = declare(
    "notice_superseded",
    409,
    "The notice was superseded",
    "This notice was replaced, or there is nothing left to acknowledge.",
    for_programs="superseded_because says why, and superseded_by names its replacement, if there is one.",
)

DELEGATE_IS_SELF = declare(
    "delegate_is_self",
    422,
    "You can't delegate to yourself",
    "Choose another person: you can already decide yourself.",
    "/to",
)

DELEGATE_UNKNOWN = declare(
    "delegate_unknown",
    422,
    "Unknown person",
    "No person has this id.",
    "/to",
    for_programs="See GET /v1/people.",
)

DELEGATE_INACTIVE = declare(
    "delegate_inactive",
    422,
    "This person is inactive",
    "This person is no longer active: choose someone else.",
    "/to",
)

DELEGATE_IS_AUDITOR = declare(
    "delegate_is_auditor",
    422,
    "This person is an auditor",
    "Auditors have read-only access and can't decide for others: choose someone else.",
    "/to",
)

DELEGATE_IS_REQUESTER = declare(
    "delegate_is_requester",
    422,
    "This person can't decide on it",
    "This person can't decide on it: choose someone else. Requesters can't decide on their own requests.",
    "/to",
)

DELEGATION_INVERTED = declare(
    "delegation_inverted",
    422,
    "The delegation ends before it starts",
    "A delegation can't end before it starts: choose a later end.",
    "/ends_at",
)

DELEGATION_IN_PAST = declare(
    "delegation_in_past",
    422,
    "The time is in the past",
    "The end is in the past: choose a later one.",
    "/ends_at",
)

DELEGATION_TOO_LONG = declare(
    "delegation_too_long",
    422,
    "The delegation is too long",
    "A delegation can last at most 366 days: choose an earlier end.",
    "/ends_at",
)

COMMENT_REQUIRED = declare(
    "comment_required",
    422,
    "A comment is required",
    "comment is required to reject: tell the requester why.",
    "/comment",
)
