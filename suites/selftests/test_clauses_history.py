"""The history that judges read."""

from __future__ import annotations

from stories import APP, Story

from tmcspec.clauses.history import History
from tmcspec.events import Closed, Id, Produced
from tmcspec.instruction import Instruction
from tmcspec.trace import Trace


def test_the_clients_clock_leaves_out_the_seconds_that_the_services_was_moved() -> None:
    story = Story()
    first = story.open()
    story.wait(5)
    moved = story.advance(360)
    story.wait(5)
    last = story.close()
    history = History(story.trace())
    assert history.between(first, last) == 10
    assert history.between(first, moved) == 5
    assert history.left(moved) == 5


def test_where_no_client_time_was_measured_nobody_is_overdue_but_the_dead() -> None:
    story = Story(client_clock=False)
    first = story.connect()
    story.wait(3600)
    last = story.close("client")
    waiting = History(story.trace())
    assert (waiting.measured, waiting.between(first, last), waiting.overdue(first)) == (False, 0.0, None)
    story.died()
    assert History(story.trace()).overdue(first) == "the client died (exit status 1)"


def test_of_several_clients_each_dies_its_own_death() -> None:
    story = Story()
    first = story.connect()
    other, own = story.died(client="other"), story.died()
    history = History(story.trace())
    for client, died in (("other", other), ("client", own)):
        death = history.death(first, client)
        assert death
        assert death.entry == died
    assert history.death(first, "nobody") is None
    assert history.death(own, "client") is None
    assert history.death(first) is None


def test_an_entry_is_looked_up_by_kind_before_and_after_another() -> None:
    story = Story()
    first, second, third = story.open(), story.open(), story.close()
    history = History(story.trace())
    kind = type(first.event)
    after, before = history.first_after(kind, first), history.last_before(kind, third)
    assert after
    assert before
    assert (after.entry, before.entry) == (second, second)
    assert history.first_after(kind, second) is None
    assert history.last_before(Closed, second) is None


def test_a_slow_handler_is_done_with_the_delivery_that_it_began_with() -> None:
    story = Story(world="live")
    story.connect()
    story.push(7)
    story.received(7)
    story.advance(360)
    story.push(7)
    story.received(7)
    story.handled(7, "fail")
    story.handled(7)
    first, second = History(story.trace()).deliveries
    assert first.handled
    assert second.handled
    assert (first.handled.event.outcome, second.handled.event.outcome) == ("fail", "ok")


def test_what_a_client_was_at_work_on_ends_with_its_process() -> None:
    story = Story()
    story.connect()
    story.push(7)
    story.received(7)
    story.died()
    story.close("client")
    story.connect()
    story.wait(360)
    story.push(7)
    story.received(7)
    done = story.handled(7)
    first, second = History(story.trace()).deliveries
    assert first.handled is None
    assert second.handled
    assert second.handled.entry == done


def test_a_handler_that_was_never_called_and_is_done_belongs_to_the_latest_delivery() -> None:
    story = Story()
    story.connect()
    story.push(7)
    done = story.handled(7)
    story.handled(7)
    (delivery,) = History(story.trace()).deliveries
    assert delivery.handled
    assert delivery.handled.entry == done
    assert delivery.received is None


def test_a_delivery_whose_connection_is_closed_does_not_arrive_any_more() -> None:
    story = Story(world="live")
    story.connect()
    story.push(7)
    story.close("fault")
    story.advance(360)
    story.connect()
    story.push(7)
    story.received(7)
    first, second = History(story.trace()).deliveries
    assert (first.received, second.received is not None) == (None, True)


def test_a_delivery_that_a_client_did_not_take_in_time_does_not_arrive_any_more() -> None:
    story = Story()
    story.connect()
    story.push(7)
    story.wait(360)
    story.push(7)
    story.received(7)
    # A third call has no delivery of its own.
    story.received(7)
    first, second = History(story.trace()).deliveries
    assert (first.received, second.received is not None) == (None, True)


def test_what_a_rounding_client_shows_belongs_to_the_message_that_was_sent() -> None:
    story = Story()
    story.connect()
    story.produce(2**53)
    story.push(2**53 + 1)
    story.received(2**53)
    (delivery,) = History(story.trace()).deliveries
    assert delivery.received


def test_programs_without_an_adapter_are_told_nothing() -> None:
    for handlers in (True, False):
        story = Story(handlers=handlers)
        story.connect()
        story.push(7, told=Instruction(outcome="hang"))
        (delivery,) = History(story.trace()).deliveries
        assert delivery.instruction.outcome == ("hang" if handlers else "ok")


def test_a_message_is_reachable_while_one_connection_takes_its_group_all_the_time() -> None:
    story = Story()
    message = story.produce(7).event
    assert isinstance(message, Produced)
    story.wait(10)
    story.connect()
    story.wait(10)
    story.close()
    story.connect()
    history = History(story.trace())
    assert history.reachable(message, 10, 20)
    assert history.reachable(message, 20, 1e9)
    assert not history.reachable(message, 9, 20)
    assert not history.reachable(message, 15, 25)
    other = Produced(message=Id(8), app_key=APP, group="other", topic="t")
    assert not history.reachable(other, 10, 20)


def test_what_several_judges_need_is_made_once() -> None:
    history = History(Trace(entries=()))
    made: list[History] = []

    def count(given: History) -> int:
        made.append(given)
        return len(made)

    assert [history.once(count), history.once(count)] == [1, 1]
    assert made == [history]
