"""Messages to Taobao: what the service takes, what it refuses and how it says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from service_by_hand import ONE, World

from tmcfakes.handshake import Refusal
from tmcspec.events import Published
from tmcspec.frame import Frame, MessageType, byte, decode, string
from tmcspec.messages import Connect, Publish, SendAck, from_service
from tmcspec.routing import TOPIC_NAME_LIMIT
from tmcspec.signing import sign_connect
from tmcspec.timing import PUBLISH_CONTENT_LIMIT

TOPIC = "taobao_to_taobao"


@pytest.fixture
def world() -> World:
    """A service with one topic to Taobao, and a client on it."""
    world = World(topics_to_taobao=[TOPIC])
    world.connected("c")
    world.sends()
    return world


def publish(world: World, *, flag: int = 5, topic: str = TOPIC, content: str = "{}", name: str = "c") -> list[Frame]:
    """What comes back on the connection."""
    world.say(name, Publish(token=None, flag=flag, topic=topic, content=content).to_frame())
    return answers(world, name)


def answers(world: World, name: str = "c") -> list[Frame]:
    sent = world.sends()
    assert {effect.connection for effect in sent} <= {name}
    return [decode(effect.data) for effect in sent]


def published(world: World) -> list[Any]:
    return world.events(Published)


INVALID = "Invalid arguments: "
WRONG = [
    ({"topic": "x"}, 41, INVALID + "topic, 'x' does not exist; it must be created before it is used"),
    ({"topic": "t" * (TOPIC_NAME_LIMIT + 1)}, 41, INVALID + "topic, 257 characters; at most 256"),
    ({"content": "c" * (PUBLISH_CONTENT_LIMIT + 1)}, 41, INVALID + "content, 122881 characters; at most 122880"),
]


# Over the WebSocket


# S13: 将信息回流到淘宝
def test_a_publish_is_answered_by_a_sendack_with_its_flag_and_traced(world: World) -> None:
    token = world.service.token(world.service.queue("1"))
    (ack,) = publish(world, flag=7, content='{"tid":1}')
    assert ack == Frame(type=MessageType.SENDACK, flag=7, token=token, content=())
    assert from_service(ack) == SendAck(token=token, flag=7)
    assert published(world) == [
        Published(app_key="1", topic=TOPIC, content='{"tid":1}', accepted=True, via="ws", connection="c")
    ]


# S72: 申请创建 isv -> taobao 流向的消息topic
@pytest.mark.parametrize(("wrong", "code", "phrase"), WRONG)
def test_a_refused_publish_is_answered_by_code_and_phrase_and_traced(
    world: World, wrong: dict[str, str], code: int, phrase: str
) -> None:
    token = world.service.token(world.service.queue("1"))
    (ack,) = publish(world, flag=7, **wrong)
    said = from_service(ack)
    assert said == SendAck(token=token, flag=7, status_code=code, status_phrase=phrase)
    assert said.refused
    (event,) = published(world)
    assert (event.accepted, event.code, event.phrase) == (False, code, phrase)


def test_the_longest_topic_and_content_are_taken() -> None:
    topic = "t" * TOPIC_NAME_LIMIT
    world = World(topics_to_taobao=[topic])
    world.connected("c")
    world.sends()
    (ack,) = publish(world, topic=topic, content="界" * PUBLISH_CONTENT_LIMIT)
    assert ack.status_code == 0
    assert [event.accepted for event in published(world)] == [True]


def test_without_a_list_every_topic_exists() -> None:
    world = World()
    world.connected("c")
    world.sends()
    (ack,) = publish(world, topic="whatever")
    assert ack.status_code == 0


def test_with_an_empty_list_none_does() -> None:
    world = World(topics_to_taobao=[])
    world.connected("c")
    world.sends()
    (ack,) = publish(world)
    assert ack.status_code == 41


@pytest.mark.parametrize("topic", [TOPIC, "x"])
def test_a_publish_without_a_flag_is_taken_and_not_answered(world: World, topic: str) -> None:
    # Observed: tmc.js sends without one.
    assert publish(world, flag=0, topic=topic) == []
    assert [event.accepted for event in published(world)] == [topic == TOPIC]


def test_a_publish_with_a_session_is_taken(world: World) -> None:
    frame = Publish(token=None, flag=3, topic=TOPIC, content="{}", session="secret").to_frame()
    world.say("c", frame)
    assert [ack.flag for ack in answers(world)] == [3]
    assert "secret" not in repr(published(world))


def test_an_answer_is_in_the_protocol_version_of_the_client(world: World) -> None:
    sign = sign_connect(app_key="1", group="default", timestamp="1", secret=ONE.secret)
    connect = Connect(app_key="1", group="default", timestamp="1", sign=sign)
    world.service.opened("c1", now=0.0)
    for message in (connect, Publish(token=None, flag=3, topic=TOPIC, content="{}")):
        world.say("c1", replace(message.to_frame(), version=1))
    assert [(ack.version, ack.type) for ack in answers(world, "c1")] == [
        (1, MessageType.CONNECTACK),
        (1, MessageType.SENDACK),
    ]


@pytest.mark.parametrize("missing", ["topic", "content"])
def test_a_publish_without_topic_or_content_is_refused_and_says_what_is_missing(world: World, missing: str) -> None:
    fields = [string(name, "x") for name in ("topic", "content") if name != missing]
    world.say("c", Frame(type=MessageType.SEND, flag=4, content=(byte("__kind", 3), *fields)))
    (answer,) = answers(world)
    phrase = f"Missing required arguments: {missing}"
    assert (answer.flag, answer.status_code, answer.status_phrase) == (4, 40, phrase)
    assert [event.accepted for event in published(world)] == [False]


def test_a_publish_before_the_service_has_accepted_the_client_is_ignored(world: World) -> None:
    world.service.opened("c2", now=0.0)
    assert publish(world, name="c2") == []
    assert published(world) == []


def test_a_publish_on_a_connection_that_the_service_is_ending_is_ignored(world: World) -> None:
    world.service.disconnect(now=0.0, connection="c")
    world.service.effects()
    assert publish(world) == []
    assert published(world) == []


def test_what_is_published_reaches_no_app(world: World) -> None:
    # S13: 回流消息
    publish(world)
    assert world.service.unsettled("1") == world.service.unsettled("2") == 0


# Over HTTP


def test_over_http_the_same_is_taken_and_refused() -> None:
    world = World(topics_to_taobao=[TOPIC])
    assert world.service.publish(app_key="1", topic=TOPIC, content="{}", now=0.0) is None
    for wrong, code, phrase in WRONG:
        said = {"topic": TOPIC, "content": "{}"} | wrong
        refusal = world.service.publish(app_key="1", now=0.0, topic=said["topic"], content=said["content"])
        assert refusal == Refusal(code=code, phrase=phrase)
    assert [(event.accepted, event.via, event.connection) for event in published(world)] == [
        (True, "http", None),
        (False, "http", None),
        (False, "http", None),
        (False, "http", None),
    ]


@pytest.mark.parametrize(
    ("topic", "content", "names"), [("", "{}", "topic"), (TOPIC, "", "content"), ("", "", "topic, content")]
)
def test_what_is_missing_is_named(topic: str, content: str, names: str) -> None:
    refusal = World().service.publish(app_key="1", topic=topic, content=content, now=0.0)
    assert refusal == Refusal(code=40, phrase=f"Missing required arguments: {names}")


def test_an_app_that_nobody_knows_publishes_nothing() -> None:
    world = World()
    with pytest.raises(ValueError, match="unknown app '9'; known: 1, 2"):
        world.service.publish(app_key="9", topic=TOPIC, content="{}", now=0.0)
    assert published(world) == []


def test_an_odd_topic_is_shown_in_short() -> None:
    world = World(topics_to_taobao=[TOPIC])
    refusal = world.service.publish(app_key=ONE.key, topic="\ud800\n" + "x" * 200, content="{}", now=0.0)
    assert refusal is not None
    assert refusal.phrase is not None
    assert len(refusal.phrase) < 300
    assert refusal.phrase.isprintable()
