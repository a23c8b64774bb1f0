"""Alembic's migrations: `versions/` lists the revisions, `baseline/` holds the tables of the first."""
