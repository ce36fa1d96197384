"""Several clients in one trace: each is judged by what happened to itself."""

from __future__ import annotations

from proofs import judged
from stories import Story

from tmcspec.clauses import Binds, Level, judge_trace
from tmcspec.clauses.history import History
from tmcspec.events import Opened
from tmcspec.instruction import Instruction


def accused(story: Story) -> list[str]:
    """The clauses that a client breaks; those that only count accuse nobody."""
    found = [judgement.clause for judgement in judge_trace(story.trace()) if judgement.violations]
    return [clause.id for clause in found if clause.binds is Binds.CLIENT and clause.level is not Level.INFO]


def two() -> Story:
    """Clients a and b of one group, each connected: on c1 and c2."""
    story = Story()
    for client in ("a", "b"):
        story.connect(client=client)
        story.started(client=client)
    return story


def test_a_handler_is_called_with_what_its_own_client_was_handed() -> None:
    story = two()
    story.push(7, on="c1")
    story.push(7, on="c2")
    story.received(7, client="b")
    story.handled(7, client="b")
    late = story.received(7, client="a")
    story.received(7, client="a")
    first, second = History(story.trace()).deliveries
    assert second.received
    assert second.handled
    assert first.received
    assert (second.received.event.client, first.received.entry) == ("b", late)


def test_what_comes_too_late_belongs_to_the_latest_that_its_client_was_handed() -> None:
    story = two()
    story.push(7, on="c1")
    story.wait(360)
    story.push(7, on="c2")
    received, done = story.received(7, client="a"), story.handled(7, client="a")
    story.handled(7, client="nobody")
    story.received(7, client="nobody")
    first, second = History(story.trace()).deliveries
    assert first.received
    assert first.handled
    assert (first.received.entry, first.handled.entry) == (received, done)
    assert (second.received, second.handled) == (None, None)


def test_a_message_that_one_client_lost_and_another_handled_is_settled() -> None:
    story = two()
    story.fault("timeout", "a")
    story.push(7, on="c1")
    story.wait(30)
    story.heals("timeout", "a")
    story.close("fault", on="c1")
    story.connect(client="a")
    story.wait(330)
    story.push(7, on="c2")
    story.handles(7, client="b")
    story.confirm(7, on="c2")
    story.wait(1000)
    assert accused(story) == []


def test_a_client_that_dies_of_a_frame_is_accused_though_others_go_on() -> None:
    story = two()
    story.hears(b"\x02", on="c1")
    story.died(client="a")
    story.push(7, on="c2")
    story.takes(7, client="b")
    assert accused(story) == ["FRM-11"]


def test_the_death_of_another_client_is_nobodys_excuse_and_nobodys_guilt() -> None:
    story = two()
    story.hears(b"\x02", on="c1")
    story.died(client="b")
    story.close("client", on="c2")
    story.push(7, on="c1")
    story.received(7, client="a")
    story.handled(7, client="a")
    story.confirm(7, on="c1")
    assert accused(story) == []


def test_a_client_that_dies_of_its_handler_is_accused_though_others_go_on() -> None:
    story = two()
    story.push(7, on="c1", told=Instruction(outcome="raise"))
    story.received(7, client="a")
    story.handled(7, "raise", client="a")
    story.push(8, on="c2")
    story.takes(8, client="b")
    story.died(client="a")
    assert accused(story) == ["ACK-5"]


def test_a_client_that_goes_and_does_not_try_again_is_not_hidden_by_others() -> None:
    story = two()
    story.hears(b"\x02", on="c1")
    story.close("client", on="c1")
    story.connect(client="b")
    story.wait(60)
    assert "FRM-11" in accused(story)
    assert judged("FRM-11", story).violations[0].message.startswith("the client closed the connection")


def test_a_client_that_tries_again_in_vain_has_not_gone() -> None:
    story = two()
    story.hears(b"\x02", on="c1")
    story.close("client", on="c1")
    story.wait(2)
    story.attempts("a")
    story.wait(60)
    assert accused(story) == []


def test_each_application_is_told_of_the_refusal_of_its_own_client() -> None:
    story = Story()
    story.connects(client="a")
    story.refuses()
    story.connect(client="b")
    story.started(client="b")
    story.error("start", client="b")
    story.wait(60)
    assert accused(story) == ["HSK-7"]
    story.fault("unreachable")
    assert judged("HSK-7", story).exercised == 1


def test_a_handshake_that_is_not_answered_is_given_up_by_its_own_client() -> None:
    story = Story()
    story.connects(client="a")
    story.wait(10)
    story.connects(client="b")
    story.attempts("b")
    story.wait(60)
    assert len(judged("HSK-9", story).violations) == 1


def test_a_client_is_connected_when_its_own_handshake_succeeded() -> None:
    story = Story()
    story.connects(client="a")
    story.accepts(flag=9)
    story.connect(client="b")
    story.started(client="b")
    story.wait(60)
    assert accused(story) == []
    story.started(client="a")
    assert accused(story) == []  # b's success may be meant: that is not known


def test_an_event_of_nobody_may_be_anybodys() -> None:
    story = two()
    first = story.open()
    story.close()
    last = story.pings()
    fleet = History(story.trace()).fleet
    assert fleet.first_after(Opened, first, "a") is None
    opened = fleet.last_before(Opened, last, "b")
    assert opened
    assert opened.entry == first
