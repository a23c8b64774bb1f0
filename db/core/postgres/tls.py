"""TLS to PostgreSQL by libpq's names: `?sslmode=verify-full&sslrootcert=/etc/plixo/ca.pem`.

asyncpg knows them in a DSN of its own only. The modes are libpq's (PostgreSQL, "SSL Support", table 32.1),
but for `allow`, which nobody needs. `verify-ca` and `verify-full` without `sslrootcert` trust the
authorities of the system.
"""

import ssl
from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL

MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
PARAMETERS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword")
SYSTEM = "system"
"""As `sslrootcert`: the authorities of the system."""


def without_tls(url: URL) -> URL:
    """The URL as the driver takes it."""
    return url.difference_update_query(PARAMETERS)


def tls_of(url: URL) -> Any:
    """What asyncpg takes as `ssl`; None leaves it to asyncpg, which prefers TLS.

    Raises ValueError, which names the parameter that is wrong.
    """
    parameters = {name: str(url.query[name]) for name in PARAMETERS if name in url.query}
    if not parameters:
        return None
    mode = parameters.get("sslmode", "require")
    if mode not in MODES:
        raise ValueError(f"sslmode={mode} is none of {', '.join(MODES)}")
    files = parameters.keys() - {"sslmode"}
    if mode in ("disable", "prefer"):
        if files:
            raise ValueError(f"{min(files)} needs an sslmode of require, verify-ca or verify-full")
        return False if mode == "disable" else "prefer"
    return _context(mode, parameters)


def _context(mode: str, parameters: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    root = parameters.get("sslrootcert")
    context.check_hostname = mode == "verify-full"
    # With a root certificate `require` checks the chain too, as libpq does.
    if mode == "require" and root is None:
        context.verify_mode = ssl.CERT_NONE
    elif root is None or root == SYSTEM:
        context.load_default_certs()
    else:
        _load("sslrootcert", root, lambda: context.load_verify_locations(root))
    if "sslcert" in parameters:
        certificate, key = parameters["sslcert"], parameters.get("sslkey")
        _load(
            "sslcert",
            f"{certificate} with sslkey {key or 'in it'}",
            lambda: context.load_cert_chain(certificate, key, parameters.get("sslpassword")),
        )
    elif "sslkey" in parameters:
        raise ValueError("sslkey is given without sslcert")
    return context


def _load(name: str, what: str, load: Any) -> None:
    try:
        load()
    except OSError as error:  # an SSLError too: a file that holds no certificate
        raise ValueError(f"{name}: {what} can't be used: {error.strerror or error}") from None
