"""The problems that any request can meet, or those of several rooms."""

from .catalogue import declare

INVALID_JSON = declare(
    "invalid_json",
    400,
    "The body is not JSON",
    "The body is not valid UTF-8 encoded JSON; send one JSON object.",
)

DUPLICATE_KEY = declare(
    "duplicate_key",
    400,
    "Duplicate name",
    "/amount_minor is given twice; send each name once.",
    "/amount_minor",
)

IDEMPOTENCY_KEY_MISSING = declare(
    "idempotency_key_missing",
    400,
    "Idempotency-Key is missing",
    "Idempotency-Key is required: send a new random value, such as a UUID, with each new request.",
    "/Idempotency-Key",
    "header",
)

IDEMPOTENCY_KEY_INVALID = declare(
    "idempotency_key_invalid",
    400,
    "Idempotency-Key is not valid",
    "Idempotency-Key must be sent once and have 1 to 255 printable ASCII characters, such as a UUID.",
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
    "Invalid credentials",
    "This API key or access token is not valid here; check that it was copied in full.",
)

CREDENTIALS_EXPIRED = declare(
    "credentials_expired",
    401,
    "Expired credentials",
    "This API key or access token has expired; request a new one.",
)

CREDENTIALS_REVOKED = declare(
    "credentials_revoked",
    401,
    "Revoked credentials",
    "This API key was revoked; request a new one.",
)

ROLE_MISSING = declare(
    "role_missing",
    403,
    "Missing role",
    "This requires the role billing_admin; ask someone who has it.",
)

SCOPE_MISSING = declare(
    "scope_missing",
    403,
    "The key may not do this",
    "This requires the scope write, and this API key has only read; use a key that has it.",
)

WRONG_ROLE = declare(
    "wrong_role",
    403,
    "Your role can't decide",
    "Only a controller can decide. Someone with a role on the current rung of the ladder, or an "
    "earlier one, must decide.",
)

NOT_FOUND = declare(
    "not_found",
    404,
    "Not found",
    "Nothing in your organization has this id; check the id.",
)

METHOD_NOT_ALLOWED = declare(
    "method_not_allowed",
    405,
    "Method not allowed",
    "PUT is not supported here; the Allow header lists what is.",
)

ALREADY_ENDED = declare(
    "already_ended",
    409,
    "Already ended",
    "It had already ended when the request arrived.",
)

REFUSED = declare(
    "refused",
    409,
    "Refused",
    "The operation's workflow refused the request.",
)

BODY_TOO_SLOW = declare(
    "body_too_slow",
    408,
    "The body is too slow",
    "The body did not arrive within 20 seconds; send it again without pauses.",
)

BODY_TOO_LARGE = declare(
    "body_too_large",
    413,
    "The body is too large",
    "The body is larger than 1 MiB; send less.",
)

HEADERS_TOO_LARGE = declare(
    "headers_too_large",
    431,
    "The headers are too large",
    "The headers are larger than 32 KiB; send less.",
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

TOO_MANY_ROWS = declare(
    "too_many_rows",
    422,
    "Too many rows for one file",
    "More than 100,000 rows fit these filters; narrow them, for example by date.",
)

INVALID_CURSOR = declare(
    "invalid_cursor",
    422,
    "The cursor is not valid",
    "Cursor: use the next_cursor of a list unchanged.",
    "/cursor",
    "query",
)

IDEMPOTENCY_KEY_REUSED = declare(
    "idempotency_key_reused",
    422,
    "Idempotency-Key was already used",
    "This Idempotency-Key was already used for another request (op_01JD0V7G8M3Q2Z6W5T4R9YXKBN): "
    "send a new key.",
    "/Idempotency-Key",
    "header",
)

INTERNAL_ERROR = declare(
    "internal_error",
    500,
    "Internal error",
    "Something went wrong; report the id of the request to Plixo.",
)

TEMPORARILY_UNAVAILABLE = declare(
    "temporarily_unavailable",
    503,
    "Temporarily unavailable",
    "The database can't be reached right now. Send the same request again; nothing is done twice.",
)

STRIPE_UNAVAILABLE = declare(
    "stripe_unavailable",
    503,
    "Stripe is unavailable",
    "What this needs couldn't be read from Stripe in time. Send the request again.",
)

LANGUAGE_UNKNOWN = declare(
    "language_unknown",
    422,
    "Unknown language",
    "language must be a BCP 47 language tag, such as de or de-AT.",
    "/language",
    for_programs="Send null to use Stripe's.",
)

CUSTOMER_UNKNOWN = declare(
    "customer_unknown",
    422,
    "Unknown customer",
    "The customer was deleted in Stripe. Choose another customer.",
    "/customer",
)

INVOICE_ID_MALFORMED = declare(
    "invoice_id_malformed",
    422,
    "Malformed invoice id",
    "invoice must be a Stripe invoice id: in_ followed by letters and digits.",
    "/invoice",
    for_programs="See GET /v1/invoices.",
)
