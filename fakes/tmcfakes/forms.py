"""What a request over HTTP carries: texts and files by name, out of its query and its body.

The query and, of a POST, the form in the body are merged. Where both have a name, or one has it twice, the first one
counts, and the query comes before the body: so servlet containers do it, and the gateway is known to be Java. That it
does so is inferred.

Text is UTF-8. What is none comes with U+FFFD in it, so that a sign over it is wrong and nothing else happens. Files
come in multipart/form-data only: parts with a file name. A body of another type is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

#: Texts and files in one request; the longest method has a dozen parameters.
PARAMETER_LIMIT: Final = 1000

#: Bytes of a query or a form that is not multipart. The longest content, 122,880 characters, is some 1.5 MB in it; to
#: read four times as much of the worst takes a second.
PAIRS_LIMIT: Final = 4 * 2**20

#: Bytes of the headers of one part.
HEAD_LIMIT: Final = 4096

# RFC 2046, 5.1.1: a boundary has 1 to 70 characters.
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^";,\s]{1,70})(?=[;,\s]|$))', re.IGNORECASE)
_DISPOSITION = re.compile(rb"^content-disposition:[ \t]*form-data[ \t]*(;.*)$", re.IGNORECASE | re.MULTILINE)
# Observed: the official Java client writes `Content-Disposition:form-data;name="a";filename="b"`, others put blanks.
_DISPOSITION_PARAMETER = re.compile(rb';[ \t]*(name|filename|filename\*)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))')
_ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")
_ESCAPED = re.compile(rb"\\(.)")


class FormError(ValueError):
    """The body is not the form that it says it is, or too much of it."""


class Form(NamedTuple):
    """The parameters of a request."""

    texts: dict[str, str]
    files: dict[str, bytes]


def read_form(*, query: bytes, body: bytes, content_type: str) -> Form:
    """Reads the parameters of a request.

    Args:
        query: what follows the question mark of its target, as it came.
        body: of a POST; empty for none. The caller bounds its length.
        content_type: the header of that name.

    Raises:
        FormError: there are more than PARAMETER_LIMIT of them, or more than PAIRS_LIMIT bytes, or the multipart body is
            none.

    Example:
        >>> read_form(query=b"a=1&b=2", body=b"b=3&c=%E4%BD%A0", content_type="application/x-www-form-urlencoded").texts
        {'a': '1', 'b': '2', 'c': '你'}
    """
    form = Form({}, {})
    _add_pairs(form, query)
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        _add_parts(form, body, content_type)
    elif kind in ("", "application/x-www-form-urlencoded"):
        _add_pairs(form, body)
    return form


def _add_pairs(form: Form, data: bytes) -> None:
    if len(data) > PAIRS_LIMIT:
        raise FormError(f"more than {PAIRS_LIMIT} bytes of parameters that are not in parts")
    if data and len(form.texts) + data.count(b"&") >= PARAMETER_LIMIT:
        raise _too_many()
    for pair in data.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            form.texts.setdefault(_unescaped(name), _unescaped(value))


def _add_parts(form: Form, body: bytes, content_type: str) -> None:
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise FormError("the Content-Type names no boundary")
    for head, content in _parts(body, (boundary[1] or boundary[2]).encode(errors="replace")):
        parameters = _disposition(head)
        name = parameters.get(b"name")
        if name is None:
            raise FormError("a part has no name")
        if parameters.keys() & {b"filename", b"filename*"}:
            form.files.setdefault(_text(name), content)
        else:
            form.texts.setdefault(_text(name), _text(content))
        if len(form.texts) + len(form.files) > PARAMETER_LIMIT:
            raise _too_many()


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The headers and the content of each part."""
    # What is before the first delimiter is none; behind the last one stand two dashes.
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary, PARAMETER_LIMIT + 2)
    if len(parts) > PARAMETER_LIMIT + 1:
        raise _too_many()
    if not parts or not parts[-1].startswith(b"--"):
        raise FormError("the multipart body does not end")
    for part in parts[:-1]:
        padding, line_end, part = part.partition(b"\r\n")
        head, end, content = part.partition(b"\r\n\r\n")
        if padding.strip(b" \t") or not line_end or not end:
            raise FormError("a part has no headers")
        if len(head) > HEAD_LIMIT:
            raise FormError(f"a part has headers of more than {HEAD_LIMIT} bytes")
        yield head, content


def _disposition(head: bytes) -> dict[bytes, bytes]:
    found = _DISPOSITION.search(head)
    parameters: dict[bytes, bytes] = {}
    for name, quoted, token in _DISPOSITION_PARAMETER.findall(found[1] if found else b""):
        parameters.setdefault(name, _ESCAPED.sub(rb"\1", quoted) or token)
    return parameters


def _unescaped(data: bytes) -> str:
    """What is no escape, as a single percent sign, stays as it is."""
    # A run at a time: `urllib` takes ten times as long for a body of percent signs.
    return _text(_ESCAPES.sub(lambda run: bytes.fromhex(run[0].replace(b"%", b"").decode()), data.replace(b"+", b" ")))


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _too_many() -> FormError:
    return FormError(f"more than {PARAMETER_LIMIT} parameters")
