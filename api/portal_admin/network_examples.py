"""The examples of networks from which links may or may not be opened."""

from ..http.examples import CUSTOMER, OPERATION, Example

BODY: Example = {
    "action": "block",
    "network": "198.51.100.0/24",
    "customer": CUSTOMER["id"],
    "reason": "Their former agency, which still has old mails.",
}
NETWORK: Example = BODY | {
    "id": "net_01JD0V9Q4R7T1W5Y8B2D6F9HKM",
    "created_by": OPERATION["requested_by"],
    "created_at": "2026-04-16T00:00:00Z",
    "removed_by": None,
    "removed_at": None,
}
REMOVED: Example = NETWORK | {"removed_by": NETWORK["created_by"], "removed_at": "2026-04-17T09:30:00Z"}
