"""Brings a database to the schema of this version, by Alembic."""

from __future__ import annotations

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config

SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"
_LOCK = 0x6C6167756E61  # one process migrates, the others wait for it


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return config


def upgrade(database_url: str) -> None:
    """Migrate to the newest schema. Safe to call from several processes at once."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        config = _config()
        config.attributes["database_url"] = database_url
        command.upgrade(config, "head")
