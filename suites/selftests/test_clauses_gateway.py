"""HTP judged: hand-written clients that poll the gateway."""

from __future__ import annotations

import pytest
from proofs import Evidence, judged, leaves_open, passes, violates
from stories import APP, CONFIRM, CONSUME, Story
from story_values import FAIL, HANG, LONG, NEIGHBOUR, RAISE, SLOW

from tmcspec.events import Consumed, HttpIn, HttpOut, Id

#: Between two polls of somebody in a hurry.
HURRY = 0.5


def refused(story: Story, code: int, sub_code: str | None = None) -> HttpOut:
    """The answer to the latest request."""
    request = story.last(HttpIn).event
    assert isinstance(request, HttpIn)
    return HttpOut(request=request.request, code=code, sub_code=sub_code)


# HTP-1: system parameters and sign


@passes("HTP-1", times=3)
def test_requests_that_are_signed_rightly(story: Story) -> None:
    story.consume()
    story.confirm_by_http(7)
    # What is wrong with an argument of the method is another matter.
    story.requests(CONSUME, quantity="0")
    story.record(refused(story, 41, "isv.invalid-parameter:quantity"))


@pytest.mark.parametrize(
    ("sign", "message"),
    [
        ("wrong", "sign is not the expected digest"),
        ("case", "sign is not in upper case"),
        ("missing", "sign is missing"),
    ],
)
def test_a_sign_that_is_not_right_is_named(sign: str, message: str) -> None:
    story = Story()
    story.requests(CONSUME, sign=sign)  # type: ignore[arg-type]  # one of three that there are
    (finding,) = judged("HTP-1", story).violations
    assert finding.message == message


@violates("HTP-1", "sign is not in upper case")
def test_a_sign_in_lower_case(story: Story) -> Evidence:
    asked = story.requests(CONSUME, sign="case")
    story.answers(25)
    return (asked,)


@violates("HTP-1", "the gateway refused it: Invalid timestamp")
def test_a_timestamp_of_yesterday(story: Story) -> Evidence:
    asked = story.requests(CONSUME)
    return asked, story.answers(31)


@violates("HTP-1", "the gateway refused it: Missing required arguments")
def test_a_system_parameter_that_is_called_an_argument(story: Story) -> Evidence:
    asked = story.requests(CONSUME, sign="unknown_app")
    return asked, story.record(refused(story, 40, "isv.missing-parameter:sign_method"))


@passes("HTP-1", times=1)
def test_a_code_that_was_made_up_says_nothing(story: Story) -> None:
    story.requests(CONSUME)
    story.fault("gateway")
    story.answers(31)


@leaves_open("HTP-1")
def test_requests_that_say_nothing_about_parameters(story: Story) -> None:
    # Of an app that there is not, not answered yet, and made by the run itself.
    story.requests(CONSUME, sign="unknown_app", app_key="1")
    story.answers(29)
    story.requests(CONSUME)
    story.fault("request")
    story.requests(CONSUME, sign="missing")
    story.fault("request")


# HTP-2: limits


@passes("HTP-2", times=5)
def test_requests_within_their_limits(story: Story) -> None:
    story.consume(quantity="10")
    story.consume(quantity="200")
    story.consume(quantity="")
    story.confirm_by_http(*range(1, 201))
    story.requests(CONFIRM, s_message_ids="", f_message_ids="7")


@violates("HTP-2", "a consume asks for '9' messages")
def test_a_consume_that_asks_for_too_few(story: Story) -> Evidence:
    return (story.consume(quantity="9"),)


@violates("HTP-2", "a consume asks for '201' messages")
def test_a_consume_that_asks_for_too_many(story: Story) -> Evidence:
    return (story.consume(quantity="201"),)


@violates("HTP-2", "a consume asks for 'all' messages")
def test_a_consume_that_asks_for_no_number(story: Story) -> Evidence:
    return (story.consume(quantity="all"),)


@violates("HTP-2", "a confirm names 201 ids")
def test_a_confirm_of_too_many(story: Story) -> Evidence:
    return (story.confirm_by_http(*range(1, 202)),)


@violates("HTP-2", "a confirm names 0 ids")
def test_a_confirm_of_nothing(story: Story) -> Evidence:
    return (story.confirm_by_http(),)


@leaves_open("HTP-2")
def test_other_methods_have_other_limits(story: Story) -> None:
    story.requests("taobao.tmc.groups.get", page_size="1000")
    story.fault("request")
    story.requests(CONSUME, quantity="1")


# HTP-3: confirm after handling


@passes("HTP-3", times=3)
def test_messages_that_are_confirmed_when_they_were_handled(story: Story) -> None:
    story.consume(7, 8)
    story.handles(7)
    story.handles(8)
    story.confirm_by_http(7, 8)
    # The answer got lost.
    story.confirm_by_http(7)


@passes("HTP-3", times=1, world="live")
def test_live_a_handler_that_takes_its_time_is_the_proof(story: Story) -> None:
    story.produce(7, told=SLOW)
    story.consume(7, 8)
    story.handles(8)
    story.received(7)
    story.wait(2)
    story.confirm_by_http(7, 8)
    story.handled(7)


@passes("HTP-3", times=2)
def test_a_message_that_comes_again_was_handled_before(story: Story) -> None:
    story.produce(7, told=SLOW)
    story.consume(7)
    story.received(7)
    story.wait(2)
    story.handled(7)
    story.confirm_by_http(7, lost=True)
    story.wait(360)
    story.consume(7)
    story.confirm_by_http(7)


@passes("HTP-3", times=1)
def test_a_message_that_failed_at_first_and_succeeded_then(story: Story) -> None:
    story.consume(7)
    story.handles(7, "fail")
    story.wait(360)
    story.consume(7)
    story.handles(7)
    story.confirm_by_http(7)


