"""Where mails go out, as a URL says it: `smtp://user:password@host:587`, `smtps://…`, `smtp://…?tls=no`."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

Tls = Literal["always", "demanded", "offered", "never"]
"""always: from the first byte; demanded: by STARTTLS, or nothing is sent; offered: where STARTTLS is."""


@dataclass(frozen=True)
class MailServer:
    """A parsed URL."""

    host: str
    port: int | None
    username: str | None
    password: str | None
    tls: Tls


def parse_mail_server(url: str) -> MailServer:
    """Mails carry links that open invoices, so TLS is demanded unless the URL says `?tls=no`. On this machine
    itself, and without a password, it is used where it is offered. Raises ValueError for what is no such URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError("a mail server is smtp://host:port or smtps://host:port")
    options = parse_qs(parts.query, keep_blank_values=True)
    if unknown := sorted(options.keys() - {"tls"}):
        raise ValueError(f"{unknown[0]} is no option of a mail server's URL; there is tls=yes and tls=no")
    wanted = options.get("tls", [""])[-1]
    if wanted not in ("", "yes", "no"):
        raise ValueError(f"tls={wanted} is neither tls=yes nor tls=no")
    if wanted == "no" and parts.scheme == "smtps":
        raise ValueError("smtps:// speaks TLS from the start; tls=no contradicts it")
    return MailServer(
        host=parts.hostname,
        port=parts.port,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=_tls(parts.scheme, wanted, is_loopback(parts.hostname) and not parts.password),
    )


def _tls(scheme: str, wanted: str, at_home: bool) -> Tls:
    if scheme == "smtps":
        return "always"
    if wanted == "no":
        return "never"
    return "offered" if at_home and not wanted else "demanded"


def is_loopback(host: str) -> bool:
    """Whether it is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
