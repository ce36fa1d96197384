"""The HTTP gateway: who may call it, how it is called, how it answers, and what of that is in the trace."""

from __future__ import annotations

import json
from typing import get_args
from xml.etree import ElementTree

import pytest
from gateway_by_hand import MULTIPART, GatewayWorld, json_of, parts
from hypothesis import given, settings
from hypothesis import strategies as st
from service_by_hand import TWO

from tmcfakes.gateway import ARGUMENT_LIMIT, MAX_BYTES, MAX_ENTRIES
from tmcfakes.methods import METHODS
from tmcfakes.service import App
from tmcspec import top
from tmcspec.events import Consumed, HttpIn, HttpOut, Id
from tmcspec.signing import SignMethod
from tmcspec.trace import ENTRY_LIMIT

CONSUME = "taobao.tmc.messages.consume"
CONFIRM = "taobao.tmc.messages.confirm"
PRODUCE = "taobao.tmc.message.produce"


@pytest.fixture
def world() -> GatewayWorld:
    return GatewayWorld()


# How it is called


def test_parameters_come_in_the_query_in_the_form_or_in_both(world: GatewayWorld) -> None:
    """The official Java client has system parameters in the query and the others in the form."""
    signed = world.signed(CONSUME, {"quantity": "10"})
    system = {name: value for name, value in signed.items() if name != "quantity"}
    for query, body in ((signed, {}), ({}, signed), (system, {"quantity": "10"})):
        assert "tmc_messages_consume_response" in json_of(world.post(body, query=query))
    assert [event.arguments for event in world.requests] == [(("quantity", "10"),)] * 3


def test_of_a_parameter_in_both_the_one_in_the_query_counts_and_is_signed(world: GatewayWorld) -> None:
    signed = world.signed(CONSUME, {"quantity": "10"})
    assert "error_response" not in json_of(world.post(signed | {"quantity": "11"}, query=signed))
    assert json_of(world.post(signed, query={"quantity": "11"}))["error_response"]["code"] == 25


@pytest.mark.parametrize("method", get_args(SignMethod))
def test_each_sign_method_is_understood(world: GatewayWorld, method: SignMethod) -> None:
    signed = world.signed(CONSUME, {"group_name": "shop"}, sign_method=method)
    assert "error_response" not in json_of(world.post(signed))
    wrong = signed | {"group_name": "default"}
    assert json_of(world.post(wrong))["error_response"]["code"] == 25
    assert [event.sign for event in world.requests] == ["right", "wrong"]


def test_files_take_no_part_in_the_sign(world: GatewayWorld) -> None:
    signed = world.signed(PRODUCE, {"topic": "t", "content": "{}"})
    answer = world.post_parts(parts(signed, {"media_content": b"\xff\xd8\xff"}))
    assert json_of(answer)["tmc_message_produce_response"]["is_success"] is True


def test_a_timestamp_is_measured_by_the_clocks_of_clients_which_nobody_moves_by_hand(world: GatewayWorld) -> None:
    world.at(7200.0)
    assert "messages" in world.ask(CONSUME)
    world.clients = 600.0
    signed = world.signed(CONSUME)
    world.clients = 1200.0
    assert "error_response" not in json_of(world.post(signed))
    world.clients = 1201.0
    assert json_of(world.post(signed))["error_response"]["code"] == 31


@pytest.mark.parametrize(
    ("changed", "code", "found"),
    [
        ({"method": ""}, 21, "wrong"),
        ({"method": "taobao.tmc.nothing.get"}, 25, "wrong"),
        ({"app_key": ""}, 28, "unknown_app"),
        ({"app_key": "9"}, 29, "unknown_app"),
        ({"timestamp": ""}, 30, "wrong"),
        ({"timestamp": "yesterday"}, 31, "wrong"),
        ({"v": ""}, 32, "wrong"),
        ({"v": "3.0"}, 33, "wrong"),
        ({"sign": ""}, 24, "missing"),
        ({"sign": "0" * 32}, 25, "wrong"),
        ({"sign_method": ""}, 40, "wrong"),
        ({"sign_method": "sha1"}, 41, "wrong"),
        ({"format": "yaml"}, 23, "wrong"),
    ],
)
def test_what_is_wrong_with_a_request_is_told_and_traced(
    world: GatewayWorld, changed: dict[str, str], code: int, found: str
) -> None:
    answer = world.post(world.signed(CONSUME) | changed)
    assert answer.status == 200
    assert f"{code}".encode() in answer.body
    assert ([code for code, _ in world.answers], [event.sign for event in world.requests]) == ([code], [found])


