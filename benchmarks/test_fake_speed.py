"""How long a fake service takes to start and to stop: what every test that uses one pays.

    pytest benchmarks/test_fake_speed.py --benchmark-only -s

The reference is a thread with an event loop that listens on a port and does nothing else. As everywhere here, what
counts is the median of ratios within a round, and nothing fails on a slow day.
"""

from __future__ import annotations

import asyncio
import threading
from statistics import median
from time import perf_counter

from pytest_benchmark.fixture import BenchmarkFixture

from tmcfakes.fake import FakeTmc

ROUNDS = 100


def start_and_stop() -> None:
    with FakeTmc():
        pass


def listen_and_close() -> None:
    async def live() -> None:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
        server.close()
        await server.wait_closed()

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    thread.join()


def test_start_and_stop_beside_a_bare_listener(benchmark: BenchmarkFixture) -> None:
    ratios = []
    for _ in range(ROUNDS):
        began = perf_counter()
        listen_and_close()
        between = perf_counter()
        start_and_stop()
        ratios.append((between - began) / (perf_counter() - between))
    result = benchmark.extra_info["ratio to a bare listener"] = round(median(ratios), 3)
    print(f"\nstart and stop: {result} of a bare listener's", end="")
    benchmark(start_and_stop)
