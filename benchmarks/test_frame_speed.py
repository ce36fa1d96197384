"""How fast the frame codec is, as a ratio to what Python can do at all with these bytes.

    pytest benchmarks/test_frame_speed.py --benchmark-only -s

The limit is one precompiled Struct that packs and unpacks the same 441 bytes, knowing beforehand every length and key
in them. There are two such limits, because it depends on what counts as an item of the Struct:
- elements: every element of the wire format (header type, length, key, format, value) is one;
- values: all constant bytes before a value are one, as short as it can be said.

Machines differ, and so does one machine from one second to the next. So each round times limit and codec one after the
other, and what counts is the median over the rounds of the ratio within a round. Nothing here fails on a slow day.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from struct import Struct
from time import perf_counter
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tmcspec.frame import Frame, ValueType, byte, date, decode, encode, int64, string

# A push as production sent them in 2014: token first, then these fields in this order.
PUSH = Frame(
    type=2,
    token="5b1e0f3a-2c1d-4e5f-8a9b-0c1d2e3f4a5b",
    content=(
        string("topic", "taobao_trade_TradeChanged"),
        int64("userid", 2054718218),
        byte("__kind", 3),
        string("publisher", "12497914"),
        byte("retried", 1),
        string(
            "content",
            '{"buyer_nick":"sandbox_c_1","payment":"44.00","oid":192559684481084,"tid":192559684481084,"x":12345678}',
        ),
        int64("id", 4160600490938325004),
        int64("data_id", 192559684481084),
        date("time", 1700000000123),
        string("nick", "商家测试帐"),
        int64("dataid", 192559684481084),
        int64("born_time", 1700000000123),
        date("outtime", 1700172800123),
    ),
)
DATA = encode(PUSH)
ROUNDS, CALLS = 400, 50

_CODES = {ValueType.BYTE: "b", ValueType.INT64: "q", ValueType.DATE: "q"}


def limit(elements: bool) -> tuple[Struct, list[Any]]:
    """The Struct for DATA, and the items it packs."""
    token = (PUSH.token or "").encode()
    code, items = f"<BBHI{len(token)}s", [2, 2, 5, len(token), token]
    value: Any
    for key, type_, value in PUSH.content or ():
        name = (key or "").encode()
        if elements:
            code, items = f"{code}HI{len(name)}sB", [*items, 1, len(name), name, type_.value]
        else:
            head = Struct(f"<HI{len(name)}sB").pack(1, len(name), name, type_)
            code, items = f"{code}{len(head)}s", [*items, head]
        if type_ is ValueType.STRING:
            text = value.encode()
            code, items = f"{code}I{len(text)}s", [*items, len(text), text]
        else:
            code, items = code + _CODES[type_], [*items, value]
    return Struct(code + "H"), [*items, 0]


def time(call: Callable[[], object]) -> float:
    start = perf_counter()
    for _ in range(CALLS):
        call()
    return perf_counter() - start


def ratio(reference: Callable[[], object], call: Callable[[], object]) -> float:
    """How fast `call` is, where `reference` is 1."""
    return median(time(reference) / time(call) for _ in range(ROUNDS))


CODEC: dict[str, Callable[[], object]] = {
    "encode": lambda: encode(PUSH),
    "decode": lambda: decode(DATA),
    "both": lambda: decode(encode(PUSH)),
}


@pytest.mark.parametrize("what", CODEC)
def test_the_codec_beside_a_struct_only_limit(benchmark: BenchmarkFixture, what: str) -> None:
    assert len(DATA) == 441
    assert decode(DATA) == PUSH
    for name in ("elements", "values"):
        struct, items = limit(name == "elements")
        assert struct.pack(*items) == DATA
        references: dict[str, Callable[[], object]] = {
            "encode": lambda struct=struct, items=items: struct.pack(*items),  # type: ignore[misc]
            "decode": lambda struct=struct: struct.unpack(DATA),  # type: ignore[misc]
            "both": lambda struct=struct, items=items: struct.unpack(struct.pack(*items)),  # type: ignore[misc]
        }
        result = benchmark.extra_info[f"ratio to {name} limit"] = round(ratio(references[what], CODEC[what]), 3)
        print(f"\n{what}: {result} of the {name} limit", end="")
    benchmark(CODEC[what])
