from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.errors import InvalidRequest
from billing.portal.networks import Rule, Verdict, parse_address, parse_network, verdict


def rules(*texts):
    """Of `+10.0.0.0/8` an allowed network, of `-10.0.0.0/8` a blocked one."""
    return [Rule("allow" if text[0] == "+" else "block", ip_network(text[1:]), text) for text in texts]


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        (" 192.0.2.0/24\n", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("2001:DB8:0::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("::192.0.2.0/120", "192.0.2.0/24"),
        ("64:ff9b::192.0.2.7", "192.0.2.7/32"),
        ("2002:c000:200::/40", "192.0.2.0/24"),
        ("2002:c000:207:1::/64", "192.0.2.7/32"),
        ("2002:c000:207::1", "192.0.2.7/32"),
        ("2002::/16", "0.0.0.0/0"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdf8", "192.0.2.7/32"),
        ("2001::/32", "2001::/32"),
        ("64:ff9b:1::/48", "64:ff9b:1::/48"),
    ],
)
def test_a_network_has_one_spelling(text, network):
    assert str(parse_network(text)) == network


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("192.0.2.7/24", "write 192.0.2.0/24 "),
        ("::ffff:10.0.0.1/104", "write 10.0.0.0/8 "),
        ("2001:db8::1/32", "write 2001:db8::/32 "),
        ("192.0.2.7/33", "write 192.0.2.7/32 "),
        ("2001:db8::/129", "at most 128 bits"),
        ("192.0.2/24", "no IP address"),
        ("192.0.02.0/24", "no IP address"),
        ("10.0.0.0/255.0.0.0", "not a network"),
        ("10.0.0.0/-1", "not a network"),
        ("10.0.0.0/", "not a network"),
        ("fe80::%eth0/64", "not a network"),
        ("١٠.0.0.0/8", "not a network"),
        ("*", "not a network"),
        ("example.com", "not a network"),
        ("", "not a network"),
    ],
)
def test_what_is_no_network_is_refused_with_the_right_notation(text, named):
    with pytest.raises(InvalidRequest) as refused:
        parse_network(text)
    assert (refused.value.code, refused.value.field) == ("network_malformed", "network")
    assert named in refused.value.message


@pytest.mark.parametrize(
    ("address", "own", "everybodys", "allowed", "by"),
    [
        ("192.0.2.7", [], [], True, None),
        ("192.0.2.7", [], ["-192.0.2.0/24"], False, "-192.0.2.0/24"),
        ("192.0.3.7", [], ["-192.0.2.0/24"], True, None),
        ("192.0.2.7", [], ["+192.0.2.0/24"], True, "+192.0.2.0/24"),
        ("192.0.3.7", [], ["+192.0.2.0/24"], False, None),
        ("192.0.3.7", ["+192.0.2.0/24"], [], False, None),
        ("192.0.3.7", ["+192.0.2.0/24"], ["+192.0.3.0/24"], True, "+192.0.3.0/24"),
        # the longest prefix
        ("192.0.2.7", [], ["-192.0.0.0/16", "+192.0.2.0/24"], True, "+192.0.2.0/24"),
        ("192.0.2.7", [], ["+192.0.0.0/16", "-192.0.2.0/24"], False, "-192.0.2.0/24"),
        # a tie
        ("192.0.2.7", [], ["+192.0.2.0/24", "-192.0.2.0/24"], False, "-192.0.2.0/24"),
        ("192.0.2.7", [], ["-192.0.2.0/24", "+192.0.2.0/24"], False, "-192.0.2.0/24"),
        # the customer's own first, however wide
        ("192.0.2.7", ["+0.0.0.0/0"], ["-192.0.2.7/32"], True, "+0.0.0.0/0"),
        ("192.0.2.7", ["-192.0.0.0/16"], ["+192.0.2.7/32"], False, "-192.0.0.0/16"),
        # versions don't mix, IPv4 in IPv6's clothes is IPv4
        ("2001:db8::1", [], ["-0.0.0.0/0"], True, None),
        ("192.0.2.7", [], ["-::/0"], True, None),
        ("::ffff:192.0.2.7", [], ["-192.0.2.0/24"], False, "-192.0.2.0/24"),
        ("2001:db8::1", [], ["-2001:db8::/32"], False, "-2001:db8::/32"),
        ("fe80::1%eth0", [], ["-fe80::/10"], False, "-fe80::/10"),
        # what is no address
        ("unknown", [], [], True, None),
        ("unknown", ["-0.0.0.0/0"], ["-::/0"], True, None),
        ("unknown", ["+0.0.0.0/0"], [], False, None),
        ("unknown", [], ["+::/0"], False, None),
    ],
)
def test_the_closest_rule_decides(address, own, everybodys, allowed, by):
    found = verdict(address, rules(*own), rules(*everybodys))
    assert (found.allowed, found.rule and found.rule.id) == (allowed, by)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:DB8::0", "2001:db8::"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", None),
        ("192.0.2.7:80", None),
        ("", None),
    ],
)
def test_an_address_has_one_spelling(text, address):
    assert parse_address(text) == (ip_address(address) if address else None)


