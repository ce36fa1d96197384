"""The handshake with the service: whom it accepts, and how it refuses the others."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest

from tmcfakes.service import AckScript, App, Send, Service
from tmcspec.events import Accepted, Fault, FrameIn, FrameOut, Refused, Signed
from tmcspec.frame import Frame, MessageType, byte, decode, encode, int64, string
from tmcspec.messages import Connect, ConnectAck, PullRequest, from_service
from tmcspec.signing import sign_connect
from tmcspec.trace import Recorder

APP = App(key="1023", secret="secret", groups=frozenset({"default", "shop"}))
UNSUBSCRIBED = App(key="2000", secret="another", subscribed=False)
TIMESTAMP = "1795447615402"


def connect(app: App = APP, *, group: str = "default", flag: int = 1) -> Connect:
    sign = sign_connect(app_key=app.key, group=group, timestamp=TIMESTAMP, secret=app.secret)
    return Connect(app_key=app.key, group=group, timestamp=TIMESTAMP, sign=sign, flag=flag)


class World:
    """A service with one open connection, `c1`."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.service = Service(apps=[APP, UNSUBSCRIBED], recorder=self.recorder, rng=random.Random(1))
        self.service.opened("c1", now=0.0)

    def say(self, frame: Frame, connection: str = "c1") -> list[Frame]:
        """Sends a frame; returns the frames that came back on this connection."""
        self.service.received(connection, encode(frame), now=0.0)
        sent = [effect for effect in self.service.effects() if isinstance(effect, Send)]
        return [decode(effect.data) for effect in sent if effect.connection == connection]

    def connect(self, message: Connect, connection: str = "c1") -> ConnectAck:
        (answer,) = self.say(message.to_frame(), connection)
        ack = from_service(answer)
        assert isinstance(ack, ConnectAck)
        return ack

    def events(self, *kinds: type) -> list[object]:
        return [entry.event for entry in self.recorder.entries if isinstance(entry.event, kinds)]


@pytest.fixture
def world() -> World:
    return World()


def test_a_right_connect_is_accepted_with_its_flag_and_a_token(world: World) -> None:
    ack = world.connect(connect(flag=7))
    assert (ack.flag, ack.refused) == (7, False)
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", ack.token or "")
    assert world.service.connections("1023") == ("c1",)
    assert [type(event) for event in world.events(FrameIn, Signed, Accepted, FrameOut)] == [
        FrameIn,
        Signed,
        Accepted,
        FrameOut,
    ]


def test_a_connect_without_a_flag_is_answered_without_one(world: World) -> None:
    assert world.connect(connect(flag=0)).flag == 0


def test_the_answer_is_laid_out_like_the_captured_ones(world: World) -> None:
    # 52 bytes: version, type, flag, token of 36 characters, end (captured in production, 2014).
    world.service.received("c1", encode(connect().to_frame()), now=0.0)
    (answer,) = world.service.effects()
    assert isinstance(answer, Send)
    assert len(answer.data) == 52
    assert answer.data[:14] == bytes.fromhex("0201 0400 01000000 0500 24000000")


def test_the_token_belongs_to_the_identity_and_not_to_the_connection(world: World) -> None:
    world.service.opened("c2", now=0.0)
    first, second = world.connect(connect()), world.connect(connect(), "c2")
    assert first.token == second.token
    assert world.connect(connect(group="shop"), "c2").token != first.token


def test_a_version_1_client_is_answered_in_version_1(world: World) -> None:
    (answer,) = world.say(replace(connect().to_frame(), version=1))
    assert (answer.version, answer.type, answer.flag) == (1, MessageType.CONNECTACK, 1)
    world.service.produce(app_key="1023", topic="t", content="{}", now=0.0)
    (push,) = world.service.effects()
    assert isinstance(push, Send)
    assert decode(push.data).version == 1


def test_field_order_and_further_fields_do_not_matter(world: World) -> None:
    frame = connect().to_frame()
    odd = (string("sdk", "NodeJS-1.2.0"), byte("b", 1), *reversed(frame.content or ()))
    assert world.connect(replace(connect(), extras=())).token
    (answer,) = world.say(replace(frame, content=odd))
    assert answer.token


def test_the_age_of_the_timestamp_is_not_judged(world: World) -> None:
    # .NET ticks of local time, as the official C# client sends them.
    ticks = "639000000000000000"
    sign = sign_connect(app_key="1023", group="default", timestamp=ticks, secret="secret")
    assert world.connect(Connect(app_key="1023", group="default", timestamp=ticks, sign=sign)).token


REFUSED = {
    "unknown app": (replace(connect(), app_key="9"), "unknown_app", 29, "isv.appkey-not-exists"),
    "wrong sign": (replace(connect(), sign="0" * 32), "wrong", 25, "Invalid signature"),
    "lower-case sign": (replace(connect(), sign=connect().sign.lower()), "case", 25, "Invalid signature"),
    "missing sign": (replace(connect(), sign=""), "missing", 40, "Missing required arguments: sign"),
    "missing app": (
        replace(connect(), app_key=""),
        "unknown_app",
        40,
        "Missing required arguments: app_key",
    ),
    "missing group and timestamp": (
        replace(connect(), group="", timestamp=""),
        "wrong",
        40,
        "Missing required arguments: group_name, timestamp",
    ),
    "unknown group": (connect(group="nobody"), "right", 41, "Invalid arguments: group_name"),
    "no subscription": (
        connect(UNSUBSCRIBED),
        "right",
        15,
        "isp.system-error: unknown errors,isv.tmc-switch-off: appkey,the app do not enable messaging-channel feature",
    ),
}


