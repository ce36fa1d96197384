"""The shortcuts for the two frames that make up nearly all traffic never say anything else than the codec does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tmcspec import shortcuts, strategies
from tmcspec.frame import Frame, FrameError, byte, decode, encode, int16, int32, int64, string, void
from tmcspec.messages import Confirm, Fail, Kind, MessageError, PullRequest, Push, from_client
from tmcspec.shortcuts import RETRIED_LIMIT, Letter, confirmed_id, content_of

TOKEN = "0d7e3d43-2f27-4f5c-ae3c-6ecbd1c21df2"

# Deliveries

# What readers get wrong, and one beyond what a field holds.
EDGES = [sign * 2**power + step for power in (0, 31, 53, 63) for sign in (1, -1) for step in (-1, 0, 1)]
numbers = st.sampled_from(EDGES) | st.integers()
valid_numbers = st.sampled_from([each for each in EDGES if -(2**63) <= each < 2**63]) | st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
any_texts = texts | st.just("\ud800") | st.just("a\udfff")


def letters(number: st.SearchStrategy[int], text: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """What letters may say."""
    return st.fixed_dictionaries(
        {
            "id": number,
            "topic": text,
            "content": st.none() | text,
            "publisher": text,
            "time": number,
            "user_id": st.none() | number,
            "nick": st.none() | text,
            "data_id": st.none() | number,
        }
    )


WHOLE = {
    "id": 2**62 + 1,
    "topic": "taobao_trade_TradeCreate",
    "content": '{"tid":7}',
    "publisher": "12497914",
    "time": 1_700_000_000_000,
    "user_id": 2**60,
    "nick": "店铺",
    "data_id": 7,
}


@given(
    says=letters(valid_numbers, texts),
    token=texts.filter(bool),
    retried=st.integers(0, 200),
    out_time=valid_numbers,
)
@example(says=WHOLE, token=TOKEN, retried=0, out_time=1_700_000_000_001)
def test_a_delivery_is_what_the_codec_writes(says: dict[str, Any], token: str, retried: int, out_time: int) -> None:
    written = Letter(**says).written(token=token.encode(), retried=retried, out_time=out_time)
    assert written == encode(Push(token=token, retried=retried, out_time=out_time, **says).to_frame())
    assert Letter(**says).content == says["content"]


@given(says=letters(numbers, any_texts))
@example(says=WHOLE | {"id": 2**63})
@example(says=WHOLE | {"nick": "\udfff"})
def test_a_letter_is_refused_if_and_only_if_the_codec_refuses_it_and_in_its_words(says: dict[str, Any]) -> None:
    def refusal(make: Callable[[], object]) -> str | None:
        try:
            make()
        except ValueError as error:
            return str(error)
        return None

    assert refusal(lambda: Letter(**says)) == refusal(lambda: Push(token="t", **says).to_frame())


@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1])
@pytest.mark.parametrize("name", ["id", "time", "user_id", "data_id"])
def test_the_limits_of_a_number_are_written_and_one_more_is_not(name: str, number: int) -> None:
    Letter(**WHOLE | {name: number})  # type: ignore[arg-type]  # one of several types
    with pytest.raises(ValueError, match="must be an integer from -9223372036854775808 to 9223372036854775807"):
        Letter(**WHOLE | {name: number + (1 if number > 0 else -1)})  # type: ignore[arg-type]


def test_what_only_the_shortcut_refuses_is_refused_too() -> None:
    with mock.patch.object(shortcuts, "Push"), pytest.raises(UnicodeEncodeError):
        Letter(id=1, topic="\ud800", content=None, publisher="", time=0)


def test_more_than_127_retries_count_as_127() -> None:
    letter = Letter(**WHOLE)  # type: ignore[arg-type]  # one of several types
    frames = {n: decode(letter.written(token=b"t", retried=n, out_time=0)) for n in (0, 126, 127, 128, 10_000)}
    assert {n: frame.value("retried") for n, frame in frames.items()} == {
        0: 0,
        126: 126,
        127: 127,
        128: RETRIED_LIMIT,
        10_000: RETRIED_LIMIT,
    }


@given(says=letters(valid_numbers, texts), retried=st.integers(0, 200), out_time=valid_numbers)
def test_the_push_that_it_stands_for_says_the_same(says: dict[str, Any], retried: int, out_time: int) -> None:
    push = Letter(**says).push(token="t", retried=retried, out_time=out_time)
    # Readers take empty text for none.
    said = says | {"nick": says["nick"] or None, "publisher": says["publisher"] or None}
    assert push == Push(token="t", retried=min(retried, 127), out_time=out_time, **said)


@given(content=st.none() | texts, topic=texts)
def test_the_content_is_found_behind_whatever_comes_before_it(content: str | None, topic: str) -> None:
    letter = Letter(id=1, topic=topic, content=content, publisher="p", time=0, nick="content")
    assert letter.content == content_of(letter.after) == content


# Confirms


def confirm(message: int, *, token: str | None = TOKEN, id_first: bool = False) -> bytes:
    """As clients mostly write it."""
    fields = [byte("__kind", Kind.CONFIRM), int64("id", message)]
    return encode(Frame(type=2, token=token, content=tuple(reversed(fields) if id_first else fields)))


def read_by_the_codec(data: bytes) -> object:
    try:
        return from_client(decode(data))
    except (FrameError, MessageError) as error:
        return error


def assert_agrees(data: bytes) -> None:
    """A shortcut that reads anything reads what the codec reads."""
    found = confirmed_id(data)
    if found is not None:
        said = read_by_the_codec(data)
        assert isinstance(said, Confirm)
        assert said.id == found


@given(message=valid_numbers, token=texts.filter(bool), id_first=st.booleans())
def test_a_confirm_as_clients_mostly_write_it_is_read(message: int, token: str, id_first: bool) -> None:
    data = confirm(message, token=token, id_first=id_first)
    assert confirmed_id(data) == message
    assert_agrees(data)
    if not id_first:
        assert data == encode(Confirm(token=token, id=message).to_frame())


@pytest.mark.parametrize("id_first", [False, True])
@pytest.mark.parametrize("size", range(len(confirm(7))))
def test_of_a_confirm_that_is_cut_short_nothing_is_read(size: int, id_first: bool) -> None:
    assert confirmed_id(confirm(7, id_first=id_first)[:size]) is None


@pytest.mark.parametrize("id_first", [False, True])
def test_each_bit_is_looked_at(id_first: bool) -> None:
    data = confirm(7, id_first=id_first)
    number = data.index((7).to_bytes(8, "little"))
    told = [*range(number, number + 8), *range(8, 8 + len(TOKEN))]  # what may be anything: the id, and the token
    for at in range(len(data)):
        for bit in range(8):
            damaged = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
            assert (confirmed_id(damaged) is not None) is (at in told)
            assert_agrees(damaged)


def test_what_follows_a_confirm_is_odd() -> None:
    assert confirmed_id(confirm(7) + b"\0") is None
    assert confirmed_id(confirm(7) + confirm(7)) is None
    assert confirmed_id(b"\0" + confirm(7)) is None


kind = byte("__kind", Kind.CONFIRM)


@pytest.mark.parametrize(
    "frame",
    [
        Frame(type=2, token=None, content=(kind, int64("id", 7))),
        Frame(type=2, token="t", flag=1, content=(kind, int64("id", 7))),
        Frame(type=2, token="t", status_code=1, content=(kind, int64("id", 7))),
        Frame(type=2, token="t", version=1, content=(kind, int64("id", 7))),
        Frame(type=3, token="t", content=(kind, int64("id", 7))),
        Frame(type=2, token="t", content=(kind, int32("id", 7))),
        Frame(type=2, token="t", content=(kind, int16("id", 7))),
        Frame(type=2, token="t", content=(kind, byte("id", 7))),
        Frame(type=2, token="t", content=(kind, void("id"))),
        Frame(type=2, token="t", content=(kind,)),
        Frame(type=2, token="t", content=(kind, int64("id", 7), string("queue", "q"))),
        Frame(type=2, token="t", content=(int16("__kind", Kind.CONFIRM), int64("id", 7))),
        Frame(type=2, token="t", content=(string("__kind", "2"), int64("id", 7))),
        Fail(token="t", id=7).to_frame(),
        PullRequest(token="t").to_frame(),
    ],
)
def test_all_else_is_left_to_the_codec(frame: Frame) -> None:
    assert confirmed_id(encode(frame)) is None


def test_a_token_without_bytes_is_left_to_the_codec() -> None:
    data = confirm(7, token="t")
    hollow = data[:4] + bytes(4) + data[9:]
    assert decode(hollow).token is None
    assert confirmed_id(hollow) is None


confirms = st.builds(confirm, valid_numbers, token=st.none() | texts, id_first=st.booleans())


@given(data=strategies.mutated(confirms.map(decode), max_mutations=2))
def test_a_damaged_confirm_is_never_read_otherwise(data: bytes) -> None:
    assert_agrees(data)


@given(data=strategies.mutated() | strategies.frames().map(encode) | st.binary(max_size=80))
def test_nothing_else_is_ever_taken_for_a_confirm(data: bytes) -> None:
    assert_agrees(data)


@given(one=confirms, other=confirms, at=st.integers(0, 80), back=st.integers(0, 80))
def test_two_confirms_that_are_spliced_are_never_read_otherwise(one: bytes, other: bytes, at: int, back: int) -> None:
    assert_agrees(one[:at] + other[back:])


@given(token=st.binary(min_size=1, max_size=40), message=valid_numbers)
def test_a_token_of_any_bytes_changes_nothing(token: bytes, message: int) -> None:
    data = confirm(message, token="t")
    odd = data[:4] + len(token).to_bytes(4, "little") + token + data[9:]
    assert confirmed_id(odd) == message
    assert_agrees(odd)
