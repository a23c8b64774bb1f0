"""What can be wrong with a request for a plan change."""

from ..operations.problems import NOT_SYNCED
from ..problems.catalogue import declare

SUBSCRIPTION_UNSUPPORTED = declare(
    "subscription_unsupported",
    409,
    "The subscription doesn't match any plan",
    "Your subscription in Stripe doesn't match any plan. sub_1Q2w3E4r5T6y7U8i is at the price "
    "price_1Q2w3E4r5T6y7U8i, which is charged every week. Ask Plixo to correct it.",
)

PLAN_UNAVAILABLE = declare(
    "plan_unavailable",
    422,
    "The plan is unavailable",
    "Growth is currently unavailable. prod_R3t4Y5u6I7o8P9: prices has no active monthly or yearly "
    "one. Add a recurring, licensed price. Choose another plan, or ask Plixo to correct this one "
    "in Stripe.",
    "/plan",
)

UNKNOWN_PLAN = declare(
    "unknown_plan",
    422,
    "Unknown plan",
    "There is no plan 'gold'; known plans: growth, scale, starter. Choose one of the plans that are offered.",
    "/plan",
)

UNKNOWN_ADD_ON = declare(
    "unknown_add_on",
    422,
    "Unknown add-on",
    "There is no add-on 'gold-support'; known add-ons: extra-storage, priority-support. Choose one of the "
    "add-ons that are offered.",
    "/add_ons",
)

ADD_ON_UNAVAILABLE = declare(
    "add_on_unavailable",
    422,
    "The add-on is unavailable",
    "Extra storage is not sold by the year in USD, only by: month in USD. Leave it out, or take it away with "
    "a quantity of 0, or ask Plixo for a price.",
    "/add_ons",
)

ADD_ON_TWICE = declare(
    "add_on_twice",
    422,
    "The add-on is there twice",
    "The add-on priority-support is in the request more than once. Name each add-on once; one that the "
    "subscription has twice Plixo has to correct.",
    "/add_ons",
)

SAME_PLAN = declare(
    "same_plan",
    422,
    "Nothing would change",
    "Nothing would change: you already have Growth with 10 seats, billed by the month. Choose "
    "another plan, number of seats, interval or quantity of an add-on.",
    "/plan",
)

SEATS_BELOW_USAGE = declare(
    "seats_below_usage",
    422,
    "Fewer seats than in use",
    "7 seats are in use: at least 7 are needed, 5 were requested. Deactivate people first, or "
    "request at least as many seats as are in use.",
    "/seats",
)

SEATS_ABOVE_PLAN = declare(
    "seats_above_plan",
    422,
    "More seats than the plan allows",
    "Starter allows at most 10 seats, 25 were requested. Request fewer seats or a larger plan.",
    "/seats",
)

CURRENCY_UNAVAILABLE = declare(
    "currency_unavailable",
    422,
    "The plan is not sold in your currency",
    "Starter is not sold in EUR, in which you are billed, only by: month in USD. Choose a plan that is "
    "sold in your currency, or ask Plixo for a price in it.",
    "/plan",
)

INTERVAL_UNAVAILABLE = declare(
    "interval_unavailable",
    422,
    "The interval is not available",
    "Starter is not sold by the year in USD, only by: month in USD. Choose an interval the plan is sold for.",
    "/interval",
)

INTERVAL_BILLS_NOW = declare(
    "interval_bills_now",
    422,
    "A new interval is billed immediately",
    "Changing from billing by the month to billing by the year starts a new billing period, which "
    "is billed immediately: it can't be left to the next invoice. Have it charged now, or "
    "make the change at renewal.",
    "/invoicing",
)

REQUEST_PROBLEMS = (
    UNKNOWN_PLAN,
    PLAN_UNAVAILABLE,
    UNKNOWN_ADD_ON,
    ADD_ON_UNAVAILABLE,
    ADD_ON_TWICE,
    SAME_PLAN,
    SEATS_BELOW_USAGE,
    SEATS_ABOVE_PLAN,
    CURRENCY_UNAVAILABLE,
    INTERVAL_UNAVAILABLE,
    INTERVAL_BILLS_NOW,
    NOT_SYNCED,
    SUBSCRIPTION_UNSUPPORTED,
)
"""What can be wrong with a request for a plan change."""
