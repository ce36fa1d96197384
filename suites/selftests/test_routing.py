"""Who gets a message: the order in which the group of a message is found, names, and relations that end slowly."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmcspec.routing import (
    EVERYTHING,
    GROUP_NAME_LIMIT,
    TOPIC_NAME_LIMIT,
    Fading,
    Routed,
    check_group_name,
    check_topics,
    covers,
    environment_of,
    receives,
    route,
)

# Groups


@pytest.mark.parametrize(
    ("named", "user_group", "topic_group", "group", "routed"),
    [
        ("n", "u", "t", "n", "named"),
        ("n", None, None, "n", "named"),
        (None, "u", "t", "u", "user"),
        (None, "u", None, "u", "user"),
        (None, None, "t", "t", "topic"),
        (None, None, None, "default", "default"),
        ("", "u", "t", "", "named"),
    ],
)
def test_a_group_is_named_or_that_of_the_user_or_that_of_the_topic_or_the_default(
    named: str | None, user_group: str | None, topic_group: str | None, group: str, routed: Routed
) -> None:
    assert route(named=named, user_group=user_group, topic_group=topic_group) == (group, routed)


@pytest.mark.parametrize("name", ["a", "x" * GROUP_NAME_LIMIT, "组", "Default", "my default"])
def test_a_group_name_has_1_to_32_characters(name: str) -> None:
    assert check_group_name(name) == check_group_name(name, new=True) == name


@pytest.mark.parametrize("name", ["", "x" * (GROUP_NAME_LIMIT + 1)])
def test_any_other_length_is_no_group_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"a group name has 1 to 32 characters, not {len(name)}$"):
        check_group_name(name)


@pytest.mark.parametrize("name", ["default", "default2", "defaults"])
def test_a_group_that_is_created_must_not_begin_with_default(name: str) -> None:
    assert check_group_name(name) == name
    with pytest.raises(ValueError, match=f"must not be named 'default' or begin with it: '{name}'"):
        check_group_name(name, new=True)


def test_topics_keep_their_order_and_come_once() -> None:
    assert check_topics(["b", "a", "b", "x" * TOPIC_NAME_LIMIT]) == ("b", "a", "x" * TOPIC_NAME_LIMIT)
    assert check_topics([]) == ()


@pytest.mark.parametrize("name", ["", "x" * (TOPIC_NAME_LIMIT + 1)])
def test_a_topic_has_1_to_256_characters(name: str) -> None:
    with pytest.raises(ValueError, match=f"a topic has 1 to 256 characters, not {len(name)}$"):
        check_topics(["a", name])


@pytest.mark.parametrize(
    ("path", "environment"),
    [
        ("/", "production"),
        ("", "production"),
        ("/pre", "pre-release"),
        ("/pre/", "pre-release"),
        ("/pre?x=1", "pre-release"),
        ("/?/pre", "production"),
        ("/prefix", None),
        ("/pre/x", None),
        ("/PRE", None),
    ],
)
def test_each_environment_has_a_path_of_its_own_and_no_other_path_is_any(path: str, environment: str | None) -> None:
    assert environment_of(path) == environment


# Relations that end slowly. S54: 短时间(5分钟左右)可能会查出来缓存的关系


def test_what_is_in_a_set_is_in_it_without_end_and_nothing_else_is() -> None:
    topics = Fading(["b", "a"])
    assert topics.names() == topics.known(now=1e9, cache=0.0) == ("a", "b")
    assert topics.has("a", now=1e9, cache=0.0)
    assert not topics.has("c", now=0.0, cache=300.0)
    assert Fading().names() == ()


def test_what_was_taken_out_is_known_for_a_while() -> None:
    topics = Fading(["a", "b"])
    topics.replace(["b", "c"], now=10.0)
    assert topics.names() == ("b", "c")
    assert topics.known(now=309.9, cache=300.0) == ("a", "b", "c")
    assert topics.known(now=310.0, cache=300.0) == ("b", "c")
    assert [topics.has("a", now=now, cache=300.0) for now in (10.0, 309.9, 310.0)] == [True, True, False]
    assert not topics.has("a", now=10.0, cache=0.0)


def test_what_ended_before_does_not_end_anew_with_the_next_change() -> None:
    topics = Fading(["a"])
    topics.replace(["b"], now=10.0)
    topics.replace(["c"], now=200.0)
    assert [topics.known(now=now, cache=300.0) for now in (309.0, 310.0, 500.0)] == [
        ("a", "b", "c"),
        ("b", "c"),
        ("c",),
    ]


def test_what_comes_back_is_in_the_set_without_end() -> None:
    topics = Fading(["a"])
    topics.replace([], now=10.0)
    topics.replace(["a"], now=20.0)
    assert topics.has("a", now=1e9, cache=0.0)


def test_what_is_forgotten_takes_no_room() -> None:
    topics = Fading()
    for number in range(1000):
        topics.replace([str(number)], now=number, cache=5.0)
    assert len(topics.known(now=0.0, cache=inf)) == 1 + 5


changes = st.lists(
    st.tuples(st.sampled_from([0, 1, 100, 299, 300, 301]), st.frozensets(st.sampled_from("abc"))), max_size=8
)


@given(changes=changes, later=st.sampled_from([0, 1, 299, 300, 301]), cache=st.sampled_from([0, 1, 300]))
def test_a_name_is_known_if_and_only_if_it_was_in_the_set_less_than_the_cache_ago(
    changes: list[tuple[int, frozenset[str]]], later: int, cache: int
) -> None:
    topics = Fading()
    now = 0
    spans: list[tuple[int, frozenset[str]]] = [(0, frozenset())]  # from when on, what is in it
    for pause, names in changes:
        now += pause
        topics.replace(names, now=now, cache=cache)
        spans.append((now, names))
    ends = [*(begin for begin, _ in spans[1:]), inf]
    now += later
    known = {name for (_, names), end in zip(spans, ends, strict=True) for name in names if now < end + cache}
    assert set(topics.known(now=now, cache=cache)) == known
    assert set(topics.names()) == spans[-1][1]
    for name in "abc":
        assert topics.has(name, now=now, cache=cache) == (name in known)


def test_everything_covers_each_topic() -> None:
    assert covers(Fading([EVERYTHING]), "a", now=0.0, cache=0.0)
    assert covers(Fading(["a"]), "a", now=0.0, cache=0.0)
    assert not covers(Fading(["a"]), "b", now=0.0, cache=0.0)


@pytest.mark.parametrize(
    ("granted_until", "permitted", "subscribed", "told"),
    [
        (inf, ["t"], ["t"], True),
        (inf, [EVERYTHING], ["t"], True),
        (inf, ["t"], [EVERYTHING], True),
        (inf, ["x"], ["t"], False),
        (inf, ["t"], ["x"], False),
        (inf, [], [EVERYTHING], False),
        (inf, [EVERYTHING], [], False),
        (700.1, ["t"], ["t"], True),
        (700.0, ["t"], ["t"], False),
    ],
)
def test_a_broadcast_needs_a_grant_a_permission_and_a_subscription(
    granted_until: float, permitted: list[str], subscribed: list[str], told: bool
) -> None:
    assert told is receives(
        granted_until=granted_until,
        permitted=Fading(permitted),
        subscribed=Fading(subscribed),
        topic="t",
        now=1000.0,
        cache=300.0,
    )


@pytest.mark.parametrize("ended", ["permitted", "subscribed"])
def test_each_of_them_is_found_in_the_cache_for_a_while(ended: str) -> None:
    relations = {"permitted": Fading(["t"]), "subscribed": Fading(["t"])}
    relations[ended].replace([], now=100.0)
    found = {
        (now, cache): receives(granted_until=inf, topic="t", now=now, cache=cache, **relations)
        for now, cache in ((100.0, 0.0), (399.9, 300.0), (400.0, 300.0))
    }
    assert list(found.values()) == [False, True, False]
