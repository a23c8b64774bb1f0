"""What can be wrong with a decision, a delegation or an acknowledgement."""

from ..problems.catalogue import declare

OWN_DOING = declare(
    "own_doing",
    403,
    "It is your own doing",
    "Nobody acknowledges the notice of what they did or allowed. "
    "Somebody else of Finance has to, or a controller once it is escalated.",
)

AUTHORITY_TOO_SMALL = declare(
    "authority_too_small",
    403,
    "Beyond your authority",
    "USD 1,200.00 is beyond the authority of controller, for one item or for all of the window. "
    "Somebody with a larger authority has to decide.",
)

ROLE_NOT_HELD = declare(
    "role_not_held",
    403,
    "It is not yours to give",
    "You do not have the role controller yourself; what was delegated to you can't be delegated on.",
)

NOT_YOUR_DELEGATION = declare(
    "not_your_delegation",
    403,
    "It is not your delegation",
    "Only the person whom a delegation names can accept or decline it.",
)

APPROVAL_CLOSED = declare(
    "approval_closed",
    409,
    "The approval is closed",
    "This approval is already approved; nothing more can be decided on it.",
)

DELEGATION_CLOSED = declare(
    "delegation_closed",
    409,
    "It can't be answered any more",
    "This delegation is declined: it takes a new one.",
)

ALREADY_DECIDED = declare(
    "already_decided",
    409,
    "Already decided",
    "Approval apr_01JD0V7G8M3Q2Z6W5T4R9YXKBN-1 has just been decided by per_01JD0V5N3C; read it again.",
)

STALE_SUBJECT = declare(
    "stale_subject",
    409,
    "The subject has changed",
    "subject_hash is not that of the present subject: "
    "read the approval again and decide on what it says now.",
    "/subject_hash",
    more={"subject_hash": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"},
)

NOTICE_SUPERSEDED = declare(
    "notice_superseded",
    409,
    "Nothing to acknowledge any more",
    "This notice was superseded: superseded_because says why, and superseded_by names the notice that "
    "replaces it, if one does.",
)

DELEGATE_IS_SELF = declare(
    "delegate_is_self",
    422,
    "You name yourself",
    "Name somebody else: you decide for yourself.",
    "/to",
)

DELEGATE_UNKNOWN = declare(
    "delegate_unknown",
    422,
    "Nobody has this id",
    "There is nobody with this id, see GET /v1/people.",
    "/to",
)

DELEGATE_INACTIVE = declare(
    "delegate_inactive",
    422,
    "This person has left",
    "This person is not active any more.",
    "/to",
)

DELEGATE_IS_AUDITOR = declare(
    "delegate_is_auditor",
    422,
    "This person audits",
    "An auditor reads, and decides for nobody: name another.",
    "/to",
)

DELEGATE_IS_REQUESTER = declare(
    "delegate_is_requester",
    422,
    "This person may not decide on it",
    "This person may not decide on it: name another. Nobody decides on their own request.",
    "/to",
)

DELEGATION_INVERTED = declare(
    "delegation_inverted",
    422,
    "It ends before it begins",
    "ends_at must be after starts_at: swap them.",
    "/ends_at",
)

DELEGATION_IN_PAST = declare(
    "delegation_in_past",
    422,
    "That time is over",
    "ends_at is over: choose a later time.",
    "/ends_at",
)

DELEGATION_TOO_LONG = declare(
    "delegation_too_long",
    422,
    "It is too long",
    "A delegation lasts at most 366 days: end it earlier.",
    "/ends_at",
)

COMMENT_REQUIRED = declare(
    "comment_required",
    422,
    "A comment is required",
    "comment is required to reject: say why, for the requester.",
    "/comment",
)
