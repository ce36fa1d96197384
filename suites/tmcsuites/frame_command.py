"""`tmcspec frame`: frames between hex and JSON, one line in, one line out."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import IO

import click

from tmcspec.frame import FrameError, decode, encode
from tmcspec.frame_json import FrameJsonError, from_json, to_json

# The same limit as for a line of an adapter.
LINE_LIMIT = 8 * 2**20

_NOT_HEX = re.compile(r"[^0-9a-fA-F]")


@click.group()
def frame() -> None:
    """Frames between hex and JSON, one line in, one line out.

    \b
    Example:
      tmcspec frame decode 02010400050000000000
    """


@frame.command("decode")
@click.option(
    "--strict", is_flag=True, help="Refuse what no correct writer writes, instead of naming it under anomalies."
)
@click.argument("hex_lines", metavar="[HEX]...", nargs=-1)
def decode_command(hex_lines: tuple[str, ...], strict: bool) -> None:
    """Hex to JSON. Reads lines from standard input when there are no arguments.

    Prints {"frame": ...}, with "anomalies" when the bytes are odd, or {"error": ..., "offset": n}. White space within
    the hex does not count. Exit status 1 when any line gave an error.

    \b
    Example:
      $ tmcspec frame decode 02010400050000000000
      {"frame": {"protocolVersion": 2, "messageType": 1, "statusCode": 0, ...}}
    """
    _answer(hex_lines, lambda line: _decoded(line, strict))


@frame.command("encode")
@click.argument("json_lines", metavar="[JSON]...", nargs=-1)
def encode_command(json_lines: tuple[str, ...]) -> None:
    """JSON to hex. Reads lines from standard input when there are no arguments.

    Prints {"hex": ...} or {"error": ...}. Exit status 1 when any line gave an error.

    \b
    Example:
      $ tmcspec frame encode '{"messageType": 1, "flag": 5}'
      {"hex": "02010400050000000000"}
    """
    _answer(json_lines, _encoded)


def _answer(arguments: tuple[str, ...], answer: Callable[[str], dict[str, object]]) -> None:
    failed = False
    lines: Iterable[str | None] = arguments or _lines(sys.stdin.buffer)
    for line in lines:
        result: dict[str, object] = {"error": f"the line is longer than {LINE_LIMIT} bytes"}
        if line is not None:
            result = answer(line)
        failed = failed or "error" in result
        click.echo(json.dumps(result))
    if failed:
        raise click.exceptions.Exit(1)


def _lines(stream: IO[bytes]) -> Iterator[str | None]:
    """The lines of a stream without their ends; None for one longer than LINE_LIMIT, of which no more than that is
    ever held.
    """
    while piece := stream.readline(LINE_LIMIT + 1):
        too_long = len(piece) > LINE_LIMIT
        while len(piece) > LINE_LIMIT and not piece.endswith(b"\n"):
            piece = stream.readline(LINE_LIMIT + 1)
        yield None if too_long else piece.decode(errors="backslashreplace").rstrip("\r\n")


def _decoded(line: str, strict: bool) -> dict[str, object]:
    digits = "".join(line.split())
    bad = _NOT_HEX.search(digits)
    if bad:
        return {"error": f"not hexadecimal: {bad.group()!r} in place of a digit 0-9 a-f", "offset": bad.start() // 2}
    if len(digits) % 2:
        return {"error": "odd number of hexadecimal digits; each byte needs two", "offset": len(digits) // 2}
    try:
        result = decode(bytes.fromhex(digits), strict=strict)
    except FrameError as error:
        return {"error": error.reason, "offset": error.offset}
    answer: dict[str, object] = {"frame": to_json(result)}
    if result.anomalies:
        answer["anomalies"] = [
            {"kind": anomaly.kind, "offset": anomaly.offset, "detail": anomaly.detail} for anomaly in result.anomalies
        ]
    return answer


def _encoded(line: str) -> dict[str, object]:
    try:
        said = json.loads(line)
        # What `frame decode` prints goes in as it is.
        if isinstance(said, dict) and "frame" in said and not said.keys() - {"frame", "anomalies"}:
            said = said["frame"]
        return {"hex": encode(from_json(said)).hex()}
    except RecursionError:
        return {"error": "not a frame: nested too deeply"}
    except (FrameJsonError, FrameError) as error:
        return {"error": str(error)}
    except ValueError as error:
        return {"error": f"not JSON: {error}"}
