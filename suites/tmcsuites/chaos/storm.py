"""Draws faults at random: every kind as often as every other, for one client or for all."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from tmcfakes import faults
from tmcfakes.faults import EVERYBODY, LastingFault, PlannedFault

#: Seconds between two faults, on average.
FAULT_GAP: Final = 1_800.0

#: A fault lasts between these seconds; short ones are as frequent as long ones, by their logarithm.
SHORTEST: Final = 0.5
LONGEST: Final = 1_800.0

Members: TypeAlias = Callable[[random.Random], dict[str, Any]]


def draw_faults(rng: random.Random, clients: Sequence[str], seconds: float) -> tuple[PlannedFault, ...]:
    """Faults for a run of so many seconds, all of which end with it."""
    found = []
    for at in draw_times(rng, FAULT_GAP, seconds):
        kind = rng.choice(tuple(MEMBERS))
        target = rng.choice([EVERYBODY, *clients]) if not kind.for_all else EVERYBODY
        members: dict[str, Any] = {"at": at, "target": target} | MEMBERS[kind](rng)
        if issubclass(kind, LastingFault):
            members["duration"] = _duration(between(rng, SHORTEST, LONGEST), at, seconds)
        found.append(kind(**members))
    return tuple(found)


def _duration(drawn: float, at: float, seconds: float) -> float:
    """A duration in whole milliseconds that ends with the run: the nearest, unless that goes past its end."""
    nearest = round(min(drawn, seconds - at), 3)
    return nearest if at + nearest <= seconds else round(nearest - 0.001, 3)


def draw_times(rng: random.Random, gap: float, seconds: float) -> list[float]:
    """Times of what happens by chance, once in `gap` seconds on average."""
    found = []
    time = rng.expovariate(1 / gap)
    while time < seconds - 1:
        found.append(round(time, 3))
        time += rng.expovariate(1 / gap)
    return found


def between(rng: random.Random, low: float, high: float) -> float:
    """A number from `low` to `high`, as likely small as large: its logarithm is uniform."""
    return round(math.exp(rng.uniform(math.log(low), math.log(high))), 6)


def _stream(rng: random.Random) -> dict[str, Any]:
    return {"stream": rng.choice(("upstream", "downstream", "both"))}


def _some(rng: random.Random) -> dict[str, Any]:
    return {"nth": rng.choice((1, 1, 2, 10)), "count": rng.choice((1, 1, 1, 2, 5, 20))}


def _frames(rng: random.Random) -> dict[str, Any]:
    kind = rng.choice(("confirm", "push", "push", "connectack", "pull_request", "failed"))
    return {"frame": kind} | _some(rng)


def _from_service(rng: random.Random) -> dict[str, Any]:
    return {"frame": rng.choice(("push", "push", "connectack"))} | _some(rng)


def _latency(rng: random.Random) -> dict[str, Any]:
    delay = between(rng, 0.01, 30)
    return _stream(rng) | {"delay": delay, "jitter": round(rng.uniform(0, delay), 6)}


def _slicer(rng: random.Random) -> dict[str, Any]:
    size = rng.randint(1, 200)
    variation, delay = rng.randrange(size), round(rng.uniform(0, 0.01), 4)
    return _stream(rng) | {"average_size": size, "size_variation": variation, "delay": delay}


#: Every kind of fault, and how its members are drawn, but for when and for whom.
MEMBERS: Final[dict[type[PlannedFault], Members]] = {
    # bytes
    faults.Latency: _latency,
    faults.Bandwidth: lambda rng: _stream(rng) | {"rate": int(between(rng, 100, 1e6))},
    faults.Slicer: _slicer,
    faults.LimitData: lambda rng: _stream(rng) | {"bytes": int(between(rng, 1, 1e5))},
    faults.SlowClose: lambda rng: {"delay": between(rng, 0.1, 60)},
    faults.Timeout: lambda rng: _stream(rng) | {"timeout": rng.choice((0.0, 10.0, 60.0, 300.0))},
    faults.HalfOpen: lambda rng: {},
    faults.ResetPeer: lambda rng: {"timeout": between(rng, 0.01, 60)},
    faults.Down: lambda rng: {},
    faults.Corrupt: lambda rng: _stream(rng) | {"rate": between(rng, 1e-5, 1e-2)},
    # frames
    faults.Drop: _frames,
    faults.Duplicate: _frames,
    faults.Delay: lambda rng: _frames(rng) | {"delay": between(rng, 0.01, 120)},
    faults.Reorder: _frames,
    faults.Truncate: lambda rng: _frames(rng) | {"keep": rng.randint(0, 100)},
    faults.CorruptField: lambda rng: (
        {"frame": "push", "field": rng.choice(("id", "token", "content", "retried"))} | _some(rng)
    ),
    faults.Garbage: lambda rng: _from_service(rng) | {"size": rng.randint(0, 500)},
    faults.TextFrame: _from_service,
    faults.Fragment: lambda rng: _from_service(rng) | {"fragments": rng.randint(2, 9)},
    faults.Oversize: lambda rng: {"frame": "push", "size": int(between(rng, 1, 2**20))},
    faults.UnknownHeader: _from_service,
    faults.UnknownFormat: _from_service,
    faults.UnknownType: _from_service,
    faults.WrongToken: _from_service,
    faults.MissingToken: _from_service,
    faults.WrongFlag: lambda rng: {"frame": "connectack"},
    faults.PublishFlag: lambda rng: {"frame": "push"} | _some(rng),
    # the service
    faults.Refuse: lambda rng: {
        "count": rng.choice((1, 2, 5)),
        "code": rng.choice((0, 15, 25, 40)),
        "phrase": rng.choice(("isp.service-unavailable", "拒绝")),
    },
    faults.LateConnectack: lambda rng: {"count": rng.choice((1, 2, 5)), "delay": between(rng, 0.1, 60)},
    faults.NoConnectack: lambda rng: {"count": rng.choice((1, 2, 5))},
    faults.RefuseUpgrade: lambda rng: {"status": rng.choice((401, 500, 503))},
    faults.SilentAccept: lambda rng: {},
    faults.Close: lambda rng: {"code": rng.choice((1000, 1001, 1011, 3000))},
    faults.Abort: lambda rng: {},
    faults.Restart: lambda rng: {"keeps_tokens": rng.random() < 0.5},
    faults.RedeliveryStorm: lambda rng: {},
    faults.SecondId: lambda rng: {},
    faults.ClockJump: lambda rng: {"seconds": between(rng, 1, 3600)},
    faults.Degrade: lambda rng: {"flow": rng.randint(1, 4)},
    faults.StopReading: lambda rng: {},
    faults.Ping: lambda rng: {"text": "still there?"},
    faults.Pong: lambda rng: {},
}
