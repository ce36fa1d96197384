"""Requests to the HTTP gateway: how they are signed, and what is checked in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tmcspec.signing import SignMethod, sign
from tmcspec.top import (
    SYSTEM_PARAMETERS,
    TIMESTAMP_TOLERANCE_MS,
    UNKNOWN_APP,
    Call,
    Failure,
    check,
    form,
    format_of,
    inspect_sign,
)

# 2026-11-23 23:49:52 in GMT+8.
NOW = 1795448992000
SECRETS = {"1023": "secret", "1024": "other"}

# A request that the official Java client of 2021 made; the sign with hmac-sha256 is its own, the other was computed
# independently.
RECORDED = {
    "app_key": "1023",
    "method": "taobao.tmc.auth.get",
    "v": "2.0",
    "timestamp": "2026-11-23 23:49:52",
    "partner_id": "top-sdk-java-dynamicVersionNo",
    "format": "json",
    "group": "default",
}
RECORDED_SIGNS: dict[SignMethod, str] = {
    "hmac-sha256": "61787B79E2098C170F8CA9F5859BF13CAFAB6DD0EB03FC19010A94ED70162864",
    "hmac": "E7F2AB7EFE0BD42AE51E2FFFA2B1BEB9",
}

texts = st.text(st.characters(exclude_categories=["Cs"]))
names = texts.filter(lambda name: name and name not in SYSTEM_PARAMETERS)
methods: st.SearchStrategy[SignMethod] = st.sampled_from(["md5", "hmac", "hmac-sha256"])
# HMAC pads a key with zero bytes, so that a secret and the same with a NUL at its end are one key.
secrets = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def checked(parameters: Mapping[str, str], *, now_ms: int = NOW) -> Call | Failure:
    return check(parameters, secret_of=SECRETS.get, now_ms=now_ms)


def refused_with(found: Call | Failure) -> int:
    assert isinstance(found, Failure)
    return found.code


def signed(parameters: Mapping[str, str], *, secret: str = "secret") -> dict[str, str]:
    """`parameters` on top of a good request, with a sign that is right for them."""
    merged = {**RECORDED, "sign_method": "md5", **parameters}
    merged.pop("sign", None)
    return merged | {"sign": sign(merged, secret)}


@pytest.mark.parametrize("method", RECORDED_SIGNS)
def test_the_recorded_request_of_the_official_client_is_accepted(method: SignMethod) -> None:
    found = checked(RECORDED | {"sign_method": method, "sign": RECORDED_SIGNS[method]})
    assert found == Call(
        api="taobao.tmc.auth.get", app_key="1023", format="json", simplify=False, arguments={"group": "default"}
    )


@pytest.mark.parametrize("method", RECORDED_SIGNS)
def test_a_request_is_made_as_the_official_client_makes_it(method: SignMethod) -> None:
    made = form(
        "taobao.tmc.auth.get",
        {"group": "default"},
        app_key="1023",
        secret="secret",
        now_ms=NOW,
        sign_method=method,
        partner_id="top-sdk-java-dynamicVersionNo",
    )
    assert made == RECORDED | {"sign_method": method, "sign": RECORDED_SIGNS[method]}


@given(
    arguments=st.dictionaries(names, texts),
    method=methods,
    secret=secrets,
    session=st.none() | texts.filter(bool),
    simplify=st.booleans(),
)
def test_what_form_makes_check_understands(
    arguments: dict[str, str], method: SignMethod, secret: str, session: str | None, simplify: bool
) -> None:
    made = form(
        "taobao.tmc.messages.consume",
        arguments,
        app_key="1",
        secret=secret,
        now_ms=NOW,
        sign_method=method,
        session=session,
        simplify=simplify,
    )
    assert check(made, secret_of={"1": secret}.get, now_ms=NOW) == Call(
        api="taobao.tmc.messages.consume",
        app_key="1",
        session=session,
        format="json",
        simplify=simplify,
        arguments=arguments,
    )


@given(arguments=st.dictionaries(names, texts), method=methods, secret=secrets, other=secrets)
def test_another_secret_is_a_wrong_sign(arguments: dict[str, str], method: SignMethod, secret: str, other: str) -> None:
    assume(secret != other)
    made = form("some.api", arguments, app_key="1", secret=secret, now_ms=NOW, sign_method=method)
    assert refused_with(check(made, secret_of={"1": other}.get, now_ms=NOW)) == 25


@given(
    arguments=st.dictionaries(names, texts, max_size=3),
    method=methods,
    data=st.data(),
    value=texts,
)
def test_no_parameter_can_be_changed_without_its_being_noticed(
    arguments: dict[str, str], method: SignMethod, data: st.DataObject, value: str
) -> None:
    made = form(
        "some.api",
        arguments,
        app_key="1",
        secret="secret",
        now_ms=NOW,
        sign_method=method,
        session="granted",
        simplify=True,
        partner_id="sdk",
    )
    name = data.draw(st.sampled_from(sorted(made)))
    assume(made[name] != value)
    assert isinstance(check(made | {name: value}, secret_of={"1": "secret"}.get, now_ms=NOW), Failure)


@given(
    parameters=st.dictionaries(st.sampled_from(sorted(SYSTEM_PARAMETERS)) | st.text(), st.text()),
    now_ms=st.integers(-(2**40), 2**45),
)
@example(parameters=RECORDED | {"sign_method": "md5", "sign": "x", "\ud800": "\udfff"}, now_ms=NOW)
def test_whoever_knows_no_secret_gets_nothing_but_failures(parameters: dict[str, str], now_ms: int) -> None:
    assert isinstance(check(parameters, secret_of=lambda key: "secret", now_ms=now_ms), Failure)


@pytest.mark.parametrize(
    ("change", "code", "sub_msg"),
    [
        ({"method": ""}, 21, None),
        ({"app_key": ""}, 28, None),
        ({"timestamp": ""}, 30, None),
        ({"v": ""}, 32, None),
        ({"sign_method": ""}, 40, "sign_method is required"),
        ({"timestamp": "1795448992000"}, 31, "'1795448992000' is no yyyy-MM-dd HH:mm:ss"),
        ({"v": "1.0"}, 33, "v is '1.0'; valid: 2.0"),
        ({"sign_method": "sha1"}, 41, "sign_method is 'sha1'; valid: md5, hmac, hmac-sha256"),
        ({"format": "yaml"}, 23, "format is 'yaml'; valid: xml, json"),
        ({"simplify": "yes"}, 41, "simplify is 'yes'; valid: true, false"),
    ],
)
def test_a_system_parameter_that_is_missing_or_unreadable_is_named_though_the_sign_is_right(
    change: dict[str, str], code: int, sub_msg: str | None
) -> None:
    found = checked(signed(change))
    assert isinstance(found, Failure)
    assert (found.code, found.sub_msg) == (code, sub_msg)


def test_a_missing_sign_is_missed() -> None:
    for parameters in (RECORDED | {"sign_method": "md5"}, RECORDED | {"sign_method": "md5", "sign": ""}):
        found = checked(parameters)
        assert isinstance(found, Failure)
        assert found.code == 24


def test_the_first_fault_is_told_missing_before_unreadable_before_app_before_sign_before_age() -> None:
    parameters = {"v": "0", "timestamp": "then", "sign_method": "none", "format": "none", "simplify": "?", "method": ""}
    repairs: list[dict[str, str]] = [
        {"method": "some.api"},
        {"app_key": "unknown"},
        {"sign": "0"},
        {"timestamp": "2026-11-23 23:39:51"},
        {"v": "2.0"},
        {"sign_method": "md5"},
        {"format": "xml"},
        {"simplify": "false"},
        {"app_key": "1023"},
    ]
    codes = []
    for repair in [{}, *repairs]:
        parameters |= repair
        found = checked(parameters)
        assert isinstance(found, Failure)
        codes.append(found.code)
    assert codes == [21, 28, 24, 31, 33, 41, 23, 41, 29, 25]
    found = checked(signed(parameters))
    assert isinstance(found, Failure)
    assert (found.code, found.sub_msg) == (
        31,
        "'2026-11-23 23:39:51' is more than 10 minutes from 2026-11-23 23:49:52 (GMT+8)",
    )


def test_an_unknown_app_is_told_as_such_whatever_its_sign() -> None:
    for sign_method in RECORDED_SIGNS:
        assert checked(signed({"app_key": "1", "sign_method": sign_method})) == UNKNOWN_APP


def test_who_cannot_sign_for_an_app_is_not_told_that_the_time_is_wrong_too() -> None:
    assert refused_with(checked(signed({"timestamp": "2001-01-01 00:00:00"}, secret="guess"))) == 25


@pytest.mark.parametrize("off", [-TIMESTAMP_TOLERANCE_MS, 0, TIMESTAMP_TOLERANCE_MS])
def test_a_timestamp_may_be_ten_minutes_off_in_both_directions(off: int) -> None:
    assert isinstance(checked(signed({}), now_ms=NOW + off), Call)


@pytest.mark.parametrize("off", [-TIMESTAMP_TOLERANCE_MS - 1, TIMESTAMP_TOLERANCE_MS + 1])
def test_a_timestamp_may_not_be_further_off(off: int) -> None:
    found = checked(signed({}), now_ms=NOW + off)
    assert isinstance(found, Failure)
    assert found.code == 31


@pytest.mark.parametrize(
    ("given_format", "read"),
    [("", "xml"), ("xml", "xml"), ("xml2", "xml"), ("json", "json"), ("json2", "json")],
)
def test_the_answer_is_xml_unless_json_is_asked_for(given_format: str, read: str) -> None:
    found = checked(signed({"format": given_format}))
    assert isinstance(found, Call)
    assert found.format == read == format_of({"format": given_format})


def test_a_request_without_format_or_with_one_that_is_none_is_answered_in_xml() -> None:
    assert format_of({}) == "xml"
    assert format_of({"format": "yaml"}) == "xml"


@pytest.mark.parametrize(
    ("change", "simplify"),
    [
        ({"format": "json", "simplify": "true"}, True),
        ({"format": "json", "simplify": "false"}, False),
        ({"format": "json", "simplify": ""}, False),
        ({"format": "xml", "simplify": "true"}, False),
    ],
)
def test_only_json_is_simplified(change: dict[str, str], simplify: bool) -> None:
    found = checked(signed(change))
    assert isinstance(found, Call)
    assert found.simplify is simplify


def test_an_empty_session_is_none() -> None:
    found = checked(signed({"session": ""}))
    assert isinstance(found, Call)
    assert found.session is None


def test_a_session_is_not_shown() -> None:
    found = checked(signed({"session": "6100c0ffee"}))
    assert isinstance(found, Call)
    assert found.session == "6100c0ffee"
    assert "6100c0ffee" not in repr(found)


def test_arguments_leave_out_system_parameters_and_what_has_no_name() -> None:
    found = checked(signed({"nick": "n", "empty": "", "": "nameless", "target_app_key": "7"}))
    assert isinstance(found, Call)
    assert found.arguments == {"group": "default", "nick": "n", "empty": ""}


def test_arguments_do_not_change() -> None:
    found = checked(signed({}))
    assert isinstance(found, Call)
    with pytest.raises(TypeError):
        found.arguments["group"] = "other"  # type: ignore[index]


@pytest.mark.parametrize(
    ("change", "secret", "found"),
    [
        ({}, "secret", "right"),
        ({}, "Secret", "wrong"),
        ({"group": "other"}, "secret", "wrong"),
        ({"sign_method": "sha1"}, "secret", "wrong"),
        ({"sign_method": ""}, "secret", "wrong"),
        ({"sign": RECORDED_SIGNS["hmac"].lower()}, "secret", "case"),
        ({"sign": RECORDED_SIGNS["hmac"].lower()}, "Secret", "wrong"),
        ({"sign": "\ud800"}, "secret", "wrong"),
        ({"nick": "\ud800"}, "secret", "wrong"),
        ({"sign": ""}, "secret", "missing"),
        ({"sign": ""}, None, "missing"),
        ({}, None, "unknown_app"),
    ],
)
def test_what_is_found_of_a_sign_is_told(change: dict[str, str], secret: str | None, found: str) -> None:
    parameters = RECORDED | {"sign_method": "hmac", "sign": RECORDED_SIGNS["hmac"]} | change
    assert inspect_sign(parameters, secret) == found
    if secret is not None and found not in ("right", "missing"):
        # Signs are compared as they are: a lower-case one is refused, too.
        assert isinstance(check(parameters, secret_of=lambda key: secret, now_ms=NOW), Failure)


def test_a_request_without_sign_has_none() -> None:
    assert inspect_sign(RECORDED, "secret") == "missing"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"api": ""}, "method must be text that is not empty"),
        ({"app_key": ""}, "app_key must be text that is not empty"),
        ({"app_key": 1023}, "app_key must be text"),
        ({"secret": ""}, "secret must be text that is not empty"),
        ({"secret": "s\ud800s"}, "secret must be text that is not empty and that UTF-8 can write"),
        ({"session": ""}, "session must be text that is not empty"),
        ({"partner_id": ""}, "partner_id must be text that is not empty"),
        ({"sign_method": "sha1"}, "unknown sign method 'sha1'; valid: md5, hmac, hmac-sha256"),
        ({"arguments": {"": "v"}}, "an argument needs a name, and not that of a system parameter; not ''"),
        ({"arguments": {"session": "v"}}, "not 'session'"),
        ({"arguments": {"sign": "v"}}, "not 'sign'"),
        ({"arguments": {7: "v"}}, "an argument needs a name, .*not 7"),
        ({"arguments": {"quantity": 100}}, "argument 'quantity' must be text that UTF-8 can write, not 100"),
        ({"arguments": {"nick": "\ud800"}}, r"argument 'nick' must be text that UTF-8 can write, not '\\ud800'"),
        ({"now_ms": 10**15}, "in the years 1 to 9999, not 1000000000000000 ms after 1970"),
    ],
)
def test_a_request_that_cannot_be_made_is_refused_and_no_secret_shown(change: dict[str, Any], words: str) -> None:
    options = {
        "api": "taobao.tmc.groups.get",
        "arguments": {},
        "app_key": "1023",
        "secret": "hush-hush",
        "session": "6100c0ffee",
        "now_ms": NOW,
    } | change
    call: Callable[..., dict[str, str]] = form
    with pytest.raises(ValueError, match=words) as raised:
        call(options.pop("api"), options.pop("arguments"), **options)
    assert "hush" not in str(raised.value)
    assert "c0ffee" not in str(raised.value)
