"""The control API on a bad day: faults from outside, and clients that have names."""

from __future__ import annotations

from typing import Any

import pytest
from control_by_hand import Caller, called
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage

from tmcfakes import control_faults
from tmcspec.events import Attempted, Closed, Fault, Healed, Opened

NOTHING: dict[str, Any] = {"active": [], "waiting": []}


def events(call: Caller, kind: type) -> list[Any]:
    return [entry.event for entry in call.tmc.recorder.entries if isinstance(entry.event, kind)]


def test_faults_begin_at_once_or_wait_for_their_time() -> None:
    latency = {"fault": "latency", "duration": 60, "delay": 0.2}
    drop = {"fault": "drop", "at": 5, "frame": "confirm"}

    async def scenario(call: Caller) -> None:
        there = {"active": [latency], "waiting": [drop]}
        assert await call("POST", "faults", {"faults": [latency, drop]}) == there
        assert await call("GET", "faults") == there
        assert events(call, Fault) == [Fault(name="latency", detail="duration=60 delay=0.2")]

    called(scenario)


def test_all_faults_can_be_ended() -> None:
    async def scenario(call: Caller) -> None:
        await call("POST", "faults", {"faults": [{"fault": "down"}, {"fault": "abort", "at": 5}]})
        assert await call("DELETE", "faults") == NOTHING
        assert events(call, Healed) == [Healed(name="down")]

    called(scenario)


def test_a_reset_ends_all_faults() -> None:
    async def scenario(call: Caller) -> None:
        await call("POST", "faults", {"faults": [{"fault": "latency", "delay": 1}, {"fault": "abort", "at": 5}]})
        await call("POST", "reset")
        assert await call("GET", "faults") == NOTHING

    called(scenario)


def test_a_client_with_a_name_is_hit_alone() -> None:
    async def scenario(call: Caller) -> None:
        first, second = [await call("POST", "clients", {"name": name}) for name in ("worker-1", "worker-2")]
        assert await call("POST", "clients", {"name": "worker-1"}) == first
        async with connect(first["url"]) as hit, connect(second["url"]) as spared:
            assert [event.client for event in events(call, Opened)] == ["worker-1", "worker-2"]
            await call("POST", "faults", {"faults": [{"fault": "down", "target": "worker-1"}]})
            await hit.wait_closed()
            assert [(event.connection, event.by) for event in events(call, Closed)] == [("c1", "fault")]
            assert spared.close_code is None
            with pytest.raises((OSError, InvalidMessage)):
                await connect(first["url"])
            assert events(call, Attempted) == [Attempted(client="worker-1")]

    called(scenario)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, '"faults" is missing; valid: an array of faults'),
        ({"faults": {}}, '"faults" is {}; valid: an array of faults'),
        ({"faults": [{"fault": "lag"}]}, "fault 1: unknown fault 'lag'; valid: abort, "),
        ({"faults": [], "seed": "1"}, '"seed" is "1"; valid: a signed 64-bit integer'),
        (
            {"faults": [{"fault": "drop", "frame": "push"}, {"fault": "latency"}]},
            "fault 2: fault 'latency' needs a member",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_fault_is_refused_and_none_of_them_begins(body: dict[str, Any], text: str) -> None:
    async def scenario(call: Caller) -> None:
        assert (await call.refused("POST", "faults", body)).startswith(text)
        assert await call("GET", "faults") == NOTHING

    called(scenario)


def test_there_cannot_be_faults_without_end() -> None:
    async def scenario(call: Caller) -> None:
        await call("POST", "faults", {"faults": [{"fault": "abort", "at": 5}] * 10_000})
        text = await call.refused("POST", "faults", {"faults": [{"fault": "abort"}]}, status=409)
        assert text == "10000 faults are there, and at most 10000 can be; DELETE them"

    called(scenario)


def test_there_cannot_be_clients_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_faults, "CLIENT_LIMIT", 1)

    async def scenario(call: Caller) -> None:
        await call("POST", "clients", {"name": "one"})
        assert (await call("POST", "clients", {"name": "one"}))["name"] == "one"
        assert (
            await call.refused("POST", "clients", {"name": "two"}, status=409)
            == "1 clients have addresses, and no more can"
        )
        assert (await call.refused("POST", "clients", {"name": ""})).startswith('"name" is ""; valid: a string of 1')

    called(scenario)


def test_everybody_is_no_name() -> None:
    async def scenario(call: Caller) -> None:
        text = await call.refused("POST", "clients", {"name": "*"})
        assert text == '"name" is "*"; valid: anything but "*", which is everybody'

    called(scenario)
