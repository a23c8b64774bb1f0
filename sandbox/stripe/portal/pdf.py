"""A PDF of one page of text in the fonts that every reader has; the same texts give the same bytes.

Written out rather than by a library: what is stored is plain (no compression), so that tests can read it.
Letters outside of Windows-1252 become "?": the standard fonts have none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

WIDTH, HEIGHT = 595, 842
"""A4 in points; (0, 0) is the lower left corner."""

_FONTS = {"plain": b"Helvetica", "bold": b"Helvetica-Bold", "fixed": b"Courier"}
_FIXED_ADVANCE = 0.6


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text whose baseline starts at (x, y); `fixed` with `right` ends there instead."""

    x: float
    y: float
    text: str
    size: int = 10
    font: Literal["plain", "bold", "fixed"] = "plain"
    right: bool = False


def one_page(title: str, texts: Iterable[Text]) -> bytes:
    """The PDF file (ISO 32000-1, version 1.4)."""
    fonts = b" ".join(b"/%s %d 0 R" % (name.encode(), at) for at, name in enumerate(_FONTS, 5))
    stream = b"\n".join(_shown(text) for text in texts)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R" % (WIDTH, HEIGHT)
        + b" /Resources << /Font << %s >> >> >>" % fonts,
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        *(
            b"<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>" % font
            for font in _FONTS.values()
        ),
        b"<< /Title %s >>" % _string(title),
    ]
    file, offsets = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    size = len(objects) + 1
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>" % (size, len(objects))
    return file + b"xref\n0 %d\n0000000000 65535 f \n%s%s\nstartxref\n%d\n%%%%EOF\n" % (
        size,
        table,
        trailer,
        len(file),
    )


def _shown(text: Text) -> bytes:
    x = text.x - (len(text.text) * text.size * _FIXED_ADVANCE if text.right else 0)
    at = f"/{text.font} {text.size} Tf 1 0 0 1 {x:.1f} {text.y:.1f} Tm".encode()
    return b"BT %s %s Tj ET" % (at, _string(text.text))


def _string(text: str) -> bytes:
    flat = " ".join(text.split()).encode("cp1252", "replace")
    return b"(%s)" % flat.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
