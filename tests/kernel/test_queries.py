"""Query strings, and pages of lists (spec 0 §§5 to 7)."""

from __future__ import annotations

from typing import Any

import pytest

from laguna.kernel.errors import Problems
from laguna.kernel.queries import PER_PAGE_DEFAULT, PER_PAGE_MAX, Query, page_meta, parse_instant
from support.client import Client, Sandbox


@pytest.mark.parametrize(
    "text",
    ["status[]=a&status[]=b", "status=a&status=b", "status[0]=a&status[1]=b", "status%5B%5D=a&status%5B%5D=b"],
)
def test_arrays_are_written_in_three_ways(text: str) -> None:
    assert Query(text.encode()).array("status") == ["a", "b"]


def test_the_last_of_several_values_counts_where_one_is_wanted() -> None:
    assert Query(b"code=a&code=b").text("code") == "b"
    assert Query(b"code=").text("code") is None
    assert Query(b"other=1").text("code") is None
    assert Query(b"second=2").text("first", "second") == "2"


def test_plus_is_a_space_and_percent_codes_are_read() -> None:
    assert Query(b"q=a+b%2Bc%20d%C3%A9%26").text("q") == "a b+c d\u00e9&"


def test_maps_keep_empty_values() -> None:
    assert Query(b"metadata[a]=1&metadata[b]=").mapping("metadata") == {"a": "1", "b": ""}


def test_broken_strings_are_read_as_far_as_they_go() -> None:
    for raw in (b"%", b"a=%zz", b"a=%ff%fe", b"[]=1", b"a[[b]]=1", b"&&&=&", b"a=\xff", b"=" * 5000, b"a[]=1&" * 5000):
        Query(raw)
    assert "\x00" not in (Query(b"a=%00").text("a") or "")


@pytest.mark.parametrize(
    ("text", "page", "per_page"),
    [
        ("", 1, PER_PAGE_DEFAULT),
        ("page=3&per_page=20", 3, 20),
        ("page=0&per_page=0", 1, PER_PAGE_DEFAULT),
        ("page=-1&per_page=-5", 1, PER_PAGE_DEFAULT),
        ("page=x&per_page=many", 1, PER_PAGE_DEFAULT),
        ("page=1.5&per_page=1e3", 1, PER_PAGE_DEFAULT),
        ("per_page=1000000", 1, PER_PAGE_MAX),
        ("page=٣", 1, PER_PAGE_DEFAULT),
    ],
)
def test_pages_are_counted_from_one_and_rubbish_means_the_default(text: str, page: int, per_page: int) -> None:
    query = Query(text.encode())
    assert (query.page, query.per_page) == (page, per_page)


def test_a_page_beyond_every_number_stays_a_number() -> None:
    assert 1 <= Query(b"page=" + b"9" * 400).page < 2**63
    assert 1 <= Query(b"page=99999999999999999").page < 2**63


@pytest.mark.parametrize(
    ("page", "per_page", "total", "expected"),
    [
        (1, 10, 0, (0, None, None, 0, 0)),
        (5, 10, 0, (0, None, None, 0, 0)),
        (1, 10, 10, (1, None, None, 1, 10)),
        (1, 10, 11, (1, 2, None, 2, 11)),
        (2, 10, 11, (2, None, 1, 2, 11)),
        (7, 10, 11, (7, None, 6, 2, 11)),
    ],
)
def test_meta_tells_where_a_page_stands(page: int, per_page: int, total: int, expected: tuple[Any, ...]) -> None:
    assert tuple(page_meta(page, per_page, total).model_dump().values()) == expected


def test_booleans_integers_and_choices_are_read_or_refused() -> None:
    problems = Problems()
    query = Query(b"yes=true&no=FALSE&odd=maybe&n=7&big=99999999999999999999&half=1.5&kind=b")
    assert (query.boolean("yes"), query.boolean("no"), query.boolean("odd")) == (True, False, None)
    assert query.integer("n", problems) == 7
    assert query.choice("kind", ("a", "b"), problems) == "b"
    assert not problems
    assert query.integer("big", problems) is query.integer("half", problems) is None
    assert query.choice("kind", ("x",), problems) is None
    told = ["value_is_invalid"]
    assert problems.fields == {"big": told, "half": told, "kind": told}


