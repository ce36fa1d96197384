"""QUE judged: hand-written days of a queue, with faults and without."""

from __future__ import annotations

from dataclasses import replace

from proofs import Evidence, judged, leaves_open, passes, violates
from stories import Story

from tmcspec.clauses import CLAUSES, judge
from tmcspec.clauses.history import History
from tmcspec.events import Expired, Produced
from tmcspec.instruction import Instruction
from tmcspec.timing import QUIET

LOST = "7 was not settled: 'client' was not connected for 630 s without a fault"


def begin(story: Story, client: str | None = None) -> None:
    story.connect(client=client)
    story.started(client=client or "client")


# QUE-1: nothing is lost


@passes("QUE-1", times=1)
def test_a_message_that_was_lost_on_the_way_is_settled_when_it_comes_again(story: Story) -> None:
    begin(story)
    story.fault("timeout")
    story.push(7)
    story.wait(30)
    story.heals("timeout")
    story.close("fault")
    story.wait(5)
    story.connect()
    story.wait(360)
    story.push(7)
    story.takes(7)
    story.wait(QUIET)


@violates("QUE-1", LOST)
def test_a_client_that_never_comes_back_after_an_outage_loses_what_waits(story: Story) -> Evidence:
    begin(story)
    story.fault("down")
    story.close("fault")
    produced = story.produce(7)
    healed = story.heals("down")
    story.wait(QUIET)
    return produced, healed


@violates("QUE-1", LOST)
def test_a_client_that_gives_up_by_itself_loses_what_is_produced_later(story: Story) -> Evidence:
    begin(story)
    story.close("client")
    story.wait(60)
    produced = story.produce(7)
    story.wait(QUIET)
    return (produced,)


@violates("QUE-1", "7 was pushed undisturbed and never answered; 1030.0 s passed", times=2)
def test_a_client_that_takes_and_does_not_answer_loses(story: Story) -> Evidence:
    begin(story)
    story.push(8)
    story.takes(8)
    produced = story.produce(7)
    story.push(7)
    story.wait(360)
    story.fault("abort", "c1")
    story.close("fault")
    story.connect()
    story.wait(40)
    pushed = story.push(7)
    story.wait(QUIET + 400)
    return produced, pushed


@violates("QUE-1", "7 was not settled: 'a' was not connected for 630 s without a fault")
def test_a_client_of_another_group_does_not_stand_in(story: Story) -> Evidence:
    begin(story, "a")
    story.connect(group="vip", client="b")
    story.started(client="b")
    story.close(on="c1")
    produced = story.produce(7)
    story.wait(QUIET)
    return (produced,)


@leaves_open("QUE-1")
def test_another_client_of_the_group_keeps_it_connected(story: Story) -> None:
    begin(story, "a")
    begin(story, "b")
    story.close(on="c1")
    story.produce(7)
    story.wait(QUIET)


@leaves_open("QUE-1")
def test_a_message_of_which_somebody_takes_care_over_http_is_nobodys_loss(story: Story) -> None:
    story.started()
    story.produce(7)
    story.wait(QUIET)


@leaves_open("QUE-1")
def test_there_was_no_quiet_time(story: Story) -> None:
    begin(story)
    story.close("client")
    story.produce(7)
    story.wait(QUIET / 2)
    story.fault("abort", "c9")
    story.wait(QUIET / 2)


@leaves_open("QUE-1")
def test_a_fault_that_lasts_leaves_no_quiet_time(story: Story) -> None:
    begin(story)
    story.fault("latency")
    story.close("client")
    story.produce(7)
    story.wait(QUIET)


@leaves_open("QUE-1")
def test_hand_moved_seconds_are_no_quiet_time(story: Story) -> None:
    begin(story)
    story.close("client")
    story.produce(7)
    story.advance(QUIET)


@leaves_open("QUE-1")
def test_nobody_was_asked_to_be_there(story: Story) -> None:
    begin(story)
    story.stopped()
    story.close("client")
    story.produce(7)
    story.wait(QUIET)
    story.connect()
    story.produce(8, group="other")
    story.wait(QUIET)


@leaves_open("QUE-1")
def test_whoever_is_refused_is_kept_away(story: Story) -> None:
    begin(story)
    story.close("service")
    story.produce(7)
    story.wait(10)
    story.connects()
    story.refuses()
    story.close("service")
    story.wait(QUIET)


@leaves_open("QUE-1")
def test_some_messages_cannot_be_settled(story: Story) -> None:
    begin(story)
    for id, outcome in enumerate(("fail", "raise", "hang")):
        story.push(id, told=Instruction(outcome=outcome))
    story.push(10, told=Instruction(delay_ms=60_000))
    story.push(11)
    story.expire(11)
    story.push(12)
    story.deletes_group("default", 12)
    story.push(13)  # behind the one that hangs
    story.wait(QUIET)


# QUE-2: nothing is unexpected


