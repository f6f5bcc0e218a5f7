"""An event as the API shows it and as a line of COPY, straight from its fields. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from laguna.ingestion.computing import computed, failure_text
from laguna.ingestion.decoding import Event
from laguna.ingestion.hints import Catalog, Stream
from laguna.kernel.money import decimal_text
from laguna.kernel.outputs import instant_text
from laguna.metrics.derivation import MetricValues, derive
from laguna.metrics.expressions import EvaluationError, Node
from laguna.metrics.faults import has_undeclared_value, is_unusable

COLUMNS = (
    "key, seq, ingested_at, stream_id, timestamp, value, value_text, precise_total_amount_cents, transaction_id,"
    " properties"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NULL = b"\\N"
_LINE = b"%d\t%s\t%s\t%s\t%s\t%s\t%s\n"  # the columns from stream_id on

_encode = msgspec.json.Encoder(decimal_format="number").encode

# ---- instants ----

_seconds: dict[int, bytes] = {}  # events of one time share their seconds
_SECONDS_KEPT = 10_000
_FRACTIONS = tuple(b".%03dZ" % millisecond for millisecond in range(1000))


def millisecond_text(unix_ms: int) -> bytes:
    """1651240791123 -> b"2022-04-29T13:59:51.123Z"."""
    second, millisecond = divmod(unix_ms, 1000)
    text = _seconds.get(second)
    if text is None:
        if len(_seconds) >= _SECONDS_KEPT:
            _seconds.clear()
        text = (_EPOCH + timedelta(seconds=second)).isoformat()[:19].encode()
        _seconds[second] = text
    return text + _FRACTIONS[millisecond]


def unix_ms(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(milliseconds=1)


# ---- the API's object ----


_OBJECT = (
    b'{"lago_id":"%s","transaction_id":%s,"lago_customer_id":null,"code":%s,"timestamp":"%s",'
    b'"precise_total_amount_cents":%s,"properties":%s,"lago_subscription_id":null,'
    b'"external_subscription_id":%s,"created_at":"'
)  # the fields of spec 1 §1.4, up to the text of `created_at`, which `finish_json` adds


def finish_json(objects: Iterable[bytes], created_at: datetime) -> bytes:
    """The objects, all created at one instant, with commas between them."""
    end = instant_text(created_at).encode() + b'"}'
    return (end + b",").join([*objects, b""])[:-1]


def stored_json(row: Mapping[str, Any]) -> bytes:
    """The object of a row as it was read: columns of events, and code and external_subscription_id of its stream."""
    amount = row["precise_total_amount_cents"]
    opened = _OBJECT % (
        str(row["key"]).encode(),
        _encode(row["transaction_id"]),
        _encode(row["code"]),
        millisecond_text(unix_ms(row["timestamp"])),
        b'"%s"' % decimal_text(amount).encode() if amount is not None else b"null",
        _encode(row["properties"]),
        _encode(row["external_subscription_id"]),
    )
    return finish_json([opened], row["ingested_at"])


# ---- lines of COPY ----

_SPECIAL = re.compile(rb"[\\\t\n\r]")
_ESCAPES = {b"\\": b"\\\\", b"\t": b"\\t", b"\n": b"\\n", b"\r": b"\\r"}


def _escaped(text: bytes) -> bytes:
    """As a field of COPY's text format."""
    return _SPECIAL.sub(lambda match: _ESCAPES[match[0]], text) if _SPECIAL.search(text) else text


class Rendered:
    """Events as objects and lines that lack only what their group gives them: arrival and time of receipt.

    With `failures`, by index, of expressions that have no value for an event, it is not to be stored. `faulty` are the
    keys of events that can be stored, but not used.
    """

    __slots__ = ("_received", "failures", "faulty", "lines", "objects", "version")

    def __init__(
        self,
        events: Sequence[Event],
        keys: Sequence[str],
        streams: Sequence[Stream],
        catalog: Catalog,
        now: datetime | None,
    ) -> None:
        """`now` stands in for absent timestamps; without it there must be none."""
        received = millisecond_text(unix_ms(now)) if now is not None else b""
        metrics, expressions, filters = catalog.metrics, catalog.expressions, catalog.filters
        self.version = catalog.version
        self._received = now
        self.failures: dict[int, str] = {}
        self.faulty: list[str] = []
        self.lines: list[tuple[bytes, bytes]] = []
        self.objects: list[bytes] = []
        for event, key, stream in zip(events, keys, streams, strict=True):
            timestamp = millisecond_text(event.timestamp) if event.timestamp is not None else received
            value, value_text = _NULL, _NULL
            sent = event.properties
            metric = metrics.get(event.code)
            if metric is None:
                self.faulty.append(key)
            else:
                if expressions and event.code in expressions:
                    sent = self._computed(expressions[event.code], metric, event)
                derived = number, text = derive(metric, sent)
                if is_unusable(metric, derived) or (
                    event.code in filters and has_undeclared_value(filters[event.code], sent)
                ):
                    self.faulty.append(key)
                if number is not None:
                    value = str(number).encode()  # PostgreSQL reads an exponent, too
                if text is not None:
                    value_text = _escaped(text.encode())
            amount, amount_json = _NULL, b"null"
            if event.precise_total_amount_cents is not None:
                amount = decimal_text(event.precise_total_amount_cents).encode()
                amount_json = b'"%s"' % amount
            properties = _encode(sent)
            transaction_id: bytes = event.transaction_id.encode()
            transaction_json = _encode(event.transaction_id)
            key_bytes = key.encode()
            object_ = _OBJECT % (
                key_bytes,
                transaction_json,
                stream.code_json,
                timestamp,
                amount_json,
                properties,
                stream.subscription_json,
            )
            if len(transaction_json) > len(transaction_id) + 2:  # with escapes, not in quotes alone
                transaction_id = _escaped(transaction_id)
            properties = properties.replace(b"\\", b"\\\\")
            line = _LINE % (stream.id, timestamp, value, value_text, amount, transaction_id, properties)
            self.lines.append((key_bytes, line))
            self.objects.append(object_)

    def _computed(self, expression: Node, metric: MetricValues, event: Event) -> Mapping[str, Any]:
        timestamp = event.timestamp
        if timestamp is None:
            assert self._received is not None
            timestamp = unix_ms(self._received)
        try:
            return computed(expression, metric.field_name, event, timestamp)
        except EvaluationError as error:
            self.failures[len(self.lines)] = failure_text(error)  # its line comes next
            return event.properties

    def holds(self, version: int, received: datetime) -> bool:
        """Whether it is what these events are under this version of the catalog, received at this instant."""
        return self.version == version and self._received in (None, received)

    def numbered(self, first_seq: int, ingested_at: bytes) -> list[bytes]:
        """Whole lines, in the order of arrival from `first_seq` on; they sort by their keys."""
        return [
            b"%s\t%d\t%s\t%s" % (key, seq, ingested_at, rest) for seq, (key, rest) in enumerate(self.lines, first_seq)
        ]
