"""How alembic runs here: on the connection that `db.migrate` opened, in its transaction."""

from alembic import context
from sqlmodel import SQLModel

from db import tables  # noqa: F401 - fills the metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    # SQLite alters by copying a table.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
