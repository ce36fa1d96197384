"""What lasting faults excuse, whom, and for how long; and what they do not."""

from __future__ import annotations

import pytest
from proofs import judged
from stories import APP, CONSUME, EPOCH_MS, GROUP, TOKEN, TOPIC, Story

from tmcspec.clauses import Binds, Level, judge_trace
from tmcspec.clauses.hindrance import HINDERING
from tmcspec.clauses.history import History
from tmcspec.events import Id, Pushed, Signed
from tmcspec.instruction import Instruction
from tmcspec.messages import Connect, Push
from tmcspec.timing import CLIENT_QUEUE_SIZE
from tmcspec.trace import Entry


def accused(story: Story) -> list[str]:
    """The clauses that a client breaks; those that only count accuse nobody."""
    found = [judgement.clause for judgement in judge_trace(story.trace()) if judgement.violations]
    return [clause.id for clause in found if clause.binds is Binds.CLIENT and clause.level is not Level.INFO]


def hindered(story: Story, moment: Entry, *, on: str | None = None, client: str | None = None) -> bool:
    """Whether a connection or a client is hindered in the minute from a moment on."""
    return History(story.trace()).hindered(moment, 60.0, on=on, client=client)


@pytest.mark.parametrize("name", sorted(HINDERING))
def test_every_fault_of_the_line_hinders_while_it_is_in_force(name: str) -> None:
    story = Story()
    start = story.connect()
    story.fault(name)
    assert hindered(story, start, on="c1")


@pytest.mark.parametrize("name", ["drop", "abort", "degrade", "ping"])
def test_no_other_fault_does(name: str) -> None:
    story = Story()
    start = story.connect()
    story.fault(name)
    assert not hindered(story, start, on="c1")


@pytest.mark.parametrize(
    ("target", "on", "client", "concerned"),
    [
        (None, "c1", None, True),
        ("*", "c1", None, True),
        ("a", "c1", None, True),
        ("c1", "c1", None, True),
        ("b", "c1", None, False),
        ("c2", "c1", None, False),
        ("a", None, "a", True),
        ("c1", None, "a", True),
        ("b", None, "a", False),
        ("c2", None, "a", False),
        ("b", None, None, True),
        ("c2", None, None, True),
        # Nobody knows whose the third one is, so it may be anybody's; but another one it is not.
        ("b", "c3", None, True),
        ("c2", "c3", None, False),
    ],
)
def test_a_fault_concerns_its_target(target: str | None, on: str | None, client: str | None, concerned: bool) -> None:
    story = Story()
    story.connect(client="a")
    story.connect(client="b")
    start = story.connect()
    story.fault("latency", target)
    assert History(story.trace()).hindered(start, 60.0, on=on, client=client) is concerned


def test_each_fault_is_over_where_it_is_healed_the_oldest_first() -> None:
    story = Story()
    story.fault("latency")
    story.fault("latency")
    story.heals("latency", detail="delay=9")
    story.wait(100)
    both = story.pings()
    story.heals("latency")
    story.wait(100)
    one = story.pings()
    story.wait(100)
    last = story.heals("latency")
    story.wait(1)
    none = story.pings()
    assert [hindered(story, moment) for moment in (both, one, last, none)] == [True, True, False, False]


def test_one_that_begins_later_than_all_was_to_be_done_hinders_nothing() -> None:
    story = Story()
    start = story.connect()
    story.wait(61)
    story.fault("latency")
    assert not hindered(story, start, on="c1")


def test_one_that_ended_shortly_before_counts_for_connections_that_were_there() -> None:
    story = Story()
    story.connect(client="a")
    story.fault("timeout")
    story.wait(10)
    story.heals("timeout")
    story.connect(client="a")
    story.wait(30)
    soon = story.pings()
    story.wait(31)
    later = story.pings()
    assert hindered(story, soon, on="c1")
    assert not hindered(story, soon, on="c2")
    assert not hindered(story, soon, client="a")
    assert not hindered(story, later, on="c1")


def test_what_was_done_to_a_connection_is_over_with_it() -> None:
    story = Story()
    start = story.connect(client="a")
    story.fault("latency", "c1")
    story.close("fault")
    after = story.connect(client="a")
    assert hindered(story, start, client="a")
    assert not hindered(story, after, client="a")


def test_one_that_is_only_over_in_a_trace_was_there_before_it_begins() -> None:
    story = Story()
    start = story.connect()
    story.heals("latency")
    assert hindered(story, start, on="c1")


