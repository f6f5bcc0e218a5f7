"""A small application in Laguna's place, for tests of the processes around it: put this folder on PYTHONPATH.

`/health` asks the database; `/gate?FILE` answers when FILE exists, so that a test decides how long a request takes.
"""

import asyncio
import os
import signal
import sys
import time
import types
from pathlib import Path
from typing import Any

_TABLE = "CREATE TABLE IF NOT EXISTS organizations (key text)"


def _execute(url: str, statement: str) -> list[Any]:
    import psycopg

    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def _pass_gate(file: str) -> None:
    Path(f"{file}.waits").touch()
    while not Path(file).exists():
        time.sleep(0.02)


def upgrade(url: str) -> None:
    _execute(url, _TABLE)


def first_organization(url: str) -> str | None:
    if _execute(url, "SELECT 1 FROM organizations"):
        return None
    return create_key(url, None)


def create_key(url: str, organization: str | None) -> str:
    if organization == "nowhere":
        raise LookupError("There is no organization nowhere.")
    key = os.urandom(8).hex()
    _execute(url, f"INSERT INTO organizations VALUES ('{key}')")
    return key


def create_app(draining: Any = None) -> Any:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["path"] == "/gate":
            await asyncio.to_thread(_pass_gate, scope["query_string"].decode())
        status = 200
        try:
            _execute(os.environ["DATABASE_URL"], "SELECT 1")
        except Exception:
            status = 503
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    return app


async def run() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    print("worker: finished what was in flight", flush=True)


def _module(name: str, **members: Any) -> None:
    sys.modules[name] = module = types.ModuleType(name)
    module.__dict__.update(members)


_module("laguna.kernel.migrations", upgrade=upgrade)
_module("laguna.accounts", __path__=[])
_module("laguna.accounts.bootstrap", first_organization=first_organization, create_key=create_key)
_module("laguna.app", create_app=create_app)
_module("laguna.worker", run=run)
