"""`/plans/:code/metadata` (spec 2 §2.1)."""

from __future__ import annotations

from typing import Any

import pytest
from lago_python_client import Client as Lago

from support.billing import make_plan
from support.client import Client, Sandbox

PATH = "/plans/plan/metadata"


def kept(client: Client) -> Any:
    return client.get("/plans/plan")["plan"]["metadata"]


def test_metadata_is_replaced_merged_and_removed(sandbox: Sandbox) -> None:
    client = sandbox()
    make_plan(client, metadata={"a": "1", "b": "2"})
    assert client.send("PATCH", PATH, {"metadata": {"b": None, "c": "3"}}).json() == {
        "metadata": {"a": "1", "b": None, "c": "3"}
    }
    assert client.delete(f"{PATH}/a") == {"metadata": {"b": None, "c": "3"}}
    assert client.post(PATH, {"metadata": {"x/y z": "1"}}) == {"metadata": {"x/y z": "1"}}
    assert kept(client) == {"x/y z": "1"}
    assert client.delete(f"{PATH}/x%2Fy%20z") == {"metadata": {}}
    assert client.delete(PATH) == {"metadata": None}
    assert kept(client) is None
    assert client.send("PATCH", PATH, {"metadata": {"a": "1"}}).json() == {"metadata": {"a": "1"}}


def test_the_sdk_keeps_metadata(sandbox: Sandbox) -> None:
    client = sandbox()
    make_plan(client)
    plans = Lago(api_key=client.key, api_url=client.server.url).plans
    assert plans.replace_metadata("plan", {"a": "1"}) == {"a": "1"}
    assert plans.merge_metadata("plan", {"b": None}) == {"a": "1", "b": None}
    assert plans.delete_metadata_key("plan", "a") == {"b": None}
    assert plans.delete_all_metadata("plan") is None


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({"k": 1}, "invalid_type"),
        ({"k": {"deep": "er"}}, "invalid_type"),
        ({"k" * 101: "v"}, "value_is_too_long"),
        ({"k": "v" * 256}, "value_is_too_long"),
        ({"k": "\x00"}, "value_is_invalid"),
        ({f"k{number}": "" for number in range(50)}, "too_many_keys"),  # with the one there is
    ],
)
def test_bad_metadata_changes_nothing(sandbox: Sandbox, metadata: Any, problem: str) -> None:
    client = sandbox()
    make_plan(client, metadata={"kept": "1"})
    answer = client.send("PATCH", PATH, {"metadata": metadata})
    assert (answer.status_code, answer.json()["error_details"]) == (422, {"metadata": [problem]})
    assert kept(client) == {"kept": "1"}


def test_what_is_not_there(sandbox: Sandbox) -> None:
    client = sandbox()
    make_plan(client)
    assert client.delete(f"{PATH}/none", expect=404)["code"] == "metadata_not_found"
    for method, path, body in (
        ("POST", "", {"metadata": {"a": "b"}}),
        ("PATCH", "", {"metadata": {"a": "b"}}),
        ("DELETE", "", None),
        ("DELETE", "/a", None),
    ):
        answer = client.send(method, f"/plans/none/metadata{path}", body)
        assert (answer.status_code, answer.json()["code"]) == (404, "plan_not_found")
    for body in ({}, {"metadata": None}, {"metadata": {}}, {"metadata": ["a"]}):
        client.post(PATH, body, expect=400)
