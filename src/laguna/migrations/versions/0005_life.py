"""What the timers of trials and endings wait for; which occasion a line was made on."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for column in ("trial_ends_at", "terminates_at", "next_alert_at"):
        op.execute(f"ALTER TABLE subscriptions ADD COLUMN {column} TIMESTAMP WITH TIME ZONE")
    waiting = {
        "terminates_at": "terminates_at IS NOT NULL",
        "next_alert_at": "next_alert_at IS NOT NULL",
        "trial_ends_at": "status = 'active' AND trial_ends_at IS NOT NULL AND trial_ended_at IS NULL",
    }
    for column, condition in waiting.items():
        op.execute(
            f"CREATE INDEX subscriptions_{column}_idx ON subscriptions ({column}, organization_id) WHERE {condition}"
        )
    op.execute(
        "CREATE INDEX subscriptions_previous_subscription_id_idx ON subscriptions (previous_subscription_id)"
        " WHERE previous_subscription_id IS NOT NULL"
    )
    op.execute("ALTER TABLE invoice_lines ADD COLUMN occasion TEXT")
    op.execute("UPDATE invoice_lines SET occasion = replace(invoicing_reason, 'subscription_', '')")
    op.execute("ALTER TABLE invoice_lines ALTER COLUMN occasion SET NOT NULL")
