"""The console's addresses that sign-in knows, and which of them somebody may be sent on to."""

import re
from urllib.parse import quote

CONSOLE = "/console"
HOME = f"{CONSOLE}/"
APPROVALS = f"{CONSOLE}/approvals"
SIGN_IN = f"{CONSOLE}/sign-in"
SIGN_OUT = f"{CONSOLE}/sign-out"
SIGNED_OUT = f"{CONSOLE}/signed-out"

MAX_NEXT = 1000
_NEXT = re.compile(
    rf"{CONSOLE}(?:/[A-Za-z0-9_.~-]+)*/?"  # one slash at a time, nothing encoded
    r"(?:\?[A-Za-z0-9_.~%=&+:,@!*-]*)?"
)
_NOT_ON = (SIGN_IN, SIGN_OUT, SIGNED_OUT, f"{CONSOLE}/decide")
"""Whoever came from there would only sign in again, or needs no sign-in."""


def is_console(path: str) -> bool:
    """Whether a path is one of the console's."""
    return path == CONSOLE or path.startswith(HOME)


def local(wanted: str | None) -> str | None:
    """The page of the console to go on to after sign-in, or None where there is none to go to.

    Only what is plainly a path of the console's own: no other scheme or host, no `//`, no backslash, no
    control character, no step upwards, however it is encoded.
    """
    if wanted is None or len(wanted) > MAX_NEXT or not _NEXT.fullmatch(wanted):
        return None
    path = wanted.partition("?")[0]
    if {".", ".."} & set(path.split("/")) or any(
        path == one or path.startswith(f"{one}/") for one in _NOT_ON
    ):
        return None
    return wanted


def sign_in_for(path: str, query: str = "") -> str:
    """The address of the sign-in page that leads back to this one."""
    wanted = local(f"{path}?{query}" if query else path)
    return SIGN_IN if wanted in (None, CONSOLE, HOME) else f"{SIGN_IN}?next={quote(wanted, safe='/')}"
