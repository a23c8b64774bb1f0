"""The problems that any request can meet, or those of several rooms."""

from .entries import Entry, declare

PROBLEMS: dict[str, Entry] = {
    "invalid_json": Entry(
        400, "The body is not JSON", "The body is not valid JSON in UTF-8; send one JSON object."
    ),
    "duplicate_key": Entry(
        400,
        "A name is given twice",
        "/amount_minor is given twice, and only one of the two can be meant; send each name once.",
        "/amount_minor",
    ),
    "idempotency_key_missing": Entry(
        400,
        "Idempotency-Key is missing",
        "Idempotency-Key is required here: send a new random value, such as a UUID, with each new request.",
        "/Idempotency-Key",
        "header",
    ),
    "idempotency_key_invalid": Entry(
        400,
        "Idempotency-Key is not usable",
        "Idempotency-Key must be sent once and be 1 to 255 printable ASCII characters, such as a UUID.",
        "/Idempotency-Key",
        "header",
    ),
    "webhook_unsigned": Entry(
        400,
        "The webhook is not signed",
        "Stripe-Signature must be t=<seconds>,v1=<signature>, as Stripe sends it.",
        "/Stripe-Signature",
        "header",
    ),
    "webhook_forged": Entry(
        400,
        "The signature does not fit",
        "No signature fits this body; check that PLIXO_STRIPE_WEBHOOK_SECRET is this endpoint's, "
        "and that no proxy changes the body.",
        "/Stripe-Signature",
        "header",
    ),
    "webhook_stale": Entry(
        400,
        "The signature is too old",
        "It was signed more than 300 seconds ago; check this machine's clock.",
        "/Stripe-Signature",
        "header",
    ),
    "webhook_from_future": Entry(
        400,
        "The signature is from the future",
        "It was signed for more than 300 seconds from now; check this machine's clock.",
        "/Stripe-Signature",
        "header",
    ),
    "webhook_malformed": Entry(
        400,
        "The webhook is not an event",
        "The body is not a snapshot event in JSON; point only snapshot events of the account here.",
    ),
    "webhook_too_large": Entry(
        400, "The webhook is too large", "The body is larger than 256 KiB, which no event is."
    ),
    "credentials_missing": Entry(401, "No credentials", "Send your API key as `Authorization: Bearer pk_…`."),
    "credentials_invalid": Entry(
        401, "Unknown credentials", "This is not a valid API key; check that it was copied whole."
    ),
    "credentials_expired": Entry(401, "Expired credentials", "This API key has expired; ask for a new one."),
    "credentials_revoked": Entry(401, "Revoked credentials", "This API key was revoked; ask for a new one."),
    "role_missing": Entry(
        403, "A role is missing", "This needs the role billing_admin; ask somebody who has it."
    ),
    "own_request": Entry(
        403, "It is your own request", "Nobody decides on their own request. Somebody else has to decide."
    ),
    "requesters_delegate": Entry(
        403,
        "You act for the requester",
        "Nobody who acts for somebody who asked for it or revised it decides on it. "
        "Somebody who acts for none of its authors has to decide.",
    ),
    "own_approval": Entry(
        403,
        "You approved it",
        "Nobody has tried again what they approved. "
        "Somebody who did not approve it, nor acts for you, has to try it again.",
    ),
    "own_doing": Entry(
        403,
        "It is your own doing",
        "Nobody acknowledges the notice of what they did or allowed. "
        "Somebody else of Finance has to, or a controller once it is escalated.",
    ),
    "others_authority": Entry(
        403,
        "It is not your authority",
        "It was given on somebody else's own authority, and nobody spends that but they. "
        "Ask them to, or leave it at that and ask for a refund of your own.",
    ),
    "wrong_role": Entry(
        403,
        "Your role is not asked",
        "Only controller may decide. "
        "Somebody with a role of the ladder's present or earlier rungs has to decide.",
    ),
    "authority_too_small": Entry(
        403,
        "Beyond your authority",
        "USD 1,200.00 is beyond the authority of controller, for one item or for all of the window. "
        "Somebody with a larger authority has to decide.",
    ),
    "role_not_held": Entry(
        403,
        "It is not yours to give",
        "You do not have the role controller yourself; what was delegated to you can't be delegated on.",
    ),
    "not_your_delegation": Entry(
        403,
        "It is not your delegation",
        "Only the person whom a delegation names can accept or decline it.",
    ),
    "not_found": Entry(404, "Not found", "There is nothing with this id in your organization; check the id."),
    "method_not_allowed": Entry(
        405, "Method not allowed", "PUT is not possible here; the Allow header names what is."
    ),
    "plan_change_open": Entry(
        409,
        "A plan change is open",
        "Plan change op_01JD0V7G8M3Q2Z6W5T4R9YXKBN is still open: wait for its end or cancel it first.",
    ),
    "not_cancellable": Entry(
        409,
        "Can't be cancelled",
        "This plan change is at done (completed): it can't be cancelled any more.",
    ),
    "not_revisable": Entry(
        409,
        "Can't be revised",
        "This plan change is at review (awaiting_approval): "
        "it can be revised only after a reviewer asked for changes.",
    ),
    "not_resolvable": Entry(
        409,
        "Can't be resolved",
        "This plan change is at done (completed): it can be accepted only while it is mismatched.",
    ),
    "approval_closed": Entry(
        409,
        "The approval is closed",
        "This approval is already approved; nothing more can be decided on it.",
    ),
    "delegation_closed": Entry(
        409, "It can't be answered any more", "This delegation is declined: it takes a new one."
    ),
    "already_decided": Entry(
        409,
        "Already decided",
        "Approval apr_01JD0V7G8M3Q2Z6W5T4R9YXKBN-1 has just been decided by per_01JD0V5N3C; read it again.",
    ),
    "stale_subject": Entry(
        409,
        "The subject has changed",
        "subject_hash is not that of the present subject: "
        "read the approval again and decide on what it says now.",
        "/subject_hash",
        more={"subject_hash": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"},
    ),
    "already_ended": Entry(409, "It has ended", "It had already ended when this arrived."),
    "notice_superseded": Entry(
        409,
        "Nothing to acknowledge any more",
        "This notice was superseded: superseded_because says why, and superseded_by names the notice that "
        "replaces it, if one does.",
    ),
    "too_late": Entry(409, "Too late", "The change is already being applied in Stripe."),
    "nothing_to_resolve": Entry(409, "Nothing to resolve", "There is no mismatch to resolve."),
    "refused": Entry(409, "Refused", "The operation's workflow refused it."),
    "subscription_unsupported": Entry(
        409,
        "Your subscription is not what a plan is",
        "Your subscription in Stripe is not what a plan is. sub_1Q2w3E4r5T6y7U8i is at the price "
        "price_1Q2w3E4r5T6y7U8i, which is charged every week. Ask Plixo to mend it there.",
    ),
    "not_synced": Entry(
        409,
        "Not read from Stripe yet",
        "Your subscription or the plans were not read from Stripe yet; try again in a minute.",
    ),
    "body_too_slow": Entry(
        408,
        "The body is too slow",
        "The body was not there within 20 seconds; send it again, without pauses.",
    ),
    "body_too_large": Entry(413, "The body is too large", "The body is larger than 1 MiB; send less."),
    "unsupported_media_type": Entry(
        415, "The body is not declared as JSON", "Send the body with `Content-Type: application/json`."
    ),
    "invalid_request": Entry(
        422, "The request is not valid", "effective must be 'now' or 'period_end'.", "/effective"
    ),
    "invalid_cursor": Entry(
        422,
        "The cursor is not valid",
        "Cursor: take it unchanged from the next_cursor of a list.",
        "/cursor",
        "query",
    ),
    "idempotency_key_reused": Entry(
        422,
        "Idempotency-Key was used before",
        "This Idempotency-Key was used for another request (op_01JD0V7G8M3Q2Z6W5T4R9YXKBN): send a new key.",
        "/Idempotency-Key",
        "header",
    ),
    "plan_unavailable": Entry(
        422,
        "The plan is unavailable",
        "Growth can't be chosen at present. prod_R3t4Y5u6I7o8P9: prices has no active monthly or yearly one. "
        "Add a recurring, licensed price. Choose another plan, or ask Plixo to mend this one in Stripe.",
        "/plan",
    ),
    "unknown_plan": Entry(
        422,
        "Unknown plan",
        "There is no plan 'gold'; known plans: growth, scale, starter. "
        "Name one of the plans that GET /v1/plans lists.",
        "/plan",
    ),
    "same_plan": Entry(
        422,
        "Nothing would change",
        "Nothing would change: growth with 10 seats by the month is what you have. "
        "Ask for another plan, number of seats or interval.",
        "/plan",
    ),
    "seats_below_usage": Entry(
        422,
        "Fewer seats than in use",
        "7 seats are in use, 5 would be too few. "
        "Deactivate people first, or ask for at least as many seats as are in use.",
        "/seats",
    ),
    "seats_above_plan": Entry(
        422,
        "More seats than the plan holds",
        "Starter holds at most 10 seats, 25 were asked for. Ask for fewer seats or a larger plan.",
        "/seats",
    ),
    "interval_unavailable": Entry(
        422,
        "The plan is not sold so",
        "Starter is not sold by the year in USD, only by: month in USD. "
        "Choose an interval that the plan is sold for, see GET /v1/plans.",
        "/interval",
    ),
    "interval_bills_now": Entry(
        422,
        "A new interval is billed at once",
        "To pay by the year instead of by the month from now on starts a new billing period, which is billed "
        "at once: it can't be left to the next invoice. "
        "Choose invoicing immediately, or let the change be effective at period_end.",
        "/invoicing",
    ),
    "delegate_is_self": Entry(
        422, "You name yourself", "Name somebody else: you decide for yourself.", "/to"
    ),
    "delegate_unknown": Entry(
        422, "Nobody has this id", "There is nobody with this id, see GET /v1/people.", "/to"
    ),
    "delegate_inactive": Entry(422, "This person has left", "This person is not active any more.", "/to"),
    "delegate_is_auditor": Entry(
        422, "This person audits", "An auditor reads, and decides for nobody: name another.", "/to"
    ),
    "delegate_is_requester": Entry(
        422,
        "This person may not decide on it",
        "This person may not decide on it: name another. Nobody decides on their own request.",
        "/to",
    ),
    "delegation_inverted": Entry(
        422, "It ends before it begins", "ends_at must be after starts_at: swap them.", "/ends_at"
    ),
    "delegation_in_past": Entry(
        422, "That time is over", "ends_at is over: choose a later time.", "/ends_at"
    ),
    "delegation_too_long": Entry(
        422, "It is too long", "A delegation lasts at most 366 days: end it earlier.", "/ends_at"
    ),
    "comment_required": Entry(
        422,
        "A comment is required",
        "comment is required to reject: say why, for the requester.",
        "/comment",
    ),
    "too_many_operations": Entry(
        429,
        "Too many operations",
        "In a minute you may begin 30 operations. Nothing was done; wait as Retry-After says.",
    ),
    "too_many_delegations": Entry(
        429,
        "Too many delegations",
        "In an hour you may give 20 delegations. Nothing was done; wait as Retry-After says.",
    ),
    "too_many_wrong_keys": Entry(
        429,
        "Too many wrong API keys",
        "Too many wrong API keys came from your address, or with this key's prefix; "
        "check the key, and wait as Retry-After says.",
    ),
    "rate_limited": Entry(
        429, "Too many requests", "This API key sends more than 100 a second; wait as Retry-After says."
    ),
    "internal_error": Entry(
        500, "Internal error", "Something went wrong here; nothing is known of it but the request_id."
    ),
    "webhook_not_configured": Entry(
        503,
        "No webhook is taken",
        "PLIXO_STRIPE_WEBHOOK_SECRET is not set; set it to the signing secret of this endpoint.",
    ),
    "temporarily_unavailable": Entry(
        503,
        "Try again",
        "The records can't be reached just now. Send the same request again; nothing is done twice.",
    ),
    "not_closable": Entry(
        409, "It is closed", "This portal access is at done (completed): it was closed before."
    ),
    "language_unknown": Entry(
        422,
        "Unknown language",
        "language must be a language tag (BCP 47), such as de or de-AT; null for Stripe's.",
        "/language",
    ),
    "customer_unknown": Entry(
        422,
        "Unknown customer",
        "The customer was deleted in Stripe. Name one of the customers that GET /v1/customers lists.",
        "/customer",
    ),
    "invoice_id_malformed": Entry(
        422,
        "Not an invoice's id",
        "invoice must be an invoice's id as Stripe writes it, in_ and letters and digits; "
        "see GET /v1/invoices.",
        "/invoice",
    ),
}
declare(PROBLEMS)
