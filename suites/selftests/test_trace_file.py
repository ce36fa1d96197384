"""Trace files: what is written is read back, and a hostile file is refused with a word on where and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tmcspec import __version__, strategies, trace_file
from tmcspec.events import (
    EVENTS,
    Advanced,
    Closed,
    Event,
    FrameIn,
    Handled,
    HttpIn,
    Id,
    Opened,
    Permitted,
    Produced,
    Received,
    WsIn,
)
from tmcspec.frame import encode
from tmcspec.messages import Confirm
from tmcspec.trace import Entry, Trace, TraceError
from tmcspec.trace_file import dump, entry_from_json, load, parse, save


def as_utf_16(text: str) -> str:
    """Two surrogates that make a pair are the character they make, for every reader of JSON."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


VALUES: dict[Any, SearchStrategy[Any]] = {
    str: st.text(max_size=20).map(as_utf_16),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(-(2.0**53), 2.0**53, exclude_min=True, exclude_max=True) | st.integers(-5, 5),
    bool: st.booleans(),
    bytes: st.binary(max_size=40) | strategies.frames().map(encode) | strategies.mutated(),
    Id: st.integers(-(10**20) + 1, 10**20 - 1).map(Id) | st.sampled_from([Id(2**53 + 1), Id(2**63 - 1)]),
    NoneType: st.none(),
}


def values(shape: Any) -> SearchStrategy[Any]:
    if get_origin(shape) is Literal:
        return st.sampled_from(get_args(shape))
    if get_origin(shape) is UnionType:
        return st.one_of([values(choice) for choice in get_args(shape)])
    if get_origin(shape) is tuple:
        part = get_args(shape)[0]
        each = st.tuples(*map(values, get_args(part))) if get_origin(part) is tuple else values(part)
        return st.lists(each, max_size=3).map(tuple)
    return VALUES[shape]


@st.composite
def events(draw: DrawFn) -> Event:
    kind = draw(st.sampled_from(list(EVENTS.values())))
    members: dict[str, Any] = {}
    for member, shape in get_type_hints(kind).items():
        if member not in ("word", "_frame"):
            members[member] = draw(values(shape))
    return kind(**members)


@st.composite
def traces(draw: DrawFn) -> Trace:
    happened = draw(st.lists(events(), max_size=6))
    seqs = sorted(draw(st.sets(st.integers(1, 2**63 - 1), min_size=len(happened), max_size=len(happened))))
    moments = st.floats(0, 2.0**53, exclude_max=True) | st.integers(0, 9) | st.just(-0.0)
    times = sorted(draw(st.lists(moments, min_size=len(happened), max_size=len(happened))))
    entries = (Entry(seq=seq, time=time, event=event) for seq, time, event in zip(seqs, times, happened, strict=True))
    return Trace(
        entries=tuple(entries),
        world=draw(st.sampled_from(["simulated", "live", "recorded"])),
        handlers=draw(st.booleans()),
        patience=draw(st.floats(0, 1e9, exclude_min=True)),
        client_clock=draw(st.booleans()),
        seed=draw(st.none() | st.integers(-(2**63), 2**63 - 1)),
        epoch_ms=draw(st.integers(-(2**63), 2**63 - 1)),
    )


CONFIRM = encode(Confirm(token="t", id=5).to_frame())
TRACE = Trace(
    entries=(
        Entry(seq=1, time=0.0, event=Opened(connection="c1")),
        Entry(seq=2, time=0.5, event=Closed(connection="c1", by="client", code=1000)),
        Entry(
            seq=3, time=0.5, event=Produced(message=Id(2**62 + 1), app_key="1", group="g", topic="t", content="中文")
        ),
        Entry(seq=4, time=1.0, event=FrameIn(connection="c1", data=CONFIRM)),
        Entry(seq=5, time=2.0, event=Handled(client="c", message=None, outcome="ok")),
    ),
    world="live",
    handlers=True,
    seed=7,
)
LINES = list(dump(TRACE))
HEADER = LINES[0]


def refusal(*lines: bytes | str) -> str:
    with pytest.raises(TraceError) as caught:
        parse(lines)
    return str(caught.value)


