"""Signatures: the recorded vectors, and what takes part in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmcspec.signing import SignMethod, same_sign, sign, sign_connect

# A request that the official Java client of 2021 made; the sign with hmac-sha256 is its own, the others were computed
# independently.
GATEWAY_REQUEST = {
    "app_key": "1023",
    "method": "taobao.tmc.auth.get",
    "v": "2.0",
    "timestamp": "2026-11-23 23:49:52",
    "partner_id": "top-sdk-java-dynamicVersionNo",
    "format": "json",
    "group": "default",
}


def test_a_connect_is_signed_as_the_official_java_client_signed_it() -> None:
    signed = sign_connect(app_key="1023", group="default", timestamp="1795447615402", secret="secret")
    assert signed == "0B2B9D0163A30084311EB514ECECF284"


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("md5", "7D20093C0313C908E1018EE646BECDF4"),
        ("hmac", "E7F2AB7EFE0BD42AE51E2FFFA2B1BEB9"),
        ("hmac-sha256", "61787B79E2098C170F8CA9F5859BF13CAFAB6DD0EB03FC19010A94ED70162864"),
    ],
)
def test_a_gateway_request_is_signed_as_recorded(method: SignMethod, expected: str) -> None:
    assert sign(GATEWAY_REQUEST | {"sign_method": method}, "secret", method=method) == expected


@given(st.permutations(sorted(GATEWAY_REQUEST)))
def test_the_order_of_parameters_does_not_matter(order: list[str]) -> None:
    assert sign({name: GATEWAY_REQUEST[name] for name in order}, "secret") == sign(GATEWAY_REQUEST, "secret")


def test_names_are_sorted_in_ascii_order_with_upper_case_first() -> None:
    # "B" + "1" + "a" + "2" also results from these two parameters, if and only if "B" comes before "a".
    assert sign({"a": "2", "B": "1"}, "s") == sign({"B": "1a2"}, "s")


@pytest.mark.parametrize("empty", [{"session": ""}, {"": "value"}, {"": ""}])
def test_a_parameter_with_an_empty_name_or_value_takes_no_part(empty: dict[str, str]) -> None:
    assert sign(GATEWAY_REQUEST | empty, "secret") == sign(GATEWAY_REQUEST, "secret")


def test_text_is_digested_as_utf_8() -> None:
    # Computed with: printf 'snick商家测试帐号s' | md5sum
    assert sign({"nick": "商家测试帐号"}, "s") == "DBF8FA9E58C735CD9ED139387434915D"


@given(st.sampled_from(["md5", "hmac", "hmac-sha256"]), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_sign_is_upper_case_hexadecimal_of_the_length_of_its_digest(method: SignMethod, secret: str) -> None:
    signed = sign(GATEWAY_REQUEST, secret, method=method)
    assert len(signed) == (64 if method == "hmac-sha256" else 32)
    assert set(signed) <= set("0123456789ABCDEF")


def test_another_secret_gives_another_sign() -> None:
    assert sign(GATEWAY_REQUEST, "secret") != sign(GATEWAY_REQUEST, "Secret")


def test_an_unknown_method_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(ValueError, match="'sha1'; valid: md5, hmac, hmac-sha256"):
        sign({}, "secret", method="sha1")  # type: ignore[arg-type]


def test_text_that_utf_8_cannot_write_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        sign({"nick": "\ud800"}, "secret")


@given(st.text(), st.text())
def test_signs_are_the_same_exactly_when_their_texts_are(left: str, right: str) -> None:
    assert same_sign(left, right) == (left == right)
    assert same_sign(left, left)
