"""Everything that can be configured, from the environment: LAGUNA_* and DATABASE_URL. `laguna config` lists it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_PREFIX = "LAGUNA_"
_MASK = "********"


class Settings(BaseSettings):
    """The settings of one process. An empty variable counts as absent."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_ignore_empty=True, extra="ignore", validate_by_name=True, validate_by_alias=True
    )

    database_url: str | None = Field(
        default=None,
        validation_alias="DATABASE_URL",
        description="A PostgreSQL of your own, as postgresql://user:password@host:port/name. Absent: the embedded one.",
    )
    data_dir: Path = Field(
        default=Path("data"), description="The folder in which the embedded PostgreSQL keeps its data."
    )
    host: str = Field(default="127.0.0.1", description="The address the API listens on; 0.0.0.0 means all.")
    port: int = Field(
        default=3000, ge=0, le=65535, description="The port the API listens on; 0 lets `laguna up` choose a free one."
    )
    public_url: str | None = Field(
        default=None,
        description="The URL by which others reach this server, without /api/v1. Absent: http://host:port.",
    )
    admin_api_key: SecretStr | None = Field(
        default=None, description="The key of the operator API (POST /admin/organizations). Absent: there is none."
    )
    workers: int = Field(default=1, ge=1, le=64, description="API processes.")
    pool_size: int = Field(default=20, ge=2, le=1000, description="Database connections of each process, at most.")
    max_body_bytes: int = Field(default=5_242_880, ge=1024, description="The longest request body, in bytes.")
    max_batch_events: int = Field(default=100, ge=1, le=10_000, description="Events in one request, at most.")
    webhook_timeout_seconds: float = Field(
        default=30, gt=0, le=300, description="How long a webhook endpoint may take to connect, to read, to answer."
    )
    webhook_allow_private: bool = Field(
        default=False, description="Whether webhooks may go to private addresses: localhost, 10.x, 192.168.x and so on."
    )
    stop_seconds: int = Field(
        default=30, ge=1, le=3600, description="How long requests and jobs in flight may take to finish at a stop."
    )
    drain_seconds: float = Field(
        default=0.5,
        ge=0,
        le=3600,
        description="At a stop, how long GET /ready answers 503 while everything is still served. Behind a load"
        " balancer: longer than that takes to notice.",
    )
    metrics_token: SecretStr | None = Field(
        default=None, description="What GET /metrics asks for, as Authorization: Bearer. Absent: it is open to all."
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="console for people, json for programs: one object a line."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severity that is logged: debug, info, warning or error."
    )

    @property
    def reachable_url(self) -> str:
        """What links and signatures name as this server: `public_url`, without a slash at its end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _as_libpq_uri(cls, url: str | None) -> str | None:
        """The forms that other tools take, SQLAlchemy's with a driver among them, as the one libpq takes."""
        if url is None:
            return None
        uri = re.sub(r"^postgres(?:ql)?(?:\+\w+)?://", "postgresql://", url.strip())
        if not uri.startswith("postgresql://"):
            raise ValueError("must look like postgresql://user:password@host:port/name")
        return uri


@cache
def settings() -> Settings:
    """The settings of this process, read once. `settings.cache_clear()` makes the next call read them again."""
    return Settings()


@dataclass(frozen=True)
class Variable:
    """One line of `laguna config`."""

    name: str
    meaning: str
    default: str
    current: str


def variable(field: str) -> str:
    """The environment variable of a setting: port -> LAGUNA_PORT."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else f"{_PREFIX}{field.upper()}"


def variables(current: Settings) -> Iterator[Variable]:
    """Every variable in the order of the fields, with secrets masked."""
    for field, info in Settings.model_fields.items():
        yield Variable(variable(field), info.description or "", _shown(info.default), _shown(getattr(current, field)))


def masked_url(url: str) -> str:
    """A database URL without its password."""
    url = re.sub(r"(?<=://)([^:/@?#]*):.*@(?=[^@]*$)", rf"\1:{_MASK}@", url)
    return re.sub(r"(?<=[?&]password=)[^&]*", _MASK, url)


def explain(error: ValidationError) -> str:
    """What is wrong with which variable, one a line. Never the value: it may be a secret."""
    names = {field: variable(field) for field in Settings.model_fields}
    return "\n".join(
        f"{names.get(str(detail['loc'][0]), str(detail['loc'][0]))}: {detail['msg']}" for detail in error.errors()
    )


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case SecretStr():
            return _MASK
        case str():
            return masked_url(value)
        case _:
            return str(value)