def changed(number: int, **members: Any) -> list[str]:
    """The lines of TRACE with members of one line changed; None in place of a value removes the member."""
    line = json.loads(LINES[number - 1]) | members
    kept = {name: value for name, value in line.items() if value is not ...}
    return [*LINES[: number - 1], json.dumps(kept), *LINES[number:]]


# Round trips


@given(traces())
def test_a_trace_is_read_as_it_was_written_and_written_as_it_was_read(trace: Trace) -> None:
    lines = [line.encode() for line in dump(trace)]
    assert parse(lines) == trace
    assert [line.encode() for line in dump(parse(lines))] == lines


@given(traces())
def test_a_line_is_one_line_for_every_reader(trace: Trace) -> None:
    lines = list(dump(trace))
    assert "\n".join(lines).splitlines() == lines
    assert parse(line + "\r\n" for line in lines) == trace


def test_a_saved_trace_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    save(TRACE, path)
    assert load(path) == TRACE
    assert path.read_bytes() == "".join(line + "\n" for line in LINES).encode()


def test_the_file_is_what_other_tools_expect() -> None:
    assert [
        f'{{"trace":1,"tmcspec":"{__version__}","seed":7,"epoch_ms":0,"world":"live","handlers":true,"patience":60.0,'
        '"client_clock":true}',
        '{"seq":1,"time":0.0,"event":"opened","connection":"c1","client":null}',
        '{"seq":2,"time":0.5,"event":"closed","connection":"c1","by":"client","code":1000,"reason":""}',
        '{"seq":3,"time":0.5,"event":"produced","message":"4611686018427387905","app_key":"1","group":"g","topic":"t",'
        '"user_id":null,"content":"中文","environment":"production","kind":"point_to_point","routed":"named"}',
        f'{{"seq":4,"time":1.0,"event":"frame_in","connection":"c1","hex":"{CONFIRM.hex()}","frame":'
        '{"protocolVersion":2,"messageType":2,"statusCode":0,"statusPhrase":null,"flag":0,"token":"t","content":'
        '[["__kind",{"t":"byte","v":2}],["id",{"t":"int64","v":"5"}]]}}',
        '{"seq":5,"time":2.0,"event":"handled","client":"c","message":null,"outcome":"ok"}',
    ] == LINES


def test_a_clock_that_moved_only_by_hand_is_remembered_and_any_other_ran() -> None:
    stood = Trace(entries=(), client_clock=False)
    assert parse(dump(stood)) == stood
    assert parse(['{"trace": 1}']).client_clock


def test_equal_traces_give_equal_bytes() -> None:
    whole, exact = (
        Trace(entries=(Entry(seq=1, time=time, event=Advanced(seconds=seconds)),), patience=patience)
        for time, seconds, patience in ((0, 3, 60), (-0.0, 3.0, 60.0))
    )
    assert whole == exact
    assert list(dump(whole)) == list(dump(exact))


def test_a_header_with_nothing_but_the_version_has_defaults() -> None:
    assert parse(['{"trace": 1}']) == Trace(entries=())


def test_members_that_may_be_left_out_have_defaults() -> None:
    closed = entry_from_json({"seq": 1, "time": 0, "event": "closed", "connection": "c1", "by": "fault"}).event
    assert closed == Closed(connection="c1", by="fault", code=None, reason="")


def test_unknown_members_are_ignored() -> None:
    assert parse(changed(2, since="a later version")) == TRACE
    assert parse(changed(1, since="a later version")) == TRACE


def test_a_frame_is_read_from_its_bytes_alone() -> None:
    assert parse(changed(5, frame={"messageType": 99})) == TRACE
    assert parse(changed(5, frame=...)) == TRACE


def test_a_lone_surrogate_survives(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    trace = Trace(entries=(Entry(seq=1, time=0.0, event=Received(client="c", message=None, content="\ud800 \udfff")),))
    save(trace, path)
    assert '"content":"\\ud800 \\udfff"' in path.read_text(encoding="utf-8")
    assert load(path) == trace


def test_two_surrogates_of_a_pair_come_back_as_their_character() -> None:
    event = Received(client="c", message=None, content="\ud83d\ude00")
    (entry,) = parse(dump(Trace(entries=(Entry(seq=1, time=0.0, event=event),)))).entries
    assert entry.event == replace(event, content="\U0001f600")


# What cannot be read back is not written


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 2.0**53])
def test_a_number_that_is_none_is_not_written(seconds: float) -> None:
    trace = Trace(entries=(Entry(seq=4, time=0.0, event=Advanced(seconds=seconds)),))
    with pytest.raises(TraceError, match=rf'^entry 4: "seconds" is {seconds!r}; valid: a number between'):
        list(dump(trace))


