"""Frames of a push as the service might write them: plain, odd, and not to be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tmcspec.frame import Field, encode, string, void
from tmcspec.messages import Push, gzipped

CHINESE = '{"title": "棉质连衣裙 😀"}'


def with_field(field: Field) -> Callable[[Push], bytes]:
    """A push with one more field."""
    return lambda push: encode(replace(push, extras=(field,)).to_frame())


def plain(push: Push) -> bytes:
    return encode(push.to_frame())


def gzip(push: Push) -> bytes:
    return encode(replace(push, content=gzipped(push.content if isinstance(push.content, str) else "")).to_frame())


def reversed_fields(push: Push) -> bytes:
    frame = push.to_frame()
    return encode(replace(frame, content=(frame.content or ())[::-1]))


def unknown_header(push: Push) -> bytes:
    data = plain(push)
    return data[:2] + b"\x09\x00" + data[2:]


def unknown_format(push: Push) -> bytes:
    data = with_field(string("novelty", "x"))(push)
    at = data.index(b"novelty") + len(b"novelty")
    return data[:at] + b"\x09" + data[at + 1 :]


def trailing_bytes(push: Push) -> bytes:
    return plain(push) + b"\xde\xad"


def unreadable(push: Push) -> bytes:
    return plain(push)[:-4]


rare = with_field(void("spec_void"))
unknown = with_field(string("token", "mine"))