def test_instants_are_reported_only_where_asked_for() -> None:
    problems = Problems()
    query = Query(b"from=soon&to=2024-01-31")
    assert query.instant("from") is None
    assert str(query.instant("to", problems)) == "2024-01-31 00:00:00+00:00"
    assert query.instant("from", problems) is None
    assert problems.fields == {"from": ["invalid_date"]}


@pytest.mark.parametrize("text", [None, 5, "", "0000-01-01", "0001-01-01", "9999-12-31", "24:00", "2024-W01-9"])
def test_what_is_no_instant_is_none(text: Any) -> None:
    assert parse_instant(text) is None


# --- over HTTP


def make_taxes(client: Client, count: int) -> None:
    for number in range(count):
        client.post("/taxes", {"tax": {"name": f"T{number}", "code": f"t{number}", "rate": 1}})


def page(client: Client, query: str) -> tuple[list[str], dict[str, Any]]:
    answer = client.get(f"/taxes?{query}")
    return [tax["code"] for tax in answer["taxes"]], answer["meta"]


def test_lists_come_newest_first_even_when_a_test_clock_stood_still(sandbox: Sandbox) -> None:
    client = sandbox()
    make_taxes(client, 5)
    assert page(client, "") == (
        ["t4", "t3", "t2", "t1", "t0"],
        {"current_page": 1, "next_page": None, "prev_page": None, "total_pages": 1, "total_count": 5},
    )
    pages = [page(client, f"page={number}&per_page=2") for number in (1, 2, 3, 4)]
    assert [codes for codes, _ in pages] == [["t4", "t3"], ["t2", "t1"], ["t0"], []]
    assert [(meta["current_page"], meta["next_page"], meta["prev_page"]) for _, meta in pages] == [
        (1, 2, None),
        (2, 3, 1),
        (3, None, 2),
        (4, None, 3),
    ]
    assert {meta["total_pages"] for _, meta in pages} == {3}


def test_an_empty_list_has_a_page_zero(sandbox: Sandbox) -> None:
    assert page(sandbox(), "page=3") == (
        [],
        {"current_page": 0, "next_page": None, "prev_page": None, "total_pages": 0, "total_count": 0},
    )


@pytest.mark.parametrize(
    "path", ["/taxes", "/plans", "/billable_metrics", "/customers", "/subscriptions", "/invoices", "/fees", "/events"]
)
@pytest.mark.parametrize(
    "query",
    [
        "page=99999999999999999999999&per_page=99999999999999",
        "search_term=%00%25_%5C'%22",
        "search_term=" + "x" * 5000,
        "external_id=%00&external_customer_id=%00&code=%00&plan_code=%00&external_subscription_id=%00",
        "status[]=%00&account_type[]=&currencies[]=%00&metadata[%00]=%00&amount_from=&billing_entity_codes[]=",
        "filter=[object+Object]&billing_entity_ids[]=x&unknown=1",
        "&".join(f"p{number}=1" for number in range(3000)),
    ],
    ids=["far pages", "wildcards", "long term", "nul", "odd filters", "unknown", "many"],
)
def test_no_query_string_breaks_a_list(sandbox: Sandbox, path: str, query: str) -> None:
    response = sandbox().send("GET", f"{path}?{query}")
    assert response.status_code in (200, 422), response.text
    if response.status_code == 200:
        assert response.json()[path[1:]] == []


def test_wildcards_in_a_search_term_are_plain_characters(sandbox: Sandbox) -> None:
    client = sandbox()
    for name in ("100% cotton", "100 cotton", "a_b", "axb", "back\\slash"):
        client.post("/customers", {"customer": {"external_id": name, "name": name}})

    def found(term: str) -> list[str]:
        return sorted(each["name"] for each in client.get("/customers", {"search_term": term})["customers"])

    assert found("100%") == ["100% cotton"]
    assert found("A_B") == ["a_b"]
    assert found("\\") == ["back\\slash"]
    assert found("cotton") == ["100 cotton", "100% cotton"]


def test_an_unreadable_date_is_refused_by_fees_and_events_and_ignored_by_invoices(sandbox: Sandbox) -> None:
    client = sandbox()
    for path, name in (("/fees", "created_at_from"), ("/events", "timestamp_to")):
        response = client.send("GET", path, params={name: "soon"})
        assert (response.status_code, response.json()["error_details"]) == (422, {name: ["invalid_date"]})
    assert client.get("/invoices", {"issuing_date_from": "soon"})["invoices"] == []
    assert client.send("GET", "/invoices?status=strange").status_code == 422
