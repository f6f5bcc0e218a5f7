"""What one row says of another stays within one organization: found from the tables' own foreign keys."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Table

from laguna.check.invariant import Invariant
from laguna.models import Base

_OWNER = "organization_id"


def _references() -> Iterator[tuple[Table, str, Table, str]]:
    """(child, column, parent, column) of each foreign key between tables whose rows have an organization."""
    for child in Base.metadata.sorted_tables:
        for key in sorted(child.foreign_keys, key=lambda key: key.parent.name):
            parent = key.column.table
            if _OWNER in child.columns and _OWNER in parent.columns:
                yield child, key.parent.name, parent, key.column.name


def _strangers(child: Table, column: str, parent: Table, parent_column: str) -> str:
    key = next(iter(child.primary_key.columns)).name
    return f"""
        SELECT child.organization_id, '{child.name}' AS child, child."{key}"::text AS id, '{column}' AS reference,
            child."{column}"::text AS parent_id, parent.organization_id AS owner
        FROM "{child.name}" AS child LEFT JOIN "{parent.name}" AS parent ON parent."{parent_column}" = child."{column}"
        WHERE child."{column}" IS NOT NULL AND child.organization_id IS DISTINCT FROM parent.organization_id
    """


TENANTS = (
    Invariant(
        "tenants",
        "A row refers only to rows of its own organization, which exist.",
        " UNION ALL ".join(_strangers(*reference) for reference in _references()),
        "row {id} of {child}: {reference} {parent_id} belongs to organization {owner}",
    ),
)
