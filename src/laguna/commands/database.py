"""The database that an operator's command works on."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from laguna.kernel.embedded import EmbeddedPostgres, running_url
from laguna.settings import settings
from laguna.supervisor import StartError, check_database, say

DataDir = Annotated[
    Path | None, typer.Option(help="The folder of the embedded database. [LAGUNA_DATA_DIR]", show_default=False)
]


@contextmanager
def existing_database(data_dir: Path | None) -> Generator[str]:
    """The URL of the configured database, as it is: nothing is made or migrated. StartError where there is none.

    The embedded one is started for the while when no `laguna up` runs it.
    """
    current = settings()
    folder = data_dir or current.data_dir
    url = current.database_url or running_url(folder)
    if url is not None:
        check_database(url)
        _require_schema(url)
        yield url
        return
    if not (folder / "postgres").exists():
        raise StartError(f"There is no database in the folder {folder}. Name another with --data-dir.")
    with EmbeddedPostgres(folder, say=say) as postgres:
        _require_schema(postgres.url)
        yield postgres.url


def _require_schema(url: str) -> None:
    from laguna.kernel.migrations import is_current

    if not is_current(url):
        raise StartError("The database is of another version of Laguna. `laguna migrate` brings it to this one.")
