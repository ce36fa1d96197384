"""Answers of the HTTP gateway: their forms, and that what is written is read back."""

from __future__ import annotations

import json
from typing import Any, get_args
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tmcspec.top import (
    CONTENT_TYPES,
    DEPTH_LIMIT,
    Failure,
    Format,
    TopError,
    failure,
    missing,
    read_answer,
    read_list,
    render,
    render_failure,
)

CONSUME = "taobao.tmc.messages.consume"
MESSAGES = {
    "messages": {
        "tmc_message": [
            {"id": 2**63 - 1, "content": '{"a":"<&>"}', "topic": "商家", "is_new": True},
            {"id": -1, "content": "", "topic": "t", "is_new": False},
        ]
    }
}

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name != "request_id")
scalars = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()


def _containers(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.builds(lambda name, items: {name: items}, names, st.lists(values, min_size=1, max_size=3))
    return lists | st.dictionaries(names, values, max_size=3)


values = st.recursive(scalars, _containers, max_leaves=8)
results = st.dictionaries(names, values, max_size=4)


def test_a_success_in_json_has_an_envelope_named_after_the_api() -> None:
    assert render(CONSUME, MESSAGES, format="json", simplify=False, request_id="r1").decode() == (
        '{"tmc_messages_consume_response":{"messages":{"tmc_message":['
        '{"id":9223372036854775807,"content":"{\\"a\\":\\"<&>\\"}","topic":"商家","is_new":true},'
        '{"id":-1,"content":"","topic":"t","is_new":false}]},"request_id":"r1"}}'
    )


def test_a_simplified_success_has_neither_envelope_nor_wrappers() -> None:
    simplified = json.loads(render(CONSUME, MESSAGES, format="json", simplify=True, request_id="r1"))
    assert simplified == {"messages": MESSAGES["messages"]["tmc_message"], "request_id": "r1"}


@pytest.mark.parametrize("simplify", [False, True])
def test_a_success_in_xml_has_the_same_names_and_marks_lists(simplify: bool) -> None:
    assert render(CONSUME, MESSAGES, format="xml", simplify=simplify, request_id="r1").decode() == (
        '<?xml version="1.0" encoding="utf-8" ?><tmc_messages_consume_response><messages list="true">'
        '<tmc_message><id>9223372036854775807</id><content>{"a":"&lt;&amp;&gt;"}</content><topic>商家</topic>'
        "<is_new>true</is_new></tmc_message><tmc_message><id>-1</id><content></content><topic>t</topic>"
        "<is_new>false</is_new></tmc_message></messages><request_id>r1</request_id></tmc_messages_consume_response>"
    )


def test_an_api_of_another_product_keeps_its_whole_name() -> None:
    rendered = render("alipay.xiaodai.user.permit", {}, format="json", simplify=False, request_id="r")
    assert json.loads(rendered) == {"alipay_xiaodai_user_permit_response": {"request_id": "r"}}


@pytest.mark.parametrize(
    ("format", "simplify", "rendered"),
    [
        ("json", False, '{"tmc_messages_consume_response":{"messages":{},"request_id":"r"}}'),
        ("json", True, '{"messages":[],"request_id":"r"}'),
        (
            "xml",
            False,
            '<?xml version="1.0" encoding="utf-8" ?><tmc_messages_consume_response><messages list="true"></messages>'
            "<request_id>r</request_id></tmc_messages_consume_response>",
        ),
    ],
)
def test_the_wrapper_of_an_empty_list_is_empty(format: Format, simplify: bool, rendered: str) -> None:
    empty = {"messages": {"tmc_message": ()}}
    assert render(CONSUME, empty, format=format, simplify=simplify, request_id="r").decode() == rendered


def test_an_object_whose_only_member_is_an_object_is_no_list() -> None:
    user = {"tmc_user": {"topics": {"string": ["a", "b"]}}}
    simplified = json.loads(render("taobao.tmc.user.get", user, format="json", simplify=True, request_id="r"))
    assert simplified == {"tmc_user": {"topics": ["a", "b"]}, "request_id": "r"}


def test_a_failure_has_the_same_names_in_json_and_xml() -> None:
    assert render_failure(missing("nick"), format="json", request_id="r") == (
        b'{"error_response":{"code":40,"msg":"Missing required arguments:nick",'
        b'"sub_code":"isv.missing-parameter:nick","sub_msg":"nick is required","request_id":"r"}}'
    )
    assert render_failure(missing("nick"), format="xml", request_id="r") == (
        b'<?xml version="1.0" encoding="utf-8" ?><error_response><code>40</code>'
        b"<msg>Missing required arguments:nick</msg><sub_code>isv.missing-parameter:nick</sub_code>"
        b"<sub_msg>nick is required</sub_msg><request_id>r</request_id></error_response>"
    )


def test_a_failure_without_sub_code_has_no_member_for_it() -> None:
    assert json.loads(render_failure(failure(25), format="json", request_id="r")) == {
        "error_response": {"code": 25, "msg": "Invalid signature", "request_id": "r"}
    }


def test_every_format_has_a_content_type() -> None:
    assert set(CONTENT_TYPES) == set(get_args(Format))


@given(results, st.booleans())
@example({"a": 2**63 - 1, "b": -(2**63), "c": "\ud800"}, False)
def test_what_is_written_in_json_is_read_back(result: dict[str, Any], simplify: bool) -> None:
    body = render(CONSUME, result, format="json", simplify=simplify, request_id="r")
    expected = _unwrapped(result) if simplify else result
    assert read_answer(body, simplified=simplify) == _paired({**expected, "request_id": "r"})


@given(st.integers(-(2**31), 2**31 - 1), st.text(), st.none() | st.text(), st.none() | st.text(), st.booleans())
def test_a_failure_is_read_back(
    code: int, msg: str, sub_code: str | None, sub_msg: str | None, simplified: bool
) -> None:
    failure = Failure(code=code, msg=msg, sub_code=sub_code, sub_msg=sub_msg)
    body = render_failure(failure, format="json", request_id="r")
    assert read_answer(body, simplified=simplified) == Failure(
        code=code, msg=_paired(msg), sub_code=_paired(sub_code), sub_msg=_paired(sub_msg)
    )


@given(results)
@example({"a": "\x00\t\n\r\x0b]]>\x7f\x85\u2028\ud800\ufffe\uffff\U0001f600"})
def test_xml_always_parses_back_to_the_same_texts(result: dict[str, Any]) -> None:
    root = ElementTree.fromstring(render(CONSUME, result, format="xml", simplify=False, request_id="r"))
    assert root.tag == "tmc_messages_consume_response"
    _same(root, {**result, "request_id": "r"})


@given(st.integers(-(2**31), 2**31 - 1), st.text(), st.text())
def test_a_failure_in_xml_always_parses_back_to_the_same_texts(code: int, msg: str, sub_msg: str) -> None:
    failure = Failure(code=code, msg=msg, sub_msg=sub_msg)
    root = ElementTree.fromstring(render_failure(failure, format="xml", request_id="r"))
    _same(root, {"code": code, "msg": msg, "sub_msg": sub_msg, "request_id": "r"})


@pytest.mark.parametrize("format", get_args(Format))
@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"a": None}, "a must be text, a whole number, a boolean, an object, or a list .*; not None"),
        ({"a": 1.5}, "a must be .*; not 1.5"),
        ({"a": [1]}, "a must be .* a list that is the only member of an object; not a list of 1"),
        ({"a": {"b": [1], "c": 2}}, "b must be .*; not a list of 1"),
        ({"a": {"b": [[1]]}}, "b must be .*; not a list of 1"),
        ({"a-b": 1}, "a member is named with ASCII letters, digits and underscores, not 'a-b'"),
        ({"": 1}, "not ''"),
        ({"a": {"1": 1}}, "not '1'"),
        ({"a": {"é": [1]}}, "not 'é'"),
        ({7: 1}, "not 7"),
    ],
)
def test_what_has_no_form_is_refused(format: Format, result: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        render(CONSUME, result, format=format, simplify=False, request_id="r")


@pytest.mark.parametrize("api", ["", "taobao.", "error", "taobao.error", "taobao.1", "taobao.tmc.<b>", "taobao.tmc. "])
def test_an_api_whose_name_makes_no_envelope_is_refused(api: str) -> None:
    with pytest.raises(ValueError, match=r"an API is named like taobao\.tmc\.messages\.consume, not "):
        render(api, {}, format="json", simplify=False, request_id="r")


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"{}", {}),
        (b'{"whatever":{"a":1}}', {"a": 1}),
        (b'{"request_id":"r","first":{"a":1},"second":{"a":2}}', {"a": 1}),
        (b'{"tmc_x_response":{}}', {}),
        (b' {"a":{"id":9007199254740993,"f":1.5}}\r\n', {"id": 9007199254740993, "f": 1.5}),
    ],
)
def test_the_envelope_is_the_first_object_whatever_its_name(body: bytes, answer: dict[str, Any]) -> None:
    assert read_answer(body) == answer


