"""The methods of the gateway that change and show users, groups and topics."""

from __future__ import annotations

from typing import Any

import pytest
from gateway_by_hand import GatewayWorld
from service_by_hand import TWO

from tmcfakes.service import App
from tmcspec import top
from tmcspec.events import Cancelled, GroupCreated, GroupDeleted, Id, Permitted, TopicGrouped, UserGrouped

PERMIT = "taobao.tmc.user.permit"
PERMIT_NUMBER = "alipay.xiaodai.user.permit"
CANCEL = "taobao.tmc.user.cancel"
USER = "taobao.tmc.user.get"
USERS = "taobao.tmc.users.get"
TOPICS = "taobao.tmc.user.topics.get"
ADD = "taobao.tmc.group.add"
DELETE = "taobao.tmc.group.delete"
GROUPS = "taobao.tmc.groups.get"
BIND = "taobao.tmc.topic.group.add"
UNBIND = "taobao.tmc.topic.group.delete"

FIELDS = "created,group_name,is_valid,modified,topics,user_id,user_nick,user_platform"


@pytest.fixture
def world() -> GatewayWorld:
    return GatewayWorld()


def names(first: str, count: int) -> str:
    return ",".join(f"{first}{number}" for number in range(count))


# What a user permits


def test_each_permit_replaces_the_topics_of_the_one_before(world: GatewayWorld) -> None:
    session = world.authorised("seller", permitted=False)
    assert world.ask(PERMIT, session=session, topics="t,u")["is_success"] is True
    world.ask(PERMIT, session=session, topics="v")
    world.ask(PERMIT, session=session)
    assert [getattr(event, "topics", "") for event in world.events(Permitted)] == [("t", "u"), ("v",), None]


def test_what_an_app_does_for_a_user_needs_the_users_session(world: GatewayWorld) -> None:
    session = world.authorised("seller", permitted=False)
    assert world.refused(PERMIT) == top.MISSING_SESSION
    assert world.refused(PERMIT, session="f" * 40) == top.INVALID_SESSION
    assert world.refused(PERMIT, app=TWO, session=session) == top.INVALID_SESSION
    assert world.events(Permitted) == []


def test_the_session_of_a_grant_that_is_over_is_invalid(world: GatewayWorld) -> None:
    session = world.authorised("seller", permitted=False, until=100.0)
    world.at(99.9)
    world.ask(PERMIT, session=session)
    world.at(100.0)
    assert world.refused(PERMIT, session=session) == top.INVALID_SESSION
    again = world.authorised("seller", permitted=False)
    world.console.revoke("1", "seller")
    assert world.refused(PERMIT, session=again) == top.INVALID_SESSION


def test_up_to_100_topics_are_permitted_that_the_app_has_subscribed_to() -> None:
    world = GatewayWorld(apps=[App(key="1", secret="one", topics=frozenset({"t"}))])
    session = world.authorised("seller", permitted=False)
    refused = world.refused(PERMIT, session=session, topics="t,u")
    assert refused.sub_code == "isv.invalid-parameter:topics"
    assert "has not subscribed to 'u'" in (refused.sub_msg or "")
    assert world.refused(PERMIT, session=session, topics=names("t", 101)).sub_code == "isv.invalid-parameter:topics"
    assert world.refused(PERMIT, session=session, topics="t,,").sub_code == "isv.invalid-parameter:topics"
    assert world.refused(PERMIT, session=session, topics="t" * 257).sub_code == "isv.invalid-parameter:topics"
    open_world = GatewayWorld()
    session = open_world.authorised("seller", permitted=False)
    assert open_world.ask(PERMIT, session=session, topics=names("t", 100))["is_success"] is True


def test_a_user_may_be_permitted_by_number(world: GatewayWorld) -> None:
    world.authorised("seller", permitted=False, user_id=7, until=100.0)
    assert world.ask(PERMIT_NUMBER, user_id=7)["is_success"] is True
    assert world.events(Permitted) == [Permitted(app_key="1", user_id=Id(7))]
    assert world.ask(PERMIT_NUMBER, user_id=8)["is_success"] is False
    world.at(100.0)
    assert world.ask(PERMIT_NUMBER, user_id=7)["is_success"] is False
    assert world.refused(PERMIT_NUMBER) == top.missing("user_id")
    assert world.refused(PERMIT_NUMBER, user_id="x").sub_code == "isv.invalid-parameter:user_id"


