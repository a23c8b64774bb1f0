"""`python -m worker.provision FILE.json`: creates or updates the organizations in a file, and mirrors Stripe.

The file fully defines the organizations that it names; others are not changed. It is validated as a whole and
checked against Stripe, and then written in one transaction. Run it again after every change to the file:
existing organizations are updated, and nothing is created twice.
A person without a valid API key gets one. New keys are printed only once, as JSON on stdout.

Exit codes: 0 done; 1 nothing was written, because the database or Stripe could not be reached; 2 nothing was
written, because the file or the settings are invalid; 3 the file is written, but mirroring Stripe failed.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import stripe
import typer
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from activities.mirror import balance_pages, money_pages
from activities.mirror import pages as mirror_pages
from activities.mirror.pages import MirrorAccess
from activities.stripe.client import stripe_client
from activities.stripe.plan_subscription import EXPAND_PLAN, SubscriptionUnsupported, subscription_document
from billing.core.errors import BillingError
from billing.core.keys import UNPEPPERED, SecretHashes
from billing.stripe.events import OWNER
from db.cases.cases import CaseRules
from db.core.session import AWAY, Database
from db.people.people import new_api_key
from db.tables import Organization
from settings.settings import InvalidSettings, load

from .provisioning import changes as provision_changes
from .provisioning.file import FileProblem, InvalidFile, ProvisioningFile, read
from .provisioning.keys import Changes

UNREACHABLE, WRONG, NOT_MIRRORED = 1, 2, 3
AT_A_TIME = 8
"""Organizations that Stripe is asked about side by side."""


class _NotReally(Exception):
    """Rolls a dry run back."""


async def provision(
    file: ProvisioningFile,
    database: Database,
    *,
    dry_run: bool = False,
    hashes: SecretHashes = UNPEPPERED,
) -> Changes:
    """Make the file true in our records, all of it or nothing. Raises InvalidFile; a dry run only says what
    it would change, and the keys that it issues are never valid."""
    changes = Changes()
    try:
        async with database.transaction() as session:
            changes = await provision_changes.apply(session, hashes, file)
            if dry_run:
                raise _NotReally
    except _NotReally:
        pass
    return changes


async def ask_stripe(file: ProvisioningFile, client: stripe.StripeClient) -> None:
    """Raises InvalidFile, with every customer and subscription that Stripe knows otherwise; StripeError."""
    room = asyncio.Semaphore(AT_A_TIME)

    async def one(number: int) -> list[FileProblem]:
        async with room:
            return await _wrong_in_stripe(file, number, client)

    found = await asyncio.gather(*(one(number) for number in range(len(file.organizations))))
    if problems := [problem for each in found for problem in each]:
        raise InvalidFile(problems)


async def _wrong_in_stripe(
    file: ProvisioningFile, number: int, client: stripe.StripeClient
) -> list[FileProblem]:
    wanted, place = file.organizations[number], f"organizations[{number}]"
    problems: list[FileProblem] = []
    try:
        customer = await client.v1.customers.retrieve_async(wanted.stripe_customer)
        if getattr(customer, "deleted", False):
            problems.append(FileProblem(f"{place}.stripe_customer", f"{customer.id} was deleted in Stripe"))
        elif marked := (customer.to_dict().get("metadata") or {}).get(OWNER):
            problems.append(
                FileProblem(
                    f"{place}.stripe_customer",
                    f"{customer.id} is marked in Stripe as a customer of {marked}, and an organization is "
                    f"nobody's customer: remove {OWNER} from its metadata",
                )
            )
    except stripe.InvalidRequestError as error:
        problems.append(_unknown(f"{place}.stripe_customer", "customer", wanted.stripe_customer, error))
    try:
        subscription = await client.v1.subscriptions.retrieve_async(
            wanted.stripe_subscription, {"expand": EXPAND_PLAN}
        )
        subscription_document(subscription.to_dict(), wanted.stripe_customer)
    except stripe.InvalidRequestError as error:
        problems.append(
            _unknown(f"{place}.stripe_subscription", "subscription", wanted.stripe_subscription, error)
        )
    except SubscriptionUnsupported as error:
        problems.append(FileProblem(f"{place}.stripe_subscription", str(error)))
    return problems


def _unknown(place: str, kind: str, object_id: str, error: stripe.InvalidRequestError) -> FileProblem:
    if error.http_status != 404:
        raise error
    return FileProblem(
        place,
        f"Stripe has no {kind} {object_id}; check the id, and whether PLIXO_STRIPE_API_KEY is for its "
        "account",
    )


async def pull(file: ProvisioningFile, access: MirrorAccess) -> None:
    """Mirror the plans, the subscriptions of the file's organizations, and customers, invoices and money.

    Raises StripeError, PlanMisconfigured or SubscriptionUnsupported; the pages before stay stored.
    """
    ids = {organization.id for organization in file.organizations}
    await mirror_pages.catalog(access)
    async with access.database.reading() as session:
        rows = (await session.exec(select(Organization).where(col(Organization.id).in_(ids)))).all()
    for organization in rows:
        await mirror_pages.subscription(access, organization)
    page = await mirror_pages.customers_page(access)
    while page.after:
        page = await mirror_pages.customers_page(access, mirror_pages.Place(page.after))
    for next_page in (
        mirror_pages.invoices_page,
        money_pages.payments_page,
        money_pages.invoice_payments_page,
        money_pages.refunds_page,
        money_pages.credit_notes_page,
    ):
        page = await next_page(access)
        while page.after:
            page = await next_page(access, mirror_pages.Place(page.after))
    page = await balance_pages.balances_page(access)
    while page.after:
        page = await balance_pages.balances_page(access, page.after)


async def _run(file: ProvisioningFile, dry_run: bool) -> int:
    settings, policy = load()
    try:
        database = Database(settings.database_url)
    except ValueError as error:
        return _complain(f"PLIXO_DATABASE_URL: {error}", code=WRONG)
    client = stripe_client(settings.stripe_api_key.get_secret_value(), settings.stripe_api_base)
    # What was there before its organization is no case; when this is run again, all else is.
    access = MirrorAccess(client, database, CaseRules.of(policy))
    try:
        await ask_stripe(file, client)
        hashes = SecretHashes.of(settings.keys)
        changes = await provision(file, database, dry_run=dry_run, hashes=hashes)
        _tell(changes, dry_run)
        return 0 if dry_run else await _mirrored(file, access)
    finally:
        await database.dispose()


async def _mirrored(file: ProvisioningFile, access: MirrorAccess) -> int:
    try:
        await pull(file, access)
    except (stripe.StripeError, BillingError, SubscriptionUnsupported, *AWAY) as error:
        _complain(
            f"The file is written, but mirroring Stripe failed: {error}",
            "Fix that and run this command again; the worker's reconciliation continues with it in any case.",
        )
        return NOT_MIRRORED
    return 0


def _tell(changes: Changes, dry_run: bool) -> None:
    """Before Stripe's pages are read: a failure there must not swallow keys that are shown only once."""
    _complain(*changes.warnings)
    # The keys of a dry run were rolled back: shown, somebody would try them.
    issued = [] if dry_run else [key.model_dump() for key in changes.issued]
    report = {"dry_run": dry_run, "changes": changes.sentences, "issued": issued}
    print(json.dumps(report, indent=2, ensure_ascii=False), flush=True)


