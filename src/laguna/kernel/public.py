"""Under which address this process is reached: links that need no key begin with it."""

from __future__ import annotations


class PublicUrl:
    """Where this process says its files are served; each process that makes links sets it when it starts."""

    value = "http://127.0.0.1:3000"


def serve_at(url: str) -> None:
    PublicUrl.value = url.rstrip("/")
