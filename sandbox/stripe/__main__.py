"""`python -m sandbox.stripe`: the Stripe stand-in alone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .core.kernel import API_VERSION
from .core.persistence import JournalInUse
from .server.server import serve
from .versions.releases import RELEASES


def main() -> None:
    """Serve by the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.stripe", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="0: any free port")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--webhook-url", help="where events are posted to")
    parser.add_argument("--webhook-secret", help="signs them, e.g. whsec_…")
    parser.add_argument("--data", type=Path, help="a file that keeps the state over restarts")
    parser.add_argument("--check", action="store_true", help="compare every answer with the SDK's types")
    parser.add_argument("--api-key", action="append", default=[], help="a key to accept besides test keys")
    parser.add_argument(
        "--api-version",
        default=API_VERSION,
        choices=RELEASES,
        metavar="VERSION",
        help="of the account: what requests get that name none, and events",
    )
    given = parser.parse_args()
    try:
        serve(
            host=given.host,
            port=given.port,
            webhook_url=given.webhook_url,
            webhook_secret=given.webhook_secret,
            data=given.data,
            check=given.check,
            api_keys=frozenset(given.api_key),
            api_version=given.api_version,
        )
    except (JournalInUse, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
