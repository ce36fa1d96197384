"""What cases draw is what it says, for any seed, and the same for the same seed."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmcspec.frame import FrameError, decode
from tmcspec.ids import READINGS, check
from tmcspec.instruction import instruction
from tmcspec.messages import Push, from_service
from tmcsuites import drawn

chances = st.integers(0, 2**32).map(random.Random)

PUSH = Push(token="t", id=7, topic="taobao_trade_TradeCreate", content="{}")


@given(chances)
def test_a_malformed_frame_is_one(rng: random.Random) -> None:
    data = drawn.malformed(rng)
    with pytest.raises(FrameError):
        decode(data)


@given(chances)
def test_pairs_are_confused_by_their_reading_and_with_no_other(rng: random.Random) -> None:
    pairs = drawn.pairs(rng, 3)
    readings = [reading for reading in drawn.LOSSY for _ in range(3)]
    assert [READINGS[reading](one) for reading, (one, _) in zip(readings, pairs, strict=True)] == [
        other for _, other in pairs
    ]
    assert len({id for both in pairs for id in both}) == 2 * len(pairs)


@given(chances)
def test_ids_are_different_and_fit_64_bits(rng: random.Random) -> None:
    ids = drawn.ids(rng, drawn.MANY)
    assert len(set(ids)) == drawn.MANY
    assert [check(id) for id in ids] == ids


@given(chances)
def test_contents_are_json_and_tell_a_handler_nothing(rng: random.Random) -> None:
    for content in (drawn.plain(rng), drawn.content(rng, 200)):
        assert json.loads(content)["tid"] < 2**63
        assert instruction(content).outcome == "ok"
    assert drawn.plain(rng).isascii()


@given(chances)
def test_a_push_with_a_rare_field_has_one_field_more(rng: random.Random) -> None:
    frame = decode(drawn.with_rare_field(rng)(PUSH))
    plain = PUSH.to_frame().content or ()
    assert frame.anomalies == ()
    assert len(frame.content or ()) == len(plain) + 1
    assert set(plain) <= set(frame.content or ())


@given(chances)
def test_a_push_with_unknown_fields_says_what_it_said(rng: random.Random) -> None:
    push: Any = from_service(decode(drawn.with_unknown_fields(rng)(PUSH)))
    assert (push.id, push.topic, push.content) == (PUSH.id, PUSH.topic, PUSH.content)
    assert push.extras


def test_the_same_seed_draws_the_same() -> None:
    draws = (drawn.content, drawn.malformed, drawn.told, lambda rng: drawn.ids(rng, 9), lambda rng: drawn.pairs(rng, 2))
    for draw in draws:
        assert draw(random.Random(7)) == draw(random.Random(7)) != draw(random.Random(8))
