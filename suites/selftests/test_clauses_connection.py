"""CON judged: hand-written reconnections."""

from __future__ import annotations

from proofs import Evidence, judged, leaves_open, passes, violates
from stories import Story

from tmcspec.events import Accepted

# CON-1: back


@passes("CON-1", times=2)
def test_a_client_that_is_back_after_a_close_and_after_an_abort(story: Story) -> None:
    story.connect()
    story.close("service")
    story.wait(10)
    story.connect()
    story.close("fault")
    story.wait(29)
    story.connect()


@passes("CON-1", times=1)
def test_hand_moved_seconds_are_not_the_clients(story: Story) -> None:
    story.connect()
    story.close()
    story.advance(3600)
    story.wait(10)
    story.connect()


@violates("CON-1", "the client was not back; 30.0 s passed")
def test_a_client_that_does_not_come_back(story: Story) -> Evidence:
    story.connect()
    closed = story.close()
    story.wait(30)
    return (closed,)


@violates("CON-1", "the client was not back; the client died (exit status 1)")
def test_a_client_that_dies_of_a_close(story: Story) -> Evidence:
    story.connect()
    closed = story.close()
    story.wait(1)
    story.died()
    return (closed,)


@violates("CON-1", "the client was back only after 31.0 s")
def test_a_client_that_comes_back_too_late(story: Story) -> Evidence:
    story.connect()
    closed = story.close()
    story.wait(31)
    story.connect()
    return closed, story.last(Accepted)


@violates("CON-1", "the client was not back; 40.0 s passed")
def test_a_stop_long_after_does_not_excuse(story: Story) -> Evidence:
    story.connect()
    closed = story.close()
    story.wait(40)
    story.stopped()
    return (closed,)


@leaves_open("CON-1")
def test_a_client_that_has_still_time_to_come_back(story: Story) -> None:
    story.connect()
    story.close()
    story.wait(20)


@leaves_open("CON-1")
def test_a_client_that_closes_by_itself_or_was_never_accepted_need_not_come_back(story: Story) -> None:
    story.connect()
    story.close("client")
    story.connects()
    story.refuses()
    story.close()
    story.connect()
    story.wait(60)


@leaves_open("CON-1")
def test_a_client_that_was_stopped_need_not_come_back(story: Story) -> None:
    story.connect()
    story.stopped()
    story.close("service")
    story.wait(60)


@leaves_open("CON-1")
def test_a_client_that_is_stopped_before_it_is_back_need_not_come_back(story: Story) -> None:
    story.connect()
    story.close("service")
    story.wait(5)
    story.stopped()
    story.wait(60)


@leaves_open("CON-1")
def test_a_client_cannot_be_back_while_the_service_is_away(story: Story) -> None:
    story.connect()
    story.fault("unreachable")
    story.close("service")
    story.wait(60)
    story.connect()


@leaves_open("CON-1")
def test_a_client_cannot_be_back_when_it_is_answered_oddly(story: Story) -> None:
    story.connect()
    story.close("service")
    story.wait(10)
    story.connects()
    story.fault("connectack", story.connection)
    story.refuses()
    story.wait(60)


@violates("CON-1", "the client was not back; 60.0 s passed")
def test_an_outage_before_the_connection_began_excuses_nothing(story: Story) -> Evidence:
    story.fault("unreachable")
    story.wait(60)
    story.connect()
    closed = story.close("service")
    story.wait(60)
    return (closed,)


# CON-3: apart


@passes("CON-3", times=2)
def test_attempts_that_are_apart(story: Story) -> None:
    story.connect()
    story.wait(600)
    story.close()
    story.wait(0.004)
    story.connect()
    story.close("client")
    story.wait(0.95)
    story.connect()


@violates("CON-3", "0.004 s between two attempts")
def test_a_client_that_hammers(story: Story) -> Evidence:
    first = story.open()
    story.close("client")
    story.wait(0.004)
    return first, story.open()


@leaves_open("CON-3", client_clock=False)
def test_attempts_whose_seconds_were_not_measured_may_be_apart(story: Story) -> None:
    for _ in range(2):
        story.open()
        story.close("client")


@violates("CON-3", "0.500 s between two attempts")
def test_hand_moved_seconds_are_no_pause(story: Story) -> Evidence:
    first = story.open()
    story.close("client")
    story.advance(60)
    story.wait(0.5)
    return first, story.open()


@violates("CON-3", "0.004 s between two attempts")
def test_an_error_that_the_client_reports_by_itself_does_not_excuse(story: Story) -> Evidence:
    first = story.open()
    story.close("service")
    story.error(None)
    story.wait(0.004)
    return first, story.open()


@leaves_open("CON-3")
def test_one_attempt_has_no_other_to_be_apart_from(story: Story) -> None:
    story.connect()
    story.close("service", on="c9")


@leaves_open("CON-3")
def test_two_connections_that_are_open_at_once_are_no_attempts_of_one_client(story: Story) -> None:
    story.open()
    story.open()
    story.close("client", on="c2")
    story.open()
    story.close("client", on="c3")
    story.open()


