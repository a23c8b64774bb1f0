"""From which addresses a customer may open links: allowed and blocked networks, in CIDR notation.

IPv4 addresses in IPv6's clothes (`::ffff:192.0.2.7`, as a socket that serves both shows them) are IPv4.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_interface,
)
from typing import Literal

from .errors import InvalidRequest

Action = Literal["allow", "block"]
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNKNOWN = "unknown"
"""What stands for the address of somebody of whom no proxy says it."""

_MAPPED_BITS = 96
"""How much of an IPv6 address says that it is an IPv4 one."""

_CIDR = re.compile(r"(?P<address>[0-9A-Fa-f:.]+)(?:/(?P<prefix>[0-9]{1,3}))?", re.ASCII)


@dataclass(frozen=True)
class Rule:
    """What holds for the addresses of a network; `id` is that of its record."""

    action: Action
    network: Network
    id: str | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether an address may open links, by which rule; without one because none names it."""

    allowed: bool
    rule: Rule | None = None


def parse_network(text: str) -> Network:
    """The network; a lone address is the network of just that one.

    All addresses (`0.0.0.0/0`, `::/0`) may be meant: allowed for a customer it frees them of what holds for
    the organization, and blocked for the organization it leaves only those that have rules of their own.
    Raises InvalidRequest `network_malformed`, with the right notation where one is near.
    """
    shape = _CIDR.fullmatch(text.strip())
    if shape is None:
        raise _malformed("this is no network; write an address and a prefix length, such as 192.0.2.0/24")
    try:
        address = ip_address(shape["address"])
    except ValueError:
        raise _malformed(
            "the part before the slash is no IP address; write it like 192.0.2.0/24 or 2001:db8::/32"
        ) from None
    prefix = int(shape["prefix"]) if shape["prefix"] else address.max_prefixlen
    if prefix > address.max_prefixlen:
        raise _malformed(
            f"an IPv{address.version} prefix has at most {address.max_prefixlen} bits; "
            f"write {address}/{address.max_prefixlen} for this one address"
        )
    if isinstance(address, IPv6Address) and address.ipv4_mapped and prefix >= _MAPPED_BITS:
        address, prefix = address.ipv4_mapped, prefix - _MAPPED_BITS
    network = ip_interface(f"{address}/{prefix}").network
    if network.network_address != address:
        raise _malformed(
            f"{address}/{prefix} is an address inside of a network; write {network} for the network, "
            f"or {address}/{address.max_prefixlen} for this one address"
        )
    return network


def parse_address(text: str) -> Address | None:
    """The IP address, without an interface's name; None when it is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        return IPv6Address(int(address))  # %eth0 is the name of an interface of ours
    return address


def verdict(address: str, customer_rules: Iterable[Rule], organization_rules: Iterable[Rule]) -> Verdict:
    """Whether the address may open the customer's links, and the rule that says so.

    The customer's own rules come before the organization's. Among either the longest prefix wins, and of
    the same network's a block. An address that no rule names may, unless there are networks that are
    allowed: then only those are. What is no address is in no network.
    """
    scopes = (tuple(customer_rules), tuple(organization_rules))
    there = parse_address(address)
    if there is not None:
        for rules in scopes:
            named = _closest(there, rules)
            if named is not None:
                return Verdict(named.action == "allow", named)
    return Verdict(not any(rule.action == "allow" for rules in scopes for rule in rules))


def _closest(address: Address, rules: Sequence[Rule]) -> Rule | None:
    around = (rule for rule in rules if address in rule.network)
    return max(around, key=lambda rule: (rule.network.prefixlen, rule.action == "block"), default=None)


def _malformed(message: str) -> InvalidRequest:
    return InvalidRequest("network_malformed", message, field="network")
