"""The events of one request on their way into the database."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from laguna.ingestion.decoding import Event
from laguna.ingestion.hints import Catalog, Stream
from laguna.ingestion.identity import event_keys
from laguna.ingestion.rendering import Rendered, finish_json, millisecond_text, unix_ms
from laguna.kernel.errors import ApiError, validation

_DUPLICATE = {"transaction_id": ["value_already_exist"]}


class Submission:
    """Stored whole or not at all. `done` gives the objects' JSON, or the error that the request ends with."""

    __slots__ = (
        "_objects",
        "_rendered",
        "batch",
        "deadline",
        "done",
        "events",
        "key_hash",
        "keys",
        "organization_id",
        "repeated",
        "size",
        "streams",
    )

    def __init__(
        self,
        organization_id: UUID,
        key_hash: bytes,
        events: Sequence[Event],
        streams: Sequence[Stream],
        *,
        batch: bool,
        size: int,
        deadline: float,
    ) -> None:
        """`size` in bytes, for limits; `deadline` by the loop's clock."""
        self.organization_id = organization_id
        self.key_hash = key_hash
        self.events = events
        self.streams = streams
        self.batch = batch
        self.size = size
        self.deadline = deadline
        self.done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.keys = event_keys(
            organization_id,
            [(event.transaction_id, stream.subscription_hash) for event, stream in zip(events, streams, strict=True)],
        )
        self.repeated = self._repeated() if batch else frozenset[int]()
        self._rendered: Rendered | None = None
        self._objects = b""

    def _repeated(self) -> Collection[int]:
        """The indexes of events that occur earlier in the request."""
        if len(set(self.keys)) == len(self.keys):
            return ()
        first: dict[str, int] = {}
        return [index for index, key in enumerate(self.keys) if first.setdefault(key, index) != index]

    def identity(self, index: int) -> tuple[str, str | None, UUID]:
        """What the key of an event stands for."""
        event = self.events[index]
        return event.transaction_id, event.external_subscription_id, self.organization_id

    def prepare(self, catalog: Catalog) -> None:
        """Render ahead of the group, by what is remembered of the metrics."""
        if None not in [event.timestamp for event in self.events]:
            self._rendered = Rendered(self.events, self.keys, self.streams, catalog, None)

    def render(self, catalog: Catalog, received: datetime) -> None:
        """Render under the catalog that holds in the group's transaction, unless that was done ahead.

        The request fails here when an expression of a metric has no value for one of its events.
        """
        rendered = self._rendered
        if rendered is None or not rendered.holds(catalog.version, received):
            rendered = self._rendered = Rendered(self.events, self.keys, self.streams, catalog, received)
        if rendered.failures:
            by_index = {str(index): text for index, text in rendered.failures.items()}
            self.fail(validation(by_index if self.batch else rendered.failures[0]))

    def lines(self, received: datetime, first_seq: int) -> list[bytes]:
        """The lines to store, in the order of arrival, of what was rendered."""
        rendered = self._rendered
        assert rendered is not None
        self._objects = finish_json(rendered.objects, received)
        return rendered.numbered(first_seq, millisecond_text(unix_ms(received)))

    @property
    def faulty(self) -> Sequence[str]:
        """The keys of its events that can't be used, as it was rendered."""
        assert self._rendered is not None
        return self._rendered.faulty

    @property
    def waits(self) -> bool:
        """Whether it is still to be stored: not answered, its client not gone."""
        return not self.done.done()

    def refuse_duplicates(self, indexes: Collection[int]) -> None:
        """Answer that the events at these indexes are there already."""
        self.fail(validation({str(index): _DUPLICATE for index in sorted(indexes)} if self.batch else _DUPLICATE))

    def answer(self) -> None:
        """The objects, after the commit of `lines`."""
        if self.waits:  # else the client has gone
            self.done.set_result(self._objects)

    def fail(self, error: ApiError) -> None:
        if self.waits:
            self.done.set_exception(error)
