"""The problems that any request can meet, or those of several rooms."""

from .catalogue import declare

INVALID_JSON = declare(
    "invalid_json",
    400,
    "The body is not JSON",
    "The body is not valid JSON in UTF-8; send one JSON object.",
)

DUPLICATE_KEY = declare(
    "duplicate_key",
    400,
    "A name is given twice",
    "/amount_minor is given twice, and only one of the two can be meant; send each name once.",
    "/amount_minor",
)

IDEMPOTENCY_KEY_MISSING = declare(
    "idempotency_key_missing",
    400,
    "Idempotency-Key is missing",
    "Idempotency-Key is required here: send a new random value, such as a UUID, with each new request.",
    "/Idempotency-Key",
    "header",
)

IDEMPOTENCY_KEY_INVALID = declare(
    "idempotency_key_invalid",
    400,
    "Idempotency-Key is not usable",
    "Idempotency-Key must be sent once and be 1 to 255 printable ASCII characters, such as a UUID.",
    "/Idempotency-Key",
    "header",
)

CREDENTIALS_MISSING = declare(
    "credentials_missing",
    401,
    "No credentials",
    "Send your API key as `Authorization: Bearer pk_…`.",
)

CREDENTIALS_INVALID = declare(
    "credentials_invalid",
    401,
    "Unknown credentials",
    "This is not a valid API key; check that it was copied whole.",
)

CREDENTIALS_EXPIRED = declare(
    "credentials_expired",
    401,
    "Expired credentials",
    "This API key has expired; ask for a new one.",
)

CREDENTIALS_REVOKED = declare(
    "credentials_revoked",
    401,
    "Revoked credentials",
    "This API key was revoked; ask for a new one.",
)

ROLE_MISSING = declare(
    "role_missing",
    403,
    "A role is missing",
    "This needs the role billing_admin; ask somebody who has it.",
)

WRONG_ROLE = declare(
    "wrong_role",
    403,
    "Your role is not asked",
    "Only controller may decide. "
    "Somebody with a role of the ladder's present or earlier rungs has to decide.",
)

NOT_FOUND = declare(
    "not_found",
    404,
    "Not found",
    "There is nothing with this id in your organization; check the id.",
)

METHOD_NOT_ALLOWED = declare(
    "method_not_allowed",
    405,
    "Method not allowed",
    "PUT is not possible here; the Allow header names what is.",
)

ALREADY_ENDED = declare(
    "already_ended",
    409,
    "It has ended",
    "It had already ended when this arrived.",
)

REFUSED = declare(
    "refused",
    409,
    "Refused",
    "The operation's workflow refused it.",
)

BODY_TOO_SLOW = declare(
    "body_too_slow",
    408,
    "The body is too slow",
    "The body was not there within 20 seconds; send it again, without pauses.",
)

BODY_TOO_LARGE = declare(
    "body_too_large",
    413,
    "The body is too large",
    "The body is larger than 1 MiB; send less.",
)

UNSUPPORTED_MEDIA_TYPE = declare(
    "unsupported_media_type",
    415,
    "The body is not declared as JSON",
    "Send the body with `Content-Type: application/json`.",
)

INVALID_REQUEST = declare(
    "invalid_request",
    422,
    "The request is not valid",
    "effective must be 'now' or 'period_end'.",
    "/effective",
)

INVALID_CURSOR = declare(
    "invalid_cursor",
    422,
    "The cursor is not valid",
    "Cursor: take it unchanged from the next_cursor of a list.",
    "/cursor",
    "query",
)

IDEMPOTENCY_KEY_REUSED = declare(
    "idempotency_key_reused",
    422,
    "Idempotency-Key was used before",
    "This Idempotency-Key was used for another request (op_01JD0V7G8M3Q2Z6W5T4R9YXKBN): send a new key.",
    "/Idempotency-Key",
    "header",
)

INTERNAL_ERROR = declare(
    "internal_error",
    500,
    "Internal error",
    "Something went wrong here; nothing is known of it but the request_id.",
)

TEMPORARILY_UNAVAILABLE = declare(
    "temporarily_unavailable",
    503,
    "Try again",
    "The records can't be reached just now. Send the same request again; nothing is done twice.",
)

LANGUAGE_UNKNOWN = declare(
    "language_unknown",
    422,
    "Unknown language",
    "language must be a language tag (BCP 47), such as de or de-AT; null for Stripe's.",
    "/language",
)

CUSTOMER_UNKNOWN = declare(
    "customer_unknown",
    422,
    "Unknown customer",
    "The customer was deleted in Stripe. Name one of the customers that GET /v1/customers lists.",
    "/customer",
)

INVOICE_ID_MALFORMED = declare(
    "invoice_id_malformed",
    422,
    "Not an invoice's id",
    "invoice must be an invoice's id as Stripe writes it, in_ and letters and digits; see GET /v1/invoices.",
    "/invoice",
)
