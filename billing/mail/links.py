"""Which links a mail to a customer may have: ours, as they are, and no other.

A link of ours holds the token by which whoever has it sees the invoice. So neither it nor a part of it may
stand in another address, where a server that is not ours would be told of it.
"""

import re
from collections.abc import Collection, Iterator
from html.parser import HTMLParser

from .customer_mail_text import Words

_AROUND = "([{<«„“\"'>»”)]}.,;:!?…"
"""What may stand around a link, as programs that make links of texts know."""
_SPELT_OUT = re.compile(r"://|(?<![\w.-])www\.", re.IGNORECASE)
_DOMAIN = re.compile(r"[\w-][.。．｡][^\W\d_]{2}")
"""Short, so that a text of one long word is searched once and not from each of its letters."""
_MAIL_ADDRESS = re.compile(r"[\w.+-]+@(?:[\w-]+\.)+[\w-]+")
_MAIL_TO = re.compile(r"mailto:[\w.+-]+@[\w.-]+", re.IGNORECASE)
_CSS = re.compile(r"url|@import|expression|image-set|src|//|\\", re.IGNORECASE)

_INLINE = frozenset({"a", "b", "big", "em", "font", "i", "small", "span", "strong", "sub", "sup", "u"})
_TAGS = _INLINE | {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "center",
        "div",
        "p",
        "br",
        "hr",
        "blockquote",
        "pre",
    ),
    *("h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "dl", "dt", "dd"),
    *("table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "td", "th"),
}
_ATTRIBUTES = frozenset(
    {
        *(
            "align",
            "bgcolor",
            "border",
            "cellpadding",
            "cellspacing",
            "charset",
            "class",
            "color",
            "cols",
            "content",
        ),
        *(
            "colspan",
            "dir",
            "face",
            "height",
            "id",
            "lang",
            "name",
            "role",
            "rowspan",
            "scope",
            "size",
            "start",
        ),
        *("style", "title", "type", "valign", "width"),
    }
)


def stray_link(words: Words, ours: Collection[str]) -> str | None:
    """The first link in a mail that is not one of ours, or has one of ours in it."""
    in_page = in_html(words.html, ours, strict=False) if words.html is not None else None
    in_subject = words.subject if any(_token(link) in words.subject for link in ours) else None
    return in_subject or in_text(words.text, ours, strict=False) or in_page


def in_text(text: str, ours: Collection[str], *, strict: bool) -> str | None:
    """The first thing in a text that leads, or lets be led, anywhere but to our links; None: nothing does.

    `strict` is for what an author wrote, where also a domain's name is a link to mail programs; in a mail
    that is filled in, an organization or a customer may be called like one.
    """
    tokens = [_token(link) for link in ours]
    for word in text.split():
        bare = word.strip(_AROUND)
        if bare in ours or not bare:
            continue
        if any(token in word for token in tokens) or _SPELT_OUT.search(word):
            return word
        if strict and not _MAIL_ADDRESS.fullmatch(bare) and _DOMAIN.search(bare):
            return word
    return None


def in_html(source: str, ours: Collection[str], *, strict: bool) -> str | None:
    """As `in_text`, of a page of HTML; what could load or send anything is such a thing too."""
    reader = _Reader(ours)
    reader.feed(source)
    reader.close()
    if reader.stray is not None:
        return reader.stray
    return in_text("".join(reader.words), ours, strict=strict)


def _token(link: str) -> str:
    return link.rpartition("/")[2]


class _Reader(HTMLParser):
    """Gathers what is read as text, and keeps the first thing that may not be in a mail."""

    def __init__(self, ours: Collection[str]) -> None:
        super().__init__(convert_charrefs=True)
        self._ours = ours
        self._in_style = False
        self.words: list[str] = []
        self.stray: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _TAGS:
            self._found(f"<{tag}>")
        for name, value in attrs:
            self._look_at(tag, name, value or "")
        self._in_style = tag == "style"
        self._part(tag)

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False
        self._part(tag)

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self._look_at_css(data)
        else:
            self.words.append(data)

    def handle_comment(self, data: str) -> None:
        # Some programs show what is in them.
        if "<" in data or "[" in data or in_text(data, (), strict=True):
            self._found(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        if decl.strip().lower() != "doctype html":
            self._found(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self._found(f"<?{data}>")

    def unknown_decl(self, data: str) -> None:
        self._found(f"<![{data}]>")

    def _part(self, tag: str) -> None:
        if tag not in _INLINE:
            self.words.append(" ")

    def _look_at(self, tag: str, name: str, value: str) -> None:
        if name == "href" and tag == "a":
            if value not in self._ours and not _MAIL_TO.fullmatch(value):
                self._found(f'href="{value}"')
        elif name not in _ATTRIBUTES:
            self._found(f"{name}=")
        elif name == "style":
            self._look_at_css(value)
        elif stray := next(self._strays(value), None):
            self._found(f'{name}="{stray}"')

    def _strays(self, value: str) -> Iterator[str]:
        if any(_token(link) in value for link in self._ours) or _SPELT_OUT.search(value):
            yield value

    def _look_at_css(self, css: str) -> None:
        if found := _CSS.search(css):
            self._found(found[0])

    def _found(self, what: str) -> None:
        self.stray = self.stray or what