def test_a_sign_in_lower_case_is_wrong_and_said_to_be_that(world: GatewayWorld) -> None:
    signed = world.signed(CONSUME)
    world.post(signed | {"sign": signed["sign"].lower()})
    assert (world.requests[0].sign, world.answers) == ("case", [(25, None)])


def test_a_method_that_does_not_exist_is_told_to_who_can_sign(world: GatewayWorld) -> None:
    assert world.refused("taobao.tmc.nothing.get") == top.unknown_api("taobao.tmc.nothing.get")
    assert world.requests[0].method == "taobao.tmc.nothing.get"


# S71: isv.tmc-switch-off
def test_an_app_that_has_subscribed_to_nothing_is_told_so_by_every_method() -> None:
    silent = App(key="3", secret="three", subscribed=False)
    world = GatewayWorld(apps=[silent])
    arguments = {
        "content": "c",
        "data_id": 1,
        "fields": "topics",
        "group_name": "g",
        "messages": '[{"topic": "t", "content": "c"}]',
        "nick": "n",
        "nicks": "n",
        "s_message_ids": 1,
        "topic": "t",
        "topic_name": "t",
        "topics": "t",
        "user_id": 1,
    }
    session = world.authorised("n", permitted=False, app=silent)
    refused = {api: world.refused(api, app=silent, session=session, **arguments) for api in METHODS}
    assert refused == dict.fromkeys(METHODS, top.NOT_SUBSCRIBED)


# How it answers


def test_json_xml_and_simplified_json_say_the_same(world: GatewayWorld) -> None:
    message = world.produce(user_id=2**60, nick="店铺")
    bodies = []
    for more in ({}, {"simplify": "true"}, {"format": "xml"}, {"format": "xml", "simplify": "true"}):
        bodies.append(world.post(world.resigned(world.signed(CONSUME) | more)).body)
        world.at(world.now + 360.0)  # it comes again
    enveloped, simplified = json.loads(bodies[0]), json.loads(bodies[1])
    (told,) = enveloped["tmc_messages_consume_response"]["messages"]["tmc_message"]
    assert told["id"] == message
    assert simplified["messages"] == [told]
    for body in bodies[2:]:
        xml = ElementTree.fromstring(body)
        assert xml.tag == "tmc_messages_consume_response"
        assert {each.tag: each.text for each in xml[0][0]} == {name: str(value) for name, value in told.items()}


def test_ids_beyond_2_to_the_53_are_json_numbers(world: GatewayWorld) -> None:
    """确认消息outgoingId long型精度丢失, 导致无法正常确认 (S62): a reader that knows only doubles loses digits here."""
    world.produce(id=2**62 + 1, user_id=2**60 + 1)
    body = world.post(world.signed(CONSUME)).body
    assert b'"id":4611686018427387905,' in body
    assert b'"user_id":1152921504606846977,' in body


def test_a_failure_is_answered_in_the_wanted_format(world: GatewayWorld) -> None:
    refused = world.signed(CONSUME) | {"sign": "0" * 32}
    envelope = json_of(world.post(refused))["error_response"]
    assert envelope.pop("sub_msg").startswith("names and values are signed in this order: 'app_key', 'format', ")
    assert envelope == {"code": 25, "msg": "Invalid signature", "request_id": "r1"}
    xml = ElementTree.fromstring(world.post(refused | {"format": "xml"}).body)
    assert (xml.tag, xml.findtext("code"), xml.findtext("request_id")) == ("error_response", "25", "r2")
    assert world.post({}).content_type == "text/xml;charset=UTF-8"
    assert world.post(refused).content_type == "text/javascript;charset=UTF-8"


def test_every_answer_has_an_id_of_its_own(world: GatewayWorld) -> None:
    assert [world.ask(CONSUME)["request_id"] for _ in range(3)] == ["r1", "r2", "r3"]


def test_what_cannot_be_read_as_a_form_is_answered_in_plain_words_and_traced(world: GatewayWorld) -> None:
    answer = world.post_parts(b"--x", content_type=MULTIPART)
    assert (answer.status, answer.content_type) == (400, "text/plain;charset=UTF-8")
    assert b"does not end" in answer.body
    assert world.post(dict.fromkeys(map(str, range(100_000)), "")).status == 400
    assert world.requests[0] == HttpIn(request=1, method=None, app_key=None, sign="missing", arguments=())
    assert world.answers == [(400, None), (400, None)]


