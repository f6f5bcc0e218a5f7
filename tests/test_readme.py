"""The README's quickstarts work as printed and show the figures that it shows; the pages in docs/ keep to the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from laguna.billing import edit, subscribe
from laguna.catalog import charges
from laguna.catalog import service as plans
from support.server import Server

README = Path(__file__).parent.parent / "README.md"
PAGES = [README, README.parent / "CONTRIBUTING.md", *sorted(README.parent.glob("docs/*.md"))]
REFUSED = {
    *subscribe.UNSUPPORTED,
    *charges.UNSUPPORTED,
    *plans.UNSUPPORTED,
    "bill_fixed_charges_monthly",
    *edit.UNSUPPORTED,
    "custom_agg",
    "custom",
}
FENCED = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
PREFIX = re.compile(r"\bTIL-[0-9A-F]{4}\b")  # of document numbers: it ends in four digits of the organization's id
SECONDS = 120


def section(title: str) -> dict[str, str]:
    """The code blocks of a section of the README, by language."""
    text = README.read_text().split(f"### {title}\n", 1)[1]
    text = re.split(r"^##+ \w", text, maxsplit=1, flags=re.MULTILINE)[0]
    blocks = [(found["language"], found["text"]) for found in FENCED.finditer(text)]
    assert len(dict(blocks)) == len(blocks), "one block of each language"
    return dict(blocks)


def pasted(text: str, server: Server) -> str:
    """The block with the address and the key of this run's server in place of the README's."""
    assert "http://127.0.0.1:3000" in text
    assert "operator-key" in text
    return text.replace("http://127.0.0.1:3000", server.url).replace("operator-key", server.admin_key)


def printed(*command: str, stdin: str | None = None, folder: Path) -> str:
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd=folder,
        # `python3` of the shell's story is any; here the one that runs the tests is known to be there
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_story_told_with_the_sdk_ends_with_the_invoices_shown(server: Server, tmp_path: Path) -> None:
    blocks = section("With the official Python SDK")
    (tmp_path / "quickstart.py").write_text(pasted(blocks["python"], server))
    said = printed(sys.executable, "quickstart.py", folder=tmp_path)
    assert PREFIX.sub("TIL-0000", said) == PREFIX.sub("TIL-0000", blocks["text"])


def test_the_story_told_with_curl_ends_with_the_invoices_shown(server: Server, tmp_path: Path) -> None:
    blocks = section("With curl")
    said = printed("bash", stdin=pasted(blocks["bash"], server), folder=tmp_path)
    assert PREFIX.sub("TIL-0000", said) == PREFIX.sub("TIL-0000", blocks["text"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_the_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    assert not [target for target in targets if "://" not in target and not (page.parent / target).exists()]


def test_the_page_of_what_is_missing_names_all_that_is_refused() -> None:
    page = (README.parent / "docs" / "not-yet.md").read_text()
    assert not [name for name in sorted(REFUSED) if f"`{name}`" not in page]
