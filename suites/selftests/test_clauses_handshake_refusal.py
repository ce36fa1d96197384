"""HSK judged: whom the service refuses, and what the client makes of it."""

from __future__ import annotations

from proofs import Evidence, judged, leaves_open, passes, violates
from stories import Story

from tmcspec.events import Accepted, Signed
from tmcspec.frame import Frame, MessageType
from tmcspec.messages import ConnectAck

# HSK-6: refused


@passes("HSK-6", times=1)
def test_a_refused_connection_that_stays_unused_is_not_used(story: Story) -> None:
    story.connects()
    story.refuses()
    story.wait(60)


@passes("HSK-6", times=1)
def test_a_refused_connection_that_the_client_closes_is_not_used(story: Story) -> None:
    story.connects()
    story.refuses()
    story.close("client")


@passes("HSK-6", times=1)
def test_another_connect_on_a_refused_connection_is_another_question(story: Story) -> None:
    story.connects()
    story.refuses()
    story.wait(10)
    story.connects_again(flag=2)
    story.accepts(flag=2)
    story.pull()


@passes("HSK-6", times=1)
def test_a_refusal_by_a_frame_alone_is_one(story: Story) -> None:
    story.connects()
    story.hears(ConnectAck(flag=1, status_phrase="group is full"))
    story.close("client")


@violates("HSK-6", "PullRequest after the refusal")
def test_a_client_that_pulls_on_after_a_refusal_uses_the_connection(story: Story) -> Evidence:
    story.connects()
    refused = story.refuses()
    story.wait(5)
    return refused, story.pull(token=None)


@passes("HSK-6", times=1, world="live", patience=5.0)
def test_a_refused_client_that_told_its_application_is_believed_at_once(story: Story) -> None:
    story.connects()
    story.refuses()
    story.error("start")


@violates("HSK-6", "PullRequest after the refusal", world="live", patience=5.0)
def test_a_client_that_waits_its_pull_period_before_it_goes_on_after_a_refusal(story: Story) -> Evidence:
    story.connects()
    refused = story.refuses()
    story.wait(15)
    return refused, story.pull(token=None)


@passes("HSK-6", times=1, world="live", patience=5.0)
def test_a_refused_connection_that_stays_unused_for_a_pull_period_is_not_used(story: Story) -> None:
    story.connects()
    story.refuses()
    story.wait(15)
    story.stopped()
    story.close("client")


@leaves_open("HSK-6", world="live", patience=5.0)
def test_a_refused_client_that_is_watched_for_less_than_a_pull_period_proves_nothing(story: Story) -> None:
    story.connects()
    story.refuses()
    story.error("publish")
    story.wait(14)
    story.stopped()
    story.close("client")
    story.wait(60)


@leaves_open("HSK-6", client_clock=False)
def test_a_refused_client_whose_seconds_were_not_measured_proves_nothing(story: Story) -> None:
    story.connects()
    story.refuses()
    story.advance(3600)


@leaves_open("HSK-6")
def test_a_refusal_just_before_the_end_of_the_trace_proves_nothing(story: Story) -> None:
    story.connects()
    story.refuses()
    story.wait(3)


@leaves_open("HSK-6")
def test_nobody_was_refused(story: Story) -> None:
    story.connect()
    story.pull()


# HSK-7: the application is told


@passes("HSK-7", times=1)
def test_a_refused_first_connection_is_told_as_an_error_of_start(story: Story) -> None:
    story.connects()
    story.refuses()
    story.error("start")


@passes("HSK-7", times=1)
def test_an_address_that_does_not_answer_is_told(story: Story) -> None:
    story.fault("unreachable")
    story.wait(5)
    story.error("start")


@passes("HSK-7", times=1)
def test_a_client_may_be_started_again_after_it_was_told(story: Story) -> None:
    story.connects()
    story.refuses()
    story.error("start")
    story.connect()
    story.started()


@violates("HSK-7", "the application was told that the client is connected")
def test_a_refused_client_that_says_it_is_connected_lies(story: Story) -> Evidence:
    story.connects()
    refused = story.refuses()
    return refused, story.started()


@violates("HSK-7", "the application was not told; 60.0 s passed")
def test_a_refused_client_that_says_nothing_leaves_the_application_in_the_dark(story: Story) -> Evidence:
    story.connects()
    refused = story.refuses()
    story.error("publish")
    story.wait(60)
    return (refused,)