def test_after_each_request_the_front_is_poked(world: GatewayWorld) -> None:
    world.ask(CONSUME)
    world.post({})
    world.post_parts(b"")
    assert world.poked == 3


# Environments


def test_environments_have_messages_of_their_own_and_share_groups(world: GatewayWorld) -> None:
    """各个环境消息隔离 但分组配置公用 (S18)."""
    early = world.produce(environment="pre-release")
    world.authorised("seller")
    world.ask("taobao.tmc.group.add", group_name="new", nicks="seller", environment="pre-release")
    assert world.consume() == []
    assert world.consume(group_name="new") == []
    assert [each["id"] for each in world.consume(environment="pre-release")] == [early]
    assert [event.environment for event in world.requests] == ["pre-release", "production", "production", "pre-release"]


# Call limit


def test_who_calls_one_method_too_often_is_refused_until_the_second_is_over() -> None:
    """API调用流量有限 (S33)."""
    world = GatewayWorld(calls_per_second=2)
    assert "messages" in world.ask(CONSUME)
    assert "messages" in world.ask(CONSUME)
    assert world.refused(CONSUME) == top.call_limited(1)
    assert world.ask("taobao.tmc.groups.get")["total_results"] == 1
    assert "messages" in world.ask(CONSUME, app=TWO)
    world.clients = 1.0
    assert "messages" in world.ask(CONSUME)
    assert world.answers[2] == (7, "accesscontrol.limited-by-api-access-count")


def test_calls_that_are_not_signed_do_not_count() -> None:
    world = GatewayWorld(calls_per_second=1)
    for _ in range(5):
        world.post(world.signed(CONSUME) | {"sign": "0" * 32})
    assert "messages" in world.ask(CONSUME)


def test_the_call_limit_is_measured_by_the_clocks_of_clients() -> None:
    world = GatewayWorld(calls_per_second=1)
    world.ask(CONSUME)
    world.at(3600.0)
    assert world.refused(CONSUME).code == 7


# The trace


def test_a_request_is_traced_before_what_it_does_and_its_answer_after(world: GatewayWorld) -> None:
    message = world.produce()
    world.consume(quantity=10, group_name="default", unknown="x")
    events = [entry.event for entry in world.recorder.entries][1:]
    assert events == [
        HttpIn(
            request=1,
            method=CONSUME,
            app_key="1",
            sign="right",
            arguments=(("group_name", "default"), ("quantity", "10")),
            ip="42.120.74.122",
        ),
        Consumed(message=Id(message), attempt=1, request=1),
        HttpOut(request=1),
    ]


def test_the_track_of_a_consumed_message_has_the_addresses_on_its_way(world: GatewayWorld) -> None:
    message = world.produce()
    world.consume()
    (handed,) = world.service.message(message).handed
    assert (handed.via, handed.ip) == ("http", "42.120.74.122:null:11.8.4.163")


def test_texts_in_the_trace_are_cut(world: GatewayWorld) -> None:
    world.ask(PRODUCE, topic="t", content="c" * 100_000)
    world.post({"method": "m" * 10_000, "app_key": "k" * 10_000})
    known, unknown = world.requests
    assert known.arguments[0] == ("content", "c" * ARGUMENT_LIMIT + "… (100000 characters)")
    assert unknown.method == "m" * 100 + "… (10000 characters)"
    assert unknown.app_key == "k" * 100 + "… (10000 characters)"


def test_200_ids_are_not_cut(world: GatewayWorld) -> None:
    ids = ",".join(str(-(2**63) + number) for number in range(200))
    world.ask(CONFIRM, s_message_ids=ids)
    assert world.requests[0].arguments == (("s_message_ids", ids),)


def test_somebody_who_takes_the_secret_for_the_key_does_not_publish_it() -> None:
    secret = "0123456789abcdef0123456789abcdef"
    world = GatewayWorld(apps=[App(key="12345678", secret=secret)])
    world.post({"method": f"x{secret}", "app_key": secret, "sign": "ABCDEF"})
    assert (world.requests[0].method, world.requests[0].app_key) == ("x" + "*" * 32, "*" * 32)


def test_whatever_is_put_into_an_argument_no_secret_is_shown() -> None:
    """One of them may have another one in it."""
    app = App(key="1", secret="abcdefgh")
    world = GatewayWorld(apps=[app, App(key="2", secret="another")])
    parameters = {"method": "taobao.tmc.user.get", "app_key": "1", "sign": "ABCDEF", "session": "-abcdefgh-"}
    for nick in ("abcdefgh", "-abcdefgh-", "ABCDEF", "x another"):
        world.post(parameters | {"nick": nick})
    told = [event.arguments[0][1] for event in world.requests]
    assert told == ["*" * 8, "*" * 10, "*" * 6, "x *******"]


