"""`laguna check`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Generator

from rich.console import Console

from laguna.commands.database import DataDir, existing_database


def check(data_dir: DataDir = None) -> None:
    """Verify that what is stored is right: totals, numbers, evidence, periods, webhooks. Exits with 1 where it isn't.

    Reads only, in one snapshot, also beside a running server.
    """
    from laguna.check.report import show
    from laguna.check.run import check as verify

    with existing_database(data_dir) as url, _progress() as progress:
        report = verify(url, progress=progress)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    show(report, console)
    if not report.holds:
        sys.exit(1)


@contextlib.contextmanager
def _progress() -> Generator[Callable[[str], None]]:
    """What is being verified, on standard error while it is, where that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("") as status:
        yield lambda name: status.update(f"verifying: {name}")
