"""Tells a person what `laguna check` found."""

from __future__ import annotations

from rich.console import Console

from laguna.check.run import Report


def show(report: Report, console: Console) -> None:
    """By organization and invariant; what is nobody's alone first."""
    for organization_id in sorted(report.found, key=lambda each: (each is not None, report.names.get(each, ""))):
        title = f"{report.names.get(organization_id, '')} ({organization_id})" if organization_id else "All"
        console.print(title, style="bold")
        for broken in report.found[organization_id].values():
            console.print(f"  ✗ {broken.invariant.name} ({broken.count:,}): {broken.invariant.why}", style="red")
            for message in broken.messages:
                console.print(f"    - {message}")
            if broken.count > len(broken.messages):
                console.print(f"    … and {broken.count - len(broken.messages):,} more")
        console.print()
    console.print("Looked at " + ", ".join(f"{count:,} {_words(table)}" for table, count in report.rows.items()) + ".")
    if report.holds:
        console.print(f"✓ All {report.verified} invariants hold.", style="bold green")
    else:
        console.print(f"✗ {len(report.broken)} of {report.verified} invariants don't hold.", style="bold red")


def _words(table: str) -> str:
    return table.replace("_", " ")