def test_an_error_response_counts_wherever_it_stands() -> None:
    body = b'{"tmc_x_response":{"is_success":true},"error_response":{"code":15,"msg":"m","more":{}}}'
    assert read_answer(body) == Failure(code=15, msg="m")
    assert read_answer(body, simplified=True) == Failure(code=15, msg="m")


def test_an_error_without_words_is_still_a_failure() -> None:
    assert read_answer(b'{"error_response":{"code":50,"sub_code":null}}') == Failure(code=50, msg="")


def test_a_simplified_answer_is_the_whole_object() -> None:
    assert read_answer(b'{"is_success":true,"request_id":"r"}', simplified=True) == {
        "is_success": True,
        "request_id": "r",
    }


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not a JSON answer: Expecting value"),
        (b"\xff\xfe{\x00}\x00", "not a JSON answer: 'utf-8' codec"),
        (b"\xef\xbb\xbf{}", "not a JSON answer: .*BOM"),
        (b"<html>Bad Gateway</html>", "begins b'<html>Bad Gateway</html>'"),
        (b'{"a":{}} x', "not a JSON answer: Extra data"),
        (b'{"a":{"b":NaN}}', "not a JSON answer: 'NaN' is no number"),
        (b'{"a":{"b":-Infinity}}', "'-Infinity' is no number"),
        (b'{"a":{"b":1e999}}', "'1e999' is no number"),
        pytest.param(b'{"a":{"b":' + b"9" * 5000 + b"}}", "not a JSON answer", id="endless digits"),
        (b"[]", "an answer is a JSON object, not a list of 0"),
        (b"null", "an answer is a JSON object, not None"),
        (b'"{}"', "an answer is a JSON object, not '{}'"),
        (b'{"status":502,"error":"busy"}', 'so it has no envelope: b\'."status":502'),
        (b'{"error_response":null}', "error_response must be an object, not None"),
        (b'{"error_response":[27]}', "error_response must be an object, not a list of 1"),
        (b'{"error_response":{"msg":"m"}}', "error_response: code must be an integer .*, not None"),
        (b'{"error_response":{"code":"27","msg":"m"}}', "error_response: code must be an integer .*, not '27'"),
        (b'{"error_response":{"code":27.0,"msg":"m"}}', "not 27.0"),
        (b'{"error_response":{"code":true,"msg":"m"}}', "not True"),
        (b'{"error_response":{"code":27,"msg":5}}', "error_response: msg must be text, not 5"),
        (b'{"error_response":{"code":27,"msg":"m","sub_code":{}}}', "sub_code must be text or None, not a dict of 0"),
    ],
)
def test_what_is_no_answer_says_why_in_few_words(body: bytes, words: str) -> None:
    with pytest.raises(TopError, match=words) as raised:
        read_answer(body)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("simplified", [False, True])
