"""What the installation knows of itself."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from laguna.models.base import Base


class ServerSecret(Base):
    """A secret that all processes on one database share, made by whoever needs it first."""

    __tablename__ = "server_secrets"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
