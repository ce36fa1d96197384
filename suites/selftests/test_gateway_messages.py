"""The methods of the gateway that handle messages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gateway_by_hand import GatewayWorld, json_of, parts
from service_by_hand import TWO

from tmcspec import top
from tmcspec.delivery import State
from tmcspec.events import Confirmed, Failed, Id, Produced, Published, UnknownConfirm
from tmcspec.frame import decode
from tmcspec.messages import ConnectAck, from_service

CONSUME = "taobao.tmc.messages.consume"
CONFIRM = "taobao.tmc.messages.confirm"
PRODUCE = "taobao.tmc.message.produce"
PRODUCE_MANY = "taobao.tmc.messages.produce"
QUEUE = "taobao.tmc.queue.get"
SENDRECORD = "taobao.tmc.msg.sendrecord"
AUTH = "taobao.tmc.auth.get"

EPOCH = 1_795_447_615_402
QUANTITIES = "a whole number from 10 to 200"


@pytest.fixture
def world() -> GatewayWorld:
    return GatewayWorld()


def ids(messages: list[dict[str, Any]]) -> list[int]:
    return [each["id"] for each in messages]


def many(*messages: object) -> str:
    return json.dumps(messages)


# Consuming


def test_a_consumed_message_has_the_members_of_the_recorded_answer(world: GatewayWorld) -> None:
    world.now = 0.999
    message = world.service.produce(
        app_key="1", topic="t", content='{"a":"店"}', now=world.now, user_id=2**63 - 1, nick="店铺", group="default"
    )
    assert world.consume() == [
        {
            "user_id": 2**63 - 1,
            "user_nick": "店铺",
            "content": '{"a":"店"}',
            "id": message,
            "pub_time": "2023-11-15 06:13:20",
            "pub_app_key": "12497914",
            "topic": "t",
        }
    ]


def test_what_a_message_has_not_is_left_out(world: GatewayWorld) -> None:
    world.service.produce(app_key="1", topic="t", content=None, now=0.0)
    assert world.consume()[0].keys() == {"id", "pub_time", "pub_app_key", "topic"}


def test_the_pointer_moves_on_and_what_is_not_confirmed_comes_again(world: GatewayWorld) -> None:
    """消息消费后,指针自动后移 (S37); 如果不确认,消息服务会选择时机(约6分钟)重发 (S39)."""
    messages = [world.produce() for _ in range(15)]
    assert ids(world.consume(quantity=10)) == messages[:10]
    assert ids(world.consume(quantity=10)) == messages[10:]
    assert world.consume() == []
    world.at(360.0)
    assert ids(world.consume(quantity=200)) == messages


def test_100_messages_come_when_nobody_says_how_many(world: GatewayWorld) -> None:
    messages = [world.produce() for _ in range(101)]
    assert ids(world.consume()) == messages[:100]


@pytest.mark.parametrize("quantity", ["9", "201", "0", "-10", "1e2", "10.0", " 10", "١٠", "1" * 100, "ten"])
def test_a_quantity_is_10_to_200(world: GatewayWorld, quantity: str) -> None:
    world.produce()
    refused = world.refused(CONSUME, quantity=quantity)
    assert (refused.code, refused.sub_code) == (41, "isv.invalid-parameter:quantity")
    assert refused == top.invalid("quantity", quantity, QUANTITIES)
    assert len(world.consume(quantity="")) == 1


def test_a_group_is_consumed_by_itself(world: GatewayWorld) -> None:
    default, shop = world.produce(), world.produce(group="shop")
    assert ids(world.consume(group_name="shop")) == [shop]
    assert ids(world.consume(group_name="default")) == [default]


def test_a_group_that_is_not_there_is_an_error_that_names_those_that_are(world: GatewayWorld) -> None:
    """如果应用没有设置用户分组, 传入分组名称将会返回错误, says the page of the API."""
    refused = world.refused(CONSUME, group_name="nobody")
    assert (refused.code, refused.sub_code) == (41, "isv.invalid-parameter:group_name")
    assert refused.sub_msg == "group_name is 'nobody'; the groups of this app: 'default', 'shop'"
    assert world.refused(CONFIRM, group_name="nobody", s_message_ids=1) == refused
    assert world.refused(CONSUME, app=TWO, group_name="shop").code == 41
    for number in range(20):
        world.console.create_group("2", f"g{number}")
    told = world.refused(CONSUME, app=TWO, group_name="x" * 32).sub_msg
    assert told is not None
    assert told.endswith("'g8' and 11 more")


def test_a_consumer_over_http_and_one_over_a_websocket_share_one_queue(world: GatewayWorld) -> None:
    """多种消费方式协作消费同一个队列 (S3)."""
    first = world.produce()
    assert ids(world.consume()) == [first]
    world.connected("c1")
    second = world.produce()
    assert [push.id for _, push in world.pushes()] == [second]
    assert world.consume() == []


def test_apps_see_no_messages_of_others(world: GatewayWorld) -> None:
    message = world.produce()
    assert world.consume(app=TWO) == []
    world.ask(CONFIRM, app=TWO, s_message_ids=message)
    assert world.service.state(message) is State.WAITING


# Confirming


# S38: 消费确认后的消息无法再次获取
def test_a_confirm_over_http_settles_what_was_pushed_and_the_other_way_round(world: GatewayWorld) -> None:
    world.connected("c1")
    pushed = world.produce()
    assert world.ask(CONFIRM, s_message_ids=pushed)["is_success"] is True
    world.closed("c1")
    consumed = world.produce()
    world.consume()
    world.confirm(world.connected("c2"), consumed)
    assert world.events(Confirmed) == [
        Confirmed(message=Id(pushed), via="http", connection=None),
        Confirmed(message=Id(consumed), via="ws", connection="c2"),
    ]
    world.pushes()
    world.at(9000.0)
    assert (world.consume(), world.pushes()) == ([], [])


def test_200_ids_are_confirmed_at_once_exactly(world: GatewayWorld) -> None:
    messages = [world.produce(id=2**62 + number) for number in range(199)] + [world.produce(id=-(2**63))]
    world.consume(quantity=200)
    assert world.ask(CONFIRM, s_message_ids=",".join(map(str, messages)))["is_success"] is True
    assert world.service.unsettled("1") == 0


def test_an_id_of_no_message_is_no_fault_of_the_caller_and_is_traced(world: GatewayWorld) -> None:
    message = world.produce()
    assert world.ask(CONFIRM, s_message_ids=f"{message},{message},7")["is_success"] is True
    assert world.events(UnknownConfirm) == [
        UnknownConfirm(id=Id(message), via="http", connection=None),
        UnknownConfirm(id=Id(7), via="http", connection=None),
    ]


def test_ids_that_are_reported_as_failed_come_again(world: GatewayWorld) -> None:
    good, bad = world.produce(), world.produce()
    world.consume()
    world.ask(CONFIRM, s_message_ids=good, f_message_ids=bad)
    assert world.events(Failed) == [Failed(message=Id(bad), reason=None)]
    world.at(360.0)
    assert ids(world.consume()) == [bad]


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ("1,x,3,7.2315018607813E+18", "'x', '7.2315018607813E+18'"),
        ("1,", "''"),
        ("1, 2", "' 2'"),
        ("1,+2", "'+2'"),
        ("9223372036854775808", "'9223372036854775808'"),
        ("-9223372036854775809,1", "'-9223372036854775809'"),
        ("1" * 5000, repr("1" * 80)[:77] + "..."),
        (",".join("x" * 12), ", ".join(["'x'"] * 10) + " and 2 more"),
        ("null", "'null'"),
    ],
)
@pytest.mark.parametrize("name", ["s_message_ids", "f_message_ids"])
def test_each_malformed_id_is_named_and_nothing_is_confirmed(
    world: GatewayWorld, name: str, given: str, wrong: str
) -> None:
    message = world.produce(id=1)
    refused = world.refused(CONFIRM, **{"s_message_ids": "1", name: given})
    assert (refused.code, refused.sub_code) == (41, f"isv.invalid-parameter:{name}")
    assert refused.sub_msg is not None
    assert refused.sub_msg.startswith(f"{name} is a list with {wrong} in it; valid: 1 to 200 signed 64-bit integers")
    assert world.service.state(message) is State.WAITING


def test_201_ids_are_too_many(world: GatewayWorld) -> None:
    refused = world.refused(CONFIRM, s_message_ids=",".join(["1"] * 201))
    assert refused.sub_msg is not None
    assert refused.sub_msg.startswith("s_message_ids is a list of 201; valid: 1 to 200")


@pytest.mark.parametrize("given", [None, ""])
def test_ids_are_required(world: GatewayWorld, given: str | None) -> None:
    assert world.refused(CONFIRM, s_message_ids=given, f_message_ids="x") == top.missing("s_message_ids")


# Publishing to Taobao


# S13: 将信息回流到淘宝
def test_a_message_to_taobao_is_published(world: GatewayWorld) -> None:
    answer = world.ask(
        PRODUCE,
        topic="t",
        content="店" * 122_880,
        target_group="g",
        delay_millis=EPOCH,
        expires_millis=1000,
        ex_content="x",
        target_appkey="1",
    )
    assert (answer["is_success"], answer["total"], answer["msg_ids"]) == (True, 1, {"string": ["1"]})
    assert world.events(Published) == [
        Published(app_key="1", topic="t", content="店" * 122_880, accepted=True, via="http")
    ]
    assert world.events(Produced) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content", "c" * 122_881),
        ("topic", "t" * 257),
        ("target_group", "g" * 257),
        ("delay_millis", "-1"),
        ("expires_millis", "soon"),
        ("ex_content", "x" * 501),
        ("target_appkey", "k" * 257),
        ("media_content", "text"),
    ],
)
def test_what_is_wrong_with_a_message_to_taobao_is_named(world: GatewayWorld, name: str, value: str) -> None:
    refused = world.refused(PRODUCE, **{"topic": "t", "content": "c", name: value})
    assert (refused.code, refused.sub_code) == (41, f"isv.invalid-parameter:{name}")
    assert len(refused.sub_msg or "") < 200
    assert world.events(Published) == []


@pytest.mark.parametrize("name", ["topic", "content"])
def test_a_message_to_taobao_has_topic_and_content(world: GatewayWorld, name: str) -> None:
    assert world.refused(PRODUCE, **{"topic": "t", "content": "c", name: ""}) == top.missing(name)


def test_a_topic_must_have_been_created() -> None:
    """由对接的二方在开放平台内部去申请创建 isv -> taobao 流向的消息topic (S72)."""
    world = GatewayWorld(topics_to_taobao=["known"])
    assert world.ask(PRODUCE, topic="known", content="c")["is_success"] is True
    refused = world.refused(PRODUCE, topic="unknown", content="c")
    assert (refused.code, refused.sub_code) == (41, "isv.invalid-parameter:topic")
    assert "'unknown' does not exist" in (refused.sub_msg or "")
    assert [getattr(event, "accepted", None) for event in world.events(Published)] == [True, False]


@pytest.mark.parametrize("name", ["media_content", "media_content2", "media_content5"])
def test_a_file_has_at_most_one_mebibyte(world: GatewayWorld, name: str) -> None:
    signed = world.signed(PRODUCE, {"topic": "t", "content": "c"})
    assert "error_response" not in json_of(world.post_parts(parts(signed, {name: b"x" * 2**20})))
    refused = json_of(world.post_parts(parts(signed, {name: b"x" * (2**20 + 1)})))["error_response"]
    assert refused["sub_code"] == f"isv.invalid-parameter:{name}"
    assert refused["sub_msg"] == f"{name} is a file of 1048577 bytes; valid: a file of 1 to 1048576 bytes"


def test_many_messages_are_published_one_by_one_and_answered_in_their_order() -> None:
    world = GatewayWorld(topics_to_taobao=["t"])
    answer = world.ask(
        PRODUCE_MANY,
        messages=many(
            {"topic": "t", "content": "1", "delay_millis": EPOCH, "target_group": None},
            {"topic": "t"},
            {"topic": "u", "content": "3"},
            {"topic": "t", "content": 4},
            {"topic": "t", "content": "\ud800"},
        ),
    )
    results = answer["results"]["tmc_produce_result"]
    assert answer["is_all_success"] is False
    assert [each["is_success"] for each in results] == [True, False, False, True, False]
    assert [each.get("error_code") for each in results] == [
        None,
        "isv.missing-parameter:content",
        "isv.invalid-parameter:topic",
        None,
        "isv.invalid-parameter:content",
    ]
    assert "UTF-8 cannot write" in results[4]["error_message"]
    assert world.ask(PRODUCE_MANY, messages=many({"topic": "t", "content": "c"}))["is_all_success"] is True


@pytest.mark.parametrize(
    ("messages", "wrong"),
    [
        ("{", "'{', which is not JSON"),
        ("[" * 100_000, "which is not JSON"),
        ("1" * 5000, "which is not JSON"),
        ('{"topic": "t"}', "a dict of 1 in JSON"),
        ("[]", "a list of 0 in JSON"),
        (many(*[{}] * 51), "a list of 51 in JSON"),
        (many("t"), "an array with 't' in it"),
        (many({"topic": ["t"]}), "an array with an object in it whose 'topic' is a list of 1"),
        (many({"topic": True}), "an array with an object in it whose 'topic' is True"),
        (many({"topic": 1.5}), "an array with an object in it whose 'topic' is 1.5"),
    ],
)
def test_what_is_no_list_of_messages_is_refused_as_a_whole(world: GatewayWorld, messages: str, wrong: str) -> None:
    refused = world.refused(PRODUCE_MANY, messages=messages)
    assert refused.sub_code == "isv.invalid-parameter:messages"
    assert wrong in (refused.sub_msg or "")
    assert world.events(Published) == []


def test_50_messages_are_published_at_once(world: GatewayWorld) -> None:
    world.ask(PRODUCE_MANY, messages=many(*[{"topic": "t", "content": "c"}] * 50))
    assert len(world.events(Published)) == 50
    assert world.refused(PRODUCE_MANY) == top.missing("messages")


# Looking at queues


def test_a_queue_tells_how_much_was_written_and_read(world: GatewayWorld) -> None:
    for _ in range(3):
        world.produce(group="shop")
    world.connected("c1", group="shop")
    world.produce(group="shop")
    info = {"name": "shop", "broker_name": "fake", "get_total": 4, "put_toal": 4}
    assert world.ask(QUEUE, group_name="shop")["datas"] == {"tmc_queue_info": [info]}
    (empty,) = world.ask(QUEUE, group_name="shop", environment="pre-release")["datas"]["tmc_queue_info"]
    assert (empty["get_total"], empty["put_toal"]) == (0, 0)
    assert world.refused(QUEUE) == top.missing("group_name")
    assert world.refused(QUEUE, group_name="nobody").code == 41


def test_when_messages_about_an_object_were_sent_can_be_asked(world: GatewayWorld) -> None:
    def asked(**more: object) -> list[object]:
        arguments = {"data_id": 7, "group_name": "default", "topic_name": "t"} | more
        answer = world.ask(SENDRECORD, **arguments)
        return [answer[f"{by}_send_{what}"] for by in ("tb", "tmc") for what in ("times", "list")]

    assert asked() == [0, "", 0, ""]
    first = world.produce(data_id=7)
    world.produce(data_id=8)
    world.produce(data_id=7, topic="u")
    world.produce(data_id=7, group="shop")
    world.consume()
    world.ask(CONFIRM, s_message_ids=first)
    world.at(400.0)
    world.produce(data_id=7)
    assert asked() == [2, "2023-11-15 06:13:20,2023-11-15 06:20:00", 1, "2023-11-15 06:13:20"]
    assert asked(group_name="shop")[0] == 1
    for name in ("data_id", "group_name", "topic_name"):
        assert world.refused(SENDRECORD, **{"data_id": 7, "group_name": "default", "topic_name": "t", name: None}) == (
            top.missing(name)
        )


def test_the_token_is_that_of_a_connection(world: GatewayWorld) -> None:
    token = world.ask(AUTH)["result"]
    world.connected("c1")
    (ack,) = [from_service(decode(send.data)) for send in world.sends()]
    assert ack == ConnectAck(token=token, flag=1)
    assert world.ask(AUTH, group="default")["result"] == token
    assert (
        len({token, world.ask(AUTH, group="shop")["result"], world.ask(AUTH, environment="pre-release")["result"]}) == 3
    )
    assert world.refused(AUTH, group="nobody").sub_code == "isv.invalid-parameter:group"
