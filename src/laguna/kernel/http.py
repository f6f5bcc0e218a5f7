"""Routes: raw path segments, one unit of work per request, errors as JSON, request ids and access logs."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from laguna.kernel.context import Context, OutrunError
from laguna.kernel.db import is_out_of_range, is_repeatable, is_unreachable
from laguna.kernel.errors import ApiError, internal, not_found, unavailable, validation
from laguna.kernel.ids import new_id
from laguna.kernel.inputs import Input, receive_body
from laguna.kernel.monitoring import observe_request
from laguna.kernel.outputs import error_response
from laguna.kernel.queries import Query

log = structlog.get_logger()

MAX_ATTEMPTS = 3


class _Segment(Convertor[str]):
    """One path segment, decoded once: `%2F` stays inside it, `+` is a plus (spec 0 §15)."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        try:
            text = unquote_to_bytes(value).decode()
        except UnicodeDecodeError:
            raise not_found("resource") from None
        if "\x00" in text:
            raise not_found("resource")
        return text

    def to_string(self, value: str) -> str:
        return value


class _Rest(_Segment):
    """The rest of the path: a catalogue code in last position may hold raw slashes. Register such routes last."""

    regex = ".+"


register_url_convertor("segment", _Segment())
register_url_convertor("rest", _Rest())


class RawPath:
    """Makes routing work on the undecoded path, so that `a%2Fb` is one segment; HEAD is served as GET."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        outer = scope
        raw = scope.get("raw_path") or b""
        if raw:
            path = raw.split(b"?", 1)[0].decode("latin-1")
            scope = {**scope, "path": path if path == "/" else path.rstrip("/") or "/"}
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
            send = _without_body(send)
        try:
            await self.app(scope, receive, send)
        finally:
            outer["route"] = scope.get("route")  # which one it was: the copy of the scope is told


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head


class RequestLog:
    """Gives each request an id, answers it in `X-Request-Id`, counts it, and logs one line; turns what escapes into a
    JSON 500. While the server drains, each answer closes its connection."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent = next((v.decode("latin-1") for k, v in scope["headers"] if k == b"x-request-id"), "")
        request_id = sent if 0 < len(sent) <= 128 and sent.isprintable() else str(new_id())
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began = time.perf_counter()
        draining = bool(getattr(scope["app"].state, "draining", False))
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], (b"x-request-id", request_id.encode("latin-1"))]
                if draining:
                    headers.append((b"connection", b"close"))
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self.app(scope, receive, send_marked)
        except ClientDisconnect:
            log.debug("client went away", path=scope["path"])
        except Exception:
            if status:
                return  # answered, and logged where that was done
            log.exception("request failed")
            error = internal()
            await error_response(error.status, error.body)(scope, receive, send_marked)
        finally:
            elapsed = time.perf_counter() - began
            template = getattr(scope.get("route"), "path", "none")
            observe_request(scope["method"], template, status, elapsed)
            log.debug("request", method=scope["method"], path=scope["path"], status=status, ms=round(elapsed * 1000, 1))


OpenContext = Callable[[Request], AbstractAsyncContextManager[Context]]


class ApiRoute(APIRoute):
    """A route of one organization: its key is checked first, the handler runs in one transaction, which is committed
    before the answer leaves. A lost race (deadlock, a row that another request just made, or changed later than this
    one began) runs the handler again. Amounts that come out larger than any invoice can hold are refused."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            open_context: OpenContext = request.app.state.open_context
            if request.method != "GET":
                await receive_body(request)
            attempt = 1
            while True:
                try:
                    async with open_context(request) as context:
                        request.state.context = context
                        return await handle(request)
                except Exception as error:
                    if is_out_of_range(error):
                        raise validation({"amount_cents": ["value_is_out_of_range"]}) from error
                    if isinstance(error, OutrunError):
                        request.state.not_before = error.changed_at
                    if attempt == MAX_ATTEMPTS or not is_repeatable(error):
                        raise
                attempt += 1

        return handler


def _context(request: Request) -> Context:
    return request.state.context


def _query(request: Request) -> Query:
    return Query(request.scope["query_string"])


Scoped = Annotated[Context, Depends(_context)]
Params = Annotated[Query, Depends(_query)]


def api_router(tag: str) -> APIRouter:
    """A router below `/api/v1` whose routes need a key."""
    return APIRouter(prefix="/api/v1", tags=[tag], route_class=ApiRoute)


_inputs: dict[str, type[Input]] = {}
Endpoint = Callable[..., Awaitable[Response]]


def update_route(router: APIRouter, path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
    """A route that updates a resource: PUT, and PATCH as its alias (spec 0 §3)."""

    def register(endpoint: Endpoint) -> Endpoint:
        router.put(path, **options)(endpoint)
        router.patch(path, include_in_schema=False)(endpoint)
        return endpoint

    return register


def body_of(root: str | None, model: type[Input]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads `model` under the key `root`, or as the body itself."""
    _inputs[model.__name__] = model
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    schema = {"type": "object", "required": [root], "properties": {root: reference}} if root else reference
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def install_error_handlers(app: FastAPI) -> None:
    """Every error is JSON in the API's shape; no stack trace ever leaves (spec 0 §10)."""

    async def api_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, ApiError)
        return error_response(error.status, error.body, error.headers)

    async def http_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        answer = not_found("resource") if error.status_code in (404, 405) else internal()
        return error_response(answer.status, answer.body)

    async def any_error(_: Request, error: Exception) -> Response:
        answer = unavailable() if is_unreachable(error) else internal()
        if not isinstance(error, ClientDisconnect):
            log.error("request failed", exc_info=error)
        return error_response(answer.status, answer.body, answer.headers)

    app.add_exception_handler(ApiError, api_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(Exception, any_error)


def install_schemas(app: FastAPI) -> None:
    """Adds the input models, which FastAPI does not see, to the OpenAPI document."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for model in _inputs.values():
                schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas.update(schema.pop("$defs", {}))
                schemas[model.__name__] = schema
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # pyright: ignore[reportAttributeAccessIssue]
