"""What the HTTP gateway says when it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tmcspec.top import (
    CODES,
    INVALID_SESSION,
    MISSING_SESSION,
    NO_PERMISSION,
    NOT_SUBSCRIBED,
    UNKNOWN_APP,
    Failure,
    call_limited,
    failure,
    invalid,
    missing,
    unknown_api,
    wrong_sign,
)


@pytest.mark.parametrize(
    ("said", "code", "msg", "sub_code"),
    [
        (call_limited(7), 7, "App Call Limited", "accesscontrol.limited-by-api-access-count"),
        (NO_PERMISSION, 11, "Insufficient isv permissions", "isv.permission-api-package-limit"),
        (NOT_SUBSCRIBED, 15, "Remote service error", "isp.system-error"),
        (unknown_api("x"), 22, "Invalid method", None),
        (wrong_sign(["v", "app_key"]), 25, "Invalid signature", None),
        (MISSING_SESSION, 26, "Missing session", None),
        (INVALID_SESSION, 27, "Invalid session", "invalid-sessionkey"),
        (UNKNOWN_APP, 29, "Invalid app Key", "isv.appkey-not-exists"),
        (missing("nicks"), 40, "Missing required arguments:nicks", "isv.missing-parameter:nicks"),
        (invalid("cid", "x", "digits"), 41, "Invalid arguments:cid", "isv.invalid-parameter:cid"),
    ],
)
def test_known_failures_have_the_codes_and_words_of_public_reports(
    said: Failure, code: int, msg: str, sub_code: str | None
) -> None:
    assert (said.code, said.msg, said.sub_code) == (code, msg, sub_code)


def test_an_app_without_subscription_is_told_so_in_the_words_of_the_official_document() -> None:
    assert f"{NOT_SUBSCRIBED.sub_code}: {NOT_SUBSCRIBED.sub_msg}" == (
        "isp.system-error: unknown errors,isv.tmc-switch-off: appkey,the app do not enable messaging-channel feature"
    )


@pytest.mark.parametrize(
    ("said", "retryable"),
    [
        (failure(15, "isp.remote-service-timeout"), True),
        (call_limited(1), True),
        (failure(7, "accesscontrol.limited-by-dynamic-access-count"), True),
        (failure(15, "isv.missing-parameter:image"), False),
        (failure(15, "xisp.what"), False),
        (failure(11, "accesscontrol.denied"), False),
        (failure(15), False),
        (wrong_sign([]), False),
    ],
)
def test_the_sub_code_tells_whether_to_try_again(said: Failure, retryable: bool) -> None:
    assert said.retryable is retryable


def test_an_invalid_argument_is_shown_beside_the_valid_ones_and_cut() -> None:
    said = invalid("quantity", "9" * 10**6, "a whole number from 10 to 200").sub_msg
    assert said is not None
    assert said.startswith("quantity is '999")
    assert said.endswith("...; valid: a whole number from 10 to 200")
    assert len(said) < 200


def test_a_missing_argument_is_named() -> None:
    assert missing("nick").sub_msg == "nick is required"


def test_a_ban_says_how_long_it_lasts() -> None:
    assert call_limited(59).sub_msg == "This ban will last for 59 more seconds"


def test_every_known_code_has_words_and_a_meaning() -> None:
    for code, known in CODES.items():
        assert failure(code).msg == known.msg != ""
        assert known.meaning


def test_the_codes_that_are_only_known_from_lists_are_told_apart() -> None:
    assert {code for code, known in CODES.items() if not known.seen} == {23, 24, 28, 30, 31, 32, 33}


def test_an_unknown_code_is_refused_beside_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown code 999; known: 7, 11, 15"):
        failure(999)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"code": "27", "msg": ""}, "code must be an integer from -2\\^31 to 2\\^31 - 1, not '27'"),
        ({"code": True, "msg": ""}, "code must be an integer"),
        ({"code": None, "msg": ""}, "code must be an integer"),
        ({"code": 2**31, "msg": ""}, "not 2147483648"),
        ({"code": -(2**31) - 1, "msg": ""}, "not -2147483649"),
        ({"code": 10**5000, "msg": ""}, "not an integer of 16610 bits"),
        ({"code": 1, "msg": None}, "msg must be text, not None"),
        ({"code": 1, "msg": "", "sub_code": 5}, "sub_code must be text or None, not 5"),
        ({"code": 1, "msg": "", "sub_msg": ["x"]}, "sub_msg must be text or None, not a list of 1"),
    ],
)
def test_a_failure_refuses_what_is_none(members: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Failure(**members)


def test_the_whole_range_of_codes_is_taken() -> None:
    assert [Failure(code=code, msg="").code for code in (-(2**31), 2**31 - 1)] == [-(2**31), 2**31 - 1]


def test_a_failure_is_one_short_line_for_logs_whatever_it_says() -> None:
    assert str(failure(25)) == "code 25 'Invalid signature'"
    assert str(missing("nick")) == (
        "code 40 'Missing required arguments:nick' ('isv.missing-parameter:nick': 'nick is required')"
    )
    assert str(failure(15, sub_msg="busy")) == "code 15 'Remote service error' ('busy')"
    hostile = str(Failure(code=1, msg="\n" * 10**6, sub_code="\r\n" * 10**6, sub_msg="\x1b" * 10**6))
    assert hostile.isprintable()
    assert len(hostile) < 300
