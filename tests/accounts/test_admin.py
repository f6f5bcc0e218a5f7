"""Organizations that are made at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx

from support.client import new_organization
from support.server import Server


def test_organizations_of_one_name_made_at_once_are_apart(server: Server, http: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: new_organization(server, http, "Same Name", None), range(8)))
    assert len({client.organization_id for client in made}) == 8