@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_an_answer_is_nested_to_a_limit_and_not_deeper(opening: bytes, simplified: bool) -> None:
    closing = {b"[": b"]", b'{"a":': b"}"}[opening]
    for depth in (DEPTH_LIMIT + 1, 500, 10**6):
        with pytest.raises(TopError, match=f"nested at most {DEPTH_LIMIT} deep"):
            read_answer(opening * depth + b"1" + closing * depth, simplified=simplified)
    inner = DEPTH_LIMIT - 1
    deepest = b'{"a":' + opening * inner + b"1" + closing * inner + b"}"
    assert read_answer(deepest, simplified=True) == json.loads(deepest)


@given(st.binary() | st.text().map(lambda text: text.encode(errors="replace")), st.booleans())
def test_no_bytes_at_all_surprise_the_reader(body: bytes, simplified: bool) -> None:
    _read(body, simplified)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["error_response", "code", "msg", "x"]), inner),
    ),
    st.booleans(),
)
def test_no_json_at_all_surprises_the_reader(document: object, simplified: bool) -> None:
    _read(json.dumps(document).encode(), simplified)


@pytest.mark.parametrize(
    ("answer", "items"),
    [
        ({}, []),
        ({"messages": None}, []),
        ({"messages": {}}, []),
        ({"messages": []}, []),
        ({"messages": {"tmc_message": []}}, []),
        ({"messages": {"tmc_message": [{"id": 1}]}}, [{"id": 1}]),
        ({"messages": [{"id": 1}]}, [{"id": 1}]),
    ],
)
def test_a_list_is_found_with_and_without_its_wrapper(answer: dict[str, Any], items: list[Any]) -> None:
    assert read_list(answer, "messages", "tmc_message") == items


