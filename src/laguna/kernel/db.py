"""The database: engine, sessions that commit once at their end, COPY, and which errors deserve another try."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
from psycopg import sql
from psycopg.errors import DeadlockDetected, NumericValueOutOfRange, SerializationFailure, UniqueViolation
from psycopg.types.json import Jsonb, set_json_dumps, set_json_loads
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from laguna.kernel.context import OutrunError

_REPEATABLE = (DeadlockDetected, SerializationFailure, UniqueViolation)

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


def to_json(value: Any) -> str:
    """JSON text in which decimals are exact numbers."""
    return _encoder.encode(value).decode()


def from_json(text: str | bytes) -> Any:
    """The value of JSON text, its fractions as Decimal."""
    return _decoder.decode(text)


async def connect(url: str, *, autocommit: bool = False) -> psycopg.AsyncConnection[Any]:
    """A connection of its own, outside any pool. Its times are in UTC and its JSON keeps decimals exact."""
    connection = await psycopg.AsyncConnection.connect(
        url, autocommit=autocommit, options="-c timezone=UTC -c application_name=laguna"
    )
    set_json_dumps(to_json, connection)
    set_json_loads(from_json, connection)
    return connection


class Database:
    """The engine of one process. Make it after a fork, never before."""

    def __init__(self, url: str, pool_size: int = 20) -> None:
        self.url = url
        self.engine: AsyncEngine = create_async_engine(
            "postgresql+psycopg://",
            async_creator=lambda: connect(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=False,
            json_serializer=to_json,
            json_deserializer=from_json,
        )
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[AsyncSession]:
        """A transaction: committed when the block ends, rolled back when it raises."""
        async with self._sessions() as session, session.begin():
            yield session

    async def close(self) -> None:
        await self.engine.dispose()


async def connection_of(session: AsyncSession) -> psycopg.AsyncConnection[Any]:
    """The psycopg connection the session's transaction runs on."""
    raw = await (await session.connection()).get_raw_connection()
    connection = raw.driver_connection
    assert isinstance(connection, psycopg.AsyncConnection)
    return connection


async def copy_rows(session: AsyncSession, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """COPY `rows` into `table` within the session's transaction. JSON values are wrapped in `Jsonb`."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    connection = await connection_of(session)
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            await copy.write_row([Jsonb(value) if isinstance(value, (dict, list)) else value for value in row])


def _origin(error: BaseException) -> BaseException | None:
    """The driver's error, which comes as it is from COPY."""
    return error.orig if isinstance(error, DBAPIError) else error


def is_repeatable(error: BaseException) -> bool:
    """Whether the transaction may simply be run again: a lost race, not a mistake.

    A unique violation is one too: run again, the request finds the other row and answers 422 for it.
    """
    return isinstance(error, OutrunError) or isinstance(_origin(error), _REPEATABLE)


def is_out_of_range(error: BaseException) -> bool:
    """Whether a number came about that is larger than what is stored can be: 2^63 cents, for example."""
    return isinstance(_origin(error), NumericValueOutOfRange)


def is_unreachable(error: BaseException) -> bool:
    """Whether the database can't be reached now, or went away under the statement."""
    origin = _origin(error)
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(origin, psycopg.OperationalError) and not isinstance(origin, _REPEATABLE)