def test_a_value_outside_of_the_vocabulary_is_not_written() -> None:
    event = Closed(connection="c1", by="nobody")  # type: ignore[arg-type]
    with pytest.raises(TraceError, match=r'^entry 1: "by" is \'nobody\'; valid: "client", "service", "fault"$'):
        list(dump(Trace(entries=(Entry(seq=1, time=0.0, event=event),))))


def test_an_event_outside_of_the_vocabulary_is_not_written() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Rumoured(Event):
        word = "rumoured"

    with pytest.raises(TraceError, match=r"^entry 1: trace files have no event 'rumoured'; known events: accepted, "):
        list(dump(Trace(entries=(Entry(seq=1, time=0.0, event=Rumoured()),))))


def test_an_id_is_written_as_text_even_when_it_came_as_a_plain_number() -> None:
    event = Handled(client="c", message=5, outcome="ok")  # type: ignore[arg-type]
    assert '"message":"5"' in list(dump(Trace(entries=(Entry(seq=1, time=0.0, event=event),))))[1]


# Hostile files


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], 'line 1: the file is empty; a trace begins with {"trace": 1, …}'),
        ([""], "line 1: not JSON: Expecting value, at character 1"),
        (["[]"], "line 1: a JSON object is expected, not a list of 0"),
        (["null"], "line 1: a JSON object is expected, not null"),
        (["{}"], 'line 1: not a trace header this version reads: "trace" is null instead of 1'),
        (['{"trace": 2}'], 'line 1: not a trace header this version reads: "trace" is 2 instead of 1'),
        (['{"trace": true}'], 'line 1: not a trace header this version reads: "trace" is true instead of 1'),
        (['{"trace": 1.0}'], 'line 1: not a trace header this version reads: "trace" is 1.0 instead of 1'),
        (changed(1, world="real"), 'line 1: "world" is \'real\'; valid: "simulated", "live", "recorded"'),
        (changed(1, world=["live"]), 'line 1: "world" is a list of 1; valid: "simulated", "live", "recorded"'),
        (changed(1, handlers=1), 'line 1: "handlers" is 1; valid: true or false'),
        (changed(1, patience="60"), "line 1: \"patience\" is '60'; valid: a number between -2^53 and 2^53"),
        (changed(1, patience=0), "line 1: patience must be more than 0 and less than 2^53 seconds, not 0.0"),
        (changed(1, client_clock=0), 'line 1: "client_clock" is 0; valid: true or false'),
        (changed(1, seed="7"), "line 1: \"seed\" is '7'; valid: a signed 64-bit integer or null"),
        (changed(1, epoch_ms=1.5), 'line 1: "epoch_ms" is 1.5; valid: a signed 64-bit integer'),
        (changed(2, seq=...), 'line 2: "seq" is missing; valid: a signed 64-bit integer'),
        (changed(2, seq=True), 'line 2: "seq" is true; valid: a signed 64-bit integer'),
        (changed(2, seq=2**63), 'line 2: "seq" is 9223372036854775808; valid: a signed 64-bit integer'),
        (changed(2, seq=10**4000), 'line 2: "seq" is an integer of 13288 bits; valid: a signed 64-bit integer'),
        (changed(2, seq=0), "line 2: seq must be an integer from 1 to 2^63 - 1, not 0"),
        (changed(2, time=-1), "line 2: time must be in seconds since the start, from 0 to 2^53, not -1.0"),
        (changed(2, time=None), 'line 2: "time" is null; valid: a number between -2^53 and 2^53'),
        (changed(2, time=float("nan")), 'line 2: "time" is nan; valid: a number between -2^53 and 2^53'),
        (changed(2, time=float("inf")), 'line 2: "time" is inf; valid: a number between -2^53 and 2^53'),
        (changed(2, time=10**400), 'line 2: "time" is an integer of 1329 bits; valid: a number between -2^53 and 2^53'),
        (changed(2, connection=5), 'line 2: "connection" is 5; valid: a string'),
        (changed(2, connection=...), 'line 2: "connection" is missing; valid: a string'),
        (changed(3, by="nobody"), 'line 3: "by" is \'nobody\'; valid: "client", "service", "fault"'),
        (changed(3, by=None), 'line 3: "by" is null; valid: "client", "service", "fault"'),
        (changed(3, code="1000"), "line 3: \"code\" is '1000'; valid: a signed 64-bit integer or null"),
        (changed(4, message=5), 'line 4: "message" is 5; valid: a decimal string of at most twenty digits'),
        (changed(4, user_id=""), "line 4: \"user_id\" is ''; valid: a decimal string of at most twenty digits or null"),
        (changed(5, hex="0"), "line 5: \"hex\" is '0'; valid: an even number of hexadecimal digits"),
        (changed(5, hex="٠٠"), "line 5: \"hex\" is '٠٠'; valid: an even number of hexadecimal digits"),
        (changed(5, hex=...), 'line 5: "hex" is missing; valid: a string'),
        (changed(6, seq=4), "line 6: entry 4 at 2.0 s follows entry 4 at 1.0 s: seq grows and time never goes back"),
        (changed(6, time=0.9), "line 6: entry 5 at 0.9 s follows entry 4 at 1.0 s: seq grows and time never goes back"),
        ([HEADER, HEADER], 'line 2: "event" is missing; known events: '),
        (changed(2, event="nothing"), "line 2: \"event\" is 'nothing'; known events: accepted, advanced, "),
        (changed(2, event=["opened"]), 'line 2: "event" is a list of 1; known events: '),
        (changed(2, event=None), 'line 2: "event" is null; known events: '),
        ([HEADER, '{"seq": 1, "seq": 2}'], "line 2: the member 'seq' is there 2 times"),
        ([HEADER, '{"frame": {"t": 1, "t": 1}}'], "line 2: the member 't' is there 2 times"),
        (
            [HEADER, "{" + LINES[1]],
            "line 2: not JSON: Expecting property name enclosed in double quotes, at character 2",
        ),
        ([HEADER, '{"seq": ' + "9" * 5000 + "}"], "line 2: not JSON: Exceeds the limit"),
        ([HEADER, "[" * 200_000], "line 2: not JSON: maximum recursion depth exceeded"),
        ([HEADER, '{"connection": ' * 200_000], "line 2: not JSON: maximum recursion depth exceeded"),
        (
            [HEADER.encode(), b'{"event": "\xff"}'],
            "line 2: not JSON: 'utf-8' codec can't decode byte 0xff in position 11",
        ),
        ([HEADER.encode(), b'"\xed\xa0\x80"'], "line 2: not JSON: 'utf-8' codec can't decode byte 0xed in position 1"),
        ([HEADER.encode("utf-16")], "line 1: not JSON: 'utf-8' codec can't decode byte 0xff in position 0"),
        (
            [HEADER.encode("utf-8-sig")],
            "line 1: not JSON: Unexpected UTF-8 BOM (decode using utf-8-sig), at character 1",
        ),
    ],
)
def test_a_bad_line_is_refused_with_its_number_its_member_and_what_is_valid(
    lines: list[bytes | str], message: str
) -> None:
    text = refusal(*lines)
    assert text.startswith(message)
    assert len(text) < 600