@passes("QUE-2", times=5)
def test_handlers_get_what_was_produced_for_them(story: Story) -> None:
    begin(story, "a")
    story.push(7)
    story.takes(7, client="a")
    story.connect(group="vip", client="b")
    story.push(8, group="vip")
    story.takes(8, client="b")
    story.push(9, on="c1", group="vip")
    for _ in range(2):
        story.received(9, client="a")  # the service pushed it there
    story.consume(10, group_name="other")
    story.takes(10, client="b")
    story.received(None)


@violates("QUE-2", "a handler was called with 8, which was not produced", times=2)
def test_a_client_makes_a_message_up(story: Story) -> Evidence:
    begin(story)
    story.push(7)
    story.takes(7)
    return (story.received(8),)


@violates("QUE-2", "a handler was called with 8, which was not produced", times=1)
def test_a_client_that_knows_a_message_before_it_is_produced_made_it_up(story: Story) -> Evidence:
    begin(story)
    received = story.received(8)
    story.produce(8)
    return (received,)


@violates("QUE-2", "the handler of 'b' was called with 7, which is for 12129701/default", times=2)
def test_a_client_gets_the_message_of_another(story: Story) -> Evidence:
    begin(story, "a")
    story.connect(group="vip", client="b")
    pushed = story.push(7, on="c1")
    story.received(7, client="a")
    produced = story.last(Produced)
    assert pushed.seq > produced.seq
    return produced, story.received(7, client="b")


@leaves_open("QUE-2")
def test_ids_that_went_wrong_by_rounding_are_not_unexpected(story: Story) -> None:
    begin(story)
    story.fault("corrupt", detail="stream=downstream")
    story.push(2**53 + 1)
    story.received(2**52)
    story.received(2**53)


@passes("QUE-2", times=1)
def test_what_a_rounding_client_shows_is_the_message_that_was_sent(story: Story) -> None:
    begin(story)
    story.push(2**53 + 1)
    story.received(2**53)


@leaves_open("QUE-2", world="recorded")
def test_what_was_produced_before_a_recording_began_is_not_known(story: Story) -> None:
    begin(story)
    story.produce(7)
    story.received(8)


def test_a_message_whose_production_is_not_shown_was_handed_out() -> None:
    story = Story()
    begin(story)
    story.produce(8)
    story.push(7)
    story.takes(7)
    trace = story.trace()
    shown = tuple(
        each for each in trace.entries if getattr(each.event, "message", None) != 7 or each.event.word != "produced"
    )
    judgement = judge(CLAUSES["QUE-2"], History(replace(trace, entries=shown)))
    assert judgement.violations == ()


@leaves_open("QUE-2", handlers=False)
def test_the_wire_does_not_show_what_handlers_get(story: Story) -> None:
    begin(story)
    story.produce(7)
    story.received(8)


# QUE-3: duplicated


@passes("QUE-3", times=2)
def test_each_message_is_handled_once(story: Story) -> None:
    begin(story)
    for id in (7, 8):
        story.push(id)
        story.takes(id)
    story.received(7)
    story.handled(7, "fail")


@violates("QUE-3", "7 was handled with success 2 times", times=1)
def test_a_lost_confirm_makes_a_message_be_handled_twice(story: Story) -> Evidence:
    begin(story)
    story.push(7)
    first = story.handles(7)
    story.confirm(7, lost=True)
    story.wait(360)
    story.push(7)
    return first, story.handles(7)


@leaves_open("QUE-3")
def test_nothing_was_handled(story: Story) -> None:
    begin(story)
    story.push(7)
    story.handled(9)


# QUE-4: recovered


@passes("QUE-4", times=2)
def test_what_a_fault_hit_is_settled_later(story: Story) -> None:
    begin(story)
    story.push(7)
    story.fault("drop", "c1")
    story.fault("latency", "client")
    story.push(8)
    story.heals("latency", "client")
    story.wait(360)
    for id in (7, 8):
        story.push(id)
        story.takes(id)


@violates("QUE-4", "7 was hit by a fault and expired")
def test_what_a_fault_hit_expires(story: Story) -> Evidence:
    begin(story)
    pushed = story.push(7)
    story.fault("abort", "c1")
    story.close("fault")
    story.wait(24 * 3600)
    story.expire(7)
    return pushed, story.last(Expired)


@leaves_open("QUE-4")
def test_no_fault_hit_anything(story: Story) -> None:
    begin(story)
    story.push(7)
    story.wait(100)
    story.fault("abort", "c1")
    story.consume(7)
    story.confirm_by_http(7)
    story.push(8)
    story.takes(8)


def test_the_quiet_time_is_the_sum_of_what_it_takes() -> None:
    story = Story()
    begin(story)
    story.close("client")
    story.produce(7)
    story.wait(QUIET - 1)
    assert judged("QUE-1", story).result == "not_exercised"
    story.wait(1)
    assert judged("QUE-1", story).result == "violated"
