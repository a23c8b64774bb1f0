"""A mail as HTML, made of its plain text, so that both say the same.

The text's own marks say what a block is: lines that begin with ">" are somebody's words, those with "-" a
list, those that are set in are a table of figures, `Label:  value` lines are facts, and an address after a
line that ends with a colon is the button.
"""

import re
from html import escape

_FACT = re.compile(r"([A-Z][A-Za-z ]{1,20}):\s+(\S.*)")
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>%s</title></head>
<body style="%s">
<div style="%s">
%s</div></body></html>
"""
_BODY = (
    "margin:0;padding:24px;background:#f5f6f8;color:#1c2330;"
    "font:16px/1.5 -apple-system,Segoe UI,Roboto,Arial,sans-serif"
)
_CARD = (
    "max-width:600px;margin:0 auto;padding:24px;background:#fff;border:1px solid #e2e5ea;border-radius:8px"
)
_QUOTE = (
    "margin:0 0 16px;padding:4px 0 4px 12px;border-left:3px solid #c9ced8;color:#3c4658;white-space:pre-line"
)
_BUTTON = (
    "display:inline-block;padding:10px 18px;background:#1f4fd8;color:#fff;"
    "border-radius:6px;text-decoration:none"
)
_FOOT = "margin:24px 0 0;color:#5c6678;font-size:13px"


def html_of(subject: str, plain: str) -> str:
    """The page. Everything that is shown is escaped; nothing is loaded from anywhere."""
    body, _, footer = plain.rstrip("\n").partition("\n-- \n")
    blocks = "".join(_block(block) for block in re.split(r"\n{2,}", body.strip("\n")))
    foot = f'<p style="{_FOOT}">{escape(footer)}</p>\n' if footer else ""
    return _PAGE % (escape(subject), _BODY, _CARD, blocks + foot)


def _block(block: str) -> str:
    """One block of lines that belong together; runs of one kind within it are parts of their own."""
    parts: list[str] = []
    rows = block.split("\n")
    while rows:
        kind = _kind(rows)
        count = (
            2
            if kind == "link"
            else next((at for at in range(1, len(rows)) if _kind(rows[at:]) != kind), len(rows))
        )
        parts.append(_RENDER[kind](rows[:count]))
        rows = rows[count:]
    return "".join(parts)


def _kind(rows: list[str]) -> str:
    row = rows[0]
    if row.endswith(":") and len(rows) > 1 and re.fullmatch(r"https?://\S+", rows[1]):
        return "link"
    if row.startswith("  >"):
        return "quote"
    if row.lstrip().startswith("- "):
        return "list"
    if row.startswith("  "):
        return "figures"
    return "fact" if _FACT.fullmatch(row) else "text"


def _text(rows: list[str]) -> str:
    return f'<p style="margin:0 0 16px">{escape(" ".join(rows))}</p>\n'


def _quote(rows: list[str]) -> str:
    words = "\n".join(escape(row.removeprefix("  >").removeprefix(" ")) for row in rows)
    return f'<blockquote style="{_QUOTE}">{words}</blockquote>\n'


def _list(rows: list[str]) -> str:
    items = "".join(f"<li>{escape(row.strip().removeprefix('- '))}</li>" for row in rows)
    return f'<ul style="margin:0 0 16px;padding-left:20px">{items}</ul>\n'


def _figures(rows: list[str]) -> str:
    style = "margin:0 0 16px;font:13px/1.5 Menlo,Consolas,monospace;white-space:pre-wrap"
    return f'<pre style="{style}">{escape(chr(10).join(rows))}</pre>\n'


def _facts(rows: list[str]) -> str:
    cells = "".join(
        f'<tr><th style="padding:2px 16px 2px 0;text-align:left;font-weight:600;vertical-align:top">'
        f"{escape(found[1])}:</th><td>{escape(found[2])}</td></tr>"
        for row in rows
        if (found := _FACT.fullmatch(row))
    )
    return f'<table role="presentation" style="margin:0 0 16px;border-collapse:collapse">{cells}</table>\n'


def _link(rows: list[str]) -> str:
    label, url = rows[0].removesuffix(":"), escape(rows[1], quote=True)
    return f'<p style="margin:0 0 16px"><a href="{url}" style="{_BUTTON}">{escape(label)}</a></p>\n'


_RENDER = {
    "text": _text,
    "quote": _quote,
    "list": _list,
    "figures": _figures,
    "fact": _facts,
    "link": _link,
}