def test_a_push_into_a_black_hole_need_not_be_answered() -> None:
    story = Story()
    story.connect(client="client")
    story.fault("timeout", "client")
    story.push(7)
    story.wait(100)
    story.heals("timeout", "client")
    story.close("fault")
    story.connect(client="client")
    story.wait(360)
    story.push(7)
    story.takes(7)
    story.wait(600)
    assert accused(story) == []


def test_who_left_a_silent_connection_and_was_answered_oddly_may_be_late() -> None:
    story = Story()
    story.connect(client="a")
    story.push(7)
    story.wait(95)
    story.received(7, client="a")
    story.close("client")
    story.wait(1)
    story.open(client="a")
    story.fault("reorder", "c2", "connectack with flag 2")
    story.handled(7, client="a")
    story.close("client")
    story.wait(170)
    story.connect(client="a")
    story.confirm(7)
    assert accused(story) == []


def test_who_left_a_silent_connection_and_was_not_understood_on_the_next_may_not_have_confirmed() -> None:
    story = Story()
    story.connect(client="a")
    story.push(7)
    story.wait(95)
    story.received(7, client="a")
    story.close("client")
    story.connect(client="a")
    story.wait(10)
    story.fault("corrupt", "a", "stream=upstream rate=0.1")
    story.wait(10)
    story.heals("corrupt", "a", "stream=upstream rate=0.1")
    story.handled(7, client="a")
    story.wait(100)
    story.close("client")
    story.connect(client="a")
    story.wait(100)
    assert accused(story) == []


def test_who_left_a_connection_and_was_understood_on_the_next_must_confirm() -> None:
    story = Story()
    story.connect(client="b")
    story.fault("corrupt", "b", "stream=upstream rate=0.1")
    story.connect(client="a")
    story.push(7)
    story.received(7, client="a")
    story.close("client")
    story.wait(5)
    story.connect(client="a")
    story.handled(7, client="a")
    story.wait(100)
    story.connect(client="a")
    assert accused(story) == ["ACK-1"]


def test_who_left_a_connection_and_is_silent_on_the_next_must_confirm() -> None:
    story = Story()
    story.connect(client="b")
    story.fault("corrupt", "b", "stream=upstream rate=0.1")
    story.connect(client="a")
    story.push(7)
    story.received(7, client="a")
    story.close("client")
    story.wait(5)
    story.connect(client="a")
    story.handled(7, client="a")
    story.wait(100)
    assert accused(story) == ["ACK-1"]


def test_who_left_a_connection_and_does_not_come_back_is_late_all_the_same() -> None:
    story = Story()
    story.connect(client="a")
    story.push(7)
    story.received(7, client="a")
    story.close("client")
    story.handled(7, client="a")
    story.wait(61)
    story.connect(client="a")
    story.fault("reorder", "c2", "connectack with flag 2")
    story.confirm(7)
    assert accused(story) == ["ACK-1"]


def test_a_black_hole_of_another_client_excuses_nobody() -> None:
    story = Story()
    story.connect(client="client")
    story.connect(client="other")
    story.fault("timeout", "other")
    story.push(7, "棉", on="c1")
    story.wait(100)
    assert "FRM-7" in accused(story)


def test_no_fault_excuses_a_confirm_that_came_too_early() -> None:
    story = Story()
    story.connect(client="client")
    story.fault("latency")
    story.push(7, told=Instruction(outcome="fail"))
    story.handles(7, "fail")
    story.confirm(7)
    story.push(8, told=Instruction(delay_ms=2000))
    story.confirm(8)
    assert accused(story) == ["ACK-2", "ACK-3"]


def test_what_needs_nobody_else_no_fault_excuses() -> None:
    story = Story()
    story.fault("unreachable")
    story.wait(100)
    assert accused(story) == ["HSK-7"]


# Bytes that were others


def garbled(stream: str, *, over: bool = False) -> Story:
    """A client that says nothing right, and is shown nothing right, while bytes are corrupted, or after."""
    story = Story()
    told = f"rate=0.1 stream={stream}" if stream else "rate=0.1"
    story.fault("corrupt", "client", told)
    if over:
        story.heals("corrupt", "client", told)
    story.connects(client="client", sign="wrong", timestamp="x", flag=0)
    story.accepts(flag=0)
    story.says(b"garbage")
    story.push(2**53 + 1, "棉", user_id=2**53 + 1)
    story.received(2**53 + 1, "綿", user_id=2**53)
    story.handled(2**53 + 1)
    story.confirm(9)
    story.push(8, told=Instruction(delay_ms=2000))
    story.handles(8)
    story.confirm(8)
    story.confirm(8)
    return story