@pytest.mark.parametrize(
    "found",
    ["", 0, False, "text", {"other": [1]}, {"tmc_message": None}, {"tmc_message": {"id": 1}}],
)
def test_what_is_no_list_is_not_taken_for_an_empty_one(found: object) -> None:
    with pytest.raises(TopError, match="messages must be a list, or an object with a list tmc_message, not "):
        read_list({"messages": found}, "messages", "tmc_message")


def _read(body: bytes, simplified: bool) -> None:
    """Fails when the reader raises anything but a short TopError."""
    told = ""
    try:
        answer = read_answer(body, simplified=simplified)
    except TopError as error:
        told = str(error)
    else:
        assert isinstance(answer, dict | Failure)
    assert len(told) < 400


def _unwrapped(value: Any) -> Any:
    """What becomes of a value in a simplified answer."""
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        [inner] = value.values()
        if isinstance(inner, list):
            return [_unwrapped(each) for each in inner]
    return {name: _unwrapped(inner) for name, inner in value.items()}


def _paired(value: Any) -> Any:
    """What any JSON reader makes of a value: two lone surrogates that make a pair become one character."""
    return json.loads(json.dumps(value))


def _same(element: ElementTree.Element, value: Any) -> None:
    """Fails unless `element` says `value`."""
    if isinstance(value, dict):
        expected = list(value.items())
        mark = None
        if len(expected) == 1 and isinstance(expected[0][1], list):
            [(item, listed)] = expected
            expected = [(item, each) for each in listed]
            mark = "true"
        assert element.get("list") == mark
        assert [child.tag for child in element] == [name for name, _ in expected]
        for child, (_, inner) in zip(element, expected, strict=True):
            _same(child, inner)
        return
    text = str(value).lower() if isinstance(value, bool) else str(value)
    assert (element.text or "") == "".join(map(_in_xml, text))


def _in_xml(character: str) -> str:
    code = ord(character)
    carried = code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or code > 0xFFFF
    return character if carried else "\ufffd"
