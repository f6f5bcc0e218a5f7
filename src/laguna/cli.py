"""The command line: `laguna up`, `serve`, `work`, and what an operator does beside them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from laguna.bench import app as bench
from laguna.commands.check import check
from laguna.commands.webhooks import app as webhooks
from laguna.kernel.backup import BackupError, back_up
from laguna.kernel.backup import restore as restore_backup
from laguna.kernel.embedded import EmbeddedError, EmbeddedPostgres, running_url
from laguna.kernel.launch import end_with_parent
from laguna.settings import Settings, explain, settings, variable, variables
from laguna.supervisor import StartError, Supervisor, check_database, claim_port, say

if TYPE_CHECKING:
    from laguna.kernel.serving import Draining

app = typer.Typer(
    name="laguna",
    help="Usage-based billing: events in, invoices out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys = typer.Typer(help="API keys.", no_args_is_help=True)
app.add_typer(keys, name="keys")
app.add_typer(bench)
app.command()(check)
app.add_typer(webhooks)

Host = Annotated[str | None, typer.Option(help="The address to listen on. [LAGUNA_HOST]", show_default=False)]
Port = Annotated[
    int | None, typer.Option(min=0, max=65535, help="The port to listen on. [LAGUNA_PORT]", show_default=False)
]
DataDir = Annotated[
    Path | None, typer.Option(help="The folder for the embedded database. [LAGUNA_DATA_DIR]", show_default=False)
]


@app.command()
def up(host: Host = None, port: Port = None, data_dir: DataDir = None) -> None:
    """Start everything in the foreground: database, API and worker. Ctrl-C stops it."""
    Supervisor(_settings(host=host, port=port, data_dir=data_dir)).run()


@app.command()
def serve(
    host: Host = None,
    port: Port = None,
    reserved: Annotated[bool, typer.Option(hidden=True, help="The port is held by `laguna up`.")] = False,
) -> None:
    """Start the API alone, on the database of DATABASE_URL."""
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.log import LogLevels

    from laguna.kernel.serving import Draining, DrainingServer, counting_together

    current = _settings(host=host, port=port)
    _require_database(current)
    draining = Draining()
    server = DrainingServer(
        "laguna.app:create_app",
        draining,
        current.drain_seconds,
        address=current.host,
        port=current.port if reserved else claim_port(current.host, current.port),
        interface=Interfaces.ASGI,
        workers=current.workers,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        backlog=2048,
        respawn_failed_workers=True,
        workers_kill_timeout=current.stop_seconds,
        log_level=LogLevels.warning,
    )
    with counting_together(current.workers):
        server.serve(target_loader=partial(_load_app, os.getpid(), draining), wrap_loader=False)


@app.command()
def work() -> None:
    """Start the worker and the ticker alone, on the database of DATABASE_URL."""
    from laguna.worker import run

    _require_database(_settings())
    asyncio.run(run())


@app.command()
def migrate(data_dir: DataDir = None) -> None:
    """Bring the database to this version of Laguna."""
    from laguna.kernel.migrations import upgrade

    with _database(_settings(data_dir=data_dir)) as url:
        upgrade(url)
    say("The database is up to date.")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="A new file.")],
    data_dir: DataDir = None,
) -> None:
    """Write everything to one file, as it is at this instant. Works beside a running `laguna up`."""
    with _database(_settings(data_dir=data_dir), migrated=False) as url:
        back_up(url, file)
    say(f"Backed up to {file}, {file.stat().st_size / 1e6:,.1f} MB.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `laguna backup` wrote.")],
    data_dir: DataDir = None,
) -> None:
    """Fill a new data folder, or an empty database, from a backup, and bring it to this version of Laguna."""
    from laguna.kernel.migrations import upgrade

    with _database(_settings(data_dir=data_dir), migrated=False) as url:
        restore_backup(url, file)
        upgrade(url)
    say(f"Restored from {file}.")


@app.command()
def config() -> None:
    """List every environment variable with its meaning, its default and its present value."""
    table = Table(title="Laguna is configured by environment variables", title_justify="left")
    table.add_column("Variable", no_wrap=True)
    table.add_column("Meaning")
    table.add_column("Default", overflow="fold")
    table.add_column("Now", overflow="fold")
    for each in variables(_settings()):
        table.add_row(each.name, each.meaning, each.default, each.current)
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 160  # a file or a pipe has no width to keep to
    console.print(table)


@app.command()
def demo(
    url: Annotated[str | None, typer.Option(help="A running Laguna; without it, one is started for the while.")] = None,
    admin_key: Annotated[
        str | None,
        typer.Option(help="The key of its operator API.", envvar="LAGUNA_ADMIN_API_KEY", show_envvar=True),
    ] = None,
    carriers: Annotated[
        int | None, typer.Option(min=1, help="Only so many carriers, of the smaller ones.", show_default="all")
    ] = None,
    months: Annotated[int, typer.Option(min=1, max=12, help="Only so many months, from January on.")] = 12,
    connections: Annotated[int, typer.Option(min=1, max=64, help="Connections that send events.")] = 8,
) -> None:
    """Bill real data: every flight from New York City in 2013, month by month, each invoice checked."""
    from laguna.demo.flights import DataError
    from laguna.demo.run import Options, run
    from laguna.demo.server import Server, ServerError
    from laguna.demo.show import console

    if url and not admin_key:
        raise StartError("--url needs --admin-key, the LAGUNA_ADMIN_API_KEY of that server.")
    server = Server(url, admin_key) if url and admin_key else None
    try:
        agrees = run(Options(carriers, months, connections, server), console())
    except (DataError, ServerError) as error:
        raise StartError(str(error)) from error
    if not agrees:
        sys.exit(1)


@keys.command("create")
def create_key(
    organization: Annotated[
        str | None, typer.Option(help="The organization's id or name; without it, the first one.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Make another API key and print it, this once. Works beside a running `laguna up`."""
    from laguna.accounts.bootstrap import create_key as create

    with _database(_settings(data_dir=data_dir)) as url:
        try:
            print(create(url, organization))
        except LookupError as error:
            raise StartError(str(error.args[0] if error.args else error)) from error


