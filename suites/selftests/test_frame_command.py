"""`tmcspec frame decode` and `encode`: one line in, one line out, whatever the line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tmcspec.frame import Frame, encode, int64
from tmcsuites import frame_command
from tmcsuites.frame_command import frame

ACK: dict[str, object] = {
    "protocolVersion": 2,
    "messageType": 1,
    "statusCode": 0,
    "statusPhrase": None,
    "flag": 5,
    "token": None,
    "content": [],
}
ACK_HEX = "02010400050000000000"


def run(*arguments: str, stdin: str | bytes = "") -> tuple[int, list[dict[str, Any]]]:
    result: Result = CliRunner().invoke(frame, arguments, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def test_hex_is_decoded_from_arguments_or_lines_in_any_case_and_spacing() -> None:
    assert run("decode", ACK_HEX, "0201 0400 0500 0000 0000") == (0, [{"frame": ACK}] * 2)
    assert run("decode", stdin=f"{ACK_HEX}\n{ACK_HEX.upper()}\r\n{ACK_HEX}") == (0, [{"frame": ACK}] * 3)


def test_frames_are_encoded_from_arguments_or_lines() -> None:
    line = json.dumps(ACK)
    assert run("encode", line) == (0, [{"hex": ACK_HEX}])
    assert run("encode", stdin=f"{line}\n{line}\n") == (0, [{"hex": ACK_HEX}] * 2)


def test_no_input_gives_no_output() -> None:
    assert run("decode") == (0, [])


def test_what_is_odd_stands_beside_the_frame_and_is_an_error_when_strict() -> None:
    anomaly = {"kind": "trailing-bytes", "offset": 10, "detail": "1 bytes after the end of the headers"}
    assert run("decode", ACK_HEX + "ff") == (0, [{"frame": ACK, "anomalies": [anomaly]}])
    error = {"error": "trailing-bytes: 1 bytes after the end of the headers", "offset": 10}
    assert run("decode", "--strict", ACK_HEX + "ff", ACK_HEX) == (1, [error, {"frame": ACK}])


@pytest.mark.parametrize(
    ("line", "error", "offset"),
    [
        ("", "truncated: the version needs 1 bytes", 0),
        ("0201 04", "truncated: a header type needs 2 bytes, 1 are left", 2),
        ("0201xx", "not hexadecimal: 'x'", 2),
        ("02010", "odd number of hexadecimal digits", 2),
        ("０２", "not hexadecimal", 0),
    ],
)
def test_one_bad_line_is_answered_in_its_place_and_ends_in_status_1(line: str, error: str, offset: int) -> None:
    status, answers = run("decode", stdin=f"{ACK_HEX}\n{line}\n{ACK_HEX}\n")
    assert status == 1
    assert answers[0] == answers[2] == {"frame": ACK}
    assert answers[1]["error"].startswith(error)
    assert answers[1]["offset"] == offset


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"", "not JSON: "),
        (b"{", "not JSON: "),
        (b"[" * 100_000, "not a frame: nested too deeply"),
        (b"9" * 5000, "not JSON: "),
        (b"\xff\xfe", "not JSON: "),
        (b"[]", "a frame must be an object"),
        (b'{"messageType": 300}', "messageType must be an integer from -128 to 255, not 300"),
        (
            b'{"messageType": 2, "protocolVersion": 1, "content": [["k", {"t": "bytes", "v": ""}]]}',
            "offset 9: field 'k': protocol version 1 has no byte array",
        ),
    ],
)
def test_whatever_is_not_a_frame_is_an_error_line_and_never_a_traceback(line: bytes, error: str) -> None:
    good = json.dumps(ACK).encode()
    status, answers = run("encode", stdin=line + b"\n" + good + b"\n")
    assert status == 1
    assert answers[0]["error"].startswith(error)
    assert answers[1:] == [{"hex": ACK_HEX}]


def test_bytes_that_are_no_text_are_not_hexadecimal() -> None:
    assert run("decode", stdin=b"\xff\n")[1][0]["error"].startswith("not hexadecimal: ")


def test_a_line_over_the_limit_is_an_error_and_the_next_one_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_command, "LINE_LIMIT", 64)
    answers = run("decode", stdin=f"{ACK_HEX}\n{'0' * 1000}\n{'0' * 64}\n{ACK_HEX}\n{'0' * 65}")[1]
    too_long = {"error": "the line is longer than 64 bytes"}
    assert answers[0] == answers[3] == {"frame": ACK}
    assert answers[1] == answers[2] == answers[4] == too_long


def test_what_decode_prints_encode_takes() -> None:
    data = encode(Frame(type=2, token="t", content=(int64("id", 2**63 - 1),))).hex()
    form = run("decode", data)[1][0]["frame"]
    assert run("encode", json.dumps(form)) == (0, [{"hex": data}])


@pytest.mark.parametrize("command", [[], ["decode"], ["encode"]])
def test_help_shows_an_example(command: list[str]) -> None:
    result = CliRunner().invoke(frame, [*command, "--help"])
    assert result.exit_code == 0
    assert "Example:" in result.stdout


def test_what_decode_prints_can_be_encoded_as_it_is() -> None:
    frame = '{"frame": {"messageType": 1, "flag": 5}, "anomalies": []}'
    (answer,) = run("encode", frame)[1]
    assert answer == {"hex": "02010400050000000000"}
    (answer,) = run("encode", '{"frame": {"messageType": 1}, "hex": "00"}')[1]
    assert "error" in answer