@passes("HTP-3", times=1)
def test_a_pushed_message_that_is_confirmed_over_http(story: Story) -> None:
    story.connect()
    story.push(7)
    story.handles(7)
    story.confirm_by_http(7)


@violates("HTP-3", "7 was confirmed before its handler was done")
def test_a_message_that_is_confirmed_as_it_comes(story: Story) -> Evidence:
    story.requests(CONSUME)
    consumed = story.hands_out(7)
    story.answers()
    return consumed, story.confirm_by_http(7), story.handles(7)


@violates("HTP-3", "7 was confirmed 0.500 s after it was consumed; its handler works for 2.000 s", world="live")
def test_live_a_confirm_while_the_handler_must_still_be_at_work(story: Story) -> Evidence:
    story.produce(7, told=SLOW)
    story.requests(CONSUME)
    consumed = story.hands_out(7)
    story.answers()
    story.wait(0.5)
    return consumed, story.confirm_by_http(7)


@violates("HTP-3", "7 was confirmed while its handler hangs", world="live")
def test_a_message_that_is_confirmed_while_its_handler_hangs(story: Story) -> Evidence:
    story.produce(7, told=HANG)
    story.requests(CONSUME)
    consumed = story.hands_out(7)
    story.wait(30)
    return consumed, story.confirm_by_http(7)


@violates("HTP-3", "7 was confirmed though its handler failed", world="live")
def test_a_failed_message_that_is_confirmed_over_http_is_lost(story: Story) -> Evidence:
    story.produce(7, told=RAISE)
    story.consume(7)
    done = story.handles(7, "raise")
    return done, story.confirm_by_http(7)


@violates("HTP-3", "'9' was confirmed and had not been consumed")
def test_a_confirm_of_a_message_that_nobody_got(story: Story) -> Evidence:
    story.produce(9)
    return (story.confirm_by_http(9),)


@violates("HTP-3", "'abc' was confirmed and had not been consumed")
def test_a_confirm_of_what_is_no_id(story: Story) -> Evidence:
    story.consume(7)
    return (story.confirm_by_http("abc"),)


@leaves_open("HTP-3", world="live")
def test_live_the_order_of_quick_handlers_proves_nothing(story: Story) -> None:
    story.consume(7)
    story.confirm_by_http(7)
    story.handles(7)


@leaves_open("HTP-3", client_clock=False, world="live")
def test_where_no_client_time_was_measured_live_order_proves_nothing(story: Story) -> None:
    story.produce(7, told=SLOW)
    story.consume(7)
    story.confirm_by_http(7)


@leaves_open("HTP-3")
def test_what_other_clauses_say_of_confirms_over_http(story: Story) -> None:
    # Rounded ids, too many of them, masked ones, a report of failure.
    story.consume(LONG)
    story.confirm_by_http(NEIGHBOUR)
    story.confirm_by_http("9.007E+15")
    story.confirm_by_http(*range(1, 202))
    story.confirm_by_http("12******34")
    story.produce(7, told=FAIL)
    story.consume(7)
    story.handles(7, "fail")
    story.fail_by_http(7)


@leaves_open("HTP-3")
def test_messages_of_which_the_trace_shows_no_production(story: Story) -> None:
    story.requests(CONSUME)
    story.record(Consumed(message=Id(7), attempt=1, request=1))
    story.record(Consumed(message=Id(8), attempt=1, request=99))
    story.answers()
    story.confirm_by_http(7)


@leaves_open("HTP-3")
def test_a_trace_that_begins_later_does_not_show_what_was_consumed_before(story: Story) -> None:
    story.record(HttpIn(request=5, method=CONFIRM, app_key=APP, sign="right", arguments=(("s_message_ids", "7"),)))


# HTP-4: pauses


@passes("HTP-4", times=2)
def test_empty_polls_a_second_apart(story: Story) -> None:
    for _ in range(3):
        story.consume()
        story.wait(0.9)


@passes("HTP-4", times=1, world="live")
def test_the_service_clock_does_not_count_as_a_pause(story: Story) -> None:
    story.consume()
    story.wait(1)
    story.advance(360)
    story.consume()


@violates("HTP-4", "0.500 s from an empty answer to the next consume", world="live")
def test_a_poller_in_a_hurry(story: Story) -> Evidence:
    story.requests(CONSUME)
    answer = story.answers()
    story.wait(HURRY)
    story.advance(360)
    return answer, story.consume()


@leaves_open("HTP-4")
def test_what_is_no_empty_poll_or_not_the_next_one(story: Story) -> None:
    # It brought something, was refused, or is not answered; another group is asked; the client was stopped or died.
    story.consume(7)
    story.requests(CONSUME)
    story.answers(7)
    story.consume(8)
    story.requests(CONSUME)
    story.consume(9)
    story.consume(group_name="other")
    story.consume(10)
    story.consume()
    story.stopped()
    story.consume()
    story.died()
    story.consume(11)


@leaves_open("HTP-4")
def test_two_requests_under_way_at_once_are_two_pollers(story: Story) -> None:
    story.consume()
    story.requests(CONSUME)
    story.requests(CONSUME)
    story.answers()
    story.record(HttpOut(request=2))
    story.consume()


@leaves_open("HTP-4")
def test_two_clients_poll_each_for_itself(story: Story) -> None:
    story.started()
    story.started(client="other")
    story.consume()
    story.consume()


@leaves_open("HTP-4", client_clock=False)
def test_where_no_client_time_was_measured_there_is_no_pause(story: Story) -> None:
    story.consume()
    story.consume()
