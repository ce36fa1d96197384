"""CON judged: hand-written outages, refused upgrades, and connections that fell silent."""

from __future__ import annotations

from proofs import Evidence, leaves_open, passes, violates
from stories import Story

from tmcspec.events import Accepted, Attempted, ClientStarted

# CON-1: silence


@passes("CON-1", times=1)
def test_a_client_that_notices_that_its_connection_is_a_black_hole(story: Story) -> None:
    story.connect(client="a")
    story.fault("half_open")
    story.wait(119)
    story.connect(client="a")
    story.heals("half_open")
    story.close("fault", on="c1")
    story.wait(600)


@violates("CON-1", "the client was not back; 120.0 s passed")
def test_a_client_that_takes_silence_for_a_quiet_day(story: Story) -> Evidence:
    story.connect(client="a")
    silent = story.fault("half_open", "a")
    story.wait(120)
    return (silent,)


@violates("CON-1", "the client was back only after 121.0 s")
def test_a_client_that_notices_late(story: Story) -> Evidence:
    story.connect(client="a")
    silent = story.fault("half_open")
    story.wait(121)
    story.connect(client="a")
    return silent, story.last(Accepted)


@violates("CON-1", "the client was not back; the client died (exit status 1)")
def test_a_client_that_dies_of_silence(story: Story) -> Evidence:
    story.connect()
    silent = story.fault("half_open")
    story.wait(100)
    story.died()
    return (silent,)


@leaves_open("CON-1")
def test_silence_that_is_over_soon_need_not_be_noticed(story: Story) -> None:
    story.connect(client="a")
    story.fault("half_open")
    story.wait(100)
    story.heals("half_open")
    story.close("fault")
    story.wait(20)


@leaves_open("CON-1")
def test_silence_of_others_of_some_and_of_nobody_proves_nothing(story: Story) -> None:
    story.fault("half_open")
    story.connect(client="a")
    story.fault("half_open", "b")
    story.fault("half_open", detail="toxicity=0.5")
    story.connect(client="b")
    story.wait(200)


@leaves_open("CON-1")
def test_who_cannot_connect_or_is_stopped_need_not_be_back_after_silence(story: Story) -> None:
    story.connect(client="a")
    story.connect(client="b")
    story.fault("half_open")
    story.wait(60)
    story.stopped(client="a")
    story.fault("down", "b")
    story.wait(200)


# CON-2: outages


@passes("CON-2", times=2)
def test_the_seconds_count_from_the_end_of_what_kept_a_client_away(story: Story) -> None:
    story.connect(client="a")
    story.fault("refuse_upgrade", "a")
    story.close("fault")
    story.wait(100)
    story.heals("refuse_upgrade", "a")
    story.wait(10)
    story.fault("down")
    story.wait(100)
    story.heals("down")
    story.wait(59)
    story.connect(client="a")
    story.close("service")
    story.wait(29)
    story.fault("down")
    story.wait(1000)
    story.heals("down")
    story.wait(59)
    story.connect(client="a")


@violates("CON-2", "the client was not back; 60.0 s passed")
def test_a_client_that_is_not_back_after_an_outage(story: Story) -> Evidence:
    story.connect(client="a")
    story.fault("down")
    closed = story.close("fault")
    story.wait(100)
    story.attempts("a")
    healed = story.heals("down")
    story.wait(60)
    return closed, healed


@violates("CON-2", "the client was back only after 61.0 s")
def test_a_client_that_is_back_too_late_after_an_outage(story: Story) -> Evidence:
    story.connect(client="a")
    closed = story.close("service")
    story.wait(10)
    story.fault("restart")
    story.wait(5)
    healed = story.heals("restart")
    story.wait(61)
    story.connect(client="a")
    return closed, healed, story.last(Accepted)


@leaves_open("CON-2")
def test_an_outage_is_nothing_to_a_client_that_was_back_before_or_has_still_time(story: Story) -> None:
    story.connect(client="a")
    story.close("service")
    story.fault("latency")
    story.wait(40)
    story.connect(client="a")
    story.wait(40)
    story.heals("latency")
    story.fault("down")
    story.close("fault")
    story.wait(40)
    story.heals("down")
    story.wait(50)


@leaves_open("CON-2")
def test_an_outage_that_lasts_or_a_client_that_was_stopped_proves_nothing(story: Story) -> None:
    story.connect(client="a")
    story.connect(client="b")
    story.fault("down", "b")
    story.close("fault", on="c2")
    story.fault("down", "a")
    story.close("fault", on="c1")
    story.wait(100)
    story.heals("down", "a")
    story.stopped(client="a")
    story.wait(3600)


@leaves_open("CON-1")
def test_who_is_connected_elsewhere_is_not_away(story: Story) -> None:
    story.connect(client="a")
    story.connect(client="a")
    story.close("service", on="c1")
    story.wait(3600)


# CON-7: refused upgrades


@passes("CON-7", times=1)
def test_a_client_that_tries_again_when_its_upgrade_was_refused(story: Story) -> None:
    story.connect(client="a")
    story.fault("refuse_upgrade", detail="status=503")
    story.close("service")
    story.wait(5)
    story.attempts("a")
    story.heals("refuse_upgrade", detail="status=503")
    story.wait(55)
    story.connect(client="a")


@violates("CON-7", "the client was not back; 60.0 s passed")
def test_a_client_that_does_not_try_again_when_its_upgrade_was_refused(story: Story) -> Evidence:
    story.connect(client="a")
    story.fault("refuse_upgrade", detail="status=503")
    closed = story.close("service")
    story.wait(5)
    story.attempts("a")
    healed = story.heals("refuse_upgrade", detail="status=503")
    story.wait(60)
    return closed, healed


@passes("CON-7", times=1)
def test_a_client_that_says_at_first_that_its_upgrade_was_refused(story: Story) -> None:
    story.fault("refuse_upgrade")
    story.attempts()
    story.error()
    story.heals("refuse_upgrade")


@violates("CON-7", "the application was not told; 60.0 s passed")
def test_a_client_that_keeps_a_refused_upgrade_to_itself(story: Story) -> Evidence:
    story.fault("refuse_upgrade")
    story.attempts()
    story.wait(60)
    return (story.last(Attempted),)


@violates("CON-7", "the application was told that the client is connected")
def test_a_client_that_starts_although_its_upgrade_was_refused(story: Story) -> Evidence:
    story.fault("refuse_upgrade")
    story.attempts()
    story.started()
    return story.last(Attempted), story.last(ClientStarted)


@leaves_open("CON-7")
def test_a_first_attempt_that_was_not_refused_or_was_given_up_by_the_application_tells_nothing(story: Story) -> None:
    story.fault("down", "a")
    story.attempts("a")
    story.wait(100)
    story.fault("refuse_upgrade")
    story.attempts("b")
    story.wait(10)
    story.stopped(client="b")
    story.wait(100)


@leaves_open("CON-7", handlers=False)
def test_the_wire_does_not_show_what_an_application_is_told(story: Story) -> None:
    story.fault("refuse_upgrade")
    story.attempts()
    story.wait(100)
