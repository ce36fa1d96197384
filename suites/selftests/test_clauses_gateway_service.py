"""HTP judged: hand-written gateways that hand out what they should, and such that do not."""

from __future__ import annotations

from dataclasses import replace

from gateway_by_hand import GatewayWorld
from proofs import Evidence, judged, leaves_open, passes, violates
from stories import APP, CONFIRM, CONSUME, GROUP, TOPIC, Story

from tmcspec.clauses import CLAUSES, judge
from tmcspec.clauses.history import History
from tmcspec.events import Confirmed, Consumed, Failed, HttpIn, HttpOut, Id, Produced, Published, Received
from tmcspec.instruction import Instruction

# HTP-5: moving on


@passes("HTP-5", times=3)
def test_each_consume_gets_other_messages(story: Story) -> None:
    story.consume(1, 2)
    story.consume(3)
    story.consume()


@passes("HTP-5", times=2)
def test_what_is_not_confirmed_comes_again_after_about_six_minutes(story: Story) -> None:
    story.consume(7)
    story.wait(360)
    story.consume(7)


@passes("HTP-5", times=1)
def test_what_may_or_may_not_wait_again_may_come_or_not(story: Story) -> None:
    story.consume(7)
    story.wait(419)
    story.consume()


@passes("HTP-5", times=1)
def test_a_full_answer_may_leave_messages_waiting(story: Story) -> None:
    for id in range(1, 20):
        story.produce(id)
    story.consume(*range(1, 11), quantity="10")


@passes("HTP-5", times=3)
def test_what_was_pushed_does_not_come_over_http(story: Story) -> None:
    story.connect()
    story.push(7)
    story.consume()
    story.push(8)
    story.confirm(7)
    story.consume()
    story.confirm(8)
    story.consume()
    story.produce(9)
    story.expire(9)
    story.consume(10)


@violates("HTP-5", "7 was handed out again after 10.000 s")
def test_a_pointer_that_stands_still(story: Story) -> Evidence:
    story.requests(CONSUME)
    first = story.hands_out(7)
    story.answers()
    story.wait(10)
    story.requests(CONSUME)
    again = story.hands_out(7)
    return first, again


@violates("HTP-5", "7 was handed out again after 0.000 s")
def test_one_answer_with_a_message_twice(story: Story) -> Evidence:
    story.requests(CONSUME)
    first, again = story.hands_out(7), story.hands_out(7)
    story.answers()
    return first, again


@violates("HTP-5", "7 was handed out again after 299.000 s")
def test_a_consumed_message_that_is_pushed_as_well(story: Story) -> Evidence:
    story.connect()
    story.requests(CONSUME)
    first = story.hands_out(7)
    story.answers()
    story.wait(299)
    return first, story.push(7)


@violates("HTP-5", "request 1 got 0 messages, and 7 waited")
def test_a_message_that_does_not_come_to_who_asks(story: Story) -> Evidence:
    produced = story.produce(7)
    return produced, story.consume()


@violates("HTP-5", "request 1 got 9 messages, and 20 waited")
def test_who_does_not_say_how_many_gets_ten_at_least(story: Story) -> Evidence:
    produced = story.produce(20)
    asked = story.consume(*range(1, 10), quantity="")
    return produced, asked


@violates("HTP-5", "request 1 got 0 messages, and 7 waited")
def test_a_pushed_message_that_does_not_come_over_http_when_it_waits_again(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7)
    story.wait(421)
    return pushed, story.consume()


