"""How the service bears a large backlog and many connections.

    pytest benchmarks/test_service_scale.py --benchmark-only -s

Cost: 1,000 connections of one group, and 1,000, 10,000 or 100,000 messages queued in it. The time of pushing and of
confirming one of them, as a ratio to that of the smallest backlog, beside what log n would make of it. As everywhere
here, sizes take turns within a round, and what counts is the median of ratios within a round.

Memory: of a queued message above its content, counted by tracemalloc, with its place in the trace and without.
"""

from __future__ import annotations

import gc
import random
import tracemalloc
from collections.abc import Iterator
from math import log
from statistics import median
from time import perf_counter

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tmcfakes.service import App, Service
from tmcspec.flow import Flow
from tmcspec.frame import encode
from tmcspec.messages import Confirm, Connect, PullRequest
from tmcspec.signing import sign_connect
from tmcspec.trace import Recorder

APP = App(key="1", secret="secret")
SIZES = (1_000, 10_000, 100_000)
CONNECTIONS, SAMPLE, ROUNDS = 1_000, 1_000, 5
TOPIC, CONTENT = "taobao_trade_TradeCreate", '{"tid": 192559684481084, "oid": 192559684481084}' + " " * 200
PULL = encode(PullRequest(token="t").to_frame())


def a_service(*, keep: int | None = None) -> Service:
    recorder = Recorder(limit=10**9, keep=keep)
    # Each PullRequest brings one message, so that the cost of one push can be told.
    return Service(apps=[APP], recorder=recorder, rng=random.Random(1), flow=Flow(pull_credit=1))


def fill(service: Service, messages: int) -> None:
    for number in range(messages):
        service.produce(app_key=APP.key, topic=TOPIC, content=CONTENT, now=0.0, user_id=number, data_id=number)


def connect_all(service: Service) -> None:
    service.console(now=0.0).set_mode(APP.key, "default", "pull")
    sign = sign_connect(app_key=APP.key, group="default", timestamp="1", secret=APP.secret)
    hello = encode(Connect(app_key=APP.key, group="default", timestamp="1", sign=sign).to_frame())
    for number in range(CONNECTIONS):
        service.opened(f"c{number}", now=0.0)
        service.received(f"c{number}", hello, now=0.0)
    service.effects()


def push_and_confirm(service: Service) -> Iterator[float]:
    """Seconds for each of SAMPLE pushes with its confirm, to one connection after the other."""
    ids: list[int] = []
    for number in range(SAMPLE):
        name = f"c{number % CONNECTIONS}"
        began = perf_counter()
        service.received(name, PULL, now=1.0)
        pushed = perf_counter() - began
        (push,) = service.effects()
        at = push.data.index(b"id\x05") + 3
        ids.append(int.from_bytes(push.data[at : at + 8], "little", signed=True))
        confirm = encode(Confirm(token="t", id=ids[-1]).to_frame())
        began = perf_counter()
        service.received(name, confirm, now=1.0)
        yield pushed + perf_counter() - began


def test_the_cost_of_a_push_and_a_confirm_grows_no_faster_than_log_n(benchmark: BenchmarkFixture) -> None:
    ratios: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(ROUNDS):
        costs: dict[int, float] = {}
        for size in SIZES:
            service = a_service()
            fill(service, size)
            connect_all(service)
            gc.collect()
            costs[size] = median(push_and_confirm(service))
        for size in SIZES:
            ratios[size].append(costs[size] / costs[SIZES[0]])
    for size in SIZES:
        result = benchmark.extra_info[f"{size} queued"] = round(median(ratios[size]), 3)
        print(
            f"\n{size:>7,} queued: {result} x the cost at {SIZES[0]:,} (log n: {log(size) / log(SIZES[0]):.3f})", end=""
        )
    benchmark.pedantic(lambda: None, rounds=1)


@pytest.mark.parametrize("keep", [None, 1], ids=["with its trace", "without its trace"])
def test_a_queued_message_takes_little_more_than_its_content(benchmark: BenchmarkFixture, keep: int | None) -> None:
    service = a_service(keep=keep)
    fill(service, 1_000)
    gc.collect()
    tracemalloc.start()
    fill(service, SIZES[-1])
    gc.collect()
    used = tracemalloc.get_traced_memory()[0] / SIZES[-1] - len(CONTENT)
    tracemalloc.stop()
    benchmark.extra_info["bytes above the content"] = round(used)
    print(f"\n{used:.0f} bytes above the content", end="")
    benchmark.pedantic(lambda: None, rounds=1)
