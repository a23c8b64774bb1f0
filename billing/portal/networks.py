"""From which addresses a customer may open links: allowed and blocked networks, in CIDR notation.

An IPv4 address has many IPv6 spellings: mapped (`::ffff:192.0.2.7`, as a socket that serves both shows it),
compatible, translated, 6to4, NAT64 and Teredo. A rule for the address holds for all of them, and a rule that
is written in one of them is a rule for the IPv4 address.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
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

from ..core.errors import InvalidRequest

Action = Literal["allow", "block"]
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNKNOWN = "unknown"
"""What stands for the address of somebody of whom no proxy says it."""

_CARRIERS = tuple(
    IPv6Network(network)
    for network in (
        "::ffff:0:0/96",  # mapped, RFC 4291 section 2.5.5.2
        "::/96",  # compatible, section 2.5.5.1
        "::ffff:0:0:0/96",  # translated, RFC 2765
        "64:ff9b::/96",  # NAT64, RFC 6052 section 2.1
        "2002::/16",  # 6to4, RFC 3056
    )
)
"""Networks whose addresses carry an IPv4 address right behind the prefix."""
_COMPATIBLE = _CARRIERS[1]
_TEREDO = IPv6Network("2001::/32")
"""RFC 4380 section 4: the client's address is in the last 32 bits, inverted."""
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
"""RFC 8215: whoever runs it chooses how long the prefix is, so where the IPv4 address starts is unknown."""
_IPV4_BITS = 32
_ALL_ONES = 2**_IPV4_BITS - 1

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
        raise _malformed("this is not a network; write an address and a prefix length, such as 192.0.2.0/24")
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
    network = ip_interface(f"{address}/{prefix}").network
    if network.network_address != address:
        raise _malformed(
            f"{shape[0]} is an address inside a network; write {_plain(network)} for the network, "
            f"or {_plain(ip_interface(address).network)} for this one address"
        )
    return _plain(network)


def parse_address(text: str) -> Address | None:
    """The IP address, without an interface's name; None when it is none.

    Only a mapped address is turned into IPv4: the other spellings say by which way somebody came.
    """
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
        readings = tuple(_readings(there))
        for rules in scopes:
            named = _closest(readings, rules)
            if named is not None:
                return Verdict(named.action == "allow", named)
    return Verdict(not any(rule.action == "allow" for rules in scopes for rule in rules))


@dataclass(frozen=True)
class _Reading:
    """What an address may be taken for. `offset` is how many bits of it come before this address in it.

    A reading that is not `certain` can get somebody blocked, and never lets anybody in.
    """

    address: Address
    offset: int = 0
    certain: bool = True


def _readings(address: Address) -> Iterator[_Reading]:
    yield _Reading(address)
    if not isinstance(address, IPv6Address):
        return
    for network in _CARRIERS:
        if address in network:
            carried = _after(address, network.prefixlen)
            if _is_carried(carried, network):
                yield _Reading(carried, network.prefixlen)
    if address in _TEREDO:
        yield _Reading(IPv4Address(int(address) & _ALL_ONES ^ _ALL_ONES), 96)
    if address in _LOCAL_NAT64:
        # RFC 6052 section 2.2: the bits from 64 to 71 are left out, wherever they fall.
        whole = int(address)
        without = (whole >> 64) << 56 | whole & (2**56 - 1)
        for prefix in (48, 56, 64):
            yield _Reading(IPv4Address(without >> (120 - prefix - _IPV4_BITS) & _ALL_ONES), prefix, False)
        yield _Reading(_after(address, 96), 96, False)


def _plain(network: Network) -> Network:
    """The IPv4 network that an IPv6 one spells, else the network itself."""
    if not isinstance(network, IPv6Network):
        return network
    for carrier in _CARRIERS:
        if network.subnet_of(carrier):
            first = _after(network.network_address, carrier.prefixlen)
            if _is_carried(first, carrier):
                prefix = min(network.prefixlen - carrier.prefixlen, _IPV4_BITS)
                return IPv4Network((first, prefix))
    if network.prefixlen == network.max_prefixlen and network.subnet_of(_TEREDO):
        return IPv4Network(int(network.network_address) & _ALL_ONES ^ _ALL_ONES)
    return network


def _after(address: IPv6Address, prefix: int) -> IPv4Address:
    return IPv4Address(int(address) >> (address.max_prefixlen - prefix - _IPV4_BITS) & _ALL_ONES)


def _is_carried(address: IPv4Address, carrier: IPv6Network) -> bool:
    """`::`, `::1` and their neighbours are addresses of their own: nobody is in 0.0.0.0/8."""
    return carrier != _COMPATIBLE or int(address) >> 24 > 0


def _closest(readings: Sequence[_Reading], rules: Sequence[Rule]) -> Rule | None:
    around = (
        (reading.offset + rule.network.prefixlen, rule.action == "block", rule)
        for rule in rules
        for reading in readings
        if reading.address in rule.network and (reading.certain or rule.action == "block")
    )
    found = max(around, key=lambda match: match[:2], default=None)
    return found[2] if found else None


def _malformed(message: str) -> InvalidRequest:
    return InvalidRequest("network_malformed", message, field="network")