def test_cancelling_a_user_who_is_not_there_is_no_error(world: GatewayWorld) -> None:
    world.authorised("seller", user_id=7)
    assert world.ask(CANCEL, nick="seller")["is_success"] is True
    assert world.ask(CANCEL, nick="nobody")["is_success"] is False
    assert world.ask(CANCEL, nick="seller", user_platform="icbu")["is_success"] is False
    assert world.events(Cancelled) == [Cancelled(app_key="1", user_id=Id(7))]
    assert world.refused(CANCEL) == top.missing("nick")
    assert world.refused(CANCEL, nick="n" * 101).sub_code == "isv.invalid-parameter:nick"
    refused = world.refused(CANCEL, nick="seller", user_platform="elsewhere")
    assert refused == top.invalid("user_platform", "elsewhere", "tbUIC, icbu, ae")


# Looking users up


# S16: taobao.tmc.user.get
def test_a_user_is_shown_with_the_wanted_fields(world: GatewayWorld) -> None:
    world.authorised("店铺", user_id=2**63 - 1)
    world.at(60.0)
    world.ask(ADD, group_name="vip", nicks="店铺")
    world.console.permit("1", "店铺", topics=["u", "t"])
    assert world.ask(USER, nick="店铺", fields=FIELDS)["tmc_user"] == {
        "created": "2023-11-15 06:13:20",
        "group_name": "vip",
        "is_valid": True,
        "modified": "2023-11-15 06:14:20",
        "topics": {"string": ["*"]},
        "user_id": 2**63 - 1,
        "user_nick": "店铺",
        "user_platform": "tbUIC",
    }
    world.at(360.0)
    assert world.ask(USER, nick="店铺", fields="topics,nothing")["tmc_user"] == {"topics": {"string": ["t", "u"]}}


def test_a_user_who_was_cancelled_is_found_for_another_five_minutes(world: GatewayWorld) -> None:
    """订阅关系失效后, 短时间(5分钟左右)可能会查出来缓存的关系 (S54)."""
    world.authorised("seller")
    world.ask(CANCEL, nick="seller")
    world.at(299.0)
    assert world.ask(USER, nick="seller", fields="is_valid")["tmc_user"] == {"is_valid": True}
    world.at(300.0)
    assert world.refused(USER, nick="seller", fields="is_valid").sub_code == "isv.invalid-parameter:nick"


def test_of_a_user_who_has_permitted_nothing_there_is_nothing_to_show(world: GatewayWorld) -> None:
    world.authorised("seller", permitted=False)
    for nick in ("seller", "nobody"):
        assert f"nick is {nick!r}; nothing is permitted" in (
            world.refused(USER, nick=nick, fields=FIELDS).sub_msg or ""
        )
        assert world.refused(TOPICS, nick=nick).sub_code == "isv.invalid-parameter:nick"


def test_some_field_must_be_wanted(world: GatewayWorld) -> None:
    world.authorised("seller")
    for api in (USER, USERS):
        assert world.refused(api, nick="seller") == top.missing("fields")
        assert world.refused(api, nick="seller", fields="nothing").sub_code == "isv.invalid-parameter:fields"
    assert world.refused(USER, fields=FIELDS) == top.missing("nick")


def test_users_are_listed_page_by_page(world: GatewayWorld) -> None:
    for number in range(101):
        world.authorised(f"u{number}")
    world.authorised("other", permitted=False)
    world.authorised("other", app=TWO)

    def asked(**more: object) -> list[str]:
        answer = world.ask(USERS, fields="user_nick", **more)
        assert answer["total"] == 101
        return [each["user_nick"] for each in top.read_list(answer, "users", "tmc_user")]

    assert asked() == [f"u{number}" for number in range(40)]
    assert asked(page_size=100) == [f"u{number}" for number in range(100)]
    assert asked(page_size=100, page_no=2) == ["u100"]
    assert asked(page_no=50) == []
    for name, value in (("page_no", 0), ("page_no", 51), ("page_size", 0), ("page_size", 101), ("is_valid", "yes")):
        refused = world.refused(USERS, fields="user_nick", **{name: value})
        assert refused.sub_code == f"isv.invalid-parameter:{name}"


