"""`laguna backup` and `laguna restore`: what comes back is what was there, and nothing is overwritten."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import httpx
import psycopg
import pytest

from laguna.kernel.embedded import EmbeddedPostgres
from laguna.models import Base
from support.client import new_organization
from support.database import Databases
from support.everything import MARK, NOW, make_everything
from support.server import environment, running_server


def laguna(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    values = environment("", **variables)
    return subprocess.run(
        [sys.executable, "-m", "laguna", *map(str, arguments)], env=values, capture_output=True, text=True, timeout=120
    )


WEBHOOKS = {"webhook_deliveries"}  # a running server goes on trying


def contents(url: str, without: Collection[str] = ()) -> dict[str, tuple[object, ...] | None]:
    """Rows of every table and a hash of them."""
    rows = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text))"
    with psycopg.connect(url) as connection:
        tables = [*Base.metadata.tables, "procrastinate_jobs", "alembic_version"]
        names = [name for name in tables if name not in without]
        return {name: connection.execute(f"{rows} FROM {name} AS t".encode()).fetchone() for name in names}


@pytest.fixture(scope="module")
def backup(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A backup of an organization with one of everything, made while the server runs; its database, and its key."""
    folder = tmp_path_factory.mktemp("backup")
    url, file = databases.clone(), folder / "laguna.backup"
    with running_server(url, folder) as server, httpx.Client(timeout=60) as http:
        tenant = make_everything(new_organization(server, http, MARK, NOW))
        done = laguna("backup", file, DATABASE_URL=url)
        assert done.returncode == 0, done.stderr
    return file, url, tenant.client.key


def test_a_backup_restored_in_a_new_folder_holds_everything(backup: tuple[Path, str, str], tmp_path: Path) -> None:
    file, url, key = backup
    done = laguna("restore", file, "--data-dir", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    (tmp_path / "server").mkdir()
    with EmbeddedPostgres(tmp_path / "data") as postgres:
        assert contents(postgres.url, WEBHOOKS) == contents(url, WEBHOOKS)
        with running_server(postgres.url, tmp_path / "server") as server, httpx.Client(timeout=60) as http:
            headers = {"Authorization": f"Bearer {key}"}
            assert http.get(f"{server.url}/api/v1/invoices", headers=headers).json()["invoices"]
            event = {"transaction_id": "after", "external_subscription_id": f"{MARK}-subscription", "code": "calls"}
            stored = http.post(f"{server.url}/api/v1/events", headers=headers, json={"event": event})
            assert stored.status_code == 200, "and goes on from there"


def test_a_backup_of_a_folder_that_nothing_runs_on_can_be_restored_too(
    backup: tuple[Path, str, str], tmp_path: Path
) -> None:
    first, _, _ = backup
    for step in (
        laguna("restore", first, "--data-dir", tmp_path / "one"),
        laguna("backup", tmp_path / "second", "--data-dir", tmp_path / "one"),
        laguna("restore", tmp_path / "second", "--data-dir", tmp_path / "two"),
    ):
        assert step.returncode == 0, step.stderr
    with EmbeddedPostgres(tmp_path / "one") as one, EmbeddedPostgres(tmp_path / "two") as two:
        assert contents(one.url) == contents(two.url)


def test_nothing_is_overwritten_and_what_is_no_backup_leaves_nothing(
    backup: tuple[Path, str, str], own_database_url: str, databases: Databases, tmp_path: Path
) -> None:
    file, url, _ = backup
    before = file.read_bytes()
    refused = laguna("backup", file, DATABASE_URL=url)
    assert (refused.returncode, "exists already" in refused.stderr) == (1, True)
    assert file.read_bytes() == before
    refused = laguna("restore", file, DATABASE_URL=own_database_url)
    assert (refused.returncode, "not empty" in refused.stderr) == (1, True)
    cut = tmp_path / "cut"
    cut.write_bytes(before[: len(before) // 2])
    refused = laguna("restore", cut, "--data-dir", tmp_path / "data")
    assert (refused.returncode, refused.stderr.startswith("Error: ")) == (1, True)
    assert laguna("restore", file, "--data-dir", tmp_path / "data").returncode == 0, "the folder was left empty"
    refused = laguna("restore", tmp_path / "nothing", "--data-dir", tmp_path / "other")
    assert (refused.returncode, "There is no file" in refused.stderr) == (1, True)
