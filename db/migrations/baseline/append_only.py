"""Triggers that keep the rows of a table as they were written, whoever writes."""

from alembic import op

SQLITE = """
CREATE TRIGGER {table}_append_only_{event} BEFORE {event} ON {table}
BEGIN SELECT RAISE(ABORT, '{refusal}'); END
"""

POSTGRES = (
    """
    CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN
        RAISE EXCEPTION '{refusal}' USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    """
    CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION {function}()
    """,
)


def make_append_only(table: str, function: str, refusal: str) -> None:
    """Let the database refuse each change and deletion; PostgreSQL does so by a function of that name."""
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(SQLITE.format(table=table, event=event, refusal=refusal))
    else:
        for statement in POSTGRES:
            op.execute(statement.format(table=table, function=function, refusal=refusal))
