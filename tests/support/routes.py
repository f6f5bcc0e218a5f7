"""The route table of the application, as it is: every method of every path, however it is registered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from fastapi import FastAPI

from laguna.app import create_app
from laguna.settings import Settings

API = "/api/v1"


@cache
def application() -> FastAPI:
    """The application, not started: it knows its routes and describes them."""
    return create_app(Settings(database_url="postgresql://nobody@127.0.0.1:1/nothing", log_level="error"))


def _walk(routes: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _walk(included.routes)
        else:
            for method in route.methods - {"HEAD"}:
                yield method, route.path


@cache
def every_route() -> tuple[tuple[str, str], ...]:
    """(method, path) of every route, with parameters as `{code}`; sorted by path."""
    found = {(method, re.sub(r"{(\w+):\w+}", r"{\1}", path)) for method, path in _walk(application().routes)}
    return tuple(sorted(found, key=lambda route: route[::-1]))


@cache
def api_routes() -> tuple[tuple[str, str], ...]:
    """The routes below /api/v1, their paths without it."""
    return tuple((method, path.removeprefix(API)) for method, path in every_route() if path.startswith(f"{API}/"))
