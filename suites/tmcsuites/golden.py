"""Golden vectors for other languages: what the library answers, written down as data.

Frames come from the vectors of the official Java codec (`tmcspec/vectors`) and from one frame of all kinds that is cut
off and damaged at each byte; the rest from the functions that the fake service and the clauses use. All of it is the
same at each export.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.resources import files
from typing import Any, TypeAlias

from tmcspec.frame import (
    Frame,
    FrameError,
    MessageType,
    byte,
    date,
    decode,
    encode,
    int16,
    int32,
    int64,
    raw,
    string,
    void,
)
from tmcspec.frame_json import from_json, to_json
from tmcspec.ids import MAXIMUM, MINIMUM, READINGS
from tmcspec.instruction import DELAY_LIMIT_MS, instruction
from tmcspec.signing import SignMethod, sign, sign_connect
from tmcsuites import schemas

Row: TypeAlias = dict[str, Any]

OFFICIAL = ("official-java-encode.jsonl", "official-java-decode.jsonl")


def official(name: str) -> str:
    """A file of the official codec's answers, as it was recorded."""
    return files("tmcspec").joinpath("vectors", name).read_text(encoding="utf-8")


# Frames


def encoded() -> Iterator[Row]:
    """Frames, and the bytes that they are written as."""
    for row in _recorded(OFFICIAL[0]):
        if "hex" in row:
            yield {"name": row["name"], "frame": row["message"], "hex": encode(from_json(row["message"])).hex()}
    for name, frame in _of_all_kinds():
        yield {"name": name, "frame": to_json(frame), "hex": encode(frame).hex()}


def decoded() -> Iterator[Row]:
    """Bytes that are a frame, and what is read from them; odd ones with their anomalies."""
    for name, data in _bytes():
        try:
            frame = decode(data)
        except FrameError:
            continue
        anomalies = [{"kind": each.kind, "offset": each.offset} for each in frame.anomalies]
        yield {"name": name, "hex": data.hex(), "frame": to_json(frame), "anomalies": anomalies}


def malformed() -> Iterator[Row]:
    """Bytes that are no frame, and where they go wrong."""
    for name, data in _bytes():
        try:
            decode(data)
        except FrameError as error:
            yield {"name": name, "hex": data.hex(), "offset": error.offset, "error": error.reason}


def _recorded(name: str) -> Iterator[Row]:
    for line in official(name).splitlines():
        yield json.loads(line)


def _of_all_kinds() -> Iterator[tuple[str, Frame]]:
    fields = (
        string("topic", "taobao_trade_TradeCreate"),
        string("text", "订单 😀"),
        int64("id", 2**53 + 1),
        byte("byte", -1),
        int16("int16", -2),
        int32("int32", -3),
        date("time", 1_767_225_600_000),
        void("nothing"),
    )
    envelope: Row = {"type": MessageType.SEND, "status_code": 27, "status_phrase": "why", "flag": 5, "token": "t-1"}
    yield "all-kinds/v1", Frame(version=1, content=fields, **envelope)
    yield "all-kinds/v2", Frame(version=2, content=(*fields, raw("bytes", b"\x00\xff")), **envelope)


def _bytes() -> Iterator[tuple[str, bytes]]:
    """Names and bytes, each name once."""
    for row in _recorded(OFFICIAL[1]):
        yield row["name"], bytes.fromhex(row["hex"])
    for name, frame in _of_all_kinds():
        data = encode(frame)
        yield name, data
        yield f"{name}/with-more", data + b"\x01"
        for place in range(len(data)):
            yield f"{name}/first-{place}", data[:place]
            for value in (0x00, 0xFF):
                if data[place] != value:
                    yield f"{name}/byte-{place}-{value:02x}", data[:place] + bytes([value]) + data[place + 1 :]


# Signatures


def signatures() -> Iterator[Row]:
    """Parameters, a secret, a method, and the sign. The secrets are nobody's."""
    cases: dict[str, dict[str, str]] = {
        "plain": {"method": "taobao.tmc.messages.consume", "app_key": "12129701", "group_name": "default"},
        "sorted by name": {"b": "2", "a": "1", "B": "3", "_": "4", "a1": "5"},
        "empty values and names take no part": {"a": "", "": "x", "b": "2"},
        "text beyond ASCII is UTF-8": {"nick": "商家", "content": '{"text": "😀"}'},
        "nothing at all": {},
    }
    methods: tuple[SignMethod, ...] = ("md5", "hmac", "hmac-sha256")
    for name, parameters in cases.items():
        for method in methods:
            row = {"name": f"{name}/{method}", "parameters": parameters, "secret": "secret-of-nobody", "method": method}
            yield row | {"sign": sign(parameters, "secret-of-nobody", method=method)}
    for group in ("default", "分组"):
        connect = {"app_key": "12129701", "group": group, "timestamp": "1767225600000", "secret": "secret-of-nobody"}
        parameters = {"app_key": connect["app_key"], "group_name": group, "timestamp": connect["timestamp"]}
        row = {"name": f"connect/{group}", "parameters": parameters, "secret": connect["secret"], "method": "md5"}
        yield row | {"sign": sign_connect(**connect)}


