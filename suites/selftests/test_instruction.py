"""What a message tells the handler under test."""

from __future__ import annotations

import json
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmcspec.instruction import DELAY_LIMIT_MS, Instruction, instruction

instructions = st.builds(
    Instruction,
    outcome=st.sampled_from(["ok", "fail", "raise", "hang"]),
    delay_ms=st.integers(0, DELAY_LIMIT_MS),
    reason=st.none()
    | st.text().map(lambda text: text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")),
    unusual=st.booleans(),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(instructions)
def test_a_handler_reads_what_was_written(told: Instruction) -> None:
    assert instruction(told.content()) == told


@given(instructions)
def test_an_instruction_travels_beside_other_members(told: Instruction) -> None:
    content = told.content(tid=7, tmcspec="overwritten")
    assert json.loads(content)["tid"] == 7
    assert instruction(content) == told


def test_the_delay_is_told_in_milliseconds_and_read_in_seconds() -> None:
    assert instruction('{"tmcspec": {"delay_ms": 1500}}').delay == 1.5


def test_text_that_utf_8_cannot_write_travels_as_an_escape() -> None:
    told = Instruction(outcome="fail", reason="\ud800 中文")
    assert told.content().encode().endswith(' "reason": "\\ud800 中文"}}'.encode())
    assert instruction(told.content()) == told


def test_what_is_not_unusual_is_written_as_it_was_before_there_was_such_a_thing() -> None:
    assert "unusual" not in Instruction(outcome="raise").content()
    assert json.loads(Instruction(outcome="raise", unusual=True).content())["tmcspec"]["unusual"] is True


def test_a_name_may_be_spelled_with_escapes() -> None:
    assert instruction('{"\\u0074mcspec": {"outcome": "hang"}}').outcome == "hang"


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "text",
        "tmcspec",
        '"tmcspec"',
        '["tmcspec"]',
        '{"other": "tmcspec"}',
        '{"tmcspec": null}',
        '{"tmcspec": []}',
        '{"tmcspec": "fail"}',
        '{"tmcspec": {}}',
        '{"inner": {"tmcspec": {"outcome": "fail"}}}',
        '{"tmcspec": {"outcome": "fail"}',
        '{"tmcspec": {"outcome": "explode"}}',
        '{"tmcspec": {"outcome": ["fail"]}}',
        '{"tmcspec": {"outcome": null}}',
        '{"tmcspec": {"outcome": "fail", "delay_ms": true}}',
        '{"tmcspec": {"outcome": "fail", "delay_ms": -1}}',
        '{"tmcspec": {"outcome": "fail", "delay_ms": 1.0}}',
        '{"tmcspec": {"outcome": "fail", "delay_ms": "1"}}',
        '{"tmcspec": {"outcome": "fail", "delay_ms": NaN}}',
        '{"tmcspec": {"outcome": "fail", "delay_ms": 86400001}}',
        '{"tmcspec": {"outcome": "fail", "delay_ms": ' + "9" * 4000 + "}}",
        '{"tmcspec": {"outcome": "fail", "delay_ms": ' + "9" * 5000 + "}}",
        '{"tmcspec": {"outcome": "fail", "reason": 1}}',
        '{"tmcspec": {"outcome": "raise", "unusual": 1}}',
        '{"tmcspec": {"outcome": "raise", "unusual": null}}',
        '{"tmcspec": {"outcome": "fail", "more": ' + "[" * 100_000 + "]" * 100_000 + "}}",
        '{"tmcspec": ' * 100_000,
    ],
    ids=lambda content: str(content)[:60],
)
def test_content_without_a_valid_instruction_is_handled_at_once_and_well(content: str | None) -> None:
    assert instruction(content) == Instruction(outcome="ok", delay_ms=0, reason=None)


@given(
    st.text()
    | json_values.map(lambda words: json.dumps({"tmcspec": words}))
    | st.fixed_dictionaries({}, optional=dict.fromkeys(("outcome", "delay_ms", "reason", "unusual"), json_values)).map(
        lambda words: json.dumps({"tmcspec": words})
    )
)
def test_no_content_makes_reading_raise(content: str) -> None:
    told = instruction(content)
    assert 0 <= told.delay <= DELAY_LIMIT_MS / 1000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"outcome": "explode"}, "outcome must be one of ok, fail, raise, hang, not 'explode'"),
        ({"outcome": None}, "outcome must be one of .*, not None"),
        ({"delay_ms": True}, "delay_ms must be an integer from 0 to 86400000, not True"),
        ({"delay_ms": 0.5}, "delay_ms .* not 0.5"),
        ({"delay_ms": nan}, "delay_ms .* not nan"),
        ({"delay_ms": inf}, "delay_ms .* not inf"),
        ({"delay_ms": "5"}, "delay_ms .* not '5'"),
        ({"delay_ms": -1}, "delay_ms .* not -1"),
        ({"delay_ms": 10**5000}, "delay_ms .* not an integer of 16610 bits"),
        ({"reason": b"no"}, "reason must be a string or None, not b'no'"),
        ({"unusual": 1}, "unusual must be True or False, not 1"),
    ],
)
def test_an_impossible_instruction_is_refused_by_name_and_value(words: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Instruction(**words)