def test_valid_users_can_be_told_from_others(world: GatewayWorld) -> None:
    world.authorised("expired", until=10.0)
    world.authorised("valid")
    world.at(310.0)

    def asked(**more: object) -> list[tuple[Any, Any]]:
        users = top.read_list(world.ask(USERS, fields="user_nick,is_valid", **more), "users", "tmc_user")
        return [(each["user_nick"], each["is_valid"]) for each in users]

    assert asked() == [("expired", False), ("valid", True)]
    assert asked(is_valid="true") == [("valid", True)]
    assert asked(is_valid="false") == [("expired", False)]


def test_the_topics_of_a_user_and_of_the_app() -> None:
    world = GatewayWorld(apps=[App(key="1", secret="one", topics=frozenset({"t", "u", "v"}))])
    world.authorised("all")
    session = world.authorised("some", permitted=False)
    world.ask(PERMIT, session=session, topics="u")
    assert world.ask(TOPICS, nick="all")["topics"] == {"string": ["t", "u", "v"]}
    assert world.ask(TOPICS)["topics"] == {"string": ["t", "u", "v"]}
    answer = world.ask(TOPICS, nick="some")
    assert (answer["topics"], answer["result_code"]) == ({"string": ["u"]}, "0")


# Groups


def test_users_are_added_to_a_group_which_then_gets_their_messages(world: GatewayWorld) -> None:
    world.authorised("a", user_id=1)
    world.authorised("b", user_id=2)
    world.at(60.0)
    answer = world.ask(ADD, group_name="vip", nicks="a")
    assert (answer["group_name"], answer["created"]) == ("vip", "2023-11-15 06:14:20")
    world.ask(ADD, group_name="vip", nicks="b")
    assert world.events(GroupCreated) == [GroupCreated(app_key="1", group="vip")]
    assert world.events(UserGrouped) == [
        UserGrouped(app_key="1", user_id=Id(1), group="vip"),
        UserGrouped(app_key="1", user_id=Id(2), group="vip"),
    ]
    world.service.broadcast(topic="t", content="{}", nick="b", now=60.0)
    assert len(world.consume(group_name="vip")) == 1
    assert world.consume() == []


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("group_name", "default2", "must not be named 'default' or begin with it"),
        ("group_name", "g" * 33, "1 to 32 characters"),
        ("nicks", names("n", 201), "a list of 201"),
        ("nicks", "seller,,", "''"),
        ("nicks", "seller,nobody", "'nobody' has not granted app '1' access"),
        ("user_platform", "elsewhere", "tbUIC, icbu, ae"),
    ],
)
def test_what_is_wrong_with_a_new_group_is_named(world: GatewayWorld, name: str, value: str, told: str) -> None:
    world.authorised("seller")
    refused = world.refused(ADD, **{"group_name": "vip", "nicks": "seller", name: value})
    assert refused.sub_code == f"isv.invalid-parameter:{name}"
    assert told in (refused.sub_msg or "")
    assert world.events(GroupCreated) == []


def test_200_nicks_are_added_at_once(world: GatewayWorld) -> None:
    for number in range(200):
        world.authorised(f"n{number}")
    world.ask(ADD, group_name="g" * 32, nicks=names("n", 200))
    assert len(world.events(UserGrouped)) == 200


def test_an_app_has_at_most_50_groups(world: GatewayWorld) -> None:
    """每个应用最多创建50个分组 (S61)."""
    world.authorised("seller")
    for number in range(49):  # it has one
        world.ask(ADD, group_name=f"g{number}", nicks="seller")
    refused = world.refused(ADD, group_name="one more", nicks="seller")
    assert (refused.sub_code, refused.code) == ("isv.invalid-parameter:group_name", 41)
    assert "50 groups" in (refused.sub_msg or "")


@pytest.mark.parametrize("api", [ADD, DELETE, BIND, UNBIND])
def test_a_group_must_be_named(world: GatewayWorld, api: str) -> None:
    assert world.refused(api, nicks="n", topics="t") == top.missing("group_name")