@violates("HSK-7", "the application was not told; the client died (exit status 1)")
def test_a_client_that_dies_of_a_refusal_was_killed_and_not_told(story: Story) -> Evidence:
    story.connects()
    refused = story.refuses()
    story.died()
    return (refused,)


@violates("HSK-7", "the application was not told; 90.0 s passed")
def test_a_client_that_tries_again_for_longer_than_its_patience_should_have_told(story: Story) -> Evidence:
    story.connects()
    refused = story.refuses()
    story.wait(90)
    story.connect()
    story.started()
    return (refused,)


@leaves_open("HSK-7")
def test_a_client_that_tries_again_and_is_accepted_soon_has_nothing_to_tell(story: Story) -> None:
    story.connects()
    story.refuses()
    story.wait(10)
    story.connect()
    story.started()
    story.wait(600)


@leaves_open("HSK-7")
def test_a_refusal_just_before_the_end_may_still_be_told(story: Story) -> None:
    story.connects()
    story.refuses()
    story.wait(3)


@leaves_open("HSK-7")
def test_a_refusal_after_the_first_success_need_not_be_told(story: Story) -> None:
    story.connect()
    story.started()
    story.close()
    story.connects()
    story.refuses()
    story.wait(600)


@leaves_open("HSK-7")
def test_a_client_that_is_connected_was_not_refused(story: Story) -> None:
    story.connect()
    story.started()


# HSK-11: the service


@passes("HSK-11", times=2)
def test_a_right_sign_is_accepted_and_a_wrong_one_refused(story: Story) -> None:
    story.connect()
    story.connects(sign="wrong")
    story.refuses()


@violates("HSK-11", "accepted though the sign was wrong")
def test_a_service_that_accepts_a_wrong_sign_is_no_service(story: Story) -> Evidence:
    story.connects(sign="wrong")
    signed = story.last(Signed)
    story.accepts()
    return signed, story.last(Accepted)


@violates("HSK-11", "refused with code 0 and phrase 'no'")
def test_a_refusal_has_a_code(story: Story) -> Evidence:
    story.connects()
    signed = story.last(Signed)
    return signed, story.refuses(0, "no")


@violates("HSK-11", "refused with code 25 and phrase None")
def test_a_refusal_has_a_phrase(story: Story) -> Evidence:
    story.connects(sign="wrong")
    signed = story.last(Signed)
    return signed, story.refuses(25, None)


@violates("HSK-11", "the CONNECT was not answered")
def test_a_service_that_does_not_answer_is_no_service(story: Story) -> Evidence:
    story.connects()
    signed = story.last(Signed)
    story.wait(30)
    return (signed,)


@leaves_open("HSK-11")
def test_a_client_that_leaves_at_once_need_not_be_answered(story: Story) -> None:
    story.connects()
    story.wait(5)
    story.close("client")
    story.wait(60)


@leaves_open("HSK-11")
def test_a_repeated_connect_ends_the_time_to_answer_the_first(story: Story) -> None:
    story.connects()
    story.wait(10)
    story.connects_again()
    story.fault("connectack", story.connection)
    story.wait(60)


@leaves_open("HSK-11")
def test_an_answer_that_was_made_up_on_purpose_is_not_the_service_itself(story: Story) -> None:
    story.connects(sign="wrong")
    story.fault("connectack", story.connection)
    story.accepts()


@leaves_open("HSK-11")
def test_a_sign_that_nobody_looked_at_cannot_be_judged(story: Story) -> None:
    story.open()
    story.says(Frame(type=MessageType.CONNECT))


def test_a_script_for_one_handshake_does_not_excuse_the_answer_to_another() -> None:
    story = Story()
    story.connects()
    story.fault("connectack", story.connection)
    story.refuses(0, None)
    story.connects(sign="wrong")
    story.accepts()
    assert [finding.message for finding in judged("HSK-11", story).violations] == ["accepted though the sign was wrong"]


def test_three_thousand_refused_connects_on_one_connection_are_judged_one_by_one() -> None:
    story = Story()
    story.open()
    for _ in range(3000):
        story.connects_again()
        story.refuses()
    story.wait(60)
    assert judged("HSK-6", story).exercised == 3000
    assert judged("HSK-11", story).exercised == 3000