@leaves_open("CON-3")
def test_attempts_of_several_clients_cannot_be_told_apart(story: Story) -> None:
    story.started(client="first")
    story.started(client="second")
    story.open()
    story.close("client")
    story.open()


@leaves_open("CON-3")
def test_attempts_of_the_application_are_its_own(story: Story) -> None:
    story.open()
    story.error("start")
    story.close("client")
    story.open()
    story.stopped()
    story.close("client")
    story.open()
    story.died()
    story.close("client")
    story.open()


# CON-4: anew


@passes("CON-4", times=2)
def test_a_client_that_signs_the_present_each_time(story: Story) -> None:
    for _ in range(3):
        story.connect()
        story.close("service")
        story.wait(10)


@violates("CON-4", "CONNECT has the timestamp 1767225600000 of an earlier one", times=2)
def test_a_client_that_sends_its_first_connect_again(story: Story) -> Evidence:
    first = story.connect()
    story.close("service")
    story.wait(10)
    story.connect()
    story.close("service")
    story.wait(10)
    return first, story.connects(timestamp="1767225600000")


@leaves_open("CON-4")
def test_a_first_connect_repeats_none_whoever_else_sent_one(story: Story) -> None:
    story.connect(client="a")
    story.wait(10)
    story.connects(timestamp="1767225600000", client="b")
    story.wait(10)
    story.connects_again(timestamp="1767225600000")


@leaves_open("CON-4")
def test_whose_a_repeated_connect_is_cannot_be_told_of_several_clients(story: Story) -> None:
    story.started(client="a")
    story.started(client="b")
    story.connect()
    story.wait(10)
    story.connects(timestamp="1767225600000")


@leaves_open("CON-4")
def test_a_timestamp_that_does_not_show_may_be_a_new_one(story: Story) -> None:
    for stamp in ("", 20 * "7", 20 * "7", ""):
        story.connects(timestamp=stamp)
        story.wait(10)
    story.open()
    story.open()
    story.says(b"garbage")


@leaves_open("CON-4")
def test_what_connects_in_the_same_moment_has_the_same_time(story: Story) -> None:
    story.connect()
    story.connect()


@leaves_open("CON-4", client_clock=False)
def test_where_the_present_stands_still_every_timestamp_is_the_same(story: Story) -> None:
    for _ in range(2):
        story.connects(timestamp="1767225600000")
        story.wait(10)


# Faults and fleets


@leaves_open("CON-1")
def test_an_outage_that_lasts_excuses_to_the_end(story: Story) -> None:
    story.connect(client="a")
    story.fault("silent_accept", "a")
    story.close("fault")
    story.wait(3600)


@violates("CON-1", "the client was not back; 60.0 s passed", times=1)
def test_that_others_are_back_or_hindered_or_stopped_does_not_excuse(story: Story) -> Evidence:
    story.connect(client="a")
    story.connect(client="b")
    closed = story.close("service", on="c1")
    story.fault("down", "b")
    story.fault("abort", "c2")
    story.connect(client="b")
    story.stopped(client="b")
    story.wait(60)
    return (closed,)


@leaves_open("CON-1")
def test_a_client_of_several_that_was_stopped_need_not_come_back(story: Story) -> None:
    story.connect(client="a")
    story.connect(client="b")
    story.stopped(client="a")
    story.close("service", on="c1")
    story.wait(60)


@passes("CON-3", times=2)
def test_each_client_has_attempts_of_its_own(story: Story) -> None:
    for client in ("a", "b", "a", "b"):
        story.open(client=client)
        story.close("client")
        story.wait(0.5)


@violates("CON-3", "0.200 s between two attempts", times=3)
def test_a_client_that_hammers_while_nobody_is_there(story: Story) -> Evidence:
    story.fault("down")
    story.attempts("a")
    story.wait(1)
    first = story.attempts("a")
    story.attempts("b")
    story.wait(0.2)
    second = story.attempts("a")
    story.wait(1)
    story.heals("down")
    story.open(client="a")
    return first, second


@leaves_open("CON-3")
def test_a_client_that_its_application_started_again_begins_anew(story: Story) -> None:
    story.open(client="a")
    story.close("client")
    story.stopped(client="a")
    story.open(client="a")
    story.close("client")
    story.error("start", client="a")
    story.open(client="a")
    story.open(client="b")


@violates("CON-3", "0.000 s between two attempts")
def test_that_another_client_was_started_again_does_not_excuse(story: Story) -> Evidence:
    first = story.open(client="a")
    story.close("client")
    story.stopped(client="b")
    story.error("start", client="b")
    return first, story.open(client="a")


@leaves_open("CON-3")
def test_attempts_that_came_late_may_have_been_apart(story: Story) -> None:
    story.fault("latency", "a", "delay=2")
    story.open(client="a")
    story.close("client")
    story.open(client="a")


def test_two_thousand_reconnections_are_judged_one_by_one() -> None:
    story = Story()
    for _ in range(2000):
        story.connect()
        story.wait(1)
        story.close()
    story.wait(31)
    assert judged("CON-1", story).exercised == 2000
    assert judged("CON-3", story).exercised == 1999
