"""What can be wrong with a network from which links may or may not be opened."""

from ..problems.entries import Entry, declare

PROBLEMS: dict[str, Entry] = {
    "network_listed": Entry(
        409,
        "The opposite holds",
        "198.51.100.0/24 is allowed for all customers by net_01JD0V9Q4R7T1W5Y8B2D6F9HKM: "
        "DELETE /v1/portal-networks/net_01JD0V9Q4R7T1W5Y8B2D6F9HKM takes that away first.",
        more={"portal_network": "net_01JD0V9Q4R7T1W5Y8B2D6F9HKM"},
    ),
    "network_malformed": Entry(
        422,
        "Not a network",
        "198.51.100.7/24 is an address inside of a network; write 198.51.100.0/24 for the network, "
        "or 198.51.100.7/32 for this one address.",
        "/network",
    ),
}
declare(PROBLEMS)
