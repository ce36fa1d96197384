"""Stands for a client with threads and callbacks, so that the adapter beside it has something to hold.

A thin shell around `tmcspec.client.TmcClient`, whose event loop has a thread of its own. You do not need this file: you
have a client.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from tmcspec.client import Message, Observation, Offline, Online, TmcClient


class ThreadedClient:
    """Calls back from its own threads: `on_message` from up to eight at a time, the others from another one.

    `on_message` confirms the message by returning; whatever it raises reports it as failed. The methods block.
    """

    def __init__(
        self,
        *,
        on_message: Callable[[Message], None],
        on_online: Callable[[], None],
        on_offline: Callable[[Exception], None],
        **options: Any,
    ) -> None:
        self._on_message = on_message
        self._on_online = on_online
        self._on_offline = on_offline
        self._client = TmcClient(handler=self._handle, observer=self._observe, workers=8, **options)
        self._loop = asyncio.new_event_loop()

    def start(self) -> None:
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(self._client.start(), self._loop).result()

    def publish(self, topic: str, content: str, session: str | None) -> None:
        published = self._client.publish(topic, content, session=session)
        asyncio.run_coroutine_threadsafe(published, self._loop).result()

    def stop(self, grace: float) -> None:
        asyncio.run_coroutine_threadsafe(self._client.stop(grace), self._loop).result()

    async def _handle(self, message: Message) -> None:
        called: Future[None] = Future()
        # Not of an executor: the interpreter waits at its end for the threads of those, and a handler may hang.
        threading.Thread(target=self._call, args=(message, called), daemon=True).start()
        await asyncio.wrap_future(called)

    def _call(self, message: Message, called: Future[None]) -> None:
        if called.set_running_or_notify_cancel():
            try:
                called.set_result(self._on_message(message))
            except BaseException as error:  # else nobody would ever be told that this call is over
                called.set_exception(error)

    def _observe(self, seen: Observation) -> None:
        match seen:
            case Online():
                self._on_online()
            case Offline(error=error):
                self._on_offline(error)
