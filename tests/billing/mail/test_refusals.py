"""Whose fault a refusal is: the codes say so, and a burst of them outweighs the codes."""

import pytest

from billing.mail.addresses import for_smtp, needs_smtputf8
from billing.mail.refusals import RecipientAnswer, blame, is_burst


@pytest.mark.parametrize(
    ("code", "text", "whose"),
    [
        (550, "5.1.1 no such user", "address"),
        (550, "5.1.10 null MX", "address"),
        (550, "5.2.1 mailbox disabled", "address"),
        (550, "mailbox unavailable", "address"),
        (553, "mailbox name not allowed", "address"),
        (556, "domain does not accept mail", "address"),
        (552, "5.2.2 mailbox full", "mailbox_full"),
        (552, "too much stored", "mailbox_full"),
        (550, "5.7.1 relaying denied", "server"),
        (550, "5.7.26 unauthenticated mail", "server"),
        (550, "5.1.7 bad sender", "server"),
        (550, "5.1.8 bad sender's system", "server"),
        (550, "5.3.0 system is not accepting", "server"),
        (554, "transaction failed", "server"),
        (554, "5.1.1 no such user", "address"),
        (521, "does not accept mail", "server"),
        (550, "see https://x.example/5.1.1", "address"),
        (554, "see 5.1.1 below", "server"),
    ],
)
def test_the_enhanced_status_code_tells_whose_fault_a_refusal_is(code: int, text: str, whose: str) -> None:
    assert blame(code, text) == whose


def refused(*names: str) -> list[RecipientAnswer]:
    """`+a` was taken."""
    return [RecipientAnswer(name.removeprefix("+"), not name.startswith("+")) for name in names]


@pytest.mark.parametrize(
    ("answers", "burst"),
    [
        (refused("a"), False),
        (refused("a", "b"), False),
        (refused("a", "b", "c"), True),
        (refused("a", "a", "a", "a"), False),
        (refused("a", "+b", "c", "d"), True),
        (refused("a", "+b", "+c", "+d", "e", "f"), False),
        (refused("a", "b", "c", "+d", "+e", "+f"), False),
    ],
)
def test_recipients_refused_one_after_the_other_are_the_servers_fault(
    answers: list[RecipientAnswer], burst: bool
) -> None:
    assert is_burst(answers) is burst


@pytest.mark.parametrize(
    ("address", "carried"),
    [
        ("rechnung@bücher.example", "rechnung@xn--bcher-kva.example"),
        ("rechnung@BÜCHER.example", "rechnung@xn--bcher-kva.example"),
        ("a@straße.example", "a@xn--strae-oqa.example"),
        ("ap@例え.テスト", "ap@xn--r8jz45g.xn--zckzah"),
        ("jörg@bücher.example", "jörg@xn--bcher-kva.example"),
        (" ap@customer.example ", "ap@customer.example"),
        ('"a b"@customer.example', '"a b"@customer.example'),
    ],
)
def test_a_domain_is_written_as_smtp_carries_it(address: str, carried: str) -> None:
    assert for_smtp(address) == carried
    assert needs_smtputf8(carried) is not carried.isascii()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "@b.example",
        "a@",
        "a@-.ü",
        "a b@c.example",
        "a@b.example>\r\nBcc: x@y.z",
        "ö\u2028@b.example",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        for_smtp(address)
