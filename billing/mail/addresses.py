"""Mail addresses as SMTP carries them: domains in ASCII (RFC 5891), local parts as they are."""

from email.errors import HeaderParseError
from email.headerregistry import Address

import idna


def for_smtp(address: str) -> str:
    """`rechnung@xn--bcher-kva.example` of `rechnung@bücher.example`.

    A local part that is not ASCII stays: only a server with SMTPUTF8 (RFC 6531) takes it.
    Raises ValueError for what is no address.
    """
    local, at, domain = address.strip().rpartition("@")
    if not (local and at and domain):
        raise ValueError("no mail address")
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise ValueError("no domain") from error
    # The parser of headers knows ASCII only, and any other letter may stand where a letter may.
    letters = "".join(letter if letter.isascii() else "x" for letter in local)
    if any(not letter.isascii() and not letter.isprintable() for letter in local):
        raise ValueError("no mail address")
    try:
        Address(addr_spec=f"{letters}@{domain}")
    except (IndexError, HeaderParseError) as error:  # how it meets some of them
        raise ValueError("no mail address") from error
    return f"{local}@{domain}"


def needs_smtputf8(address: str) -> bool:
    """Whether an address of `for_smtp` can only be given to a server with SMTPUTF8."""
    return not address.isascii()
