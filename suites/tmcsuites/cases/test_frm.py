"""FRM: frames, odd and ordinary."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tmcfakes.service import Service
from tmcspec.clauses.connection import BACK_WITHIN
from tmcsuites import drawn, oddities
from tmcsuites.casebook import case
from tmcsuites.stage import Stage


async def _one(stage: Stage, content: str | None = '{"tid": 1}', **more: Any) -> None:
    """Starts the client and gives it one message."""
    await stage.start()
    await stage.until_answered(stage.produce(content, **more))


async def _many(stage: Stage, draw: Callable[[], dict[str, Any]]) -> None:
    """Starts the client and gives it messages, each with what was drawn for it."""
    await stage.start()
    await stage.until_answered(*[stage.produce(**draw()) for _ in range(drawn.MANY)])


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
    """The time of production, which every push carries. Two of them, for one in a thousand is a whole second, and a
    client that has dropped the milliseconds is right about it.
    """
    await _one(tmc_stage)
    await tmc_stage.wait(0.01)
    await tmc_stage.until_answered(tmc_stage.produce())


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


@case("FRM-11", handlers=False, waits=BACK_WITHIN)
@pytest.mark.parametrize("name", oddities.MALFORMED)
async def test_a_malformed_frame_is_survived(tmc_stage: Stage, name: str) -> None:
    """The client may reconnect, and then gets an ordinary message."""
    await tmc_stage.start()
    data = oddities.MALFORMED[name]
    tmc_stage.do(lambda service, now: service.inject(data, now=now, kind="malformed"))
    await _still_there(tmc_stage)


@case("FRM-11", handlers=False, waits=BACK_WITHIN)
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


@case("FRM-1", handlers=False)
async def test_rare_formats_with_any_value_and_anywhere_are_decoded(tmc_stage: Stage) -> None:
    """One field more in each push."""
    await _many(tmc_stage, lambda: {"wire": drawn.with_rare_field(tmc_stage.rng)})


@case("FRM-2", optional=True)
async def test_any_int64_is_signed_and_exact(tmc_stage: Stage) -> None:
    """In a field that the client only hands on."""
    numbers = drawn.ids(tmc_stage.rng, drawn.MANY)
    await _many(tmc_stage, lambda: {"data_id": numbers.pop()})


@case("FRM-4", optional=True)
async def test_dates_of_any_moment_are_epoch_milliseconds(tmc_stage: Stage) -> None:
    """Some messages, with time between them."""
    await tmc_stage.start()
    for _ in range(drawn.FEW):
        await tmc_stage.pass_time(tmc_stage.rng.uniform(0.001, 100))
        await tmc_stage.until_answered(tmc_stage.produce())


@case("FRM-5", handlers=False)
async def test_any_text_comes_out_of_gzip(tmc_stage: Stage) -> None:
    """Short ones, which gzip makes longer, and long ones."""
    rng = tmc_stage.rng
    await _many(
        tmc_stage,
        lambda: {"content": drawn.content(rng, rng.choice((0, 10, 1000))), "wire": oddities.gzip_content},
    )


@case("FRM-6", handlers=False)
async def test_any_mixture_of_messages_without_content_is_survived(tmc_stage: Stage) -> None:
    """Among others that have one, one after the other."""
    rng, ways = tmc_stage.rng, (None, oddities.void_content, oddities.without_content)
    await tmc_stage.start()
    for _ in range(drawn.FEW):
        await tmc_stage.until_answered(tmc_stage.produce("", wire=rng.choice(ways)))
        await tmc_stage.until_answered(tmc_stage.produce(drawn.plain(rng)))


@case("FRM-7", handlers=False)
async def test_any_text_survives(tmc_stage: Stage) -> None:
    """From control characters to emoji, in content and nick."""
    rng = tmc_stage.rng
    await _many(tmc_stage, lambda: {"content": drawn.content(rng, 200), "nick": f"商家{drawn.text(rng, 5)}"})


@case("FRM-8", handlers=False)
async def test_any_unknown_fields_in_any_order_are_ignored(tmc_stage: Stage) -> None:
    """One to eight of them, and everything shuffled."""
    await _many(tmc_stage, lambda: {"wire": drawn.with_unknown_fields(tmc_stage.rng)})


@case("FRM-11", handlers=False, waits=drawn.FEW * BACK_WITHIN)
async def test_any_malformed_frame_is_survived(tmc_stage: Stage) -> None:
    """The client may reconnect after each, and then gets an ordinary message."""
    await tmc_stage.start()
    for _ in range(drawn.FEW):
        tmc_stage.do(partial(_sends, drawn.malformed(tmc_stage.rng)))
        await tmc_stage.wait(0.5)
        await tmc_stage.until_back(within=BACK_WITHIN)
        await tmc_stage.until_answered(tmc_stage.produce())


def _sends(data: bytes, service: Service, now: float) -> None:
    service.inject(data, now=now, kind="malformed")


@case("FRM-12", handlers=False)
async def test_large_messages_of_any_size_are_delivered(tmc_stage: Stage) -> None:
    """Between 100 KB and a megabyte."""
    await tmc_stage.start()
    for _ in range(drawn.FEW):
        size = tmc_stage.rng.randint(100_000, 1_000_000)
        await tmc_stage.until_answered(tmc_stage.produce(drawn.plain(tmc_stage.rng, size)))


async def _still_there(stage: Stage) -> None:
    """Gives the client time to close if it wants to, waits until it is back, and gives it an ordinary message."""
    await stage.wait(0.5)
    await stage.until_back(within=BACK_WITHIN)
    await stage.until_answered(stage.produce())