def _spellings(address: int) -> list[str]:
    """An IPv4 address in every way in which IPv6 can carry it."""
    high, low = address >> 16, address & 0xFFFF
    nat64 = [
        (0x64FF9B0001 << 80) | (address >> 16 << 64) | ((address & 0xFFFF) << 40),
        (0x64FF9B0001 << 80) | (0xAA << 72) | (address >> 24 << 64) | ((address & 0xFFFFFF) << 32),
        (0x64FF9B0001 << 80) | (0xAABB << 64) | (address << 24),
        (0x64FF9B0001 << 80) | (0xAABB << 64) | (0xCC << 48) | address,
    ]
    return [
        str(ip_address(address)),
        f"::ffff:{high:x}:{low:x}",
        f"::{high:x}:{low:x}",
        f"::ffff:0:{high:x}:{low:x}",
        f"64:ff9b::{high:x}:{low:x}",
        f"2002:{high:x}:{low:x}::1",
        f"2002:{high:x}:{low:x}:5:6:7:8:9",
        f"2001:0:4136:e378:8000:63bf:{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}",
        *(str(ip_address(bits)) for bits in nat64),
    ]


@given(st.integers(1 << 24, 2**32 - 1), st.integers(8, 32), st.booleans())
def test_every_spelling_of_a_blocked_address_is_blocked(address, prefix, own):
    blocked = [Rule("block", ip_network((address, prefix), strict=False))]
    for text in _spellings(address):
        found = verdict(text, blocked, []) if own else verdict(text, [], blocked)
        assert not found.allowed, text


@given(st.integers(1 << 24, 2**32 - 1), st.data())
def test_a_block_that_is_written_in_any_spelling_holds_for_every_spelling(address, data):
    certain = _spellings(address)[:8]
    written = data.draw(st.sampled_from(certain))
    blocked = [Rule("block", parse_network(written))]
    for text in certain:
        assert not verdict(text, [], blocked).allowed, (written, text)


@given(st.integers(1 << 24, 2**32 - 1))
def test_a_spelling_that_can_be_read_in_several_ways_lets_nobody_in(address):
    allowed = [Rule("allow", ip_network(address))]
    certain, unsure = _spellings(address)[:8], _spellings(address)[8:]
    assert all(verdict(text, [], allowed).allowed for text in certain)
    assert not any(verdict(text, [], allowed).allowed for text in unsure)


def test_addresses_that_carry_none_are_not_taken_for_ipv4():
    everybody = [Rule("block", ip_network("0.0.0.0/0"))]
    for text in ("::", "::1", "::ab:cdef", "2001:db8::1", "fe80::1", "2003::1"):
        assert verdict(text, [], everybody).allowed, text


networks = st.builds(
    lambda bits, prefix: ip_network((bits << 24, prefix), strict=False), st.integers(8, 11), st.integers(0, 8)
)
some_rules = st.lists(st.builds(Rule, st.sampled_from(["allow", "block"]), networks), max_size=5)


@given(st.integers(8 << 24, (12 << 24) - 1).map(ip_address), some_rules, some_rules)
def test_the_order_of_rules_and_the_address_spelling_change_nothing(address, own, everybodys):
    found = verdict(str(address), own, everybodys)
    assert found == verdict(f"::ffff:{address}", own[::-1], everybodys[::-1])
    if found.rule is None:
        listed = any(rule.action == "allow" for rule in own + everybodys)
        assert found == Verdict(not listed)
        assert not any(address in rule.network for rule in own + everybodys)
    else:
        rivals = own if found.rule in own else everybodys
        assert address in found.rule.network
        assert found.allowed == (found.rule.action == "allow")
        assert all(
            rule.network.prefixlen <= found.rule.network.prefixlen
            for rule in rivals
            if address in rule.network
        )


@given(st.text(max_size=40))
def test_whatever_is_given_it_is_a_network_or_refused(text):
    try:
        network = parse_network(text)
    except InvalidRequest:
        return
    assert parse_network(str(network)) == network
