"""What is otherwise here than in the recorded answers, and why: nothing in amounts, texts or states."""

DIFFERENCES = {
    r"(.*\.)?payment_method_types": "the Dashboard says which methods there are; here it is cards and banks",
    r"(.*\.)?webhooks_delivered_at": "nobody listens while a conversation is played",
    r"quantity": "an undocumented field of subscriptions: the quantity of the one item, which is compared",
}
"""By the path of the fact, as a regular expression."""

LEFT_OUT = {
    "checkout_setup_session": "Checkout is not built",
    "checkout_subscription_session": "Checkout is not built",
    "checkout_success_url_includes_session_id": "Checkout is not built",
}
"""Conversations that come to an endpoint which isn't there; what they say before is compared."""