# S71: isv.tmc-switch-off
@pytest.mark.parametrize(("message", "finding", "code", "phrase"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_connect_is_refused_with_code_and_phrase(
    world: World, message: Connect, finding: str, code: int, phrase: str
) -> None:
    ack = world.connect(message)
    assert ack == ConnectAck(token=None, flag=message.flag, status_code=code, status_phrase=phrase)
    signed, refused = world.events(Signed, Refused)
    assert signed == Signed(connection="c1", app_key=message.app_key or None, sign=finding)  # type: ignore[arg-type]
    assert refused == Refused(connection="c1", code=code, phrase=phrase)
    assert not world.events(Accepted)


def test_a_refused_connection_stays_open_and_gets_no_pushes(world: World) -> None:
    world.connect(replace(connect(), sign="0" * 32))
    world.service.produce(app_key="1023", topic="t", content="{}", now=0.0)
    assert world.service.effects() == []
    answer, push = world.say(connect(flag=2).to_frame())
    assert (answer.flag, answer.status_code, push.type) == (2, 0, MessageType.SEND)


def test_a_second_connect_is_answered_and_decides_what_the_connection_gets(world: World) -> None:
    world.connect(connect())
    world.connect(connect(group="shop"))
    assert world.service.connections("1023") == ()
    assert world.service.connections("1023", "shop") == ("c1",)
    assert world.connect(connect(group="nobody")).refused
    assert world.service.connections("1023", "shop") == ()


def test_a_connect_whose_sign_is_no_text_is_not_answered(world: World) -> None:
    assert world.say(Frame(type=MessageType.CONNECT, content=(int64("sign", 1),))) == []
    assert not world.events(Signed)


def test_a_pull_request_before_the_connect_is_tolerated(world: World) -> None:
    assert world.say(PullRequest(token=None).to_frame()) == []
    assert world.connect(connect()).token


def test_the_trace_never_holds_a_sign_or_a_secret(world: World) -> None:
    world.connect(connect())
    world.connect(connect(UNSUBSCRIBED))
    traced = repr(world.recorder.entries)
    assert connect().sign not in traced
    assert "'secret'" not in traced
    assert "secret" not in repr(APP).replace("secret=", "")


# Scripted answers


def test_a_scripted_refusal_replaces_one_answer_and_is_traced_as_a_fault(world: World) -> None:
    world.service.script_connectacks(AckScript(refuse=(1234, "not today")))
    ack = world.connect(connect())
    assert (ack.status_code, ack.status_phrase, ack.token) == (1234, "not today", None)
    fault, refused = world.events(Fault, Refused)
    assert isinstance(fault, Fault)
    assert (fault.name, fault.target) == ("connectack", "c1")
    assert refused == Refused(connection="c1", code=1234, phrase="not today")
    assert world.connect(connect()).token


def test_a_scripted_refusal_may_have_a_phrase_only(world: World) -> None:
    world.service.script_connectacks(AckScript(refuse=(0, "why")))
    ack = world.connect(connect())
    assert (ack.status_code, ack.status_phrase) == (0, "why")
    assert world.service.connections("1023") == ()


def test_a_silent_script_answers_nothing(world: World) -> None:
    world.service.script_connectacks(AckScript(silent=True))
    assert world.say(connect().to_frame()) == []
    assert not world.events(Accepted, Refused)


def test_an_answer_without_a_token_does_not_accept(world: World) -> None:
    world.service.script_connectacks(AckScript(token=False))
    assert world.connect(connect()) == ConnectAck(flag=1)
    assert not world.events(Accepted, Refused)
    assert world.service.connections("1023") == ()


def test_an_answer_with_another_flag_still_accepts(world: World) -> None:
    world.service.script_connectacks(AckScript(flag=99))
    ack = world.connect(connect(flag=1))
    assert ack.flag == 99
    assert ack.token
    assert world.service.connections("1023") == ("c1",)


def test_scripts_are_used_one_by_one(world: World) -> None:
    world.service.script_connectacks(AckScript(refuse=(1, None)), AckScript(refuse=(2, None)))
    assert [world.connect(connect()).status_code for _ in range(3)] == [1, 2, 0]


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ({"refuse": (-1, None)}, "the code of a refusal must be 0 to 2147483647, not -1"),
        ({"flag": 2**31}, "a flag must be 0 \\(none\\) to 2147483647, not 2147483648"),
    ],
)
def test_a_script_that_no_frame_can_carry_is_an_error(script: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        AckScript(**script)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("app", "complaint"),
    [
        ({"key": "", "secret": "s"}, "a key that is not empty"),
        ({"key": "k", "secret": ""}, "app 'k' needs a secret"),
        ({"key": "k", "secret": "s", "groups": frozenset({""})}, "app 'k': a group name has 1 to 32 characters"),
        ({"key": "k", "secret": "s", "groups": frozenset({"g" * 33})}, "1 to 32 characters, not 33"),
        ({"key": "k", "secret": "s", "topics": frozenset({""})}, "app 'k': a topic has 1 to 256 characters"),
        (
            {"key": "k", "secret": "s", "groups": frozenset(f"g{number}" for number in range(51))},
            "app 'k' has 51 groups; at most 50 can be created",
        ),
    ],
)
def test_an_incomplete_app_is_an_error(app: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        App(**app)  # type: ignore[arg-type]


def test_two_apps_with_one_key_are_an_error() -> None:
    with pytest.raises(ValueError, match="app '1023' is there twice"):
        Service(apps=[APP, APP], recorder=Recorder(), rng=random.Random(1))
