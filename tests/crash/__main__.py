"""`make crash`: the crash runs at full length. The seed is printed; with it the kills fall at the same points."""

from __future__ import annotations

import argparse
import secrets
import tempfile
from pathlib import Path

from crash import billing, ingestion


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscriptions", type=int, default=500)
    parser.add_argument("--months", type=int, default=11)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="laguna-crash-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # as root, PostgreSQL may run under another account, which must reach its folder
        print(f"billing of {options.subscriptions} subscriptions, {options.kills} kills")
        billing.run(folder, options.subscriptions, options.months, options.kills, options.seed, print)
        print(f"ingestion with {ingestion.CLIENTS} clients, {options.kills} kills")
        ingestion.run(folder, options.kills, options.seed, print)


if __name__ == "__main__":
    main()
