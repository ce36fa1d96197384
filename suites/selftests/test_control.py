"""The control API: messages, time, statistics and the trace, for those who drive a service from outside."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from control_by_hand import Caller, called
from websockets.asyncio.client import ClientConnection, connect

from tmcfakes.clock import Clock
from tmcfakes.fake import FakeTmc
from tmcfakes.service import App
from tmcfakes.simulation import EPOCH_MS
from tmcspec import trace_file
from tmcspec.events import Accepted, Closed, Confirmed, Produced, Pushed
from tmcspec.frame import decode, encode
from tmcspec.messages import Confirm, Connect, ConnectAck, from_service
from tmcspec.signing import sign_connect

TOPIC = "taobao_trade_TradeCreate"
CREATED = {"topic": TOPIC, "content": {"tid": 1}}
ONE, OTHER = App(key="one", secret="s1", groups=frozenset({"default", "vip"})), App(key="other", secret="s2")


async def join(client: ClientConnection, app: App = ONE, group: str = "default") -> str:
    """Connects as a client does. Returns its token."""
    sign = sign_connect(app_key=app.key, group=group, timestamp="1", secret=app.secret)
    await client.send(encode(Connect(app_key=app.key, group=group, timestamp="1", sign=sign, flag=1).to_frame()))
    data = await client.recv()
    assert isinstance(data, bytes)
    acknowledged = from_service(decode(data))
    assert isinstance(acknowledged, ConnectAck)
    assert acknowledged.token is not None
    return acknowledged.token


def rows(stats: Any, *names: str) -> list[list[Any]]:
    return [[row[name] for name in names] for row in stats["groups"]]


# Messages


def test_a_message_is_produced_for_the_first_app() -> None:
    async def scenario(call: Caller) -> None:
        (id,) = (await call("POST", "messages", CREATED))["ids"]
        (entry,) = call.tmc.recorder.entries
        assert isinstance(entry.event, Produced)
        assert (str(entry.event.message), entry.event.app_key, entry.event.group) == (id, "one", "default")
        assert (entry.event.topic, entry.event.content) == (TOPIC, '{"tid":1}')

    called(scenario, apps=[ONE, OTHER])


def test_everything_that_can_be_said_of_a_message_is_taken() -> None:
    body = {
        "topic": TOPIC,
        "content": None,
        "app_key": "one",
        "group": "vip",
        "user_id": "4611686018427387905",
        "nick": "中文",
        "id": 9007199254740993,
        "data_id": "-9007199254740993",
        "environment": "pre-release",
    }

    async def scenario(call: Caller) -> None:
        assert await call("POST", "messages", body) == {"ids": ["9007199254740993"]}
        (entry,) = call.tmc.recorder.entries
        assert isinstance(entry.event, Produced)
        assert (entry.event.user_id, entry.event.group) == (4611686018427387905, "vip")
        assert (entry.event.environment, entry.event.content) == ("pre-release", None)

    called(scenario, apps=[OTHER, ONE])


def test_many_messages_are_produced_in_one_call() -> None:
    async def scenario(call: Caller) -> None:
        ids = (await call("POST", "messages", CREATED | {"count": 2500}))["ids"]
        assert len(set(ids)) == 2500
        assert call.tmc.do(lambda service, now: service.unsettled("one")) == 2500

    called(scenario, apps=[ONE])


def test_an_id_with_a_count_names_the_first_of_consecutive_ids() -> None:
    async def scenario(call: Caller) -> None:
        assert (await call("POST", "messages", CREATED | {"id": "7", "count": 3}))["ids"] == ["7", "8", "9"]
        error = await call.refused("POST", "messages", CREATED | {"id": 5, "count": 5})
        assert "message 7 was produced before" in error

    called(scenario, apps=[ONE])


def test_a_broadcast_reaches_every_app_that_holds_the_grant() -> None:
    async def scenario(call: Caller) -> None:
        body = CREATED | {"nick": "shop", "broadcast": True}
        assert "no user with nick 'shop'" in await call.refused("POST", "messages", body)
        for key in ("one", "other"):
            await call("POST", "users", {"app_key": key, "nick": "shop"})
        assert len((await call("POST", "messages", body))["ids"]) == 2
        produced = [each.event for each in call.tmc.recorder.entries if isinstance(each.event, Produced)]
        assert [(event.app_key, event.kind) for event in produced] == [("one", "broadcast"), ("other", "broadcast")]
        assert rows(await call("GET", "stats"), "app_key", "backlog") == [["one", 1], ["one", 0], ["other", 1]]

    called(scenario, apps=[ONE, OTHER])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"topic": TOPIC}, '"content" is missing; valid: a string'),
        (CREATED | {"app_key": "two"}, "unknown app 'two'; known: one"),
        (CREATED | {"group": "no"}, "app 'one' has no group 'no'; its groups: default, vip"),
        (CREATED | {"id": 2**63 - 2, "count": 3}, "make ids up to 9223372036854775808, more than the largest"),
        (CREATED | {"broadcast": True}, "a broadcast is about a user"),
        (CREATED | {"broadcast": True, "nick": "a", "group": "vip"}, '"group" and "broadcast" exclude each other'),
        (CREATED | {"broadcast": True, "nick": "a", "id": 1}, '"id" and "broadcast" exclude each other'),
        ({"topic": TOPIC, "content": "x" * 100_000, "count": 2000}, "make several calls"),
        (CREATED | {"now": 1}, 'unknown member "now"; valid: topic, content, app_key'),
    ],
    ids=lambda case: case[:20] if isinstance(case, str) else "",
)
def test_a_message_that_cannot_be_is_refused_with_a_reason(body: Any, text: str) -> None:
    async def scenario(call: Caller) -> None:
        assert text in await call.refused("POST", "messages", body)
        assert call.tmc.recorder.entries == []

    called(scenario, apps=[ONE])


# S42: msgId一定是全局唯一标识符
def test_an_id_is_used_once() -> None:
    async def scenario(call: Caller) -> None:
        await call("POST", "messages", CREATED | {"id": "7"})
        assert "message 7 was produced before" in await call.refused("POST", "messages", CREATED | {"id": 7})

    called(scenario)


def test_a_backlog_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmcfakes.control_calls.BACKLOG_LIMIT", 1500)

    async def scenario(call: Caller) -> None:
        error = await call.refused("POST", "messages", CREATED | {"count": 2000}, status=409)
        assert error.startswith("1000 messages are not settled, and 1500 is the limit")
        assert error.endswith("1000 messages were produced before")

    called(scenario)


def test_messages_of_before_a_reset_do_not_get_into_the_time_after_it() -> None:
    async def scenario(call: Caller) -> None:
        producing = asyncio.create_task(call.refused("POST", "messages", CREATED | {"count": 100_000}, status=409))
        await call.tmc.wait_for_async(Produced)
        call.tmc.reset()
        error = await producing
        assert error.startswith("the service was reset meanwhile; ")
        assert call.tmc.recorder.entries == []

    called(scenario)


# The tracks of a message


# S64: 轨迹1 消息产生记录
def test_the_three_tracks_of_a_message() -> None:
    async def scenario(call: Caller) -> None:
        async with connect(call.tmc.url, proxy=None, ping_interval=None) as client:
            token = await join(client)
            (id,) = (await call("POST", "messages", CREATED | {"user_id": 7, "count": 1}))["ids"]
            await client.recv()
            await call("POST", "clock/advance", {"seconds": 360})
            await client.recv()
            await client.send(encode(Confirm(token=token, id=int(id)).to_frame()))
            await call.tmc.wait_for_async(Confirmed)
        tracks = await call("GET", f"messages/{id}")
        ip = tracks["pushes"][0]["ip"]
        assert tracks == {
            "id": id,
            "state": "confirmed",
            "produced": {
                "time": 0.0,
                "at": "2026-01-01T00:00:00.000+00:00",
                "app_key": "one",
                "group": "default",
                "environment": "production",
                "kind": "point_to_point",
                "topic": TOPIC,
                "user_id": "7",
            },
            "pushes": [
                {
                    "time": 0.0,
                    "at": "2026-01-01T00:00:00.000+00:00",
                    "connection": "c1",
                    "via": "ws",
                    "ip": ip,
                    "outcome": "missed",
                },
                {
                    "time": 360.0,
                    "at": "2026-01-01T00:06:00.000+00:00",
                    "connection": "c1",
                    "via": "ws",
                    "ip": ip,
                    "outcome": "confirmed",
                },
            ],
            "confirmed": {"time": 360.0, "at": "2026-01-01T00:06:00.000+00:00", "via": "ws", "connection": "c1"},
        }

    called(scenario, apps=[ONE])


def test_a_message_that_was_not_pushed_has_one_track() -> None:
    async def scenario(call: Caller) -> None:
        await call("POST", "messages", CREATED | {"id": "-1"})
        tracks = await call("GET", "messages/-1")
        assert (tracks["state"], tracks["pushes"], tracks["confirmed"]) == ("waiting", [], None)
        assert tracks["produced"]["user_id"] is None

    called(scenario)


def test_a_message_that_nobody_produced_is_not_found() -> None:
    async def scenario(call: Caller) -> None:
        assert "message 1 was never produced" in await call.refused("GET", "messages/1", status=404)
        assert '"id" is "one"; valid: a signed 64-bit integer' in await call.refused("GET", "messages/one")

    called(scenario)


def test_in_a_year_without_a_date_times_are_seconds_only() -> None:
    async def scenario(call: Caller) -> None:
        await call("POST", "messages", CREATED | {"id": 1})
        assert (await call("GET", "messages/1"))["produced"]["at"] is None

    called(scenario, epoch_ms=2**62)


# Time


def test_the_clock_is_told_and_advanced(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="tmcfakes")

    async def scenario(call: Caller) -> None:
        assert await call("GET", "clock") == {"now": 0.0, "epoch_ms": EPOCH_MS, "manual": False}
        assert await call("POST", "clock/advance", {"seconds": 360}) == {"now": 360.0}
        assert await call("POST", "clock/advance", {"seconds": 0.5}) == {"now": 360.5}
        assert await call("GET", "clock") == {"now": 360.5, "epoch_ms": EPOCH_MS + 360_500, "manual": False}

    called(scenario)
    assert caplog.messages.count("advanced") == 2


def test_a_clock_that_moves_by_hand_alone_says_so() -> None:
    async def scenario(call: Caller) -> None:
        assert (await call("GET", "clock"))["manual"] is True

    called(scenario, clock=Clock.manual())


def test_advancing_lets_everything_happen_that_is_due() -> None:
    async def scenario(call: Caller) -> None:
        await call("POST", "messages", CREATED)
        await call("POST", "clock/advance", {"seconds": 24 * 3600})
        assert rows(await call("GET", "stats"), "backlog", "expired") == [[0, 1]]

    called(scenario)


@pytest.mark.parametrize("seconds", [-1, "360", None, True, 10**9, 10**400])
def test_time_does_not_go_back_and_not_too_far_at_once(seconds: Any) -> None:
    async def scenario(call: Caller) -> None:
        assert '"seconds" is ' in await call.refused("POST", "clock/advance", {"seconds": seconds})
        assert await call("GET", "clock") == {"now": 0.0, "epoch_ms": EPOCH_MS, "manual": False}

    called(scenario)


# Statistics


def test_statistics_by_app_group_and_environment() -> None:
    async def scenario(call: Caller) -> None:
        async with connect(call.tmc.url + "pre", proxy=None, ping_interval=None) as client:
            token = await join(client)
            ids = (await call("POST", "messages", CREATED | {"environment": "pre-release", "count": 3}))["ids"]
            await client.send(encode(Confirm(token=token, id=int(ids[0])).to_frame()))
            await call.tmc.wait_for_async(Confirmed)
            await call("PUT", "flow", {"group": "vip", "value": 9})
            await call("PUT", "mode", {"group": "vip", "mode": "pull"})
            await call("POST", "clock/advance", {"seconds": 10})
            await call("POST", "messages", CREATED | {"group": "vip"})
            stats = await call("GET", "stats")
        assert stats["now"] == 10.0
        assert stats["groups"][1] == {
            "app_key": "one",
            "group": "default",
            "environment": "pre-release",
            "backlog": 2,
            "produced": 3,
            "pushed": 3,
            "confirmed": 1,
            "failed": 0,
            "expired": 0,
            "connections": 1,
            "waiting": 0,
            "dropped": 0,
            "flow": None,
            "mode": "push",
            "deleted": False,
        }
        names = ("group", "environment", "backlog", "waiting", "connections", "flow", "mode")
        assert rows(stats, *names) == [
            ["default", "production", 0, 0, 0, None, "push"],
            ["default", "pre-release", 2, 0, 1, None, "push"],
            ["vip", "production", 1, 1, 0, 9, "pull"],
            ["vip", "pre-release", 0, 0, 0, 9, "pull"],
        ]

    called(scenario, apps=[ONE])


def test_statistics_of_a_deleted_group_stay() -> None:
    async def scenario(call: Caller) -> None:
        await call("POST", "messages", CREATED | {"group": "vip", "count": 2})
        assert await call("DELETE", "groups/vip") == {"dropped": 2}
        stats = await call("GET", "stats")
        assert rows(stats, "group", "environment", "dropped", "deleted")[1:] == [
            ["vip", "production", 2, True],
            ["vip", "pre-release", 0, True],
        ]

    called(scenario, apps=[ONE])


# The trace


def test_the_trace_comes_as_a_trace_file() -> None:
    async def scenario(call: Caller) -> None:
        await call("POST", "messages", CREATED | {"count": 2500})
        answer = await call.ask("GET", "/_tmc/trace")
        assert answer.headers["Content-Type"] == "application/jsonl; charset=utf-8"
        assert answer.text.encode() == b"".join(line.encode() + b"\n" for line in trace_file.dump(call.tmc.trace()))
        assert (answer.headers["Tmc-Trace-Last"], answer.headers["Tmc-Trace-Forgotten"]) == ("2500", "0")

    called(scenario)


def test_what_came_after_an_entry_comes_without_the_header() -> None:
    async def scenario(call: Caller) -> None:
        await call("POST", "messages", CREATED | {"count": 3})
        answer = await call.ask("GET", "/_tmc/trace?since=1")
        assert [json.loads(line)["seq"] for line in answer.text.splitlines()] == [2, 3]
        assert (await call.ask("GET", "/_tmc/trace?since=3")).text == ""
        assert (await call.ask("GET", "/_tmc/trace?since=0")).text.startswith('{"trace":1,')

    called(scenario)


def test_a_trace_that_has_forgotten_its_beginning_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmcfakes.fake.KEPT", 100)

    async def scenario(call: Caller) -> None:
        await call("POST", "messages", CREATED | {"count": 1000})
        answer = await call.ask("GET", "/_tmc/trace")
        forgotten = call.tmc.recorder.first - 1
        assert forgotten > 800
        assert json.loads(answer.text.splitlines()[0])["forgotten"] == forgotten
        assert answer.headers["Tmc-Trace-Forgotten"] == str(forgotten)
        assert trace_file.parse(answer.text.splitlines()).entries == call.tmc.trace().entries
        # The header says that there is a gap.
        late = await call.ask("GET", "/_tmc/trace?since=7")
        assert json.loads(late.text.splitlines()[0])["seq"] == forgotten + 1

    called(scenario, endless=True)


def test_an_entry_that_never_was_is_not_waited_for() -> None:
    async def scenario(call: Caller) -> None:
        error = await call.refused("GET", "trace?since=1", status=409)
        assert error == '"since" is 1, and the trace ends at 0: it began anew at a reset'
        assert '"since" is "x"; valid: a whole number' in await call.refused("GET", "trace?since=x")
        assert 'unknown member "until"; valid: since' in await call.refused("GET", "trace?until=7")
        assert "more than once" in await call.refused("GET", "trace?since=0&since=1")

    called(scenario)


# Reset


def test_after_a_reset_all_is_as_at_the_start_but_for_the_clock() -> None:
    async def scenario(call: Caller) -> None:
        async with connect(call.tmc.url, proxy=None, ping_interval=None) as client:
            await join(client)
            await call("POST", "messages", CREATED | {"count": 3})
            await call("POST", "users", {"nick": "shop", "group": "new"})
            await call("PUT", "flow", {"value": 1})
            await call("PUT", "subscription", {"topics": []})
            await call("PUT", "topics", {"topics": []})
            await call("POST", "clock/advance", {"seconds": 60})
            before = call.tmc.recorder
            assert await call("POST", "reset") == {"now": 60.0}
            await client.wait_closed()
            assert client.close_code == 1001
        assert isinstance(before.entries[-1].event, Closed)
        assert call.tmc.recorder.entries == []
        stats = await call("GET", "stats")
        assert rows(stats, "group", "produced", "connections", "flow") == [["default", 0, 0, None], ["vip", 0, 0, None]]
        await call("POST", "messages", CREATED)
        (entry,) = call.tmc.recorder.entries
        assert (entry.seq, entry.time) == (1, 60.0)

    called(scenario, apps=[ONE])


def test_after_a_reset_clients_may_come_again_and_no_id_does() -> None:
    async def scenario(call: Caller) -> None:
        first = (await call("POST", "messages", CREATED | {"count": 100}))["ids"]
        await call("POST", "reset", {})
        async with connect(call.tmc.url, proxy=None, ping_interval=None) as client:
            await join(client)
            second = (await call("POST", "messages", CREATED | {"count": 100}))["ids"]
            await client.recv()
        assert not set(first) & set(second)
        words = [entry.event.word for entry in call.tmc.recorder.entries if not entry.event.word.startswith("ws")]
        assert words[:3] == ["opened", "frame_in", "signed"]
        assert {type(entry.event) for entry in call.tmc.recorder.entries} >= {Accepted, Pushed, Closed}

    called(scenario, apps=[ONE])


def test_who_follows_the_trace_learns_of_a_reset() -> None:
    async def scenario(call: Caller) -> None:
        await call("POST", "messages", CREATED | {"count": 3})
        await call("POST", "reset")
        assert "it began anew at a reset" in await call.refused("GET", "trace?since=3", status=409)

    called(scenario)


def test_the_example_of_the_docstring_is_how_it_is_used() -> None:
    from tmcfakes import control

    with FakeTmc(http_port=0, routes=control.routes) as tmc:
        assert tmc.http_url.startswith("http://127.0.0.1:")
