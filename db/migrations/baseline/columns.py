"""What the tables' columns and conditions are made of."""

from typing import Any

import sqlalchemy as sa

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON()
MINOR = sa.BigInteger()
"""An amount in minor units."""


def where(condition: str) -> dict[str, Any]:
    """The options of an index of those rows alone that meet the condition."""
    clause = sa.text(condition)
    return {"sqlite_where": clause, "postgresql_where": clause}
