"""`python -m db upgrade`: migrates the database of PLIXO_DATABASE_URL to the latest revision."""

from typing import Annotated

import typer
from pydantic_settings import BaseSettings, SettingsConfigDict

from . import migrate
from .core.grants import UnknownRole

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help="The records of Plixo Billing.")


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="PLIXO_", env_file=".env", extra="ignore")
    database_url: str = "sqlite:///plixo.db"


@app.callback()
def main() -> None:
    """Makes typer take `upgrade` as a command even though it is the only one."""


@app.command()
def upgrade(
    app_role: Annotated[
        str | None, typer.Option(help="the application's PostgreSQL role, which is granted its rights")
    ] = None,
) -> None:
    """Apply every revision that the database of PLIXO_DATABASE_URL lacks."""
    try:
        migrate.upgrade(_Settings().database_url, app_role)
    except (migrate.NewerDatabase, UnknownRole, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo("the database is up to date")


if __name__ == "__main__":
    app()
