"""The provisioning file: its fields, and everything that can be wrong with it by itself.

Nothing here asks the database or Stripe. `deploy/organizations.example.json` is a complete example.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from billing.core.business_time import known_country, known_subdivision, known_zone
from billing.core.operations import Role
from billing.mail.chat import ChatKind
from billing.mail.server import is_loopback
from db.people.people import split_api_key, weakness

NEW_KEY = "python -m worker.provision --new-key"
COMMENT = "//"
"""A key whose value is for people: it may stand in every object."""
NESTING = 20
"""Deeper than any file of ours; a file that is deeper is something else."""
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that make text read in another order than it is written."""


class FileProblem(NamedTuple):
    """Something wrong, and where: `organizations[1].people[0].email`."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class InvalidFile(Exception):
    """Everything that is wrong with a file, its own contents or what they refer to."""

    def __init__(self, problems: Sequence[FileProblem]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


def _zone(name: str) -> str:
    if not known_zone(name):
        raise ValueError("is not an IANA time zone, such as America/New_York")
    return name


def _country(code: str) -> str:
    if not re.fullmatch("[A-Z]{2}", code) or not known_country(code):
        raise ValueError("is not an ISO 3166-1 country code in capital letters, such as US")
    return code


def _email(text: str) -> str:
    if not EMAIL.fullmatch(text):
        raise ValueError("is not a mail address, such as bea@acme.example")
    return text


def _key(text: str) -> str:
    parts = split_api_key(text)
    if parts is None:
        raise ValueError(f"must look like pk_<prefix>_<secret>; {NEW_KEY} prints one")
    if problem := weakness(parts[1]):
        raise ValueError(f"{problem}; {NEW_KEY} prints a strong one")
    return text


def _webhook(url: str) -> str:
    parts = urlsplit(url)
    local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not (parts.hostname and (parts.scheme == "https" or local)) or not url.isascii() or " " in url:
        raise ValueError("is not the https address of a webhook")
    return url


Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Email = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=254, to_lower=True), AfterValidator(_email)
]
Key = Annotated[str, AfterValidator(_key)]
Prefix = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PersonFile(_Part):
    """Somebody of an organization, found by `id` where it is given, else by `email`."""

    id: Id | None = None
    """Chosen here, and never changed: by it a person can get another mail address. Left out, one is made."""
    name: Text
    email: Email
    """Where mails go; in lower case, and no one else's in the organization."""
    roles: Annotated[list[Role], Field(min_length=1)]
    subject: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    """What the provider of single sign-on calls them (`sub`). Left out, they are found by their address."""
    active: StrictBool = True
    """Whoever is not active keeps their history and can't call the API; their keys are revoked."""
    api_keys: list[Key] = []
    """Keys to take over, in plain text. One that is no longer listed is revoked. Whoever has no valid key
    gets one, which is printed once."""
    revoked_keys: list[Prefix] = []
    """Prefixes of keys that must no longer work."""


class ChatFile(_Part):
    """A chat that hears what waits for a decision, and of incidents."""

    kind: ChatKind
    webhook: Annotated[str, StringConstraints(max_length=2000), AfterValidator(_webhook)]
    """The address of its incoming webhook, which is a secret."""


class OrganizationFile(_Part):
    """A tenant and all of its people: whoever is not listed is made inactive."""

    id: Id
    """Chosen here, and never changed; `plixo_organization` names it in the metadata of Stripe's customers."""
    name: Text
    zone: Annotated[str, AfterValidator(_zone)]
    """IANA time zone, such as America/New_York."""
    country: Annotated[str, AfterValidator(_country)]
    """ISO 3166-1, such as US: whose public holidays are free."""
    subdivision: str | None = None
    """ISO 3166-2 without the country, such as CA: a state with holidays of its own."""
    stripe_customer: Annotated[str, StringConstraints(pattern=r"^cus_[A-Za-z0-9_]+$", max_length=255)]
    """The organization itself, as a customer of Plixo."""
    stripe_subscription: Annotated[str, StringConstraints(pattern=r"^sub_[A-Za-z0-9_]+$", max_length=255)]
    """Its subscription to a plan."""
    people: Annotated[list[PersonFile], Field(min_length=1)]
    chat: Annotated[list[ChatFile], Field(max_length=5)] = []
    """One that is no longer listed gets nothing any more; one that refused a message is tried again."""

    @field_validator("subdivision")
    @classmethod
    def _subdivision(cls, value: str | None, others: ValidationInfo) -> str | None:
        country = others.data.get("country")
        if value is not None and country is not None and not known_subdivision(country, value):
            raise ValueError(
                f"is not a subdivision of {country} with its own holidays; omit it if there is none"
            )
        return value


class ProvisioningFile(_Part):
    """What `python -m worker.provision` reads."""

    organizations: Annotated[list[OrganizationFile], Field(min_length=1)]


