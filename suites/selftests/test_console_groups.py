"""The console: groups, who and what is in them, and what is lost with one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from service_by_hand import World

from tmcfakes.console import ConsoleError
from tmcfakes.directory import Application
from tmcfakes.service import App
from tmcspec.delivery import State
from tmcspec.events import Dropped, Event, GroupCreated, GroupDeleted, Id, Produced, TopicGrouped, UserGrouped
from tmcspec.routing import GROUP_LIMIT

APPS = (
    App(key="1", secret="one", groups=frozenset({"shop"}), topics=frozenset({"trade", "refund"})),
    App(key="2", secret="two"),
)

Changed = Callable[[], list[Event]]


@pytest.fixture
def world() -> World:
    world = World(apps=APPS)
    for number, nick in enumerate(("a", "b", "c"), 1):
        world.console.authorise("1", nick, user_id=number)
    return world


@pytest.fixture
def app(world: World) -> Application:
    return world.service.directory.app("1")


@pytest.fixture
def changed(world: World) -> Changed:
    """What the console has written into the trace since last asked."""
    read = len(world.recorder.entries)

    def since() -> list[Event]:
        nonlocal read
        entries = world.recorder.entries[read:]
        read += len(entries)
        return [entry.event for entry in entries]

    return since


def refused(act: Callable[[], object], parameter: str, text: str) -> None:
    """It fails at this parameter, in these words."""
    with pytest.raises(ConsoleError) as error:
        act()
    assert (error.value.parameter, str(error.value)) == (parameter, text)


def user_grouped(number: int, group: str | None) -> UserGrouped:
    return UserGrouped(app_key="1", user_id=Id(number), group=group)


def topic_grouped(topic: str, group: str | None) -> TopicGrouped:
    return TopicGrouped(app_key="1", topic=topic, group=group)


CREATED = GroupCreated(app_key="1", group="g")
DELETED = GroupDeleted(app_key="1", group="g")

TAKEN = "app '1' has a group {} already"
NAMED_DEFAULT = "a group that is created must not be named 'default' or begin with it: {}"
FULL = "app '1' has 50 groups beside the default one, and may have no more"


# Creating


def test_a_group_is_created_behind_those_that_are_there(world: World, app: Application, changed: Changed) -> None:
    world.console.create_group("1", "g")
    assert list(app.groups) == ["default", "shop", "g"]
    assert changed() == [CREATED]
    assert world.service.unsettled("1", "g") == 0


@pytest.mark.parametrize(
    ("group", "text"),
    [
        ("shop", TAKEN.format("'shop'")),
        ("default", TAKEN.format("'default'")),
        ("default2", NAMED_DEFAULT.format("'default2'")),
        ("", "a group name has 1 to 32 characters, not 0"),
        ("x" * 33, "a group name has 1 to 32 characters, not 33"),
    ],
)
def test_a_name_that_is_taken_or_none_is_refused(world: World, group: str, text: str, changed: Changed) -> None:
    refused(lambda: world.console.create_group("1", group), "group_name", text)
    assert changed() == []


def test_an_app_has_at_most_50_groups_beside_the_default_one(world: World, app: Application, changed: Changed) -> None:
    # S61: 每个应用最多创建50个分组
    for number in range(GROUP_LIMIT - 1):
        world.console.create_group("1", f"g{number}")
    assert len(changed()) == 49
    for act in (
        lambda: world.console.create_group("1", "g"),
        lambda: world.console.add_to_group("1", "g", ["a"]),
        lambda: world.console.bind_topics("1", "g", ["trade"]),
    ):
        refused(act, "group_name", FULL)
    assert len(app.groups) == 51
    assert changed() == []
    # Groups that are there can be filled, and one that is deleted makes room.
    world.console.add_to_group("1", "g0", ["a"])
    world.console.bind_topics("1", "g0", ["trade"])
    world.console.delete_group("1", "g0")
    world.console.add_to_group("1", "g", ["a"])
    assert "g" in app.groups


def test_groups_of_one_app_are_no_groups_of_another(world: World) -> None:
    world.console.create_group("1", "g")
    assert list(world.service.directory.app("2").groups) == ["default"]
    world.console.create_group("2", "g")


# Users in groups


def test_users_are_added_to_a_group_which_is_created_for_them(world: World, app: Application, changed: Changed) -> None:
    world.console.add_to_group("1", "g", ["a", "b"])
    world.console.add_to_group("1", "g", ["c"])
    assert [relation.user.nick for relation in app.members("g")] == ["a", "b", "c"]
    assert changed() == [CREATED, user_grouped(1, "g"), user_grouped(2, "g"), user_grouped(3, "g")]


def test_a_user_is_in_one_group_of_an_app_the_last(world: World, app: Application) -> None:
    world.console.add_to_group("1", "g", ["a"])
    world.console.add_to_group("1", "shop", ["a"])
    assert app.members("g") == []
    assert [relation.user.nick for relation in app.members("shop")] == ["a"]
    assert list(app.groups) == ["default", "shop", "g"]


def test_a_user_may_be_in_groups_of_several_apps(world: World) -> None:
    world.console.authorise("2", "a")
    world.console.add_to_group("1", "g", ["a"])
    world.console.add_to_group("2", "h", ["a"])
    assert [
        world.service.directory.app(key).members(group)[0].user.nick for key, group in (("1", "g"), ("2", "h"))
    ] == [
        "a",
        "a",
    ]


def test_users_that_the_app_does_not_have_cannot_be_added_and_no_group_is_made_for_them(
    world: World, changed: Changed
) -> None:
    world.console.authorise("2", "d")
    changed()
    text = "'d' has not granted app '1' access; its users: 'a', 'b', 'c'"
    refused(lambda: world.console.add_to_group("1", "g", ["a", "d"]), "nick", text)
    text = "'a' of platform 'icbu' has not granted app '1' access; its users: 'a', 'b', 'c'"
    refused(lambda: world.console.add_to_group("1", "g", ["a"], platform="icbu"), "nick", text)
    assert changed() == []


def test_nobody_is_added_to_the_default_group(world: World, changed: Changed) -> None:
    # S15: group.add[仅非dafault需要]
    refused(lambda: world.console.add_to_group("1", "default", ["a"]), "group_name", NAMED_DEFAULT.format("'default'"))
    assert changed() == []


def test_a_group_that_an_app_came_with_may_be_named_as_it_likes() -> None:
    world = World(apps=[App(key="1", secret="one", groups=frozenset({"default2"}))])
    world.console.authorise("1", "a")
    world.console.add_to_group("1", "default2", ["a"])
    assert world.service.directory.app("1").members("default2")


def test_users_are_taken_out_of_a_group(world: World, app: Application, changed: Changed) -> None:
    world.console.add_to_group("1", "g", ["a", "b", "c"])
    changed()
    world.console.remove_from_group("1", "g", ["a", "c"])
    assert [relation.user.nick for relation in app.members("g")] == ["b"]
    assert changed() == [user_grouped(1, None), user_grouped(3, None)]


def test_a_group_is_deleted_with_its_last_user(world: World, app: Application, changed: Changed) -> None:
    world.console.add_to_group("1", "g", ["a", "b"])
    world.console.bind_topics("1", "g", ["trade"])
    message = world.produce(group="g", topic="trade")
    changed()
    world.console.remove_from_group("1", "g", ["b", "a"])
    assert "g" not in app.groups
    assert changed() == [
        user_grouped(2, None),
        user_grouped(1, None),
        topic_grouped("trade", None),
        DELETED,
        Dropped(message=Id(message)),
    ]


def test_to_take_nobody_out_of_a_group_without_users_changes_nothing(world: World, changed: Changed) -> None:
    world.console.remove_from_group("1", "shop", [])
    world.console.remove_from_group("1", "default", [])
    assert changed() == []


def test_users_that_are_not_in_the_group_cannot_be_taken_out_and_all_stay(
    world: World, app: Application, changed: Changed
) -> None:
    world.console.add_to_group("1", "g", ["a"])
    changed()
    refused(lambda: world.console.remove_from_group("1", "g", ["a", "b"]), "nicks", "'b' is not in group 'g'")
    refused(lambda: world.console.remove_from_group("1", "default", ["b"]), "nicks", "'b' is not in group 'default'")
    text = "'d' has not granted app '1' access; its users: 'a', 'b', 'c'"
    refused(lambda: world.console.remove_from_group("1", "g", ["a", "d"]), "nick", text)
    assert changed() == []
    assert len(app.members("g")) == 1


# Topics in groups


def test_topics_are_bound_to_a_group_which_is_created_for_them(
    world: World, app: Application, changed: Changed
) -> None:
    world.console.bind_topics("1", "g", ["trade", "refund", "trade"])
    assert app.topic_groups == {"trade": "g", "refund": "g"}
    assert changed() == [CREATED, topic_grouped("trade", "g"), topic_grouped("refund", "g")]
    world.console.bind_topics("1", "shop", ["trade"])
    assert app.topic_groups == {"trade": "shop", "refund": "g"}
    assert changed() == [topic_grouped("trade", "shop")]


@pytest.mark.parametrize(
    ("topics", "text"),
    [
        (["trade", "item"], "app '1' has not subscribed to 'item'; it has: 'refund', 'trade'"),
        (["trade", ""], "a topic has 1 to 256 characters, not 0"),
    ],
)
def test_topics_that_the_app_does_not_have_cannot_be_bound_and_no_group_is_made_for_them(
    world: World, topics: list[str], text: str, changed: Changed
) -> None:
    refused(lambda: world.console.bind_topics("1", "g", topics), "topics", text)
    assert changed() == []


def test_no_topic_is_bound_to_the_default_group(world: World, changed: Changed) -> None:
    text = NAMED_DEFAULT.format("'default'")
    refused(lambda: world.console.bind_topics("1", "default", ["trade"]), "group_name", text)
    assert changed() == []


def test_topics_are_unbound_and_the_group_stays(world: World, app: Application, changed: Changed) -> None:
    world.console.bind_topics("1", "g", ["trade", "refund"])
    changed()
    world.console.unbind_topics("1", "g", ["trade", "refund"])
    assert app.topic_groups == {}
    assert changed() == [topic_grouped("trade", None), topic_grouped("refund", None)]
    assert "g" in app.groups


def test_a_topic_that_is_named_twice_is_unbound_once(world: World, app: Application, changed: Changed) -> None:
    world.console.bind_topics("1", "g", ["trade"])
    changed()
    world.console.unbind_topics("1", "g", ["trade", "trade"])
    assert changed() == [topic_grouped("trade", None)]


def test_topics_that_are_not_bound_to_the_group_cannot_be_unbound_and_all_stay(
    world: World, app: Application, changed: Changed
) -> None:
    world.console.bind_topics("1", "g", ["trade"])
    world.console.bind_topics("1", "shop", ["refund"])
    changed()
    text = "the topic 'refund' is not bound to group 'g'"
    refused(lambda: world.console.unbind_topics("1", "g", ["trade", "refund"]), "topics", text)
    assert changed() == []
    assert app.topic_groups == {"trade": "g", "refund": "shop"}


# Deleting


def test_the_default_group_cannot_be_deleted(world: World, changed: Changed) -> None:
    refused(
        lambda: world.console.delete_group("1", "default"),
        "group_name",
        "the group 'default' cannot be deleted",
    )
    assert changed() == []


def test_with_a_group_its_users_topics_and_messages_lose_their_place(
    world: World, app: Application, changed: Changed
) -> None:
    world.console.add_to_group("1", "g", ["a"])
    world.console.add_to_group("1", "shop", ["b"])
    world.console.bind_topics("1", "g", ["trade"])
    world.console.bind_topics("1", "shop", ["refund"])
    lost = world.produce(group="g", topic="trade")
    kept = world.produce(group="shop", topic="trade")
    changed()
    world.console.delete_group("1", "g")
    assert changed() == [user_grouped(1, None), topic_grouped("trade", None), DELETED, Dropped(message=Id(lost))]
    assert list(app.groups) == ["default", "shop"]
    assert [world.service.state(message) for message in (lost, kept)] == [State.DROPPED, State.WAITING]
    assert sum(queue.counts.dropped for queue in world.service.queues() if queue.key.group == "g") == 1
    with pytest.raises(ValueError, match="app '1' has no group 'g'; its groups: default, shop"):
        world.produce(group="g", topic="trade")


def test_messages_in_every_state_are_lost_with_their_group_and_settled_ones_are_not_touched(world: World) -> None:
    world.console.create_group("1", "g")
    world.connected("c", APPS[0], "g")
    messages = {state: world.produce(group="g", topic="trade") for state in State if state is not State.EXPIRED}
    world.confirm("c", messages[State.CONFIRMED])
    world.fail("c", messages[State.FAILED])
    world.console.delete_group("1", "g")
    for state, message in messages.items():
        assert world.service.state(message) is (State.CONFIRMED if state is State.CONFIRMED else State.DROPPED)
    assert len(world.events(Dropped)) == len(messages) - 1
    world.pushes()
    world.live(until=9_999.0)
    assert world.pushes() == []


def test_a_group_that_is_created_again_begins_anew(world: World, app: Application) -> None:
    world.console.create_group("1", "g")
    world.console.set_flow("1", "g", 0)
    world.console.set_mode("1", "g", "pull")
    world.connected("c", APPS[0], "g")
    world.now = 10.0
    lost = world.produce(group="g", topic="trade")
    world.console.delete_group("1", "g")
    world.console.create_group("1", "g")
    assert app.groups["g"].mode == "push"
    world.pushes()
    # Who was connected is still connected: a deleted group closes no connection.
    message = world.produce(group="g", topic="trade")
    assert [push.id for _, push in world.pushes()] == [message]
    assert world.service.unsettled("1", "g") == 1
    world.confirm("c", lost)
    assert world.service.state(lost) is State.DROPPED


def test_a_user_of_a_deleted_group_is_routed_to_another(world: World) -> None:
    world.console.add_to_group("1", "g", ["a"])
    world.console.bind_topics("1", "shop", ["trade"])

    def routed() -> tuple[str, str]:
        world.produce(group=None, topic="trade", user_id=1)
        event = world.events(Produced)[-1]
        assert isinstance(event, Produced)
        return event.group, event.routed

    assert routed() == ("g", "user")
    world.console.delete_group("1", "g")
    assert routed() == ("shop", "topic")
    world.console.delete_group("1", "shop")
    assert routed() == ("default", "default")
