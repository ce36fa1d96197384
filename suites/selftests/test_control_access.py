"""Who may call the control API: whoever has the token, or programs on the same machine and no web page there."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from tmcfakes.control_access import check_access, is_loopback
from tmcfakes.control_body import Complaint

HERE = "127.0.0.1:8091"


def refusal(*, token: str | None = None, listens_on: str = "127.0.0.1", **headers: str) -> Complaint | None:
    request = make_mocked_request("POST", "/_tmc/reset", headers={"Host": HERE, **headers})
    try:
        check_access(request, token=token, listens_on=listens_on)
    except Complaint as complaint:
        return complaint
    return None


def status(**of: str | None) -> int | None:
    found = refusal(**of)  # type: ignore[arg-type]
    return None if found is None else found.status


def test_a_program_on_the_same_machine_may_call() -> None:
    assert refusal() is None


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8091", "localhost.:80", "127.8.9.1", "[::1]:8091", "::1"])
def test_loopback_has_many_names(host: str) -> None:
    # "::1" without brackets is no host with a port.
    assert status(Host=host) == (403 if host == "::1" else None)


@pytest.mark.parametrize(
    "host", ["evil.example:8091", "127.0.0.1.evil.example", "localhost@evil.example", "10.0.0.1", "", "[", "0x7f.1"]
)
def test_a_page_whose_name_points_here_is_refused(host: str) -> None:
    found = refusal(Host=host)
    assert found is not None
    assert found.status == 403
    assert "the header Host is" in str(found)


def test_a_request_names_one_host() -> None:
    request = make_mocked_request("POST", "/_tmc/reset")
    with pytest.raises(Complaint, match='the header Host is ""'):
        check_access(request, token=None, listens_on="127.0.0.1")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000", f"https://{HERE}"])
def test_a_page_from_elsewhere_is_refused(origin: str) -> None:
    found = refusal(Origin=origin)
    assert found is not None
    assert (found.status, origin in str(found)) == (403, True)


def test_a_page_of_the_service_itself_may_call() -> None:
    assert refusal(Origin=f"http://{HERE}") is None


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.7", "fake.example", ""])
def test_where_other_machines_reach_the_service_the_api_is_off(address: str) -> None:
    found = refusal(listens_on=address)
    assert found is not None
    assert found.status == 403
    assert "the control API is off" in str(found)


def test_with_the_token_anybody_may_call_from_anywhere() -> None:
    assert status(token="s3cret", listens_on="0.0.0.0", Host="fake:8091", Authorization="Bearer s3cret") is None
    assert status(token="s3cret", Authorization="bearer  s3cret ") is None


@pytest.mark.parametrize("header", ["", "s3cret", "Basic s3cret", "Bearer", "Bearer s3cre", "Bearer s3crets"])
def test_where_there_is_a_token_it_must_be_right_on_loopback_too(header: str) -> None:
    found = refusal(token="s3cret", Authorization=header)
    assert found is not None
    assert (found.status, found.headers) == (401, {"WWW-Authenticate": "Bearer"})
    assert "s3cre" not in str(found)


def test_what_is_loopback() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "8.8.8.8", "localhost.example")] == [
        True,
        True,
        True,
        False,
        False,
    ]