# Ids


def ids() -> Iterator[Row]:
    """64-bit ids, and what lossy readers make of them; equal to the id where that reader does it no harm."""
    edges = [2**bits + near for bits in (7, 8, 15, 16, 31, 32, 53, 62) for near in (-1, 0, 1)]
    values = [0, 1, *edges, 6_118_420_117_203_410_944 + 1, MAXIMUM]
    for value in [*values, *(-value for value in values if value), MINIMUM]:
        readings = {name: str(reading(value)) for name, reading in READINGS.items()}
        yield {"id": str(value), "readings": readings}


# Instructions


def instructions() -> Iterator[Row]:
    """Contents of messages, and what a handler does that is given them."""
    contents: list[str | None] = [
        '{"tmcspec": {"outcome": "ok"}}',
        '{"tmcspec": {"outcome": "fail", "reason": "no stock"}}',
        '{"tmcspec": {"outcome": "fail", "reason": null}}',
        '{"tmcspec": {"outcome": "raise", "reason": "订单"}}',
        '{"tmcspec": {"outcome": "raise", "reason": "no stock", "unusual": true}}',
        '{"tmcspec": {"outcome": "hang"}}',
        '{"tmcspec": {"delay_ms": 250}}',
        f'{{"tmcspec": {{"delay_ms": {DELAY_LIMIT_MS}}}}}',
        '{"tid": 7, "tmcspec": {"outcome": "raise", "delay_ms": 10}, "more": []}',
        '{"tmc\\u0073pec": {"outcome": "fail"}}',
        # What says nothing, or nothing valid, is handled at once and well.
        "{}",
        "",
        None,
        "tmcspec",
        '["tmcspec"]',
        '{"tmcspec": null}',
        '{"tmcspec": "fail"}',
        '{"tmcspec": {"outcome": "explode"}}',
        '{"tmcspec": {"outcome": "fail", "delay_ms": -1}}',
        '{"tmcspec": {"outcome": "fail", "delay_ms": "10"}}',
        '{"tmcspec": {"outcome": "fail", "reason": 7}}',
        '{"tmcspec": {"outcome": "raise", "unusual": 1}}',
        '{"tmcspec": {"outcome": "fail"}',
    ]
    for content in contents:
        told = instruction(content)
        yield {"content": content, **asdict(told)}


# All of them

ROWS: dict[str, tuple[str, Callable[[], Iterator[Row]]]] = {
    "frames/encode.jsonl": ("frame (as JSON) to hex: what a writer must write, byte for byte", encoded),
    "frames/decode.jsonl": ("hex to frame: what a reader must read; `anomalies` names what no writer writes", decoded),
    "frames/malformed.jsonl": ("hex that is no frame; `offset` is the byte where a reader must stop", malformed),
    "signatures.jsonl": ("parameters, secret and method to the sign of TOP", signatures),
    "ids.jsonl": ("64-bit ids, and what a reader that loses bits makes of them", ids),
    "instructions.jsonl": ("contents of messages, and what a handler under test does with them", instructions),
}

_RECORDED = {
    OFFICIAL[0]: "what the official Java encoder wrote, as recorded; README.md there says more",
    OFFICIAL[1]: "what the official Java decoder read, as recorded",
    "README.md": "how these two were recorded, and their members",
}

README = """Golden vectors and JSON Schemas of tmcspec, for implementations in other languages.

Files that end with .jsonl have one JSON object a line, UTF-8. 64-bit integers are decimal strings, because many JSON
readers round numbers above 2^53; bytes are lowercase hex. `name` tells a row from the others of its file.

{files}

`error` is words for people and may change; all else is meant to be compared. The readings of ids are: double (through
an IEEE 754 double), int32 (the low 32 bits, signed), uint64 (without its sign), udouble (both), wrapped (udouble, and
written back as 64 bits), smallest (written in the smallest width that holds it without its sign, and read signed).

Made by `tmcspec vectors export`, which writes MANIFEST.json, too: the SHA-256 of each file. It replaces a file only
when that is as it was exported.
"""


def exported() -> dict[str, tuple[str, str]]:
    """All files of an export but the manifest: what each is, and its text, by its path in the export."""
    made = {path: (what, _lines(rows())) for path, (what, rows) in ROWS.items()}
    made |= {f"official/{name}": (what, official(name)) for name, what in _RECORDED.items()}
    made |= {f"schemas/{name}.json": (_title(name), schemas.text(name)) for name in schemas.NAMES}
    width = max(map(len, made))
    listed = "\n".join(f"{path:{width}}  {what}" for path, (what, _) in made.items())
    return {"README.txt": ("this list", README.format(files=listed)), **made}


def _title(name: str) -> str:
    title: str = schemas.schema(name)["title"]
    return f"JSON Schema (draft 2020-12): {title}"


def _lines(rows: Iterator[Row]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