@violates("HTP-5", "request 2 got 0 messages, and 7 waited")
def test_a_failed_message_waits_again_after_the_report(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.wait(200)
    failed = story.fail_by_http(7)
    story.wait(421)
    return failed, story.consume()


@leaves_open("HTP-5")
def test_consumes_that_show_no_pointer(story: Story) -> None:
    # Nothing is there; it is refused; it names no app; a message comes in the meantime; it is of another queue.
    story.consume()
    story.produce(7)
    story.requests(CONSUME)
    story.answers(15)
    story.requests(CONSUME, app_key=None)
    story.answers()
    story.confirm_by_http(7)
    story.requests(CONSUME)
    story.produce(8)
    story.answers()
    story.consume(group_name="other")
    story.requests(CONSUME)


@leaves_open("HTP-5")
def test_pushes_alone_are_a_matter_of_rdl_1(story: Story) -> None:
    story.connect()
    story.push(7)
    story.push(7)
    story.confirm(7)
    story.consume()
    story.record(Consumed(message=Id(5), attempt=1, request=99))
    story.record(Failed(message=Id(5), reason=None))


@leaves_open("HTP-5")
def test_a_message_that_is_handed_to_nobody_known(story: Story) -> None:
    story.produce(7)
    story.record(Consumed(message=Id(7), attempt=1, request=99))
    story.requests(CONSUME)


# HTP-6: unsigned requests


@passes("HTP-6", times=4)
def test_unsigned_requests_are_refused(story: Story) -> None:
    story.requests(CONSUME, sign="missing")
    story.answers(24)
    story.requests(CONFIRM, sign="wrong")
    story.answers(25)
    story.requests(CONFIRM, sign="case")
    story.answers(25)
    story.requests(None, sign="unknown_app", app_key=None)
    story.answers(21)
    story.consume(7)
    story.confirm_by_http(7)


@passes("HTP-6", times=1)
def test_what_a_good_request_brings_about_meanwhile_is_its_own(story: Story) -> None:
    story.produce(7)
    story.requests(CONFIRM, sign="wrong")
    story.requests(CONFIRM, s_message_ids="7")
    story.record(Confirmed(message=Id(7), via="http", connection=None))
    story.answers()
    story.record(HttpOut(request=1, code=25))


@violates("HTP-6", "a request whose sign is wrong succeeded")
def test_an_unsigned_request_that_succeeds(story: Story) -> Evidence:
    asked = story.requests(CONSUME, sign="wrong")
    return asked, story.answers()


@violates("HTP-6", "a request whose sign is missing had an effect")
def test_an_unsigned_request_that_gets_messages(story: Story) -> Evidence:
    asked = story.requests(CONSUME, sign="missing")
    consumed = story.hands_out(7)
    story.hands_out(8)
    story.answers(24)
    return asked, consumed


@violates("HTP-6", "a request whose sign is wrong had an effect")
def test_an_unsigned_request_that_settles_a_message(story: Story) -> Evidence:
    story.consume(7)
    asked = story.requests(CONFIRM, sign="wrong", s_message_ids="7")
    settled = story.record(Confirmed(message=Id(7), via="http", connection=None))
    story.answers(25)
    return asked, settled


@violates("HTP-6", "a request whose sign is unknown_app had an effect")
def test_a_request_of_no_app_that_publishes(story: Story) -> Evidence:
    asked = story.requests("taobao.tmc.message.produce", sign="unknown_app", app_key="1")
    published = story.record(Published(app_key="1", topic=TOPIC, content="{}", accepted=True, via="http"))
    story.answers(29)
    return asked, published


@leaves_open("HTP-6")
def test_good_requests_and_such_without_an_answer(story: Story) -> None:
    story.consume(7)
    story.confirm_by_http(7)
    story.requests(CONSUME, sign="wrong")
    story.hands_out(8)
    story.record(Consumed(message=Id(8), attempt=1, request=99))


@passes("HTP-6")
def test_a_refused_request_beside_one_that_is_not_answered_yet(story: Story) -> None:
    story.requests(CONSUME, sign="wrong")
    story.answers(25)
    story.requests(CONSUME, sign="wrong")


# HTP-7: what was asked for


@passes("HTP-7", times=3)
def test_consumes_that_get_what_they_ask_for(story: Story) -> None:
    story.consume(*range(1, 11), quantity="10")
    story.consume(*range(11, 211), quantity="")
    story.produce(1000, group="other")
    story.consume(1000, group_name="other")


@violates("HTP-7", "request 1 got 11 messages, and asked for 10 at most")
def test_a_consume_that_gets_too_many(story: Story) -> Evidence:
    asked = story.requests(CONSUME, quantity="10")
    too_many = story.hands_out(*range(1, 12))
    story.answers()
    return asked, too_many


@violates("HTP-7", "7 is of another queue than that of request 1")
def test_a_consume_that_gets_a_message_of_another_group(story: Story) -> Evidence:
    asked = story.requests(CONSUME, group_name="other")
    return asked, story.hands_out(7)


@violates("HTP-7", "7 is of another queue than that of request 1")
def test_a_consume_that_gets_a_message_of_another_environment(story: Story) -> Evidence:
    story.produce(7, environment="pre-release")
    asked = story.requests(CONSUME)
    return asked, story.hands_out(7)


@violates("HTP-7", "7 was handed to a request that asks for none")
def test_a_confirm_that_gets_a_message(story: Story) -> Evidence:
    story.requests(CONFIRM, s_message_ids="1")
    return (story.hands_out(7),)


@leaves_open("HTP-7")
def test_consumes_that_get_nothing(story: Story) -> None:
    story.consume()
    story.record(Consumed(message=Id(7), attempt=1, request=99))


@passes("HTP-7", times=1)
def test_messages_of_which_nothing_is_known_may_be_of_any_queue(story: Story) -> None:
    story.requests(CONSUME)
    story.record(Consumed(message=Id(7), attempt=1, request=1))


def test_ids_that_come_twice_trip_nobody_up() -> None:
    story = Story()
    for _ in range(2):
        story.record(Produced(message=Id(7), app_key=APP, group=GROUP, topic="t"))
        story.requests(CONSUME)
        story.record(Consumed(message=Id(7), attempt=1, request=1))
        story.record(HttpOut(request=1))
    story.record(Received(client="c", message=Id(7), content=Instruction().content()))
    assert judged("HTP-5", story).result == "pass"


def test_a_story_tells_of_requests_in_the_order_of_the_real_gateway() -> None:
    world = GatewayWorld()
    world.produce(id=7)
    world.ask(CONSUME, quantity=100)
    world.ask(CONFIRM, s_message_ids="7")
    world.post(world.signed(CONSUME) | {"sign": "0" * 32})
    story = Story()
    story.produce(7)
    story.consume(7)
    story.confirm_by_http(7)
    story.requests(CONSUME, sign="wrong")
    story.answers(25)
    told = [entry.event for entry in story.trace().entries[:-1]]
    assert [entry.event.word for entry in world.recorder.entries] == [event.word for event in told]
    said = [(event.method, event.sign, event.arguments) for event in told if isinstance(event, HttpIn)]
    assert [(event.method, event.sign, event.arguments) for event in world.requests] == said
    assert world.answers == [(event.code, event.sub_code) for event in told if isinstance(event, HttpOut)]


def test_a_request_may_have_got_what_was_produced_before_a_trace_begins() -> None:
    story = Story()
    for id in range(1, 101):
        story.produce(id)
    begin = len(story.trace().entries)
    story.produce(200)
    story.consume(*range(1, 101))
    trace = story.trace()
    later = replace(trace, entries=trace.entries[begin:])
    assert judge(CLAUSES["HTP-5"], History(later)).violations == ()