@pytest.mark.parametrize(
    "text", ["-", "+5", " 5", "5 ", "5\n", "1_0", "0x5", "٣", "²", "1e3", "5.0", "9" * 21, "-" + "9" * 21, "--5"]
)
def test_an_id_is_plain_decimal(text: str) -> None:
    assert refusal(*changed(4, message=text)).startswith('line 4: "message" is ')


@pytest.mark.parametrize("text", ["0", "-9223372036854775808", "18446744073709551616", "-" + "9" * 20])
def test_an_id_may_be_what_a_lossy_reader_reports(text: str) -> None:
    event = parse(changed(4, message=text)).entries[2].event
    assert isinstance(event, Produced)
    assert event.message == int(text)


PERMITTED = {"seq": 1, "time": 0, "event": "permitted", "app_key": "1", "user_id": "7"}
HTTP_IN = {"seq": 1, "time": 0, "event": "http_in", "request": 1, "method": None, "app_key": None, "sign": "missing"}


@pytest.mark.parametrize("topics", ["a", ["a", 1], ["a", None], [["a"]], {"a": "b"}, 0])
def test_a_list_of_strings_holds_nothing_else(topics: object) -> None:
    with pytest.raises(TraceError, match=r'^"topics" is .*; valid: an array of strings or null$'):
        entry_from_json(PERMITTED | {"topics": topics})


