"""The console: users, their grants and permissions, subscriptions, and how a group is delivered to."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import inf, nan

import pytest
from service_by_hand import World

from tmcfakes.console import Console, ConsoleError
from tmcfakes.directory import PLATFORM, Directory
from tmcfakes.service import App
from tmcspec.delivery import State
from tmcspec.events import Authorised, Cancelled, Event, FlowSet, Id, ModeSet, Permitted, RetentionSet, Subscribed
from tmcspec.timing import Timing
from tmcspec.trace import Trace
from tmcspec.trace_file import dump

APPS = (
    App(key="1", secret="one", groups=frozenset({"shop"}), topics=frozenset({"trade", "refund"})),
    App(key="2", secret="two"),
    App(key="3", secret="three", subscribed=False),
)


@pytest.fixture
def world() -> World:
    return World(apps=APPS)


@pytest.fixture
def changed(world: World) -> Callable[[], list[Event]]:
    """What the console has written into the trace since last asked."""
    read = 0

    def since() -> list[Event]:
        nonlocal read
        entries = world.recorder.entries[read:]
        read += len(entries)
        return [entry.event for entry in entries]

    return since


Changed = Callable[[], list[Event]]


def refused(act: Callable[[], object], parameter: str, text: str) -> None:
    """It fails at this parameter, in these words."""
    with pytest.raises(ConsoleError) as error:
        act()
    assert (error.value.parameter, str(error.value)) == (parameter, text)


# Grants


def test_a_user_who_grants_access_is_known_by_nick_and_number_and_gives_a_session(
    world: World, changed: Changed
) -> None:
    relation = world.console.authorise("1", "店铺", user_id=7, until=100.0)
    assert (relation.user.user_id, relation.user.nick, relation.user.platform) == (7, "店铺", PLATFORM)
    assert (relation.until, relation.created, relation.modified, relation.group) == (100.0, None, None, None)
    directory = world.service.directory
    assert directory.user(nick="店铺") is directory.user(user_id=7) is relation.user
    assert directory.user(nick="店铺", user_id=8) is None
    assert directory.user(nick="店铺", platform="other") is None
    assert directory.user() is None
    assert directory.of_session(relation.session, directory.app("1")) is relation
    assert changed() == [Authorised(app_key="1", user_id=Id(7), nick="店铺", until=100.0)]


def test_a_session_is_secret_and_of_one_app_alone(world: World) -> None:
    sessions = {key: world.console.authorise(key, "u").session for key in ("1", "2")}
    assert len(set(sessions.values())) == 2
    assert all(len(session) == 40 for session in sessions.values())
    directory = world.service.directory
    assert directory.of_session(sessions["1"], directory.app("2")) is None
    assert directory.of_session("", directory.app("2")) is None
    assert sessions["1"] not in repr(directory.apps) + repr(world.recorder.entries)


def test_the_service_draws_numbers_of_ten_digits_for_users_that_come_without(world: World) -> None:
    numbers = {world.console.authorise("1", f"u{n}").user.user_id for n in range(50)}
    assert len(numbers) == 50
    assert all(10**9 <= number < 2**32 for number in numbers)


def test_a_number_that_somebody_has_is_not_drawn_for_another() -> None:
    class Drawing(random.Random):
        drawn = iter((5_000_000_000, 5_000_000_000, 5_000_000_001))

        def randint(self, a: int, b: int) -> int:
            return next(self.drawn)

    directory = Directory([], rng=Drawing(), cache=0.0)
    assert [directory.meet(nick).user_id for nick in ("u", "v")] == [5_000_000_000, 5_000_000_001]


def test_one_user_may_grant_several_apps_access(world: World) -> None:
    one, two = world.console.authorise("1", "u"), world.console.authorise("2", "u")
    assert one.user is two.user
    assert one is not two


def test_the_same_nick_on_another_platform_is_another_user(world: World) -> None:
    one, two = world.console.authorise("1", "u"), world.console.authorise("1", "u", platform="icbu")
    assert one.user.user_id != two.user.user_id
    assert world.console.user("1", "u", platform="icbu") is None
    world.console.permit("1", "u", platform="icbu")
    assert world.console.user("1", "u", platform="icbu") is two
    assert world.console.user("1", "u") is None


def test_a_grant_that_is_given_again_keeps_number_session_and_permission_and_ends_anew(
    world: World, changed: Changed
) -> None:
    first = world.console.authorise("1", "u", until=100.0)
    session, number = first.session, first.user.user_id
    world.console.permit("1", "u", topics=["trade"])
    changed()
    again = world.console.authorise("1", "u", user_id=number)
    assert again is first
    assert (again.session, again.until) == (session, inf)
    assert world.console.topics_of(again) == ("trade",)
    assert changed() == [Authorised(app_key="1", user_id=number, nick="u", until=None)]


def test_a_grant_that_is_taken_back_ends_at_once(world: World, changed: Changed) -> None:
    relation = world.console.authorise("1", "u", user_id=7)
    world.now = 50.0
    world.console.revoke("1", "u")
    assert relation.until == 50.0
    assert changed()[1:] == [Authorised(app_key="1", user_id=Id(7), nick="u", until=50.0)]


def test_a_grant_that_is_over_is_not_prolonged_when_it_is_taken_back(world: World) -> None:
    relation = world.console.authorise("1", "u", until=10.0)
    world.now = 50.0
    world.console.revoke("1", "u")
    assert relation.until == 10.0


@pytest.mark.parametrize(
    ("now", "cache", "valid"), [(99.9, 0.0, True), (100.0, 0.0, False), (399.9, 300.0, True), (400.0, 300.0, False)]
)
def test_a_relation_is_valid_while_the_grant_holds_as_far_as_the_cache_knows(
    world: World, now: float, cache: float, valid: bool
) -> None:
    relation = world.console.authorise("1", "u", until=100.0)
    assert not relation.valid(now=now, cache=cache)  # nothing is permitted yet
    world.console.permit("1", "u")
    assert relation.valid(now=now, cache=cache) is valid


@pytest.mark.parametrize("text", ["", "\ud800"])
def test_a_nick_is_text_that_can_be_written(world: World, text: str) -> None:
    with pytest.raises(ConsoleError) as error:
        world.console.authorise("1", text)
    assert error.value.parameter == "nick"


@pytest.mark.parametrize(
    ("nick", "number", "text"),
    [
        ("u", 8, "user 'u' has the number 7, not 8"),
        ("v", 7, "the number 7 is that of 'u', not of 'v'"),
        ("v", 2**63, f"{2**63} is not a signed 64-bit integer ({-(2**63)} to {2**63 - 1})"),
        ("v", -(2**63) - 1, f"{-(2**63) - 1} is not a signed 64-bit integer ({-(2**63)} to {2**63 - 1})"),
    ],
)
def test_a_number_that_is_another_users_or_none_is_refused_and_nobody_is_met(
    world: World, nick: str, number: int, text: str, changed: Changed
) -> None:
    world.console.authorise("1", "u", user_id=7)
    changed()
    refused(lambda: world.console.authorise("1", nick, user_id=number), "user_id", text)
    assert changed() == []
    assert len(world.service.directory.users) == 1


def test_the_limits_of_a_number_of_a_user_are_its_limits_on_the_wire(world: World) -> None:
    for number in (-(2**63), 2**63 - 1):
        world.console.authorise("2", f"u{number}", user_id=number)
        world.console.permit("2", f"u{number}")
        assert world.service.broadcast(topic="t", content="{}", user_id=number, now=0.0)


@pytest.mark.parametrize("until", [nan, inf, -inf, 2.0**53])
def test_an_end_that_is_no_time_is_refused(world: World, until: float) -> None:
    text = f"a grant ends at some time in seconds, or never (None); not {until!r}"
    refused(lambda: world.console.authorise("1", "u", until=until), "until", text)
    assert world.events(Authorised) == []


# Permissions


def test_an_app_permits_some_topics_or_all_that_it_has_subscribed_to(world: World, changed: Changed) -> None:
    relation = world.console.authorise("1", "u", user_id=7)
    changed()
    world.now = 5.0
    world.console.permit("1", "u", topics=["trade", "refund", "trade"])
    assert world.console.topics_of(relation) == ("refund", "trade")
    assert (relation.created, relation.modified) == (5.0, 5.0)
    world.now = 6.0
    world.console.permit("1", "u")
    assert relation.permitted.names() == ("*",)
    assert (relation.created, relation.modified) == (5.0, 6.0)
    assert changed() == [
        Permitted(app_key="1", user_id=Id(7), topics=("trade", "refund")),
        Permitted(app_key="1", user_id=Id(7), topics=None),
    ]


def test_what_was_permitted_before_is_still_found_for_five_minutes(world: World) -> None:
    relation = world.console.authorise("1", "u")
    world.console.permit("1", "u", topics=["trade"])
    world.now = 100.0
    world.console.permit("1", "u", topics=["refund"])
    seen = {}
    for world.now in (100.0, 399.9, 400.0):
        seen[world.now] = world.console.topics_of(relation)
    assert seen == {100.0: ("refund", "trade"), 399.9: ("refund", "trade"), 400.0: ("refund",)}


def test_a_topic_that_the_app_has_not_subscribed_to_cannot_be_permitted(world: World, changed: Changed) -> None:
    # S6: 没有权限包会导致相关消息无法可见, 无法被订阅
    world.console.authorise("1", "u")
    world.console.authorise("3", "u")
    changed()
    text = "app '1' has not subscribed to 'item'; it has: 'refund', 'trade'"
    refused(lambda: world.console.permit("1", "u", topics=["trade", "item"]), "topics", text)
    text = "app '3' has not subscribed to 'trade'; it has: none"
    refused(lambda: world.console.permit("3", "u", topics=["trade"]), "topics", text)
    assert changed() == []
    assert world.console.user("1", "u") is None


def test_what_is_no_name_for_a_topic_cannot_be_permitted(world: World) -> None:
    world.console.authorise("2", "u")
    text = "a topic has 1 to 256 characters, not 0"
    refused(lambda: world.console.permit("2", "u", topics=[""]), "topics", text)


def test_nothing_is_permitted_without_a_grant_or_after_it(world: World) -> None:
    world.console.authorise("1", "u", until=10.0)
    world.now = 10.0
    refused(lambda: world.console.permit("1", "u"), "session", "the grant of 'u' for app '1' is over")
    text = "'v' has not granted app '1' access; its users: 'u'"
    refused(lambda: world.console.permit("1", "v"), "nick", text)
    text = "'u' has not granted app '2' access; its users: none"
    refused(lambda: world.console.permit("2", "u"), "nick", text)
    text = "'u' of platform 'icbu' has not granted app '1' access; its users: 'u'"
    refused(lambda: world.console.permit("1", "u", platform="icbu"), "nick", text)


def test_an_error_names_ten_of_many_users(world: World) -> None:
    for n in range(12):
        world.console.authorise("1", f"u{n}")
    users = ", ".join(f"'u{n}'" for n in range(10))
    text = f"'v' has not granted app '1' access; its users: {users}, and 2 more"
    refused(lambda: world.console.revoke("1", "v"), "nick", text)


def test_an_app_may_permit_nothing(world: World, changed: Changed) -> None:
    relation = world.console.authorise("1", "u", user_id=7)
    world.console.permit("1", "u", topics=[])
    assert world.console.topics_of(relation) == ()
    assert world.console.user("1", "u") is None
    assert changed()[1:] == [Permitted(app_key="1", user_id=Id(7), topics=())]


def test_a_permission_that_is_cancelled_is_still_found_for_five_minutes(world: World, changed: Changed) -> None:
    relation = world.console.authorise("1", "u", user_id=7)
    world.console.permit("1", "u")
    changed()
    world.now = 20.0
    assert world.console.cancel("1", "u") is True
    assert changed() == [Cancelled(app_key="1", user_id=Id(7))]
    assert relation.modified == 20.0
    # S54: 订阅关系失效后, 短时间(5分钟左右)可能会查出来缓存的关系
    seen = {}
    for world.now in (20.0, 319.9, 320.0):
        seen[world.now] = world.console.user("1", "u")
    assert seen == {20.0: relation, 319.9: relation, 320.0: None}


def test_without_a_cache_a_relation_that_ended_is_not_found() -> None:
    world = World(apps=APPS, timing=Timing(subscription_cache=0.0))
    world.console.authorise("1", "u")
    world.console.permit("1", "u")
    assert world.console.user("1", "u") is not None
    world.console.cancel("1", "u")
    assert world.console.user("1", "u") is None


@pytest.mark.parametrize("how", ["permit", "cancel", "subscribe"])
def test_a_longer_cache_remembers_what_ended_before_the_last_change(how: str) -> None:
    world = World(apps=APPS, timing=Timing(subscription_cache=1000.0))
    relation = world.console.authorise("1", "u")
    world.console.permit("1", "u", topics=["trade"])
    world.console.permit("1", "u", topics=["refund"])
    world.console.subscribe("1", ["refund"])
    world.now = 500.0
    if how == "permit":
        world.console.permit("1", "u", topics=["refund"])
    elif how == "cancel":
        world.console.cancel("1", "u")
    else:
        world.console.subscribe("1", ["item"])
    directory = world.service.directory
    for now, found in ((999.9, True), (1000.0, False)):
        world.now = now
        assert ("trade" in world.console.topics_of(relation)) is found
        assert directory.has_subscribed(directory.app("1"), "trade", now=now) is found


@pytest.mark.parametrize(("nick", "platform"), [("v", PLATFORM), ("u", "icbu")])
def test_to_cancel_what_is_not_there_changes_nothing(world: World, nick: str, platform: str, changed: Changed) -> None:
    world.console.authorise("1", "u")
    changed()
    assert world.console.cancel("1", nick, platform=platform) is False
    assert world.console.cancel("2", "u") is False
    assert changed() == []


def test_a_look_up_finds_only_what_the_app_has_permitted(world: World) -> None:
    world.console.authorise("1", "u")
    assert world.console.user("1", "u") is None
    relation = world.console.authorise("1", "u")
    world.console.permit("1", "u", topics=["trade"])
    assert world.console.user("1", "u") is relation
    assert world.console.user("1", "v") is None
    assert world.console.user("2", "u") is None


# Subscriptions


def test_an_app_subscribes_to_topics_and_is_known_to_have_had_others_for_a_while(
    world: World, changed: Changed
) -> None:
    directory = world.service.directory
    app = directory.app("1")
    world.now = 10.0
    world.console.subscribe("1", ["item", "item", "trade"])
    assert changed() == [Subscribed(app_key="1", topics=("item", "trade"))]
    assert app.subscribed.names() == ("item", "trade")
    assert directory.has_subscribed(app, "item", now=10.0)
    assert [directory.has_subscribed(app, "refund", now=now) for now in (309.9, 310.0)] == [True, False]
    assert directory.has_subscribed(app, None, now=1e9)


@pytest.mark.parametrize("topics", [None, ["*"], ["trade", "*"]])
def test_an_app_subscribes_to_everything_by_saying_so(world: World, topics: list[str] | None, changed: Changed) -> None:
    world.console.subscribe("3", topics)
    assert changed() == [Subscribed(app_key="3", topics=None)]
    assert world.service.directory.has_subscribed(world.service.directory.app("3"), "whatever", now=0.0)


def test_everything_is_permitted_by_its_sign_too(world: World, changed: Changed) -> None:
    # A look-up shows this sign, and who writes back what it read must not be refused.
    relation = world.console.authorise("1", "u", user_id=7)
    changed()
    world.console.permit("1", "u", topics=["*"])
    assert changed() == [Permitted(app_key="1", user_id=Id(7), topics=None)]
    assert world.console.topics_of(relation) == ("*",)


def test_an_app_that_subscribes_to_nothing_has_subscribed_to_nothing_after_a_while(world: World) -> None:
    directory = world.service.directory
    world.console.subscribe("1", [])
    app = directory.app("1")
    assert [directory.has_subscribed(app, None, now=now) for now in (299.9, 300.0)] == [True, False]


def test_what_is_no_name_for_a_topic_cannot_be_subscribed_to(world: World, changed: Changed) -> None:
    text = "a topic has 1 to 256 characters, not 257"
    refused(lambda: world.console.subscribe("1", ["a", "x" * 257]), "topics", text)
    assert changed() == []


# Delivery


def test_a_flow_value_is_set_for_a_group(world: World, changed: Changed) -> None:
    world.console.set_flow("1", "shop", 64)
    world.console.set_flow("1", "default", None)
    assert changed() == [
        FlowSet(app_key="1", group="shop", value=64),
        FlowSet(app_key="1", group="default", value=None),
    ]


def test_a_number_that_is_no_flow_value_is_refused(world: World, changed: Changed) -> None:
    text = "a flow value must be 0 to 2147483647, or None for no limit, not -1"
    refused(lambda: world.console.set_flow("1", "shop", -1), "value", text)
    assert changed() == []


def test_a_group_is_pushed_or_pulled(world: World, changed: Changed) -> None:
    groups = world.service.directory.app("1").groups
    assert groups["shop"].mode == "push"
    world.console.set_mode("1", "shop", "pull")
    assert (groups["shop"].mode, groups["default"].mode) == ("pull", "push")
    assert changed() == [ModeSet(app_key="1", group="shop", mode="pull")]


def test_another_mode_is_refused(world: World, changed: Changed) -> None:
    refused(
        lambda: world.console.set_mode("1", "shop", "poll"),  # type: ignore[arg-type]  # that is what is tested
        "mode",
        "mode is 'poll'; valid: push, pull",
    )
    assert changed() == []
    assert world.service.directory.app("1").groups["shop"].mode == "push"


def test_the_retention_is_shortened(world: World, changed: Changed) -> None:
    message = world.produce(topic="trade")
    changed()
    world.now = 100.0
    world.console.set_retention(100.0)
    assert changed()[0] == RetentionSet(seconds=100.0)
    assert world.service.state(message) is State.EXPIRED


@pytest.mark.parametrize("seconds", [0, -1.0, nan, inf, 2.0**53])
def test_a_retention_that_is_no_duration_is_refused(world: World, seconds: float, changed: Changed) -> None:
    text = f"retention must be more than 0 and less than 2^53 seconds, not {seconds!r}"
    refused(lambda: world.console.set_retention(seconds), "retention", text)
    assert changed() == []


# What is wrong with every operation


@pytest.mark.parametrize(
    "act",
    [
        lambda console: console.authorise("9", "u"),
        lambda console: console.revoke("9", "u"),
        lambda console: console.permit("9", "u"),
        lambda console: console.cancel("9", "u"),
        lambda console: console.create_group("9", "g"),
        lambda console: console.add_to_group("9", "g", []),
        lambda console: console.remove_from_group("9", "g", []),
        lambda console: console.delete_group("9", "g"),
        lambda console: console.bind_topics("9", "g", []),
        lambda console: console.unbind_topics("9", "g", []),
        lambda console: console.subscribe("9", None),
        lambda console: console.set_flow("9", "default", 1),
        lambda console: console.set_mode("9", "default", "pull"),
        lambda console: console.user("9", "u"),
    ],
)
def test_an_unknown_app_is_refused(world: World, act: Callable[[Console], object], changed: Changed) -> None:
    refused(lambda: act(world.console), "app_key", "unknown app '9'; known: 1, 2, 3")
    assert changed() == []


@pytest.mark.parametrize(
    "act",
    [
        lambda console: console.remove_from_group("1", "g", []),
        lambda console: console.delete_group("1", "g"),
        lambda console: console.unbind_topics("1", "g", []),
        lambda console: console.set_flow("1", "g", 1),
        lambda console: console.set_mode("1", "g", "pull"),
    ],
)
def test_an_unknown_group_is_refused(world: World, act: Callable[[Console], object], changed: Changed) -> None:
    refused(lambda: act(world.console), "group_name", "app '1' has no group 'g'; its groups: 'default', 'shop'")
    assert changed() == []


def test_two_apps_with_one_key_are_refused() -> None:
    with pytest.raises(ValueError, match="app '1' is there twice; keys must differ"):
        World(apps=[APPS[0], APPS[1], APPS[0]])


def test_the_console_is_at_the_time_it_was_asked_for(world: World) -> None:
    assert world.service.console(now=7.0).now == 7.0
    with pytest.raises(ValueError, match=r"service time cannot go back from 7\.0 to 6\.9 seconds"):
        world.service.console(now=6.9)


def test_whatever_the_console_wrote_can_be_saved(world: World) -> None:
    world.console.authorise("1", "u", until=5.0)
    world.console.permit("1", "u", topics=["trade"])
    world.console.cancel("1", "u")
    world.console.revoke("1", "u")
    world.console.subscribe("1", ["trade"])
    world.console.add_to_group("1", "g", ["u"])
    world.console.bind_topics("1", "g", ["trade"])
    world.console.set_flow("1", "g", 5)
    world.console.set_mode("1", "g", "pull")
    world.console.delete_group("1", "g")
    world.console.set_retention(1.0)
    entries = tuple(world.recorder.entries)
    assert len(list(dump(Trace(entries=entries)))) == len(entries) + 1 == 15
