"""Brings a database to the schema of this version, by Alembic."""

from __future__ import annotations

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

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


def is_current(database_url: str) -> bool:
    """Whether the database has the newest schema."""
    with psycopg.connect(database_url) as connection:
        try:
            versions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        except psycopg.errors.UndefinedTable:
            return False
    return {version for (version,) in versions} == set(ScriptDirectory.from_config(_config()).get_heads())
