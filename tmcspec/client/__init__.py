"""The reference core: a TMC consumer for production, and the client that the suites prove themselves with.

async def handle(message: Message) -> None: ...

async with TmcClient(app_key=…, app_secret=…, handler=handle) as client:
    await client.publish("some_topic", "{}")
    await client.wait_closed()

Where a long connection cannot be kept, `TmcPoller` consumes the same messages over HTTP, slower (S2, S8). Messages
come more than once; `Deduplicated` around a handler keeps it from handling a business key twice (S41).
"""

from __future__ import annotations

from tmcspec.client.backoff import Backoff
from tmcspec.client.core import Core
from tmcspec.client.dedupe import Claim, Deduplicated, MemoryStore, Store, StoreError
from tmcspec.client.dedupe_keys import by_content_fields, by_id
from tmcspec.client.dedupe_sqlite import SqliteStore
from tmcspec.client.driver import TmcClient
from tmcspec.client.errors import (
    ConnectFailed,
    ConnectRefused,
    FailMessage,
    PublishFailed,
    PublishRefused,
    PublishTimeout,
    TmcError,
)
from tmcspec.client.exchange import CallRefused
from tmcspec.client.message import (
    Handled,
    Handler,
    Message,
    Observation,
    Observer,
    Offline,
    Online,
    Outcome,
    Received,
    Stats,
)
from tmcspec.client.poller import TmcPoller
from tmcspec.client.polling import Polling

__all__ = [
    "Backoff",
    "CallRefused",
    "Claim",
    "ConnectFailed",
    "ConnectRefused",
    "Core",
    "Deduplicated",
    "FailMessage",
    "Handled",
    "Handler",
    "MemoryStore",
    "Message",
    "Observation",
    "Observer",
    "Offline",
    "Online",
    "Outcome",
    "Polling",
    "PublishFailed",
    "PublishRefused",
    "PublishTimeout",
    "Received",
    "SqliteStore",
    "Stats",
    "Store",
    "StoreError",
    "TmcClient",
    "TmcError",
    "TmcPoller",
    "by_content_fields",
    "by_id",
]
