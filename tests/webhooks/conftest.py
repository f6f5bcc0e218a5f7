"""A server that may send webhooks to this machine, and receivers for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from support.client import START, Client, new_organization
from support.database import Databases
from support.receiver import Receiver, receiving
from support.server import Server, running_server


@pytest.fixture(scope="module")
def sending(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this module's own whose webhooks reach local receivers, and give up on slow ones after a second."""
    url = databases.clone()
    with running_server(
        url,
        tmp_path_factory.mktemp("sending"),
        LAGUNA_WEBHOOK_ALLOW_PRIVATE="true",
        LAGUNA_WEBHOOK_TIMEOUT_SECONDS="1",
    ) as server:
        yield server
    databases.drop(url)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def organization(sending: Server, http: httpx.Client, request: pytest.FixtureRequest) -> Callable[[], Client]:
    """Makes a fresh organization on the sending server."""
    return lambda: new_organization(sending, http, request.node.name[:100], START)
