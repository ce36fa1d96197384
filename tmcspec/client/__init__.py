"""The reference core: a TMC consumer for production, and the client that the suites prove themselves with.

async def handle(message: Message) -> None: ...

async with TmcClient(app_key=…, app_secret=…, handler=handle) as client:
    await client.publish("some_topic", "{}")
    await client.wait_closed()
"""

from __future__ import annotations

from tmcspec.client.backoff import Backoff
from tmcspec.client.core import Core
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

__all__ = [
    "Backoff",
    "ConnectFailed",
    "ConnectRefused",
    "Core",
    "FailMessage",
    "Handled",
    "Handler",
    "Message",
    "Observation",
    "Observer",
    "Offline",
    "Online",
    "Outcome",
    "PublishFailed",
    "PublishRefused",
    "PublishTimeout",
    "Received",
    "Stats",
    "TmcClient",
    "TmcError",
]
