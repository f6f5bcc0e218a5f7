"""`laguna` as an operator runs it, on a database that is there."""

from __future__ import annotations

import os
import subprocess
import sys

DEADLINE_SECONDS = 60


def laguna(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `laguna ARGUMENTS` with these variables and none of the surroundings' own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LAGUNA_", "DATABASE_URL"))}
    return subprocess.run(
        [sys.executable, "-m", "laguna", *arguments],
        env={**kept, **variables},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )
