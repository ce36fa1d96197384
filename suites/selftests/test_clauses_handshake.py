"""HSK judged: hand-written handshakes, good and pathological."""

from __future__ import annotations

from stories import APP, EPOCH_MS, GROUP, TOKEN, Evidence, Story, judged, leaves_open, passes, violates

from tmcspec.events import Accepted, Signed
from tmcspec.frame import Frame, MessageType, int64, string
from tmcspec.messages import ConnectAck, SendAck

# HSK-1: CONNECT first


@passes("HSK-1", times=1)
def test_a_connect_comes_first(story: Story) -> None:
    story.connect()
    story.pull()


@passes("HSK-1", times=1)
def test_the_empty_ping_of_the_official_client_may_come_before_connect(story: Story) -> None:
    story.open()
    story.pings()
    story.connects_again()
    story.accepts()


@violates("HSK-1", "PullRequest came before the CONNECTACK")
def test_a_pull_before_the_answer_is_early(story: Story) -> Evidence:
    story.connects()
    pull = story.pull(token=None)
    story.accepts()
    return (pull,)


@violates("HSK-1", "PullRequest came before the CONNECTACK")
def test_a_pull_on_a_connection_that_is_never_answered_is_early(story: Story) -> Evidence:
    story.open()
    return (story.pull(token=None),)


@violates("HSK-1", "a text message came before the CONNECTACK")
def test_a_connect_as_text_is_not_binary(story: Story) -> Evidence:
    story.open()
    text = story.says_text()
    story.connects_again()
    story.accepts()
    return (text,)


@violates("HSK-1", "a frame that does not decode came before the CONNECTACK")
def test_garbage_is_no_connect(story: Story) -> Evidence:
    story.open()
    return (story.says(b"\x02"),)


@violates("HSK-1", "a frame of unknown meaning came before the CONNECTACK")
def test_a_frame_of_an_unknown_kind_is_no_connect(story: Story) -> Evidence:
    story.open()
    return (story.says(Frame(type=MessageType.SEND)),)


@passes("HSK-1")
def test_what_comes_after_an_answer_without_a_token_is_not_early(story: Story) -> None:
    story.connects()
    story.hears(ConnectAck(flag=1))
    story.pull(token=None)


@passes("HSK-1")
def test_a_connect_with_a_field_of_the_wrong_type_is_a_connect_all_the_same(story: Story) -> None:
    story.open()
    story.says(Frame(type=MessageType.CONNECT, content=(int64("timestamp", 1),)))


@leaves_open("HSK-1")
def test_an_opened_connection_alone_says_nothing(story: Story) -> None:
    story.open()


@leaves_open("HSK-1")
def test_a_trace_that_begins_in_the_middle_does_not_show_what_came_first(story: Story) -> None:
    story.pull()


# HSK-2: four strings


@passes("HSK-2", times=2)
def test_every_connect_with_four_strings_counts(story: Story) -> None:
    story.connect()
    story.connect()


@violates("HSK-2", "CONNECT has no string group_name, timestamp")
def test_missing_and_mistyped_fields_are_named(story: Story) -> Evidence:
    story.open()
    fields = (string("app_key", APP), int64("timestamp", 1), string("sign", "A"))
    return (story.says(Frame(type=MessageType.CONNECT, content=fields)),)


@leaves_open("HSK-2")
def test_no_connect_no_strings(story: Story) -> None:
    story.open()
    story.says(b"\x02\x00")
    story.pull()


# HSK-3: the sign


@passes("HSK-3", times=1)
def test_a_right_sign_is_right(story: Story) -> None:
    story.connect()


@violates("HSK-3", "sign is not in upper case")
def test_a_lower_case_sign_is_not_the_official_one(story: Story) -> Evidence:
    story.connects(sign="case")
    signed = story.last(Signed)
    story.refuses()
    return (signed,)


@violates("HSK-3", "sign is not the expected digest")
def test_a_wrong_sign_is_wrong(story: Story) -> Evidence:
    story.connects(sign="wrong")
    return (story.last(Signed),)


@violates("HSK-3", "sign is missing")
def test_a_missing_sign_is_missing(story: Story) -> Evidence:
    story.connects(sign="missing")
    return (story.last(Signed),)


@leaves_open("HSK-3")
def test_the_sign_of_an_unknown_app_cannot_be_checked(story: Story) -> None:
    story.connects(sign="unknown_app")


# HSK-4: the timestamp


@passes("HSK-4", times=2)
def test_a_timestamp_follows_the_clock_of_the_client_not_that_of_the_service(story: Story) -> None:
    story.connect()
    story.advance(24 * 3600)
    story.wait(10)
    story.connect()


@violates("HSK-4", "timestamp 1767225600000 is 601 s away from the present")
def test_a_timestamp_that_is_kept_grows_old(story: Story) -> Evidence:
    story.wait(601)
    return (story.connects(timestamp=str(EPOCH_MS)),)


@violates("HSK-4", "timestamp 639000000000000000 is 638998232774400 s away from the present")
def test_dotnet_ticks_are_not_epoch_milliseconds(story: Story) -> Evidence:
    return (story.connects(timestamp="639000000000000000"),)


@violates("HSK-4", f"timestamp is {'*' * 40!r}, not a decimal number")
def test_a_timestamp_of_ten_thousand_digits_is_cut_and_breaks_nothing(story: Story) -> Evidence:
    return (story.connects(timestamp="9" * 10_000),)


@violates("HSK-4", "timestamp is '１２３', not a decimal number")
def test_digits_of_another_script_are_no_decimal_number(story: Story) -> Evidence:
    return (story.connects(timestamp="１２３"),)


@leaves_open("HSK-4")
def test_a_missing_timestamp_is_a_matter_of_hsk_2(story: Story) -> None:
    story.connects(timestamp="")


@leaves_open("HSK-4")
def test_an_unreadable_timestamp_is_a_matter_of_hsk_2(story: Story) -> None:
    story.open()
    story.says(Frame(type=MessageType.CONNECT, content=(int64("timestamp", 1),)))


@leaves_open("HSK-4", world="recorded", epoch_ms=0)
def test_a_recording_that_does_not_say_when_it_was_proves_no_timestamp_wrong(story: Story) -> None:
    story.connects(timestamp="1795447615402")


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


@passes("HSK-5", times=1)
def test_a_refusal_with_another_flag_is_a_matter_of_hsk_6(story: Story) -> None:
    story.connects()
    story.refuses(flag=7)
    story.pull()


@leaves_open("HSK-5")
def test_without_a_connect_there_is_no_flag(story: Story) -> None:
    story.open()
    story.hears(ConnectAck(token=TOKEN, flag=7))


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


# HSK-8: tokens


@passes("HSK-8", times=2)
def test_sends_with_the_token_of_the_answer(story: Story) -> None:
    story.connect()
    story.pull()
    story.push(7)
    story.confirm(7)


@passes("HSK-8", times=1)
def test_a_token_belongs_to_the_identity_and_not_to_the_connection(story: Story) -> None:
    story.connect()
    story.close()
    story.open()
    story.pull()


@violates("HSK-8", "PullRequest without a token")
def test_a_pull_without_a_token_cannot_be_attributed(story: Story) -> Evidence:
    story.connect()
    return (story.pull(token=None),)


@violates("HSK-8", "a frame of unknown meaning with a token that was never given out", times=1)
def test_a_token_that_was_made_up_is_none_whatever_the_frame_says(story: Story) -> Evidence:
    story.connect()
    return (story.says(Frame(type=MessageType.SEND, token="mine")),)


@violates("HSK-8", "PullRequest with a token that was never given out")
def test_a_token_before_it_was_given_out_is_a_guess(story: Story) -> Evidence:
    story.open()
    pull = story.pull()
    story.connects_again()
    story.accepts()
    return (pull,)


@leaves_open("HSK-8")
def test_only_sends_carry_tokens(story: Story) -> None:
    story.connect()
    story.says(SendAck(flag=1))
    story.says(b"\x02")


@leaves_open("HSK-8")
def test_a_trace_that_begins_in_the_middle_does_not_show_which_tokens_were_given_out(story: Story) -> None:
    story.pull()


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
