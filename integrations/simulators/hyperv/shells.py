"""Runspace pools and their pipelines: what clients have open, and what waits to be fetched by them."""

import threading
import time
import uuid
from collections import defaultdict

from psrpcore import CreatePipelineEvent, PSRPPayload, ServerPipeline, ServerRunspacePool, StreamType

from integrations.simulators.hyperv import pipeline as pipelines
from integrations.simulators.hyperv.call import Session
from integrations.simulators.hyperv.faults import Cut, Faults
from integrations.simulators.hyperv.host import Host

_LARGEST = 200_000  # bytes of one answer; clients take 500 KiB with their envelope
_FRAGMENT = 32_768


class Shell:
    """One runspace pool. Each pipeline runs in a thread of its own."""

    def __init__(self, host: Host, faults: Faults) -> None:
        self._host = host
        self._faults = faults
        self._pool = ServerRunspacePool()
        self._session = Session()
        self._pipelines: dict[uuid.UUID, ServerPipeline] = {}
        self._waiting: dict[uuid.UUID | None, list[bytes]] = defaultdict(list)
        self._ended: set[uuid.UUID] = set()
        self._cut: set[uuid.UUID] = set()
        self._changed = threading.Condition()

    def take(self, data: bytes, pipeline_id: uuid.UUID | None = None) -> None:
        """Read what a client sends: fragments of messages."""
        with self._changed:
            if pipeline_id is not None and pipeline_id not in self._pipelines:
                self._pipelines[pipeline_id] = ServerPipeline(self._pool, pipeline_id)
            self._pool.receive_data(PSRPPayload(data, StreamType.default, pipeline_id))
            while (event := self._pool.next_event()) is not None:
                if isinstance(event, CreatePipelineEvent):
                    threading.Thread(target=self._run, args=(event,), daemon=True).start()
            self._collect()

    def given(self, pipeline_id: uuid.UUID | None, timeout_s: float) -> tuple[bytes, bool] | None:
        """(what waits, whether that is all); None: nothing came in that time. Cut."""
        end = time.monotonic() + timeout_s
        with self._changed:
            while not (self._waiting[pipeline_id] or pipeline_id in self._ended):
                if pipeline_id in self._cut:
                    raise Cut
                if not self._changed.wait(end - time.monotonic()):
                    return None
            data = b""
            while self._waiting[pipeline_id] and len(data) < _LARGEST:
                data += self._waiting[pipeline_id].pop(0)
            return data, pipeline_id in self._ended and not self._waiting[pipeline_id]

    def drop(self, pipeline_id: uuid.UUID) -> None:
        """A client does not want a pipeline any more."""
        with self._changed:
            self._pipelines.pop(pipeline_id, None)
            self._waiting.pop(pipeline_id, None)

    def _run(self, event: CreatePipelineEvent) -> None:
        with self._changed:
            pipeline = self._pipelines.get(event.pipeline_id)
        if pipeline is None:
            return
        pipeline.start()
        try:
            pipelines.run(self._host, self._session, self._faults, event.pipeline, pipeline)
        except Cut:
            with self._changed:
                self._cut.add(event.pipeline_id)
                self._changed.notify_all()
            return
        with self._changed:
            self._collect()
            self._ended.add(event.pipeline_id)
            self._changed.notify_all()

    def _collect(self) -> None:
        while (payload := self._pool.data_to_send(_FRAGMENT)) is not None:
            self._waiting[payload.pipeline_id].append(payload.data)
        self._changed.notify_all()
