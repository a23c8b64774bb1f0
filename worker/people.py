"""`python -m worker.people`: lets people in who can't sign in by themselves.

Each command is recorded with who ran it and why.
"""

import asyncio
import getpass
import sys
from datetime import timedelta
from typing import Annotated

import typer

from billing.core.keys import UNPEPPERED, SecretHashes
from db.core.clock import utc_now
from db.core.session import AWAY, Database
from db.sign_in import links
from db.tables import Person
from settings.settings import InvalidSettings, Settings, load

WRONG, UNREACHABLE = 2, 3
LONGEST = 24 * 60

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


class PersonRefused(Exception):
    """Somebody who may not come in; the message says what to do instead."""


@app.callback()
def main() -> None:
    """Let people in who can't sign in by themselves."""


@app.command("sign-in-link")
def sign_in_link(
    people: Annotated[list[str], typer.Argument(help="Ids of people, per_…")],
    because: Annotated[str, typer.Option("--because", help="The reason; it is recorded")],
    by: Annotated[
        str, typer.Option("--by", help="Who runs the command; default: you", default_factory=getpass.getuser)
    ],
    minutes: Annotated[int, typer.Option("--minutes", min=1, max=LONGEST, help="How long it works")] = 15,
) -> None:
    """Print a sign-in link for each person: it signs in as them, once. Hand it to nobody else."""
    try:
        settings, _ = load()
        made = asyncio.run(_made(settings, people, because=because, by=by, valid=timedelta(minutes=minutes)))
    except PersonRefused as refusal:
        _complain(str(refusal), WRONG)
    except (InvalidSettings, ValueError) as error:
        _complain(str(error), WRONG)
    except AWAY as error:
        _complain(f"The database can't be reached; no link was made: {error}", UNREACHABLE)
    else:
        for person, token in made.items():
            print(f"{person}\t{settings.public_url.rstrip('/')}/console/sign-in/link/{token}")


async def _made(
    settings: Settings, people: list[str], *, because: str, by: str, valid: timedelta
) -> dict[str, str]:
    database, hashes = Database(settings.database_url), SecretHashes.of(settings.keys)
    try:
        return await make_links(database, people, because=because, by=by, valid=valid, hashes=hashes)
    finally:
        await database.dispose()


async def make_links(
    database: Database,
    people: list[str],
    *,
    because: str,
    by: str,
    valid: timedelta,
    hashes: SecretHashes = UNPEPPERED,
) -> dict[str, str]:
    """The token of a new link by person: all of them or none. Raises PersonRefused."""
    if not because.strip():
        raise PersonRefused("Give a reason with --because; it is recorded.")
    at, made = utc_now(), dict[str, str]()
    async with database.transaction() as session:
        for id_ in dict.fromkeys(people):
            person = await session.get(Person, id_)
            if person is None:
                raise PersonRefused(f"There is no person {id_}. GET /v1/people lists an organization's.")
            if not person.active or not person.roles:
                raise PersonRefused(
                    f"{person.name} ({id_}) is not active or has no role, so nobody can sign in as them. "
                    "Change the provisioning file first."
                )
            link = await links.issue(
                session,
                person,
                how="operator",
                by=by,
                because=because.strip(),
                at=at,
                expires_at=at + valid,
            )
            token = await links.add_token(session, hashes, link.id, at=at)
            assert token is not None
            made[id_] = token
    return made


def _complain(problem: str, code: int) -> None:
    print(problem, file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    app()