def main() -> None:
    """Run the command line. What a person can set right ends in one message and exit code 1, without a traceback."""
    try:
        app()
    except (StartError, EmbeddedError, BackupError) as error:
        _end(str(error))
    except ValidationError as error:
        if error.title != Settings.__name__:
            raise
        _end(f"The configuration is not valid.\n{explain(error)}")
    except KeyboardInterrupt:
        sys.exit(130)


def _end(message: str) -> None:
    Console(stderr=True, markup=False, highlight=False, soft_wrap=True).print(f"Error: {message}", style="red")
    sys.exit(1)


def _settings(**given: object) -> Settings:
    """The settings, with options given on the command line put before variables, for child processes too."""
    for field, value in given.items():
        if value is not None:
            os.environ[variable(field)] = str(value)
    settings.cache_clear()
    return settings()


def _require_database(current: Settings) -> None:
    if current.database_url is None:
        raise StartError("DATABASE_URL is not set. `laguna up` brings its own database; this command needs one.")
    check_database(current.database_url)


@contextlib.contextmanager
def _database(current: Settings, *, migrated: bool = True) -> Generator[str]:
    """The configured database; the embedded one is started for the while when no `laguna up` runs it."""
    url = current.database_url or running_url(current.data_dir)
    if url is not None:
        check_database(url)
        yield url
        return
    with EmbeddedPostgres(current.data_dir, say=say) as postgres:
        if migrated:
            from laguna.kernel.migrations import upgrade

            upgrade(postgres.url)
        yield postgres.url


def _load_app(parent: int, draining: Draining) -> Callable[..., Any]:
    """The application, in a process of Granian's, which would outlive a killed parent."""
    end_with_parent(parent)
    from laguna.app import create_app

    return create_app(draining=draining)