def test_a_text_that_is_too_short_for_a_secret_is_shown(world: GatewayWorld) -> None:
    world.ask(CONFIRM, s_message_ids="12345", session="12345")
    assert world.requests[0].arguments == (("s_message_ids", "12345"),)


_SECRET = "d41d8cd98f00b204e9800998ecf8427e"
_SESSION = "6200824224b73677a8d4375add3237e3"
_SIGN = "61787B79E2098C170F8CA9F5859BF13C"
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_LEAK = st.builds("{}{}{}".format, _TEXT, st.sampled_from([_SECRET, _SESSION, _SIGN]), _TEXT)
_NAMES = sorted({each.name for method in METHODS.values() for each in method.parameters} | top.SYSTEM_PARAMETERS)
# What a client publishes, and what it calls a group or a topic, is for others to see.
_SPOKEN = {"content", "topic", "messages", "group_name", "topics", "nicks"}


@settings(max_examples=300)
@given(
    api=st.sampled_from([*METHODS, "taobao.tmc.nothing.get"]),
    signs=st.booleans(),
    arguments=st.dictionaries(st.sampled_from(_NAMES) | _TEXT | _LEAK, _TEXT | _LEAK, max_size=8),
    multipart=st.booleans(),
)
def test_no_secret_is_ever_in_the_trace(api: str, signs: bool, arguments: dict[str, str], multipart: bool) -> None:
    app = App(key="1023", secret=_SECRET)
    world = GatewayWorld(apps=[app])
    if signs:
        own = {name: value for name, value in arguments.items() if name and name not in top.SYSTEM_PARAMETERS | _SPOKEN}
        parameters = world.signed(api, own, app, session=_SESSION)
    else:
        parameters = {"app_key": "1023", "method": api} | arguments | {"session": _SESSION, "sign": _SIGN}
    if multipart:
        world.post_parts(parts({name: value for name, value in parameters.items() if '"' not in name}))
    else:
        world.post(parameters)
    written = world.dumped()
    for secret in (_SECRET, _SESSION, parameters["sign"]):
        assert secret not in written


@given(st.dictionaries(st.sampled_from(_NAMES), _TEXT, max_size=10), st.sampled_from([None, *METHODS]))
def test_whatever_a_request_says_it_gets_an_answer_and_its_trace_can_be_written(
    arguments: dict[str, str], api: str | None
) -> None:
    world = GatewayWorld()
    own = {name: value for name, value in arguments.items() if name not in top.SYSTEM_PARAMETERS}
    session = world.authorised("seller")
    answer = world.post(arguments if api is None else world.signed(api, own, session=session))
    assert answer.status == 200
    assert len(world.requests) == len(world.answers) == 1
    assert world.dumped()


# Floods


def test_one_run_takes_so_much_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmcfakes.gateway.MAX_ENTRIES", 1000)
    world = GatewayWorld()
    ids = ",".join(map(str, range(200)))
    answers = [world.post(world.signed(CONFIRM, {"s_message_ids": ids})).status for _ in range(10)]
    assert answers == [200] * 5 + [503] * 5
    assert len(world.recorder.entries) == 5 * 202


def test_what_others_leave_in_the_trace_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmcfakes.gateway.MAX_ENTRIES", 4)
    world = GatewayWorld()
    world.connected("c1")
    for _ in range(100):
        world.confirm("c1", world.produce())
    for _ in range(2):
        assert "messages" in world.ask(CONSUME)


def test_one_run_takes_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmcfakes.gateway.MAX_BYTES", 10_000)
    world = GatewayWorld()
    assert world.post({"a": "x" * 9000}).status == 200
    assert world.post({"a": "x" * 9000}).status == 503
    assert world.post({"a": "x" * 100}).status == 200


def test_a_service_without_end_takes_whatever_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmcfakes.gateway.MAX_ENTRIES", 1)
    monkeypatch.setattr("tmcfakes.gateway.MAX_BYTES", 1)
    world = GatewayWorld(endless=True, keep=100)
    assert {world.post(world.signed(CONSUME)).status for _ in range(300)} == {200}
    assert world.requests[-1].request == 300


def test_the_limits_leave_room_in_the_trace() -> None:
    assert MAX_ENTRIES + 200 * 4 < ENTRY_LIMIT // 2
    assert MAX_BYTES < 2**30
