"""HSK judged: what a client says when it connects, and what it sends with the token that it got."""

from __future__ import annotations

from proofs import Evidence, leaves_open, passes, violates
from stories import APP, EPOCH_MS, Story

from tmcspec.events import Signed
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


@leaves_open("HSK-4", client_clock=False)
def test_where_the_clock_stood_still_no_timestamp_is_old(story: Story) -> None:
    story.connects(timestamp="1795447615402")


@violates("HSK-4", "timestamp is '１２３', not a decimal number", client_clock=False)
def test_what_is_no_number_is_none_by_any_clock(story: Story) -> Evidence:
    return (story.connects(timestamp="１２３"),)


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
