"""The command line of the benchmarks."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(name="bench", help="Measure this machine.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measure this machine."""


@app.command()
def ingest(
    single: Annotated[bool, typer.Option("--single", help="One event in a request, not a batch.")] = False,
    events: Annotated[int | None, typer.Option(min=1_000, help="Events in each run. [100000; single: 20000]")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Measured runs, after one to warm up.")] = 3,
    connections: Annotated[int, typer.Option(min=1, max=256, help="Connections, each with one request open.")] = 64,
    batch: Annotated[int, typer.Option(min=1, max=100, help="Events in a request.")] = 100,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes of the API (LAGUNA_WORKERS).")] = 2,
) -> None:
    """Events stored over HTTP, against a plain COPY of the same rows into an identical table.

    Single events: against requests that are parsed and answered.
    """
    from laguna.bench import ingest as batches
    from laguna.bench import single as singles

    if single:
        ratio = singles.measure(events or 20_000, runs, connections, workers, typer.echo)
    else:
        ratio = batches.measure(events or 100_000, runs, connections, batch, workers, typer.echo)
    typer.echo(f"median ratio {ratio:.2f}")


@app.command()
def billing(
    subscriptions: Annotated[int, typer.Option(min=1, help="Subscriptions billed in each run.")] = 2_000,
    events: Annotated[int, typer.Option(min=1, help="Events of the month that is billed.")] = 400_000,
    runs: Annotated[int, typer.Option(min=1, help="Measured runs, after one to warm up.")] = 3,
) -> None:
    """A billing run, against the bare aggregation and a COPY of the resulting rows; then twice as large."""
    from laguna.bench.billing import measure

    measure(subscriptions, events, runs, typer.echo)


@app.command()
def year(
    subscriptions: Annotated[int, typer.Option(min=1, help="Monthly subscriptions.")] = 1_000,
    events: Annotated[int, typer.Option(min=1, help="Events of the whole year.")] = 400_000,
) -> None:
    """Twelve months of invoices by a test clock."""
    from laguna.bench.year import measure

    measure(subscriptions, events, typer.echo)


@app.command()
def documents(
    runs: Annotated[int, typer.Option(min=1, help="Documents of each size, after one to warm up.")] = 9,
) -> None:
    """PDFs of invoices of one line, of 60 and of 1,500: pages a second of a core."""
    from laguna.bench.documents import measure

    measure(runs, typer.echo)
