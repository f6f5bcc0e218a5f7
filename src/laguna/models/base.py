"""What the tables share: names of constraints, ids, times, and soft deletion."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Index, MetaData, Numeric, String, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from laguna.kernel.ids import new_id

NAMES = {
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}
ALIVE = text("deleted_at IS NULL")


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a plain class attribute
        datetime: DateTime(timezone=True),
        UUID: Uuid(),
        str: Text(),
        dict[str, Any]: JSONB(),
        list[str]: ARRAY(Text()),
    }


class Row(Base):
    """A row with an id that grows with time, and the organization it belongs to."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    created_at: Mapped[datetime]


class Resource(Row):
    """A row that clients create and edit."""

    __abstract__ = True

    updated_at: Mapped[datetime]


class SoftDeleted:
    """Vanishes from all reads once `deleted_at` is set; what refers to it stays."""

    deleted_at: Mapped[datetime | None]


def living_unique(table: str, *columns: str) -> Index:
    """A unique index over the rows that are not deleted."""
    return Index(f"{table}_{'_'.join(columns)}_key", *columns, unique=True, postgresql_where=ALIVE)


Precise = Numeric(45, 15)  # an amount in minor units with its fraction (spec 1 §0.1)
Units = Numeric()
Code = String(255)
