"""HSK judged: answers to another question, without a token, and none at all."""

from __future__ import annotations

from proofs import Evidence, leaves_open, passes, violates
from stories import APP, GROUP, TOKEN, Story

from tmcspec.events import Accepted
from tmcspec.messages import ConnectAck

# HSK-5: flags


@passes("HSK-5", times=1)
def test_a_connect_with_a_flag_and_its_answer(story: Story) -> None:
    story.connect()


@violates("HSK-5", "CONNECT has no flag")
def test_a_connect_without_a_flag_has_none(story: Story) -> Evidence:
    said = story.connects(flag=0)
    story.accepts(flag=0)
    return (said,)


@violates("HSK-5", "an answer with flag 7 to flag 1 was taken for success: PullRequest followed", times=2)
def test_an_answer_to_another_question_must_not_be_used(story: Story) -> Evidence:
    story.connects()
    ack = story.accepts(flag=7)
    return ack, story.pull()


@violates(
    "HSK-5", "an answer with flag 7 to flag 1 was taken for success: the client reported itself connected", times=2
)
def test_an_answer_to_another_question_must_not_start_the_client(story: Story) -> Evidence:
    story.connects()
    ack = story.accepts(flag=7)
    return ack, story.started()


@passes("HSK-5", times=2)
def test_an_answer_to_another_question_that_is_told_as_an_error_is_not_taken(story: Story) -> None:
    story.connects()
    story.accepts(flag=7)
    story.wait(5)
    story.error()


@passes("HSK-5", times=5)
def test_another_connect_after_an_answer_to_another_question_shows_that_it_was_not_taken(story: Story) -> None:
    story.connects()
    story.accepts(flag=7)
    story.connects_again(flag=2)
    story.accepts(flag=2)
    story.started()
    story.connects(flag=3)
    story.accepts(flag=4)
    story.close("client")


@passes("HSK-5", times=1)
def test_an_odd_answer_on_a_connection_that_the_service_ends_at_once_proves_nothing(story: Story) -> None:
    story.connects()
    story.accepts(flag=7)
    story.close("fault")
    story.wait(60)


@passes("HSK-5", times=1, world="live", patience=5.0)
def test_a_client_that_is_watched_for_less_than_a_pull_period_shows_only_its_own_flag(story: Story) -> None:
    story.connects()
    story.accepts(flag=7)
    story.wait(14)
    story.stopped()
    story.close("client")


@passes("HSK-5", times=2, world="live", patience=5.0)
def test_an_answer_to_another_question_that_is_not_used_for_a_pull_period(story: Story) -> None:
    story.connects()
    story.accepts(flag=7)
    story.wait(15)


@passes("HSK-5", times=1)
def test_a_refusal_with_another_flag_is_a_matter_of_hsk_6(story: Story) -> None:
    story.connects()
    story.refuses(flag=7)
    story.pull()


@leaves_open("HSK-5")
def test_without_a_connect_there_is_no_flag(story: Story) -> None:
    story.open()
    story.hears(ConnectAck(token=TOKEN, flag=7))


# HSK-9: silence


@passes("HSK-9", times=1)
def test_a_silent_handshake_that_the_client_closes_is_given_up(story: Story) -> None:
    story.connects()
    story.wait(10)
    story.close("client")


@passes("HSK-9", times=1)
def test_a_silent_handshake_that_is_told_is_given_up_though_the_socket_stays_open(story: Story) -> None:
    story.connects()
    story.wait(5)
    story.error()
    story.wait(100)
    story.close("client")


@passes("HSK-9", times=1)
def test_another_connect_gives_up_the_silent_one(story: Story) -> None:
    story.connects()
    story.wait(10)
    story.connects_again(flag=2)
    story.accepts(flag=2)


@passes("HSK-9", times=1)
def test_another_connection_gives_up_the_silent_one(story: Story) -> None:
    story.connects()
    story.wait(10)
    story.connect()
    story.wait(100)


@violates("HSK-9", "still waiting for a CONNECTACK; 30.0 s passed")
def test_a_client_that_waits_for_ever_waits_too_long(story: Story) -> Evidence:
    said = story.connects()
    story.wait(30)
    return (said,)


@violates("HSK-9", "still waiting for a CONNECTACK; 40.0 s passed")
def test_a_client_that_gives_up_late_waits_too_long(story: Story) -> Evidence:
    said = story.connects()
    story.wait(40)
    story.close("client")
    return (said,)


