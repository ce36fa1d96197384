"""docs/wire.md is right to the byte: its frames are frames, its sign is the sign, its commands say what it shows."""

from __future__ import annotations

import json
import random
import re
import shlex
from pathlib import Path

import pytest
from harness import tmcspec

from tmcfakes.service import App, Send, Service
from tmcspec.clauses import CLAUSES
from tmcspec.frame import FrameError, MessageType, ValueType, decode
from tmcspec.messages import Connect, from_client, from_service
from tmcspec.signing import sign_connect
from tmcspec.timing import CONFIRM_TIMEOUT, PULL_INTERVAL, REDELIVERY_DELAY, RETENTION
from tmcspec.trace import Recorder

TEXT = (Path(__file__).parents[2] / "docs" / "wire.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)

#: The frames, as bytes, with what is said of each line.
FRAMES = [
    [re.fullmatch(r"([0-9a-f ]+?) {2,}(.+)", line) for line in text.splitlines()]
    for language, text in BLOCKS
    if language == "text" and text.startswith("02")
]


def lines_of(frame: list[re.Match[str] | None]) -> list[tuple[bytes, str]]:
    found = [(bytes.fromhex(line[1]), line[2]) for line in frame if line]
    assert len(found) == len(frame), "a line of a frame is hex, two spaces or more, and what it says"
    return found


def data_of(frame: list[re.Match[str] | None]) -> bytes:
    return b"".join(data for data, _ in lines_of(frame))


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: data_of(frame)[:8].hex())
def test_every_frame_is_one_that_a_correct_writer_writes_and_makes_sense(frame: list[re.Match[str] | None]) -> None:
    data = data_of(frame)
    read = decode(data, strict=True)
    assert read.anomalies == ()
    (from_client if read.type == MessageType.CONNECT or data in FROM_CLIENT else from_service)(read)


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: data_of(frame)[:8].hex())
def test_every_line_says_what_its_bytes_are(frame: list[re.Match[str] | None]) -> None:
    (_, first), *fields, (_, last) = lines_of(frame)
    read = decode(data_of(frame))
    assert first.startswith(f"version 2, type {int(read.type)}: ")
    assert last == "end"
    values = {key: (type_, value) for key, type_, value in read.content or ()}
    for _, said in fields:
        name, *words = said.split(" ", 2)
        if name in values:
            type_, value = values.pop(name)
            assert words[0] == type_.name.lower()
            assert words[1] == (json.dumps(value, ensure_ascii=False) if type_ is ValueType.STRING else str(value))
        else:
            envelope = {"flag": read.flag, "statusCode": read.status_code}
            texts = {"token": read.token, "statusPhrase": read.status_phrase}
            shown = str(envelope[name]) if name in envelope else json.dumps(texts[name])
            assert " ".join(words) == shown
    assert not values


def said_by_clients() -> set[bytes]:
    """The frames behind the headings of what clients send."""
    found = set()
    for heading in ("Confirm", "Failed", "PullRequest", "Publish"):
        section = TEXT.partition(f"### {heading}\n")[2].partition("\n### ")[0]
        for text in re.findall(r"```text\n(02.*?)```", section, re.DOTALL):
            found.add(data_of([re.fullmatch(r"([0-9a-f ]+?) {2,}(.+)", line) for line in text.splitlines()]))
    return found


#: Of the frames of type SEND, those that a client sent.
FROM_CLIENT = said_by_clients()


def test_the_examples_are_of_all_messages() -> None:
    assert len(FRAMES) == 10
    assert len(FROM_CLIENT) == 4


def test_the_sign_is_that_of_the_connect() -> None:
    (connect,) = [from_client(decode(data_of(frame))) for frame in FRAMES if decode(data_of(frame)).type == 0]
    assert isinstance(connect, Connect)
    sign = sign_connect(app_key="1023", group="default", timestamp="1795447615402", secret="secret")
    assert connect.sign == sign
    assert f"```text\n{sign}\n```" in TEXT


def test_the_answers_are_those_of_the_fake_but_for_the_token() -> None:
    """The frames in order: CONNECT and its two answers, a push, what the client says, and two answers to a publish."""
    connect, accepted, refused, push, *said, published, unknown = [data_of(frame) for frame in FRAMES]
    told = decode(accepted).token
    assert told is not None

    def service(secret: str) -> Service:
        return Service(
            apps=[App(key="1023", secret=secret)],
            recorder=Recorder(),
            rng=random.Random(0),
            epoch_ms=1_795_447_616_000,
            topics_to_taobao=["my_isv_topic"],
        )

    def answers(fake: Service, *frames: bytes) -> list[bytes]:
        for data in frames:
            fake.received("c1", data, now=0.0)
        return [effect.data for effect in fake.effects() if isinstance(effect, Send)]

    wrong, right = service("another"), service("secret")
    for fake in (wrong, right):
        fake.opened("c1", now=0.0)
    assert answers(wrong, connect) == [refused]
    (answer,) = answers(right, connect)
    given = (decode(answer).token or "").encode()
    assert answer.replace(given, told.encode()) == accepted

    right.produce(
        app_key="1023",
        topic="taobao_trade_TradeCreate",
        content='{"tid":1}',
        user_id=2112038970,
        nick="店铺",
        id=4957008278901466387,
        data_id=1,
        now=0.0,
    )
    assert [data.replace(given, told.encode()) for data in answers(right)] == [push]
    assert [data.replace(given, told.encode()) for data in answers(right, *said)] == [published]
    no_topic = said[-1].replace(b"my_isv_topic", b"no_isv_topic")
    assert [data.replace(given, told.encode()) for data in answers(right, no_topic)] == [unknown]


def test_the_commands_say_what_is_shown() -> None:
    ((_, command), (_, shown)) = (block for block in BLOCKS if "frame decode" in block[1] or '{"frame": ' in block[1])
    done = tmcspec(*shlex.split(command)[1:])
    assert json.loads(done.out) == json.loads(shown)


def test_the_clauses_that_are_named_exist() -> None:
    assert {id for id in re.findall(r"\b[A-Z]{3}-[0-9]+\b", TEXT) if not id.startswith(("RFC", "UTF"))} <= set(CLAUSES)


def test_the_times_are_those_of_the_specification() -> None:
    assert f"| {CONFIRM_TIMEOUT:.0f} s | from a push until a confirm is late." in TEXT
    assert f"| {REDELIVERY_DELAY:.0f} s | from a push that is not confirmed" in TEXT
    assert f"| {RETENTION / 3600:.0f} h | from its production until a message expires |" in TEXT
    assert f"| {PULL_INTERVAL:.0f} s | between the PullRequests" in TEXT


def test_what_does_not_decode_is_not_shown() -> None:
    with pytest.raises(FrameError):
        decode(data_of(FRAMES[0])[:-3], strict=True)