@pytest.mark.parametrize("topics", [(), ("b", "a", "")])
def test_a_list_of_strings_is_read_in_its_order(topics: tuple[str, ...]) -> None:
    event = entry_from_json(PERMITTED | {"topics": list(topics)}).event
    assert event == Permitted(app_key="1", user_id=Id(7), topics=topics)


@pytest.mark.parametrize("arguments", [None, "a", {"a": "b"}, ["a"], [["a"]], [["a", "b", "c"]], [["a", 1]], [[]]])
def test_a_list_of_pairs_holds_nothing_else(arguments: object) -> None:
    with pytest.raises(TraceError, match=r'^"arguments" is .*; valid: an array of pairs of strings$'):
        entry_from_json(HTTP_IN | {"arguments": arguments})


def test_a_list_of_pairs_is_read_in_its_order() -> None:
    event = entry_from_json(HTTP_IN | {"arguments": [["b", "2"], ["a", ""]]}).event
    assert isinstance(event, HttpIn)
    assert event.arguments == (("b", "2"), ("a", ""))


def test_a_refused_value_is_shown_in_short() -> None:
    assert len(refusal(*changed(4, message="9" * 1_000_000))) < 250
    assert len(refusal(*changed(2, event="x" * 1_000_000))) < 600


def test_a_line_that_is_too_long_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_file, "LINE_LIMIT", 200)
    path = tmp_path / "trace.jsonl"
    path.write_text(HEADER + "\n" + "x" * 100_000)
    with pytest.raises(TraceError, match=r"trace.jsonl: line 2: longer than 200 bytes"):
        load(path)


def test_a_refused_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")
    with pytest.raises(TraceError, match=r"notes\.txt: line 1: not JSON: Expecting value, at character 1"):
        load(path)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.jsonl")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("5"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def _another_value(draw: DrawFn, line: str) -> str:
    members = json.loads(line)
    members[draw(st.sampled_from(sorted(members)))] = draw(json_values)
    return json.dumps(members)


def _without_a_member(draw: DrawFn, line: str) -> str:
    members = json.loads(line)
    del members[draw(st.sampled_from(sorted(members)))]
    return json.dumps(members)


def _another_event(draw: DrawFn, line: str) -> str:
    return json.dumps(json.loads(line) | {"event": draw(st.sampled_from(sorted(EVENTS)))})


def _damaged_text(draw: DrawFn, line: str) -> str:
    start, end = sorted((draw(st.integers(0, len(line))), draw(st.integers(0, len(line)))))
    return line[:start] + draw(st.text(max_size=4)) + line[end:]


DAMAGES: list[Callable[[DrawFn, str], str]] = [_another_value, _without_a_member, _another_event, _damaged_text]


@st.composite
def hostile_files(draw: DrawFn) -> list[bytes]:
    lines = LINES if draw(st.booleans()) else list(dump(draw(traces())))
    at = draw(st.integers(0, len(lines) - 1))
    line = draw(st.sampled_from(DAMAGES))(draw, lines[at])
    return [each.encode(errors="surrogatepass") for each in (*lines[:at], line, *lines[at + 1 :])]


@given(
    hostile_files()
    | st.lists(st.binary(max_size=30))
    | st.lists(st.binary()).map(lambda rest: [HEADER.encode(), *rest])
)
def test_a_hostile_file_is_a_trace_or_a_trace_error(lines: list[bytes]) -> None:
    try:
        trace = parse(lines)
    except TraceError as error:
        complaint = str(error)
    else:
        assert parse(dump(trace)) == trace
        return
    assert complaint.startswith("line ")
    assert len(complaint) < 600


def test_a_sign_in_a_file_that_others_wrote_does_not_survive_reading() -> None:
    line = {"seq": 9, "time": 9, "event": "ws_in", "connection": "c", "opcode": "text", "hex": b"A".hex() * 32}
    trace = parse([*LINES, json.dumps(line)])
    assert trace.entries[-1].event == WsIn(connection="c", opcode="text", data=b"*" * 32)
