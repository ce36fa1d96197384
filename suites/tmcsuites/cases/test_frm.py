"""FRM: frames, odd and ordinary."""

from __future__ import annotations

from typing import Any

import pytest

from tmcspec.clauses.connection import BACK_WITHIN
from tmcsuites import oddities
from tmcsuites.casebook import case
from tmcsuites.stage import Stage


async def _one(stage: Stage, content: str | None = '{"tid": 1}', **more: Any) -> None:
    """Starts the client and gives it one message."""
    await stage.start()
    await stage.until_answered(stage.produce(content, **more))


@case("FRM-1", handlers=False)
@pytest.mark.parametrize("name", oddities.RARE_FIELDS)
async def test_every_value_format_is_decoded(tmc_stage: Stage, name: str) -> None:
    """A field of a format that production does not use today, in front of all others."""
    await _one(tmc_stage, wire=oddities.with_field(oddities.RARE_FIELDS[name]))


@case("FRM-2", optional=True)
@pytest.mark.parametrize("data_id", [2**53 + 1, -5], ids=["above_2_53", "negative"])
async def test_int64_is_signed_and_exact(tmc_stage: Stage, data_id: int) -> None:
    """In a field that the client only hands on."""
    await _one(tmc_stage, data_id=data_id)


@case("FRM-3", optional=True)
@pytest.mark.parametrize("name", oddities.SMALL_INTEGERS)
async def test_small_integers_are_signed(tmc_stage: Stage, name: str) -> None:
    """In a field that the client only hands on, and that fits a Byte."""
    await _one(tmc_stage, data_id=-5, wire=oddities.small_data_id(oddities.SMALL_INTEGERS[name]))


@case("FRM-4", optional=True)
async def test_dates_are_epoch_milliseconds(tmc_stage: Stage) -> None:
    """The time of production, which every push carries."""
    await _one(tmc_stage)


@case("FRM-5", handlers=False)
async def test_gzip_content_is_delivered_as_text(tmc_stage: Stage) -> None:
    """Chinese text, so that the bytes are counted."""
    await _one(tmc_stage, '{"title": "' + "棉质连衣裙" * 100 + '"}', wire=oddities.gzip_content)


@case("FRM-6", handlers=False)
@pytest.mark.parametrize("name", ["empty", "void", "absent"])
async def test_a_message_without_content_is_survived(tmc_stage: Stage, name: str) -> None:
    """Three ways to say nothing."""
    wire = {"empty": None, "void": oddities.void_content, "absent": oddities.without_content}[name]
    await _one(tmc_stage, "", wire=wire)


@case("FRM-7", handlers=False)
@pytest.mark.parametrize(
    "text", ["买家备注：请尽快发货", "👨‍👩‍👧‍👦 😀", "é\u0301 \u00e9"], ids=["chinese", "emoji", "combining"]
)
async def test_text_beyond_ascii_survives(tmc_stage: Stage, text: str) -> None:
    """In content and nick."""
    await _one(tmc_stage, f'{{"buyer_message": "{text}"}}', nick="商家😀")


@case("FRM-8", handlers=False)
@pytest.mark.parametrize("name", oddities.UNKNOWN_FIELDS)
async def test_unknown_fields_are_ignored(tmc_stage: Stage, name: str) -> None:
    """One is new, others are named like parts of the envelope."""
    await _one(tmc_stage, wire=oddities.with_field(oddities.UNKNOWN_FIELDS[name]))


@case("FRM-8", handlers=False)
async def test_the_order_of_fields_does_not_matter(tmc_stage: Stage) -> None:
    """The last field first."""
    await _one(tmc_stage, wire=oddities.fields_reversed)


@case("FRM-9", handlers=False)
async def test_an_unknown_header_is_skipped(tmc_stage: Stage) -> None:
    """Type 9, without a body."""
    await _one(tmc_stage, wire=oddities.unknown_header)


@case("FRM-10", handlers=False)
async def test_an_unknown_format_is_read_as_a_string(tmc_stage: Stage) -> None:
    """Format 9, in front of all other fields."""
    await _one(tmc_stage, wire=oddities.unknown_format)


@case("FRM-11", handlers=False)
@pytest.mark.parametrize("name", oddities.MALFORMED)
async def test_a_malformed_frame_is_survived(tmc_stage: Stage, name: str) -> None:
    """The client may reconnect, and then gets an ordinary message."""
    await tmc_stage.start()
    data = oddities.MALFORMED[name]
    tmc_stage.do(lambda service, now: service.inject(data, now=now, kind="malformed"))
    await _still_there(tmc_stage)


@case("FRM-11", handlers=False)
async def test_a_text_message_is_survived(tmc_stage: Stage) -> None:
    """TMC speaks binary; a text message means nothing."""
    await tmc_stage.start()
    tmc_stage.do(lambda service, now: service.inject(b"hello", now=now, opcode="text", kind="text"))
    await _still_there(tmc_stage)


@case("FRM-12", handlers=False)
@pytest.mark.parametrize("size", [100_000, 1_000_000], ids=["100KB", "1MB"])
async def test_a_large_message_is_delivered(tmc_stage: Stage, size: int) -> None:
    """As one frame."""
    await _one(tmc_stage, '{"text": "' + "x" * size + '"}')


@case("FRM-14", handlers=False)
async def test_bytes_behind_the_end_are_ignored(tmc_stage: Stage) -> None:
    """Four of them."""
    await _one(tmc_stage, wire=oddities.trailing_bytes)


@case("FRM-15", handlers=False)
async def test_a_fragmented_message_is_delivered(tmc_stage: Stage) -> None:
    """One push in three WebSocket fragments."""
    await _one(tmc_stage, fragments=3)


async def _still_there(stage: Stage) -> None:
    """Gives the client time to close if it wants to, waits until it is back, and gives it an ordinary message."""
    await stage.wait(0.5)
    await stage.until_back(within=BACK_WITHIN)
    await stage.until_answered(stage.produce())