def read(content: bytes) -> ProvisioningFile:
    """The file's content. Raises InvalidFile, which names everything that is wrong with it at once."""
    document = _parsed(content)
    problems = [*_bad_text(document), *_repeated(document)]
    try:
        file = ProvisioningFile.model_validate(document)
    except ValidationError as error:
        places = {problem.place for problem in problems}
        found = (FileProblem(_place(e["loc"]), _message(e)) for e in error.errors())
        problems += [problem for problem in found if problem.place not in places]
        raise InvalidFile(problems) from None
    if problems:
        raise InvalidFile(problems)
    return file


class _Object(dict[str, Any]):
    """A JSON object that remembers which keys it had more than once."""

    repeated: frozenset[str] = frozenset()


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    keys = [key for key, _ in pairs if key != COMMENT]
    made = _Object((key, value) for key, value in pairs if key != COMMENT)
    made.repeated = frozenset(key for key in made if keys.count(key) > 1)
    return made


def _parsed(content: bytes) -> Any:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _whole(f"is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    try:
        document = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise _whole(f"is not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except (RecursionError, ValueError):  # ValueError: a number of thousands of digits
        raise _whole(
            "is not a provisioning file: it is nested too deeply, or has an endless number"
        ) from None
    if _depth(document) > NESTING:
        raise _whole("is not a provisioning file: it is nested too deeply")
    return document


def _whole(message: str) -> InvalidFile:
    return InvalidFile([FileProblem("file", message)])


def _depth(value: Any) -> int:
    """Level by level: a recursion would fail where this is to warn."""
    depth, level = 0, [value]
    while level and depth <= NESTING:
        depth += 1
        nested: list[Any] = []
        for each in level:
            nested += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        level = nested
    return depth


def _walk(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    yield place, value
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _walk(each, (*place, key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _walk(each, (*place, number))


def _bad_text(document: Any) -> Iterator[FileProblem]:
    for place, value in _walk(document):
        if isinstance(value, _Object):
            for key in sorted(value.repeated):
                yield FileProblem(_place((*place, key)), "is there twice; keep one of them")
        if isinstance(value, str) and (bad := next((c for c in value if _unusable(c)), None)):
            yield FileProblem(_place(place), f"holds the character U+{ord(bad):04X}, which no text may hold")


def _unusable(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs") or character in BIDI


class _UsedOnce:
    """What may be used once: the second use is a problem, and says where the first is."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], str] = {}

    def again(self, kind: str, value: Any, *place: str | int) -> Iterator[FileProblem]:
        if isinstance(value, str):
            here = _place(place)
            first = self._first.setdefault((kind, value.strip()), here)
            if first != here:
                yield FileProblem(here, f"is the same {kind} as {first}")


def _repeated(document: Any) -> Iterator[FileProblem]:
    """What two organizations, people or keys can't have in common. The document need not be valid."""
    seen = _UsedOnce()
    for o, organization in _listed(document, "organizations"):
        here = ("organizations", o)
        for field, kind in (
            ("id", "organization id"),
            ("stripe_customer", "customer"),
            ("stripe_subscription", "subscription"),
        ):
            yield from seen.again(kind, organization.get(field), *here, field)
        for p, person in _listed(organization, "people"):
            at = (*here, "people", p)
            yield from seen.again("person id", person.get("id"), *at, "id")
            if isinstance(email := person.get("email"), str):
                yield from seen.again(f"mail address in organizations[{o}]", email.lower(), *at, "email")
            yield from seen.again(f"subject in organizations[{o}]", person.get("subject"), *at, "subject")
            yield from _repeated_keys(seen, person, at)
        for c, chat in _listed(organization, "chat"):
            yield from seen.again(
                f"webhook in organizations[{o}]", chat.get("webhook"), *here, "chat", c, "webhook"
            )


def _repeated_keys(
    seen: _UsedOnce, person: dict[str, Any], at: tuple[str | int, ...]
) -> Iterator[FileProblem]:
    revoked = person.get("revoked_keys")
    keys = person.get("api_keys")
    for k, key in enumerate(keys if isinstance(keys, list) else ()):
        parts = split_api_key(key) if isinstance(key, str) else None
        if parts is None:
            continue
        yield from seen.again("API key prefix", parts[0], *at, "api_keys", k)
        if isinstance(revoked, list) and parts[0] in revoked:
            yield FileProblem(_place((*at, "api_keys", k)), "is in revoked_keys too; take it out of one")


def _listed(of: Any, field: str) -> list[tuple[int, dict[str, Any]]]:
    found = of.get(field) if isinstance(of, dict) else None
    return (
        [(n, one) for n, one in enumerate(found) if isinstance(one, dict)] if isinstance(found, list) else []
    )


def _place(location: Sequence[str | int]) -> str:
    place = ""
    for part in location:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else part
    return place or "file"


def _message(error: Any) -> str:
    match error["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is no field of a provisioning file"
        case _:
            return str(error["msg"]).removeprefix("Value error, ")
