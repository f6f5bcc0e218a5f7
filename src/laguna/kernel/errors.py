"""Errors in the API's shape (spec 0 §10), and the collector that reports all invalid fields at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

Details = Mapping[str, Any] | str


class ApiError(Exception):
    """An answer that ends a request: `status` and the JSON `body` the client gets."""

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


def bad_request(text: str) -> ApiError:
    return ApiError(400, {"status": 400, "error": f"BadRequest: {text}"})


def missing_root(root: str) -> ApiError:
    return bad_request(f"param is missing or the value is empty or invalid: {root}")


def invalid_json() -> ApiError:
    return bad_request("invalid JSON")


def unauthorized() -> ApiError:
    return ApiError(401, {"status": 401, "error": "Unauthorized"})


def forbidden(code: str) -> ApiError:
    return ApiError(403, {"status": 403, "error": "Forbidden", "code": code})


def not_found(resource: str) -> ApiError:
    """404 with code `<resource>_not_found`: not_found("plan")."""
    return ApiError(404, {"status": 404, "error": "Not Found", "code": f"{resource}_not_found"})


def not_allowed(code: str) -> ApiError:
    """405: the state of the object forbids the action; it has nothing to do with HTTP verbs."""
    return ApiError(405, {"status": 405, "error": "Method Not Allowed", "code": code})


def too_large() -> ApiError:
    return ApiError(413, {"status": 413, "error": "Content Too Large", "code": "body_too_large"})


def validation(details: Details) -> ApiError:
    """422 with the given `error_details`: {"rate": ["value_is_mandatory"]}."""
    body = {"status": 422, "error": "Unprocessable Entity", "code": "validation_errors", "error_details": details}
    return ApiError(422, body)


def internal() -> ApiError:
    return ApiError(500, {"status": 500, "error": "Internal Server Error"})


def unavailable(retry_after_seconds: int = 1) -> ApiError:
    body = {"status": 503, "error": "Service Unavailable", "code": "unavailable"}
    return ApiError(503, body, {"Retry-After": str(retry_after_seconds)})


class Problems:
    """Collects the invalid fields of one request, in order, each code once per field; and those that are valid, but
    say what can't be changed any more and are `ignored`."""

    def __init__(self) -> None:
        self.fields: dict[str, list[str]] = {}
        self.ignored: list[str] = []

    def __contains__(self, field: str) -> bool:
        return field in self.fields

    def __bool__(self) -> bool:
        return bool(self.fields)

    def add(self, field: str, *codes: str) -> None:
        known = self.fields.setdefault(field, [])
        known.extend(code for code in codes if code not in known)

    def mandatory(self, values: Mapping[str, Any], fields: Iterable[str]) -> None:
        """`value_is_mandatory` on each of `fields` that is blank, unless the field is reported already."""
        for field in fields:
            if field not in self and is_blank(values.get(field)):
                self.add(field, "value_is_mandatory")

    def unsupported(self, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        """`unsupported_value` on each field given with anything but its default: known to the API, not billed yet."""
        for field, default in defaults.items():
            given = values.get(field)
            if given is not None and given != default and given not in ([], {}, ""):
                self.add(field, "unsupported_value")

    def ignore(self, values: Mapping[str, Any], fields: Iterable[str], row: object) -> None:
        """Note each of `fields` that is given with another value than `row` has: it has no effect (spec 1 §9 W7)."""
        for field in fields:
            given = values.get(field) or None
            if given is not None and given != getattr(row, field, None) and field not in self.ignored:
                self.ignored.append(field)

    def check(self) -> None:
        """Raise 422 when anything was collected."""
        if self.fields:
            raise validation(dict(self.fields))

    def fail(self, field: str, code: str) -> NoReturn:
        self.add(field, code)
        raise validation(dict(self.fields))


def is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
