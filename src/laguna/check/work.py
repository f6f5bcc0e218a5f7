"""What is to be done: timers, jobs and the outbox of webhooks."""

from __future__ import annotations

from laguna import modules
from laguna.check.invariant import NOW, Invariant
from laguna.kernel.timers import everything_waiting

assert modules.ROUTERS  # importing the modules registers their timers

_LEEWAY = "interval '15 minutes'"  # what a live organization may lag behind
_LATE = "interval '1 hour'"  # what waits longer for a worker or sender that could do it is stuck
_SILENT = "interval '2 minutes'"  # a worker that lives gives a sign every few seconds

WORK = (
    Invariant(
        "unbilled_periods",
        "What is due is done: periods billed, subscriptions started, drafts computed and finalized"
        " (spec 2 CLK-1 to CLK-12). What failed is reported as quarantine.",
        f"""
        SELECT waiting.organization_id, waiting.timer, waiting.item_id, waiting.due_at
        FROM ({everything_waiting()}) AS waiting JOIN organizations AS o ON o.id = waiting.organization_id
        WHERE o.clock_target IS NULL
            AND waiting.due_at <= {NOW} - CASE WHEN o.test_clock IS NULL THEN {_LEEWAY} ELSE interval '0' END
            AND NOT EXISTS (
                SELECT FROM timer_failures AS failure
                WHERE failure.timer = waiting.timer AND failure.item_id = waiting.item_id)
        """,
        "{item_id} waits for {timer} since {due_at}",
        settles=True,
    ),
    Invariant(
        "quarantine",
        "What a timer failed to do is kept with its error and tried again; until then it isn't billed.",
        f"""
        SELECT failure.organization_id, failure.timer, failure.item_id, failure.attempts, failure.failed_at,
            failure.retry_at, left(split_part(failure.error, E'\\n', 1), 200) AS error
        FROM timer_failures AS failure JOIN ({everything_waiting()}) AS waiting
            ON waiting.timer = failure.timer AND waiting.item_id = failure.item_id
        """,
        "{timer} of {item_id} failed {attempts} times, last {failed_at}, again {retry_at}: {error}",
    ),
    Invariant(
        "failed_jobs",
        "A job that failed at every attempt is left for a person to look at.",
        """
        SELECT (args ->> 'organization_id')::uuid AS organization_id, id, task_name, attempts, args
        FROM procrastinate_jobs WHERE status = 'failed'
        """,
        "job {id}, {task_name}, failed after {attempts} attempts: {args}",
    ),
    Invariant(
        "stuck_jobs",
        "A job is run soon after it is due, by a worker that lives.",
        f"""
        SELECT (job.args ->> 'organization_id')::uuid AS organization_id, job.id, job.task_name, job.status, job.args
        FROM procrastinate_jobs AS job LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id
        WHERE (job.status = 'doing' AND coalesce(worker.last_heartbeat, '-infinity') < now() - {_SILENT})
            OR (job.status = 'todo' AND coalesce(job.scheduled_at, (
                SELECT min(event.at) FROM procrastinate_events AS event WHERE event.job_id = job.id
            )) < now() - {_LATE})
        """,
        "job {id}, {task_name}, is {status}, and no worker gets on with it: {args}",
    ),
    Invariant(
        "delivery_statuses",
        "A delivery is open as long as an attempt is to be made, and has a final status afterwards.",
        """
        SELECT organization_id, id, status, attempts, next_attempt_at, leased_until, http_status
        FROM webhook_deliveries
        WHERE CASE status
            WHEN 'pending' THEN next_attempt_at IS NULL
            WHEN 'retrying' THEN next_attempt_at IS NULL OR attempts = 0
            WHEN 'succeeded' THEN next_attempt_at IS NOT NULL OR attempts = 0
                OR coalesce(http_status NOT BETWEEN 200 AND 299, true)
            WHEN 'failed' THEN next_attempt_at IS NOT NULL OR attempts = 0
            ELSE true END
        """,
        "delivery {id}: {status} after {attempts} attempts ({http_status}), next {next_attempt_at}",
    ),
    Invariant(
        "delivery_messages",
        "A delivery is about the object of its message.",
        """
        SELECT d.organization_id, d.id, d.message_id, d.object_id, m.object_id AS message_object
        FROM webhook_deliveries AS d LEFT JOIN webhook_messages AS m ON m.id = d.message_id
        WHERE d.object_id IS DISTINCT FROM m.object_id
        """,
        "delivery {id} is about {object_id}, its message {message_id} about {message_object}",
    ),
    Invariant(
        "message_payloads",
        "A message says its type and to whom it belongs (spec 0 §20).",
        """
        SELECT organization_id, id, webhook_type, left(payload, 120) AS start FROM webhook_messages
        WHERE NOT starts_with(payload, format('{"webhook_type":"%s","object_type":"%s","organization_id":"%s","%s":',
            webhook_type, object_type, organization_id, object_type))
        """,
        "message {id} of {webhook_type} begins {start}",
    ),
    Invariant(
        "late_deliveries",
        "What is due is attempted soon, at most as late as its endpoint is slow.",
        f"""
        SELECT e.organization_id, e.webhook_url, d.due_at
        FROM webhook_endpoints AS e JOIN (
            SELECT endpoint_id, min(next_attempt_at) AS due_at, max(last_attempt_at) AS last_attempt_at
            FROM webhook_deliveries GROUP BY endpoint_id
        ) AS d ON d.endpoint_id = e.id
        WHERE d.due_at < now() - {_LATE} AND coalesce(d.last_attempt_at, '-infinity') < now() - {_LATE}
        """,
        "{webhook_url}: deliveries wait since {due_at}, and nobody attempts them",
    ),
    Invariant(
        "untold_invoices",
        "Every final invoice was told to the endpoints that listened by then (spec 0 §20).",
        """
        SELECT i.organization_id, i.id, i.number, e.webhook_url
        FROM webhook_endpoints AS e JOIN invoices AS i
            ON i.organization_id = e.organization_id AND i.finalized_at > e.updated_at + interval '1 minute'
        WHERE (e.event_types IS NULL OR 'invoice.created' = ANY(e.event_types))
            AND i.invoice_type IN ('subscription', 'progressive_billing') AND i.status IN ('finalized', 'voided')
            AND NOT EXISTS (
                SELECT FROM webhook_deliveries AS d JOIN webhook_messages AS m ON m.id = d.message_id
                WHERE d.endpoint_id = e.id AND d.object_id = i.id AND m.webhook_type = 'invoice.created')
        """,
        "invoice {number} ({id}) was not told to {webhook_url}",
    ),
)
