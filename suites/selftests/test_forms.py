"""What a request over HTTP carries, out of its query and its body; both may be hostile."""

from __future__ import annotations

import doctest
import re
from urllib.parse import unquote_to_bytes, urlencode

import pytest
from gateway_by_hand import BOUNDARY, FORM, MULTIPART, parts
from hypothesis import given
from hypothesis import strategies as st

import tmcfakes.forms
from tmcfakes.forms import HEAD_LIMIT, PAIRS_LIMIT, PARAMETER_LIMIT, FormError, read_form


def form(query: bytes = b"", body: bytes = b"", content_type: str = FORM) -> tuple[dict[str, str], dict[str, bytes]]:
    return read_form(query=query, body=body, content_type=content_type)


def part(head: str, content: bytes = b"") -> bytes:
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + content + f"\r\n--{BOUNDARY}--".encode()


def test_the_example_of_the_docstring_runs() -> None:
    assert doctest.testmod(tmcfakes.forms).failed == 0


# Query and form


def test_query_and_form_are_merged_and_the_query_counts() -> None:
    texts, _ = form(b"a=query&b=query", b"b=form&c=form")
    assert texts == {"a": "query", "b": "query", "c": "form"}


def test_of_a_name_that_comes_twice_the_first_counts() -> None:
    assert form(b"a=1&a=2&a=3", b"a=4")[0] == {"a": "1"}


@given(
    st.dictionaries(
        st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"]))
    )
)
def test_any_text_comes_as_it_was_sent(texts: dict[str, str]) -> None:
    assert form(body=urlencode(texts).encode()) == (texts, {})


def test_what_is_no_utf_8_comes_with_replacement_characters() -> None:
    assert form(b"a=%ff%fe&b=\xe4\xbd\xa0&%ff=1", b"c=\xff")[0] == {"a": "��", "b": "你", "�": "1", "c": "�"}


def test_empty_values_and_names_are_there_and_bare_ampersands_are_not() -> None:
    assert form(b"a=&b&=c&&a%00=%00")[0] == {"a": "", "b": "", "": "c", "a\0": "\0"}


def test_a_body_of_another_type_is_not_looked_at() -> None:
    assert form(b"a=1", b"b=2", "application/json")[0] == {"a": "1"}
    assert form(b"a=1", b"b=2", "")[0] == {"a": "1", "b": "2"}
    assert form(b"a=1", b"b=2", "Application/X-WWW-Form-URLEncoded ; charset=gbk")[0] == {"a": "1", "b": "2"}


def test_there_are_so_many_parameters_at_most() -> None:
    most = "&".join(f"p{number}=1" for number in range(PARAMETER_LIMIT)).encode()
    assert len(form(most)[0]) == PARAMETER_LIMIT
    assert len(form(body=most)[0]) == PARAMETER_LIMIT
    for query, body in ((most + b"&more=1", b""), (most, b"more=1"), (b"&" * 10**6, b""), (b"", b"a&" * 10**6)):
        with pytest.raises(FormError, match="more than 1000 parameters"):
            form(query, body)


def test_a_form_is_so_long_at_most() -> None:
    assert form(b"", b"a=" + b"x" * (PAIRS_LIMIT - 2))[0] == {"a": "x" * (PAIRS_LIMIT - 2)}
    with pytest.raises(FormError, match="more than 4194304 bytes"):
        form(b"", b"a=" + b"x" * (PAIRS_LIMIT - 1))


@given(st.binary().map(lambda data: data.replace(b"&", b"").replace(b"=", b"")))
def test_escapes_are_read_as_the_standard_library_reads_them(data: bytes) -> None:
    expected = unquote_to_bytes(data.replace(b"+", b" ")).decode(errors="replace")
    assert form(b"a=" + data)[0] == {"a": expected}


# Multipart


def test_parts_with_a_file_name_are_files_and_the_others_are_texts() -> None:
    image = bytes(range(256)) + b"\r\n--here"
    texts, files = form(
        b"a=query", parts({"a": "form", "名": "值\r\n"}, {"media_content": image, "empty": b""}), MULTIPART
    )
    assert texts == {"a": "query", "名": "值\r\n"}
    assert files == {"media_content": image, "empty": b""}


