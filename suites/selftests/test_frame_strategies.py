"""The public strategies: what they draw is varied, and hits a decoder where it hurts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tmcspec import strategies
from tmcspec.frame import ANOMALY_KINDS, Field, Frame, FrameError, ValueType, decode, encode
from tmcspec.strategies import _length_offsets


def test_damaged_frames_show_every_kind_of_anomaly_and_many_refusals() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=800, database=None, derandomize=True)
    @given(strategies.mutated())
    def run(data: bytes) -> None:
        try:
            seen.update({anomaly.kind for anomaly in decode(data).anomalies})
        except FrameError:
            seen["refused"] += 1

    run()
    assert set(ANOMALY_KINDS) <= set(seen)
    assert 80 < seen["refused"] < 720


def test_damaged_frames_reach_deeper_than_random_bytes() -> None:
    def offsets(source: st.SearchStrategy[bytes]) -> Counter[bool]:
        deep: Counter[bool] = Counter()

        @settings(max_examples=100, database=None, derandomize=True)
        @given(source)
        def run(data: bytes) -> None:
            try:
                deep[bool(decode(data).content)] += 1
            except FrameError as error:
                deep[error.offset > 20] += 1

        run()
        return deep

    assert offsets(strategies.mutated())[True] > 3 * offsets(st.binary(max_size=200))[True] + 10


@given(strategies.fields(types=[ValueType.BYTE, ValueType.STRING]))
def test_fields_are_of_the_types_asked_for(field: Field) -> None:
    assert field[1] in (ValueType.BYTE, ValueType.STRING)


@given(strategies.frames(versions=[1], max_fields=2))
def test_frames_are_of_the_versions_and_size_asked_for(frame: Frame) -> None:
    assert frame.version == 1
    assert len(frame.content or ()) <= 2


@given(strategies.frames())
def test_the_lengths_in_a_frame_are_found(frame: Frame) -> None:
    data = encode(replace(frame, version=2))
    texts: list[str | bytes] = [text for text in (frame.status_phrase, frame.token) if text]
    for key, _, value in frame.content or ():
        texts += [piece for piece in (key, value) if isinstance(piece, str | bytes)]
    for at, text in zip(_length_offsets(frame), texts, strict=True):
        piece = text.encode() if isinstance(text, str) else text
        assert data[at : at + 4 + len(piece)] == len(piece).to_bytes(4, "little") + piece


@given(strategies.mutated(st.just(Frame(type=2)), max_mutations=1))
def test_a_base_of_ones_own_is_damaged(data: bytes) -> None:
    assert len(data) <= 4 + 20
