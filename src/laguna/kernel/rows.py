"""Rows of one organization: the living ones, one by its code or id, and whether a code is taken."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, exists, select

from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, not_found

EntityT = TypeVar("EntityT")


def _conditions(context: Context, entity: Any, by: dict[str, Any]) -> list[Any]:
    conditions = [entity.organization_id == context.organization_id]
    if hasattr(entity, "deleted_at"):
        conditions.append(entity.deleted_at.is_(None))
    return conditions + [getattr(entity, name) == value for name, value in by.items()]


def living(context: Context, entity: type[EntityT], **by: Any) -> Select[EntityT]:
    """Select the organization's rows that are not deleted and match `by`."""
    return select(entity).where(*_conditions(context, entity, by))


async def find(context: Context, entity: type[EntityT], resource: str, **by: Any) -> EntityT:
    """The one living row that matches, or 404 `<resource>_not_found`."""
    if any(value is None for value in by.values()):
        raise not_found(resource)
    row = (await context.session.scalars(living(context, entity, **by))).one_or_none()
    if row is None:
        raise not_found(resource)
    return row


async def refuse_taken(
    context: Context, problems: Problems, entity: Any, field: str, value: str | None, but: UUID | None = None, **by: Any
) -> None:
    """`value_already_exist` on `field` when another living row that matches `by` has the value."""
    if value is None or field in problems:
        return
    taken = exists().where(*_conditions(context, entity, {field: value, **by}), entity.id != but)
    if await context.session.scalar(select(taken)):
        problems.add(field, "value_already_exist")