@pytest.mark.parametrize(
    "head",
    [
        'Content-Disposition: form-data; name="a b"',
        'content-disposition:form-data;name="a b"',
        'X: y\r\nContent-Disposition: form-data ; name = "a b"\r\nContent-Type: text/plain; charset=utf-8',
        'Content-Disposition: form-data; name="a\\ b"',
    ],
)
def test_heads_are_written_in_many_ways(head: str) -> None:
    assert form(body=part(head, b"1"), content_type=MULTIPART)[0] == {"a b": "1"}


def test_a_name_need_not_be_quoted_and_a_file_name_may_be_written_at_length() -> None:
    assert form(body=part("Content-Disposition: form-data; name=a; x=y"), content_type=MULTIPART)[0] == {"a": ""}
    head = "Content-Disposition: form-data; name=a; filename*=utf-8''b"
    assert form(body=part(head), content_type=MULTIPART)[1] == {"a": b""}


def test_what_is_before_the_first_delimiter_and_behind_the_last_is_nothing() -> None:
    body = b"before\r\n" + parts({"a": "1"}) + b"behind\r\n"
    assert form(body=body, content_type=f'multipart/form-data; boundary="{BOUNDARY}"')[0] == {"a": "1"}
    assert form(body=f"--{BOUNDARY}--".encode(), content_type=MULTIPART) == ({}, {})


@pytest.mark.parametrize(
    ("body", "content_type", "what"),
    [
        (parts({"a": "1"}), "multipart/form-data", "names no boundary"),
        (parts({"a": "1"}), "multipart/form-data; boundary=" + "b" * 71, "names no boundary"),
        (b"", MULTIPART, "does not end"),
        (parts({"a": "1"})[:-5], MULTIPART, "does not end"),
        (parts({"a": "1"}), "multipart/form-data; boundary=another", "does not end"),
        (f"--{BOUNDARY}x\r\n\r\n\r\n--{BOUNDARY}--".encode(), MULTIPART, "no headers"),
        (f"--{BOUNDARY}\r\nContent-Disposition: form-data\r\n--{BOUNDARY}--".encode(), MULTIPART, "no headers"),
        (part("Content-Disposition: form-data"), MULTIPART, "no name"),
        (part("Content-Disposition: attachment; name=a"), MULTIPART, "no name"),
        (part("X: y"), MULTIPART, "no name"),
        (part("X: " + "y" * HEAD_LIMIT), MULTIPART, "headers of more than 4096 bytes"),
        (parts({str(number): "" for number in range(PARAMETER_LIMIT + 1)}), MULTIPART, "more than 1000 parameters"),
        (parts({}, {str(number): b"" for number in range(PARAMETER_LIMIT + 1)}), MULTIPART, "more than 1000 param"),
        (f"--{BOUNDARY}\r\n".encode() * 100_000, MULTIPART, "more than 1000 parameters"),
    ],
)
def test_a_multipart_body_that_is_none_is_an_error_that_says_why(body: bytes, content_type: str, what: str) -> None:
    with pytest.raises(FormError, match=re.escape(what)):
        form(body=body, content_type=content_type)


def test_parts_count_together_with_the_query() -> None:
    many = parts({str(number): "" for number in range(PARAMETER_LIMIT)})
    assert len(form(b"", many, MULTIPART)[0]) == PARAMETER_LIMIT
    with pytest.raises(FormError, match="more than 1000 parameters"):
        form(b"a=1", many, MULTIPART)


@given(st.binary(), st.binary(), st.sampled_from([FORM, MULTIPART, ""]))
def test_any_bytes_are_read_or_refused(query: bytes, body: bytes, content_type: str) -> None:
    delimited = body.replace(b"\0", f"\r\n--{BOUNDARY}".encode())
    try:
        texts, files = form(query, delimited, content_type)
    except FormError:
        return
    for text in (*texts, *texts.values(), *files):
        text.encode()