#: What the service read, and what the client made of what it read.
READ, SHOWN = {"FRM-13", "HSK-3", "HSK-4"}, {"FRM-7", "LID-4", "ACK-2"}


def test_a_line_that_was_opened_after_the_corruption_is_a_sound_one() -> None:
    assert set(accused(garbled("", over=True))) >= READ | SHOWN | {"ACK-6", "ACK-7", "HSK-5"}


def test_bytes_that_were_corrupted_both_ways_prove_nothing() -> None:
    assert accused(garbled("")) == []


def test_bytes_that_were_corrupted_on_the_way_to_the_service_excuse_what_it_read() -> None:
    found = set(accused(garbled("upstream")))
    assert found.isdisjoint(READ | {"ACK-6", "ACK-7"})
    assert found >= SHOWN - {"ACK-2"}  # its confirms may have been something else


def test_bytes_that_were_corrupted_on_the_way_to_the_client_excuse_what_it_made_of_them() -> None:
    found = set(accused(garbled("downstream")))
    assert found.isdisjoint(SHOWN | {"ACK-6", "ACK-7"})
    assert found >= READ


def test_what_a_handler_shows_long_after_a_line_was_corrupted_is_its_own() -> None:
    story = Story()
    story.connect(client="client")
    story.fault("corrupt", detail="rate=0.1")
    story.heals("corrupt", detail="rate=0.1")
    story.close("service")
    story.connect(client="client")
    soon, at_work, said = story.received(9), story.handled(9), story.confirm(9)
    story.wait(599)
    still, others = story.received(9), story.produce(8)
    story.wait(2)
    late, nothing = story.received(9), story.pings()
    corruption = History(story.trace()).corruption
    assert [corruption.misled(entry) for entry in (soon, at_work, said, still)] == [True] * 4
    assert [corruption.misled(entry) for entry in (others, late, nothing)] == [False] * 3


def test_what_came_over_a_corrupted_line_may_be_named_like_what_came_over_a_sound_one() -> None:
    for name, guilty in (("corrupt", []), ("ping", ["FRM-7"])):
        story = Story()
        story.connect(client="client")
        story.fault(name, "c1")
        story.connect(client="client")
        story.push(7, "棉")
        story.received(7, "綿")
        story.handled(7)
        story.confirm(7)
        assert accused(story) == guilty


def test_polls_that_came_late_may_have_been_apart() -> None:
    for name, guilty in (("bandwidth", []), ("down", ["HTP-4"])):
        story = Story()
        story.fault(name)
        story.consume()
        story.consume()
        assert accused(story) == guilty


def test_a_burst_on_a_line_that_a_client_was_right_to_give_up_comes_again() -> None:
    for name, guilty in (("timeout", []), ("ping", ["ACK-11"])):
        story = Story()
        story.connect(client="client")
        story.fault(name, "c1")
        for id in range(CLIENT_QUEUE_SIZE + 1):
            story.push(id)
        story.close("client")
        assert accused(story) == guilty


def test_a_fault_of_a_connection_whose_client_is_not_known_is_its_own() -> None:
    story = Story()
    start = story.connect()
    story.fault("latency", "c1")
    assert hindered(story, start, on="c1")
    assert not hindered(story, start, client="a")


def test_a_rounded_id_that_is_corrupted_is_no_misreading() -> None:
    for detail, guilty in (("rate=0.1", []), ("rate=0.1 stream=upstream", ["LID-1"])):
        story = Story()
        story.connect(client="client")
        story.fault("corrupt", detail=detail)
        story.push(2**53 + 1)
        story.received(2**53)
        assert accused(story) == guilty


def test_requests_that_were_made_while_bytes_were_corrupted_are_left_out() -> None:
    for name, guilty in (("corrupt", []), ("latency", ["HTP-1"])):
        story = Story()
        story.fault(name)
        story.requests(CONSUME, sign="wrong")
        story.answers(25)
        assert accused(story) == guilty


def test_a_text_or_a_refusal_that_was_something_else_excuses_its_reader() -> None:
    for name, guilty in (("corrupt", []), ("latency", ["HSK-1", "HSK-6", "HSK-8"])):
        story = Story()
        story.fault(name)
        story.open(client="client")
        story.says_text()
        story.connects(client="client")
        story.refuses()
        story.pull()
        assert accused(story) == guilty