def test_a_group_goes_with_its_last_user_and_takes_its_messages_along(world: GatewayWorld) -> None:
    world.authorised("a")
    world.authorised("b")
    world.ask(ADD, group_name="vip", nicks="a,b")
    message = world.produce(group="vip")
    assert world.ask(DELETE, group_name="vip", nicks="a")["is_success"] is True
    assert world.events(GroupDeleted) == []
    world.ask(DELETE, group_name="vip", nicks="b")
    assert world.events(GroupDeleted) == [GroupDeleted(app_key="1", group="vip")]
    assert world.service.message(message).queue.unsettled == 0


def test_a_group_is_deleted_at_once_when_no_nicks_are_given(world: GatewayWorld) -> None:
    world.authorised("a")
    world.ask(ADD, group_name="vip", nicks="a")
    world.ask(DELETE, group_name="vip")
    assert world.ask(USER, nick="a", fields="group_name")["tmc_user"] == {"group_name": "default"}


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"group_name": "nobody"}, "group_name"),
        ({"group_name": "default"}, "group_name"),
        ({"group_name": "shop", "nicks": "seller"}, "nicks"),
        ({"group_name": "shop", "nicks": "nobody"}, "nicks"),
        ({"group_name": "shop", "nicks": names("n", 21)}, "nicks"),
        ({"group_name": "shop", "user_platform": "x"}, "user_platform"),
    ],
)
def test_what_cannot_be_deleted_is_named(world: GatewayWorld, arguments: dict[str, str], name: str) -> None:
    world.authorised("seller")
    assert world.refused(DELETE, **arguments).sub_code == f"isv.invalid-parameter:{name}"
    assert world.events(GroupDeleted, UserGrouped) == []


def test_groups_are_listed_page_by_page(world: GatewayWorld) -> None:
    for number in range(45):
        world.console.create_group("1", f"g{number}")

    def asked(**more: object) -> tuple[int, list[str]]:
        answer = world.ask(GROUPS, **more)
        return answer["total_results"], [each["name"] for each in top.read_list(answer, "groups", "tmc_group")]

    total, listed = asked()
    assert (total, len(listed), listed[:2]) == (46, 40, ["shop", "g0"])
    assert asked(page_no=2) == (46, [f"g{number}" for number in range(39, 45)])
    assert asked(page_no=2, page_size=1) == (46, ["g0"])
    assert asked(group_names="g7,shop,default,nobody") == (2, ["shop", "g7"])
    for name, value in (("page_no", 0), ("page_size", 0), ("page_size", 101), ("group_names", names("g", 21))):
        assert world.refused(GROUPS, **{name: value}).sub_code == f"isv.invalid-parameter:{name}"


# Topics of groups


def test_topics_are_bound_to_a_group_and_no_more(world: GatewayWorld) -> None:
    assert world.ask(BIND, group_name="orders", topics="t,u")["result"] is True
    bound = world.produce(group=None)
    assert [each["id"] for each in world.consume(group_name="orders")] == [bound]
    assert world.ask(UNBIND, group_name="orders", topics="t", group_id=7)["result"] is True
    free = world.produce(group=None)
    assert [each["id"] for each in world.consume()] == [free]
    assert world.events(TopicGrouped) == [
        TopicGrouped(app_key="1", topic="t", group="orders"),
        TopicGrouped(app_key="1", topic="u", group="orders"),
        TopicGrouped(app_key="1", topic="t", group=None),
    ]


@pytest.mark.parametrize("api", [BIND, UNBIND])
def test_up_to_20_topics_must_be_named(world: GatewayWorld, api: str) -> None:
    assert world.refused(api, group_name="shop") == top.missing("topics")
    assert world.refused(api, group_name="shop", topics=names("t", 21)).sub_code == "isv.invalid-parameter:topics"


def test_what_cannot_be_bound_or_unbound_is_named(world: GatewayWorld) -> None:
    assert world.refused(BIND, group_name="default", topics="t").sub_code == "isv.invalid-parameter:group_name"
    assert world.refused(UNBIND, group_name="nobody", topics="t").sub_code == "isv.invalid-parameter:group_name"
    assert world.refused(UNBIND, group_name="shop", topics="t").sub_code == "isv.invalid-parameter:topics"
    assert (
        world.refused(UNBIND, group_name="shop", topics="t", group_id="x").sub_code == "isv.invalid-parameter:group_id"
    )
