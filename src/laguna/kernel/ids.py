"""Identifiers: UUIDv7, strictly increasing within a process, so that an id breaks the ties of `created_at`."""

from __future__ import annotations

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A fresh UUIDv7; later calls of the same process give greater ids."""
    return uuid7()


def parse_id(text: str | None) -> UUID | None:
    """The UUID a path or body names, or None: an invalid one is simply not found (spec 0 §15)."""
    try:
        return UUID(text) if text and len(text) <= 36 else None
    except ValueError:
        return None
