"""The console and the API have the same effect (S5: 控制台操作和 消息API操作 效果相同): the same events, the same
messages afterwards, and the same users when somebody looks.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from gateway_by_hand import GatewayWorld

from tmcfakes import methods_settings
from tmcfakes.console import Console, ConsoleError
from tmcfakes.service import App
from tmcspec.events import Event, HttpIn, HttpOut, Produced
from tmcspec.top import Failure

APP = App(key="1", secret="one", groups=frozenset({"shop", "old"}), topics=frozenset({"trade", "refund", "item"}))

PERMIT = "taobao.tmc.user.permit"
PERMIT_NUMBER = "alipay.xiaodai.user.permit"
CANCEL = "taobao.tmc.user.cancel"
USER = "taobao.tmc.user.get"
ADD = "taobao.tmc.group.add"
DELETE = "taobao.tmc.group.delete"
BIND = "taobao.tmc.topic.group.add"
UNBIND = "taobao.tmc.topic.group.delete"


class Operated(GatewayWorld):
    """Three sellers. `a` and `b` are in group `old`, to which a topic is bound; of `c` nothing is permitted. Messages
    wait in it and in `default`.
    """

    def __init__(self) -> None:
        super().__init__(apps=[APP])
        self.sessions = {
            nick: self.authorised(nick, permitted=nick != "c", user_id=number)
            for number, nick in enumerate(("a", "b", "c"), start=1)
        }
        self.console.add_to_group("1", "old", ["a", "b"])
        self.console.bind_topics("1", "old", ["refund"])
        for group in ("default", "old"):
            self.produce(APP, group, topic="trade")
        self.at(60.0)

    def changed(self, act: Callable[[], object]) -> list[Event]:
        """The events that something leads to, but for those of the requests themselves; and what becomes, afterwards,
        of a message about each seller and topic.
        """
        before = len(self.recorder.entries)
        act()
        for nick in self.sessions:
            for topic in sorted(APP.topics or ()):
                self.service.broadcast(topic=topic, content="{}", nick=nick, now=self.now)
        events = [entry.event for entry in self.recorder.entries[before:]]
        return [event for event in events if not isinstance(event, HttpIn | HttpOut)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """One thing, in the console and over the API."""

    console: Callable[[Console], object]
    api: str
    arguments: dict[str, str]
    session_of: str | None = None


TWINS = {
    "permit": Twins(
        console=lambda console: console.permit("1", "c", topics=["trade", "item"]),
        api=PERMIT,
        arguments={"topics": "trade,item"},
        session_of="c",
    ),
    "permit everything": Twins(
        console=lambda console: console.permit("1", "c"), api=PERMIT, arguments={}, session_of="c"
    ),
    "permit by number": Twins(
        console=lambda console: console.permit("1", "c"), api=PERMIT_NUMBER, arguments={"user_id": "3"}
    ),
    "cancel": Twins(console=lambda console: console.cancel("1", "a"), api=CANCEL, arguments={"nick": "a"}),
    "add_to_group": Twins(
        console=lambda console: console.add_to_group("1", "shop", ["a", "c"]),
        api=ADD,
        arguments={"group_name": "shop", "nicks": "a,c"},
    ),
    "add_to_group, a new one": Twins(
        console=lambda console: console.add_to_group("1", "new", ["a"]),
        api=ADD,
        arguments={"group_name": "new", "nicks": "a"},
    ),
    "remove_from_group": Twins(
        console=lambda console: console.remove_from_group("1", "old", ["a"]),
        api=DELETE,
        arguments={"group_name": "old", "nicks": "a"},
    ),
    "remove_from_group, the last": Twins(
        console=lambda console: console.remove_from_group("1", "old", ["a", "b"]),
        api=DELETE,
        arguments={"group_name": "old", "nicks": "a,b"},
    ),
    "delete_group": Twins(
        console=lambda console: console.delete_group("1", "old"), api=DELETE, arguments={"group_name": "old"}
    ),
    "bind_topics": Twins(
        console=lambda console: console.bind_topics("1", "shop", ["trade", "refund"]),
        api=BIND,
        arguments={"group_name": "shop", "topics": "trade,refund"},
    ),
    "bind_topics, a new group": Twins(
        console=lambda console: console.bind_topics("1", "new", ["item"]),
        api=BIND,
        arguments={"group_name": "new", "topics": "item"},
    ),
    "unbind_topics": Twins(
        console=lambda console: console.unbind_topics("1", "old", ["refund"]),
        api=UNBIND,
        arguments={"group_name": "old", "topics": "refund"},
    ),
}

#: What no public method of the API does: users grant and take back access elsewhere, and the rest is the console's.
WITHOUT_METHOD = {"authorise", "revoke", "create_group", "subscribe", "set_flow", "set_mode", "set_retention"}

#: What changes nothing, in the console and over the API.
LOOKS = {"user", "topics_of", "now", "tell_flow"}
LOOKING_METHODS = {USER, "taobao.tmc.users.get", "taobao.tmc.user.topics.get", "taobao.tmc.groups.get"}


@pytest.mark.parametrize("name", TWINS)
def test_an_operation_in_the_console_and_its_method_lead_to_the_same_events(name: str) -> None:
    """S5: 控制台操作和 消息API操作 效果相同."""
    twins = TWINS[name]
    by_hand, by_api = Operated(), Operated()
    in_the_console = by_hand.changed(lambda: twins.console(by_hand.console))
    session = by_api.sessions[twins.session_of] if twins.session_of else None
    over_the_api = by_api.changed(lambda: by_api.ask(twins.api, session=session, **twins.arguments))
    assert over_the_api == in_the_console
    assert not isinstance(in_the_console[0], Produced), "the operation changed nothing, so this compared nothing"


REFUSALS: list[tuple[Callable[[Console], object], str, dict[str, Any]]] = [
    (lambda console: console.add_to_group("1", "default", ["a"]), ADD, {"group_name": "default", "nicks": "a"}),
    (lambda console: console.add_to_group("1", "new", ["nobody"]), ADD, {"group_name": "new", "nicks": "nobody"}),
    (lambda console: console.remove_from_group("1", "old", ["c"]), DELETE, {"group_name": "old", "nicks": "c"}),
    (lambda console: console.delete_group("1", "default"), DELETE, {"group_name": "default"}),
    (lambda console: console.bind_topics("1", "new", ["u"]), BIND, {"group_name": "new", "topics": "u"}),
    (lambda console: console.unbind_topics("1", "old", ["item"]), UNBIND, {"group_name": "old", "topics": "item"}),
]


@pytest.mark.parametrize(("act", "api", "arguments"), REFUSALS)
def test_what_the_console_refuses_the_method_refuses_too_and_neither_changes_anything(
    act: Callable[[Console], object], api: str, arguments: dict[str, Any]
) -> None:
    """S5: the same goes for what cannot be done."""
    by_hand, by_api, untouched = Operated(), Operated(), Operated()

    def in_the_console() -> None:
        with pytest.raises(ConsoleError):
            act(by_hand.console)

    def over_the_api() -> None:
        assert isinstance(by_api.call(api, **arguments), Failure)

    nothing = untouched.changed(lambda: None)
    assert by_hand.changed(in_the_console) == by_api.changed(over_the_api) == nothing


def test_every_operation_of_the_console_and_every_method_has_its_counterpart_here() -> None:
    """S5: whoever adds an operation or a method says here what it equals, or that nothing does."""
    operations = {name for name, _ in inspect.getmembers(Console) if not name.startswith("_")}
    compared = {name.partition(",")[0].partition(" ")[0] for name in TWINS}
    assert operations == compared | WITHOUT_METHOD | LOOKS
    assert set(methods_settings.METHODS) == {twins.api for twins in TWINS.values()} | LOOKING_METHODS


def reached(world: Operated, nick: str) -> list[str]:
    """The groups that a message about a seller comes to."""
    before = len(world.recorder.entries)
    world.service.broadcast(topic="trade", content="{}", nick=nick, now=world.now)
    events = [entry.event for entry in world.recorder.entries[before:]]
    return [event.group for event in events if isinstance(event, Produced)]


def test_a_user_is_added_by_permit_and_needs_group_add_for_another_group_than_default_alone() -> None:
    """S15: taobao.tmc.user.permit 和 taobao.tmc.group.add[仅非dafault需要]."""
    world = Operated()
    assert reached(world, "c") == []
    world.ask(PERMIT, session=world.sessions["c"])
    assert reached(world, "c") == ["default"]
    world.ask(ADD, group_name="shop", nicks="c")
    assert reached(world, "c") == ["shop"]


def test_a_user_is_removed_by_cancel_and_needs_group_delete_for_another_group_than_default_alone() -> None:
    """S17: taobao.tmc.group.delete[仅非dafault需要]和 taobao.tmc.user.cancel."""
    world = Operated()
    world.ask(PERMIT, session=world.sessions["c"])
    world.ask(CANCEL, nick="c")
    world.ask(DELETE, group_name="old", nicks="a")
    assert reached(world, "a") == ["default"]
    world.ask(CANCEL, nick="a")
    world.at(world.now + 300.0)  # the cache has forgotten both (S54)
    assert (reached(world, "a"), reached(world, "b"), reached(world, "c")) == ([], ["old"], [])


@pytest.mark.parametrize(
    "act", [lambda console: None, *(twins.console for twins in TWINS.values())], ids=["nothing", *TWINS]
)
def test_a_look_up_shows_what_the_console_knows(act: Callable[[Console], object]) -> None:
    """S16: 可等价于api查询 taobao.tmc.user.get 获取用户已开通消息."""
    world = Operated()
    act(world.console)
    for nick in world.sessions:
        known = world.console.user("1", nick)
        shown = world.call(USER, nick=nick, fields="user_nick,group_name,topics,is_valid")
        if known is None:
            assert isinstance(shown, Failure)
            continue
        assert not isinstance(shown, Failure), shown
        topics = world.console.topics_of(known)
        assert shown["tmc_user"] == {
            "user_nick": nick,
            "group_name": known.group or "default",
            "topics": {"string": sorted(APP.topics or ()) if "*" in topics else list(topics)},
            "is_valid": True,
        }


def test_a_topic_without_subscription_is_not_to_be_seen() -> None:
    """S6: 没有权限包会导致相关消息无法可见, 无法被订阅."""
    world = Operated()
    shown = world.ask("taobao.tmc.user.topics.get")
    assert shown["topics"] == {"string": ["item", "refund", "trade"]}
    refused = world.refused(PERMIT, session=world.sessions["c"], topics="logistics")
    assert refused.sub_code == "isv.invalid-parameter:topics"
    with pytest.raises(ValueError, match="but not to 'logistics'"):
        world.produce(APP, topic="logistics")
    assert world.service.broadcast(topic="logistics", content="{}", nick="a", now=world.now) == {}
