"""Links to documents prove themselves: none can be made up, changed, or used after its time."""

from __future__ import annotations

import base64
from datetime import date, timedelta
from uuid import UUID

import pytest

from laguna.invoices.pdf.links import VALID_DAYS, file_name, invoice_named, last_day
from laguna.kernel.ids import new_id

SECRET = b"secret"
TODAY = date(2024, 3, 15)
INVOICE = UUID("019a1b2c-3d4e-7f00-8a1b-2c3d4e5f6071")
NAME = file_name(SECRET, INVOICE, last_day(TODAY))


def test_a_link_names_its_invoice_up_to_its_last_day() -> None:
    until = last_day(TODAY)
    assert invoice_named(SECRET, NAME, TODAY) == INVOICE
    assert invoice_named(SECRET, NAME, until) == INVOICE
    assert invoice_named(SECRET, NAME, until + timedelta(days=1)) is None


def test_a_link_made_on_any_day_is_valid_for_30_to_60_days() -> None:
    for number in range(100):
        day = TODAY + timedelta(days=number)
        assert VALID_DAYS <= (last_day(day) - day).days < 2 * VALID_DAYS


def test_a_link_is_the_same_for_weeks() -> None:
    days = {last_day(TODAY + timedelta(days=number)) for number in range(VALID_DAYS)}
    assert len(days) <= 2


def test_each_invoice_has_a_link_of_its_own_that_does_not_show_its_secret() -> None:
    names = {file_name(SECRET, new_id(), TODAY) for _ in range(100)}
    assert len({name[-30:] for name in names}) == 100


@pytest.mark.parametrize("at", range(len(NAME)))
def test_a_link_changed_anywhere_names_nothing(at: int) -> None:
    for letter in "A_z.0":
        changed = NAME[:at] + letter + NAME[at + 1 :]
        assert changed == NAME or invoice_named(SECRET, changed, TODAY) is None


def told(length: int) -> str:
    return base64.urlsafe_b64encode(bytes(length)).decode() + ".pdf"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".pdf",
        NAME.removesuffix(".pdf"),
        NAME + ".pdf",
        NAME + "=",
        "*" + NAME,  # characters that decoding would skip
        NAME.replace(".pdf", ".PDF"),
        NAME.replace(".pdf", "\n.pdf"),
        str(INVOICE) + ".pdf",
        told(0),
        told(38),
        told(39),
        told(40),
        told(5000),
        "é" * 52 + ".pdf",
        "%00.pdf",
        "../../etc/passwd",
    ],
)
def test_what_was_not_made_here_names_nothing(name: str) -> None:
    assert invoice_named(SECRET, name, TODAY) is None


def test_the_day_of_a_link_can_not_be_moved() -> None:
    later = file_name(SECRET, INVOICE, TODAY + timedelta(days=300))
    mixed = later[:26] + NAME[26:]
    assert mixed not in (later, NAME)
    assert invoice_named(SECRET, mixed, TODAY) is None


def test_another_databases_link_names_nothing() -> None:
    assert invoice_named(b"another", NAME, TODAY) is None
