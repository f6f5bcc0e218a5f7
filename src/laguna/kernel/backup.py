"""Backups: the whole database in one file, by PostgreSQL's own pg_dump and pg_restore, which the wheel brings.

A backup is a picture of one instant, taken while everything goes on. It doesn't depend on the folder's format: a later
major version of PostgreSQL restores it too.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from laguna.kernel import launch
from laguna.kernel.embedded import clean_environment, programs

_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"


class BackupError(Exception):
    """A backup can't be made or restored. The message is written for the person who wants it."""


def back_up(url: str, file: Path) -> None:
    """Write all of the database to `file`, which appears when it is whole. Raises BackupError."""
    if file.exists():
        raise BackupError(f"{file} exists already. Name a new file.")
    partial = file.with_name(f"{file.name}.partial")
    try:
        _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={partial}")
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)


def restore(url: str, file: Path) -> None:
    """Fill an empty database from a backup, wholly or not at all. Raises BackupError."""
    if not file.is_file():
        raise BackupError(f"There is no file {file}.")
    with psycopg.connect(url) as connection:
        (tables,) = connection.execute(_TABLES).fetchone() or (0,)
    if tables:
        raise BackupError("The database is not empty. Restore to a new --data-dir, or to an empty database.")
    _run("pg_restore", url, "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", str(file))


def _run(program: str, url: str, *arguments: str) -> None:
    parts = conninfo_to_dict(url)
    environment = clean_environment()
    if password := parts.pop("password", None):
        environment["PGPASSWORD"] = str(password)  # arguments can be read by others
    command = launch.command([programs() / program, f"--dbname={make_conninfo('', **parts)}", *arguments])
    done = subprocess.run(  # noqa: S603
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment
    )
    if done.returncode != 0:
        raise BackupError(done.stderr.strip() or f"{program} ended with {done.returncode}.")
