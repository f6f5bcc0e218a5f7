"""Alembic's environment: one connection, handed over by `kernel/migrations.py`."""

from __future__ import annotations

import psycopg
from alembic import context
from sqlalchemy import create_engine, pool

from laguna.models import Base

url: str = context.config.attributes["database_url"]
engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=pool.NullPool)

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()
