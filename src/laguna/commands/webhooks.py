"""`laguna webhooks`: what could not be delivered, and sending it again."""

from __future__ import annotations

from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from laguna.commands.database import DataDir, existing_database

app = typer.Typer(name="webhooks", help="Webhooks: what was not delivered, and sending it again.", no_args_is_help=True)

ANSWER_SHOWN = 60
WIDTH_WITHOUT_TERMINAL = 300
Organization = Annotated[
    str | None, typer.Option(help="Its id or name; without it, the only live one.", show_default=False)
]
Status = Literal["failed", "retrying", "pending", "succeeded"]


@app.command("list")
def list_deliveries(
    organization: Organization = None,
    status: Annotated[Status, typer.Option(help="Which deliveries.")] = "failed",
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest.")] = 50,
    data_dir: DataDir = None,
) -> None:
    """List deliveries: those that were given up, or of another status."""
    from laguna.commands.deliveries import listed

    with existing_database(data_dir) as url:
        found = listed(url, organization, status, limit)
    table = Table("Delivery", "Queued", "Type", "Object", "Endpoint", "Attempts", "Last answer", box=None)
    for each in found:
        delivery = each.delivery
        answer = f"{delivery.http_status or ''} {(delivery.response or '')[:ANSWER_SHOWN]}".strip()
        table.add_row(
            str(delivery.id),
            f"{delivery.queued_at:%Y-%m-%dT%H:%M:%SZ}",
            each.message.webhook_type,
            str(delivery.object_id),
            each.webhook_url,
            str(delivery.attempts),
            answer,
        )
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_WITHOUT_TERMINAL
    console.print(table if found else f"There are no {status} deliveries.")


@app.command()
def resend(
    delivery: Annotated[str, typer.Argument(help="The id that `laguna webhooks list` shows.")],
    data_dir: DataDir = None,
) -> None:
    """Send one delivery again, at once, and go on trying for three days."""
    from laguna.commands.deliveries import resend as send

    with existing_database(data_dir) as url:
        send(url, delivery)
    typer.echo("It is sent again.")


@app.command()
def replay(
    endpoint: Annotated[str, typer.Argument(help="The endpoint's id or URL.")],
    since: Annotated[str, typer.Option(help="Messages created from then on: 2024-05-01 or 2024-05-01T12:00:00Z.")],
    until: Annotated[str | None, typer.Option(help="Messages created up to then.", show_default=False)] = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Only of this type; can be repeated.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Send past messages to an endpoint again, as new deliveries in their old order."""
    from laguna.commands.deliveries import replay as send

    with existing_database(data_dir) as url:
        count = send(url, endpoint, since, until, types)
    typer.echo(f"{count:,} messages are sent again.")


@app.command("hmac-key")
def hmac_key(organization: Organization = None, data_dir: DataDir = None) -> None:
    """Print the key of HMAC signatures."""
    from laguna.commands.deliveries import hmac_key as key_of

    with existing_database(data_dir) as url:
        typer.echo(key_of(url, organization))
