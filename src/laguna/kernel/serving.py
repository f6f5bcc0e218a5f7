"""The processes of an API server: how they stop, and where they count.

A stop has two parts. While it drains, everything is served as before, but `GET /ready` answers 503 and each answer
closes its connection, so that who sends requests here goes elsewhere and no connection is left open that could be in
use when the second part begins. Then the sockets are closed, and requests under way are finished.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
import threading
from collections.abc import Generator
from typing import Any

from granian.server.mp import MPServer


class Draining:
    """Whether the server is about to stop: said by the process that is told to, seen by those that serve."""

    def __init__(self) -> None:
        self._shared = multiprocessing.RawValue("b", 0)

    def begin(self) -> None:
        self._shared.value = 1

    def __bool__(self) -> bool:
        return bool(self._shared.value)


class DrainingServer(MPServer):
    """Granian, which drains for a while before it stops. A second signal ends the wait."""

    def __init__(self, target: str, draining: Draining, drain_seconds: float, **options: Any) -> None:
        super().__init__(target, **options)
        self._draining = draining
        self._drain_seconds = drain_seconds

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        stop = super().signal_handler_interrupt
        if self._draining or not self._drain_seconds:
            self._draining.begin()
            stop()
            return
        self._draining.begin()
        waiting = threading.Timer(self._drain_seconds, stop)
        waiting.daemon = True
        waiting.start()


@contextlib.contextmanager
def counting_together(processes: int) -> Generator[None]:
    """Let the processes that are forked inside count as one (`monitoring`): in a folder, when they are several."""
    if processes == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="laguna-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield
