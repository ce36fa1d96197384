"""The control API: what the operator of an app, and its users, do in the console."""

from __future__ import annotations

from typing import Any

import pytest
from control_by_hand import Caller, called

from tmcfakes.service import App

ONE = App(key="one", secret="s1", groups=frozenset({"default", "vip"}))
OTHER = App(key="other", secret="s2", topics=frozenset({"trade", "item"}))


def words(call: Caller) -> list[str]:
    return [entry.event.word for entry in call.tmc.recorder.entries]


# Users


def test_a_user_grants_an_app_access_and_is_permitted_at_once() -> None:
    async def scenario(call: Caller) -> None:
        user = await call("POST", "users", {"nick": "中文/shop", "user_id": "4611686018427387905"})
        assert user["user_id"] == "4611686018427387905"
        assert call.tmc.do(
            lambda service, now: service.directory.of_session(user["session"], service.directory.apps["one"])
        )
        assert words(call) == ["authorised", "permitted"]
        assert await call("POST", "users", {"nick": "中文/shop"}) == user

    called(scenario, apps=[ONE])


def test_a_user_may_be_permitted_for_topics_of_an_app_and_put_into_a_new_group() -> None:
    async def scenario(call: Caller) -> None:
        body = {"app_key": "other", "nick": "shop", "topics": ["trade"], "group": "new", "expires_in": 60}
        await call("POST", "users", body)
        assert words(call) == ["group_created", "authorised", "permitted", "user_grouped"]
        said = {"content": "{}", "nick": "shop", "broadcast": True}
        assert len((await call("POST", "messages", said | {"topic": "trade"}))["ids"]) == 1
        assert (await call("POST", "messages", said | {"topic": "item"}))["ids"] == []
        stats = await call("GET", "stats")
        assert [row["backlog"] for row in stats["groups"] if row["group"] == "new"] == [1]
        # The grant ends after a minute, and for five more it may still be found.
        await call("POST", "clock/advance", {"seconds": 360})
        assert (await call("POST", "messages", said | {"topic": "trade"}))["ids"] == []

    called(scenario, apps=[ONE, OTHER])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, '"nick" is missing; valid: a string of 1 to 256 characters'),
        ({"nick": "b", "user_id": 1}, "the number 1 is that of 'a', not of 'b'"),
        ({"nick": "a", "user_id": 2}, "user 'a' has the number 1, not 2"),
        ({"nick": "a", "app_key": "no"}, "unknown app 'no'; known: one, other"),
        ({"nick": "a", "app_key": "other", "topics": ["x"]}, "app 'other' has not subscribed to 'x'; it has: 'item'"),
        ({"nick": "a", "group": "default2"}, "must not be named 'default' or begin with it"),
        ({"nick": "a", "expires_in": 0}, '"expires_in" is 0; valid: a number of seconds, more than 0'),
    ],
    ids=lambda case: case[:20] if isinstance(case, str) else "",
)
def test_a_user_that_cannot_be_is_refused_with_a_reason(body: Any, text: str) -> None:
    async def scenario(call: Caller) -> None:
        await call("POST", "users", {"nick": "a", "user_id": 1})
        assert text in await call.refused("POST", "users", body)

    called(scenario, apps=[ONE, OTHER])


def test_a_user_who_leaves_is_found_for_five_more_minutes() -> None:
    async def scenario(call: Caller) -> None:
        for key in ("one", "other"):
            await call("POST", "users", {"app_key": key, "nick": "中文/shop", "user_id": 7})
        path = "users/%E4%B8%AD%E6%96%87%2Fshop?app_key=other"
        assert await call("DELETE", path) == {"user_id": "7"}
        assert words(call)[-2:] == ["cancelled", "authorised"]
        said = {"topic": "trade", "content": "{}", "user_id": 7, "broadcast": True}
        assert len((await call("POST", "messages", said))["ids"]) == 2
        await call("POST", "clock/advance", {"seconds": 300})
        assert len((await call("POST", "messages", said))["ids"]) == 1

    called(scenario, apps=[ONE, OTHER])


def test_who_is_no_user_cannot_leave() -> None:
    async def scenario(call: Caller) -> None:
        await call("POST", "users", {"app_key": "one", "nick": "shop"})
        assert await call.refused("DELETE", "users/nobody", status=404) == "app 'one' has no user \"nobody\""
        error = await call.refused("DELETE", "users/shop?app_key=other", status=404)
        assert error == "app 'other' has no user \"shop\""
        assert "unknown app" in await call.refused("DELETE", "users/shop?app_key=no")

    called(scenario, apps=[ONE, OTHER])


# Groups


def test_a_group_is_created_and_topics_are_bound_to_it() -> None:
    async def scenario(call: Caller) -> None:
        assert await call("POST", "groups", {"group": "new"}) == {"app_key": "one", "group": "new", "topics": []}
        for _ in range(2):
            answer = await call("POST", "groups", {"group": "new", "topics": ["refund", "item"]})
            assert answer == {"app_key": "one", "group": "new", "topics": ["item", "refund"]}
        await call("POST", "messages", {"topic": "item", "content": None})
        stats = await call("GET", "stats")
        assert [row["group"] for row in stats["groups"] if row["backlog"]] == ["new"]

    called(scenario, apps=[ONE])


def test_a_group_that_cannot_be_is_refused_with_a_reason() -> None:
    async def scenario(call: Caller) -> None:
        assert "begin with it" in await call.refused("POST", "groups", {"group": "default-2"})
        assert "at most" in await call.refused("POST", "groups", {"group": "g", "topics": ["t"] * 1001})
        body = {"app_key": "other", "group": "g", "topics": ["x"]}
        assert "has not subscribed to 'x'" in await call.refused("POST", "groups", body)
        for number in range(49):
            await call("POST", "groups", {"group": f"g{number}"})
        assert "50 groups beside the default one" in await call.refused("POST", "groups", {"group": "more"})

    called(scenario, apps=[ONE, OTHER])


def test_a_group_is_deleted_with_its_messages() -> None:
    async def scenario(call: Caller) -> None:
        for environment in ("production", "pre-release"):
            body = {"topic": "t", "content": "{}", "group": "vip", "environment": environment, "count": 2}
            await call("POST", "messages", body)
        assert await call("DELETE", "groups/vip?app_key=one") == {"dropped": 4}
        assert await call.refused("DELETE", "groups/vip", status=404) == "app 'one' has no group \"vip\""
        assert "cannot be deleted" in await call.refused("DELETE", "groups/default")

    called(scenario, apps=[ONE])


# Settings


@pytest.mark.parametrize(
    ("path", "body", "answer", "word"),
    [
        ("flow", {"value": 32}, {"app_key": "one", "group": "default", "value": 32}, "flow_set"),
        ("flow", {"group": "vip", "value": None}, {"app_key": "one", "group": "vip", "value": None}, "flow_set"),
        ("mode", {"mode": "pull"}, {"app_key": "one", "group": "default", "mode": "pull"}, "mode_set"),
        (
            "mode",
            {"app_key": "other", "mode": "push"},
            {"app_key": "other", "group": "default", "mode": "push"},
            "mode_set",
        ),
        ("subscription", {"topics": ["a"]}, {"app_key": "one", "topics": ["a"]}, "subscribed"),
        ("subscription", {"topics": None}, {"app_key": "one", "topics": None}, "subscribed"),
        ("retention", {"seconds": 3600}, {"seconds": 3600.0}, "retention_set"),
    ],
)
def test_a_setting_is_made_and_traced(path: str, body: Any, answer: Any, word: str) -> None:
    async def scenario(call: Caller) -> None:
        assert await call("PUT", path, body) == answer
        assert words(call) == [word]

    called(scenario, apps=[ONE, OTHER])


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("flow", {}, '"value" is missing; valid: an integer from 0 to 2147483647, or null for no limit'),
        ("flow", {"value": 1, "group": "no"}, "app 'one' has no group 'no'"),
        ("mode", {"mode": "poll"}, '"mode" is "poll"; valid: "push" or "pull"'),
        ("mode", {"mode": None}, '"mode" is null; valid: "push" or "pull"'),
        ("subscription", {}, '"topics" is missing; valid: an array of at most 1000 names of topics, or null for all'),
        ("retention", {"seconds": 0}, '"seconds" is 0; valid: a number of seconds, more than 0'),
        ("topics", {"topics": "all"}, '"topics" is "all"; valid: an array'),
        ("topics", {"app_key": "one", "topics": []}, 'unknown member "app_key"; valid: topics'),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_a_reason(path: str, body: Any, text: str) -> None:
    async def scenario(call: Caller) -> None:
        assert text in await call.refused("PUT", path, body)
        assert words(call) == []

    called(scenario, apps=[ONE])


def test_an_app_that_has_subscribed_to_nothing_gets_nothing() -> None:
    async def scenario(call: Caller) -> None:
        await call("PUT", "subscription", {"topics": []})
        await call("POST", "clock/advance", {"seconds": 300})
        error = await call.refused("POST", "messages", {"topic": "t", "content": "{}"})
        assert "app 'one' has subscribed to nothing" in error

    called(scenario, apps=[ONE])


def test_messages_are_kept_as_long_as_they_are_told_to() -> None:
    async def scenario(call: Caller) -> None:
        await call("POST", "messages", {"topic": "t", "content": "{}"})
        await call("PUT", "retention", {"seconds": 60})
        await call("POST", "clock/advance", {"seconds": 60})
        assert (await call("GET", "stats"))["groups"][0]["expired"] == 1

    called(scenario, apps=[ONE])


def test_what_may_be_published_to_taobao_is_told() -> None:
    async def scenario(call: Caller) -> None:
        def publish(topic: str) -> bool:
            return call.tmc.do(
                lambda service, now: service.publish(app_key="one", topic=topic, content="{}", now=now) is None
            )

        assert publish("b")
        assert await call("PUT", "topics", {"topics": ["a", "a"]}) == {"topics": ["a", "a"]}
        assert (publish("a"), publish("b")) == (True, False)
        assert await call("PUT", "topics", {"topics": None}) == {"topics": None}
        assert publish("b")

    called(scenario, apps=[ONE])