def test_publishes_on_a_corrupted_line_prove_nothing() -> None:
    for name, stream, guilty in (
        ("corrupt", "stream=upstream", []),
        ("corrupt", "stream=downstream", []),
        ("latency", "", ["PUB-1", "PUB-2"]),
    ):
        story = Story()
        story.connect(client="client")
        story.fault(name, detail=stream)
        story.publishes(flag=2)
        story.told_of_publish()
        story.publishes("u", flag=3)
        story.acknowledges(15, "no", flag=3)
        story.told_of_publish("u")
        story.told_of_publish("v")
        assert accused(story) == guilty


def test_a_sendack_that_came_late_may_be_told_as_an_error() -> None:
    for name, guilty in (("latency", []), ("ping", ["PUB-1"])):
        story = Story()
        story.connect(client="client")
        story.fault(name)
        story.publishes(flag=2)
        story.acknowledges(flag=2)
        story.wait(2)
        story.told_of_publish(error="timeout")
        assert accused(story) == guilty


def test_a_push_of_which_a_fault_changed_a_field_is_shown_as_it_was_changed() -> None:
    for name, guilty in (("corrupt_field", []), ("ping", ["FRM-7", "LID-4"])):
        story = Story()
        story.connect(client="client")
        story.produce(7, "棉", user_id=2**53 + 1)
        story.record(Pushed(message=Id(7), connection="c1", attempt=1))
        story.fault(name, "c1")
        story.hears(Push(token=TOKEN, id=7, topic=TOPIC, content="綿", user_id=5))
        story.received(7, "綿", user_id=5)
        story.handled(7)
        story.confirm(7)
        assert accused(story) == guilty


def test_a_connect_that_a_fault_changed_has_a_wrong_sign() -> None:
    for name, guilty in (("corrupt_field", []), ("ping", ["HSK-3"])):
        story = Story()
        story.open()
        story.says(Connect(app_key=APP, group=GROUP, timestamp=str(EPOCH_MS), sign="A" * 32, flag=1))
        story.fault(name, "c1")
        story.record(Signed(connection="c1", app_key=APP, sign="wrong"))
        assert accused(story) == guilty


def test_a_token_that_a_fault_changed_is_the_one_that_the_client_knows() -> None:
    story = Story()
    story.connects()
    story.accepts(token="another")
    story.pull(token="another")
    assert accused(story) == []


def test_two_thousand_faults_are_looked_up_fast() -> None:
    story = Story()
    for number in range(2000):
        story.fault("latency", "b", str(number))
        story.connect(client="a")
        story.wait(1)
        story.close()
        story.heals("latency", "b", str(number))
    story.wait(100)
    assert judged("CON-1", story).exercised == 2000


def test_a_line_whose_bytes_were_corrupted_may_be_deaf_to_its_end() -> None:
    story = Story()
    before = story.connect(client="client")
    story.wait(100)
    story.fault("corrupt", detail="stream=upstream")
    story.heals("corrupt", detail="stream=upstream")
    story.wait(3600)
    after = story.pings()
    assert hindered(story, after, on="c1")
    assert not hindered(story, after, client="client")
    assert not hindered(story, before, on="c1")


@pytest.mark.parametrize(("name", "guilty"), [("corrupt", []), ("latency", ["ACK-1"])])
def test_what_was_said_on_a_line_that_is_out_of_step_may_have_been_a_confirm(name: str, guilty: list[str]) -> None:
    """A wrong length makes the service read everything behind it at the wrong place, as long as the line is there."""
    story = Story()
    story.connect(client="client")
    story.fault(name, "client", "rate=0.1 stream=upstream")
    story.heals(name, "client", "rate=0.1 stream=upstream")
    story.wait(1000)
    story.push(7)
    story.handles(7)
    story.wait(100)
    assert accused(story) == guilty


@pytest.mark.parametrize(("name", "guilty"), [("corrupt", []), ("latency", ["HSK-10"])])
def test_an_answer_without_a_token_over_a_corrupted_line_may_have_had_one(name: str, guilty: list[str]) -> None:
    story = Story()
    story.fault(name, "client", "rate=0.1 stream=downstream")
    story.connects(client="client")
    story.accepts(token=None)
    story.pull(token=None)
    assert [id for id in accused(story) if id == "HSK-10"] == guilty