def main(
    file: Annotated[Path | None, typer.Argument(help="organizations, people and roles, as JSON")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only print what would change")] = False,
    new_key: Annotated[bool, typer.Option("--new-key", help="only print a new API key for the file")] = False,
) -> None:
    """Create or update the organizations in FILE, with the PLIXO_ settings, and mirror Stripe."""
    if new_key:
        print(new_api_key().plaintext)
        return
    if file is None:
        raise typer.BadParameter("give a file, such as deploy/organizations.example.json")
    sys.exit(_outcome(file, dry_run))


def _outcome(file: Path, dry_run: bool) -> int:
    try:
        return asyncio.run(_run(read(file.read_bytes()), dry_run))
    except InvalidFile as error:
        return _complain(*map(str, error.problems), code=WRONG)
    except InvalidSettings as error:
        return _complain(*error.problems, code=WRONG)
    except IntegrityError:
        return _complain(
            "Another run wrote at the same time, so this one wrote nothing; run it again.",
            code=UNREACHABLE,
        )
    except stripe.StripeError as error:
        return _complain(f"Stripe can't be reached; nothing was written: {error}", code=UNREACHABLE)
    except OSError as error:
        if error.filename is not None:
            return _complain(f"{error.filename}: {error.strerror}", code=WRONG)
        return _complain(f"The database can't be reached; nothing was written: {error}", code=UNREACHABLE)
    except AWAY as error:
        return _complain(
            f"The database could not be written: {error}",
            "Nothing was written. If a table or a column is missing, run `python -m db upgrade` first.",
            code=UNREACHABLE,
        )


def _complain(*problems: str, code: int = 0) -> int:
    for problem in problems:
        print(problem, file=sys.stderr)
    return code


if __name__ == "__main__":
    typer.run(main)
