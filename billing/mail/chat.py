"""Messages to an organization's chat: what they say, and the forms in which Slack and Teams take it."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from ..core.operations import Message
from ..core.text import one_line
from .messages import MailRequest

MAX_TITLE, MAX_TEXT = 150, 2_000
"""Slack takes headers of 150 characters, and fields of 2,000."""


class ChatKind(StrEnum):
    SLACK = "slack"
    TEAMS = "teams"


class ChatPost(Message):
    """A mail to people that is told in a chat too; `webhook` is the row's id: no history has its address."""

    webhook: str
    mail: MailRequest

    @property
    def id(self) -> str:
        """The mail's key names what is told, so that it is told once."""
        return f"chat-{self.webhook}-{self.mail.key}"


class ChatMessage(Message):
    """`facts` are labels with values. `link` leads to a page that asks whoever follows it to sign in."""

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    text: str | None = None
    """What a person wrote, or what it means."""
    link: str
    link_words: str


def payload(kind: ChatKind, message: ChatMessage) -> dict[str, Any]:
    """The body of the POST to a webhook of this kind."""
    return _FORMS[kind](message)


def _slack(message: ChatMessage) -> dict[str, Any]:
    """Blocks, with `text` for notifications. Names and words of people are plain text: there nothing is a
    link, a mention or bold."""
    lines = [message.title, *(f"{label}: {value}" for label, value in message.facts)]
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(message.title, MAX_TITLE)}]
    if message.facts:
        fields = [_plain(f"{label}\n{one_line(value)}") for label, value in message.facts]
        blocks.append({"type": "section", "fields": fields})
    if message.text:
        blocks.append({"type": "section", "text": _plain(message.text)})
    link = f"<{message.link}|{_escaped(message.link_words)}>"
    blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": link}})
    return {"text": _escaped("\n".join([*lines, message.link])), "blocks": blocks}


def _plain(text: str, most: int = MAX_TEXT) -> dict[str, Any]:
    return {"type": "plain_text", "text": _cut(text, most), "emoji": False}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _teams(message: ChatMessage) -> dict[str, Any]:
    """An Adaptive Card, as a Teams workflow "when a webhook request is received" takes it. All is in runs of
    text, which know no Markdown: there nothing is a link."""
    body = [_runs(_run(message.title, weight="Bolder", size="Medium"))]
    body += [_runs(_run(f"{label}: ", weight="Bolder"), _run(value)) for label, value in message.facts]
    if message.text:
        body.append(_runs(_run(message.text)))
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": message.title,
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": message.link_words, "url": message.link}],
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _runs(*runs: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **style: str) -> dict[str, Any]:
    return {"type": "TextRun", "text": _cut(text, MAX_TEXT), **style}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


_FORMS: Mapping[ChatKind, Callable[[ChatMessage], dict[str, Any]]] = {
    ChatKind.SLACK: _slack,
    ChatKind.TEAMS: _teams,
}