@violates("HSK-9", "still waiting for a CONNECTACK; 35.0 s passed")
def test_a_client_that_waits_until_it_is_stopped_has_not_given_up(story: Story) -> Evidence:
    said = story.connects()
    story.wait(35)
    story.stopped()
    story.close("client")
    return (said,)


@leaves_open("HSK-9")
def test_hand_moved_seconds_are_not_waited(story: Story) -> None:
    story.connects()
    story.advance(3600)
    story.wait(20)


@leaves_open("HSK-9")
def test_a_silent_connection_that_the_service_ends_need_not_be_given_up(story: Story) -> None:
    story.connects()
    story.wait(10)
    story.close("fault")
    story.wait(100)


@leaves_open("HSK-9")
def test_an_answer_that_comes_leaves_nothing_to_give_up(story: Story) -> None:
    story.connect()
    story.wait(100)


@leaves_open("HSK-9")
def test_an_answer_that_shows_only_in_its_meaning_is_one(story: Story) -> None:
    story.connects()
    story.record(Accepted(connection=story.connection, app_key=APP, group=GROUP, token=TOKEN))
    story.wait(100)


# HSK-10: no token


@passes("HSK-10", times=1)
def test_an_answer_without_a_token_that_is_told_as_an_error_is_no_success(story: Story) -> None:
    story.connects()
    story.hears(ConnectAck(flag=1))
    story.error()


@passes("HSK-10", times=1)
def test_a_client_that_does_nothing_upon_an_answer_without_a_token_takes_it_for_no_success(story: Story) -> None:
    story.connects()
    story.hears(ConnectAck(flag=1))
    story.wait(60)


@passes("HSK-10", times=1)
def test_a_start_that_another_connection_explains_is_not_held_against_the_odd_answer(story: Story) -> None:
    story.connect()
    story.close("fault")
    story.connects()
    story.hears(ConnectAck(flag=1))
    # The report of the first success, by a slower pipe.
    story.started()
    story.close("client")


@passes("HSK-10", times=1)
def test_a_success_that_shows_only_in_its_meaning_explains_a_start_as_well(story: Story) -> None:
    story.connects()
    story.record(Accepted(connection=story.connection, app_key=APP, group=GROUP, token=TOKEN))
    story.close("fault")
    story.connects()
    story.hears(ConnectAck(flag=1))
    story.started()
    story.close("client")


@violates("HSK-10", "an answer without a token was taken for success: the client reported itself connected")
def test_a_success_to_another_question_explains_no_start(story: Story) -> Evidence:
    story.connects()
    story.accepts(flag=7)
    story.close("client")
    story.connects()
    ack = story.hears(ConnectAck(flag=1))
    return ack, story.started()


@violates("HSK-10", "an answer without a token was taken for success: the client reported itself connected")
def test_a_second_start_is_not_explained_by_the_success_of_the_first(story: Story) -> Evidence:
    story.connect()
    story.started()
    story.stopped()
    story.close("client")
    story.connects()
    ack = story.hears(ConnectAck(flag=1))
    return ack, story.started()


@violates("HSK-10", "an answer without a token was taken for success: PullRequest followed")
def test_a_client_that_goes_on_without_a_token_takes_it_for_success(story: Story) -> Evidence:
    story.connects()
    ack = story.hears(ConnectAck(flag=1))
    story.wait(5)
    return ack, story.pull(token=None)


@leaves_open("HSK-10", world="live", patience=5.0)
def test_a_client_that_has_not_come_to_its_first_pull_may_have_taken_no_token_for_success(story: Story) -> None:
    story.connects()
    story.hears(ConnectAck(flag=1))
    story.wait(14)


@leaves_open("HSK-10")
def test_an_answer_with_a_token_is_success(story: Story) -> None:
    story.connect()
    story.pull()


@leaves_open("HSK-10")
def test_an_error_without_a_token_is_an_error(story: Story) -> None:
    story.connects()
    story.refuses()
    story.pull(token=None)


@leaves_open("HSK-10")
def test_an_answer_without_a_token_just_before_the_end_may_still_be_told(story: Story) -> None:
    story.connects()
    story.hears(ConnectAck(flag=1))
    story.wait(3)
