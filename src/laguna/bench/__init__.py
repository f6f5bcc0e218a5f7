"""`laguna bench`: what this machine does, measured on a server of the benchmark's own."""

from laguna.bench.command import app

__all__ = ["app"]
