"""PUB judged: hand-written publishes, what the service answers, and what clients tell their applications of it."""

from __future__ import annotations

import random

from proofs import Evidence, judged, leaves_open, passes, violates
from stories import APP, EPOCH_MS, GROUP, TOPIC, Story

from tmcfakes.service import App, Service
from tmcspec.clauses import CLAUSES, judge_trace
from tmcspec.events import HttpIn, Published
from tmcspec.frame import encode
from tmcspec.messages import Connect, Publish, Push
from tmcspec.signing import sign_connect
from tmcspec.trace import Entry, Recorder, Trace

REFUSED = "Invalid arguments: topic"


def accepted(story: Story, topic: str = TOPIC, content: str = "{}", *, flag: int = 2) -> Entry:
    """A publish that the service takes. Its SENDACK is told."""
    story.publishes(topic, content, flag=flag)
    story.published(topic, content)
    return story.acknowledges(flag=flag)


def refused(story: Story, *, flag: int = 2) -> Entry:
    """A publish that the service refuses. Its SENDACK is told."""
    story.publishes(flag=flag)
    story.published(code=41, phrase=REFUSED)
    return story.acknowledges(41, REFUSED, flag=flag)


# PUB-1: success


@passes("PUB-1", times=2)
def test_a_success_that_is_told_after_its_sendack(story: Story) -> None:
    story.connect()
    accepted(story)
    story.told_of_publish()
    accepted(story, flag=3)
    story.told_of_publish()


@passes("PUB-1", times=1, world="live")
def test_live_only_a_sendack_that_was_kept_back_proves_that_a_client_waited(story: Story) -> None:
    story.connect()
    accepted(story)
    story.told_of_publish()
    story.publishes(flag=3)
    story.wait(0.2)
    story.acknowledges(flag=3)
    story.told_of_publish()


@passes("PUB-1", times=2)
def test_two_publishes_alike_are_acknowledged_in_any_order(story: Story) -> None:
    story.connect()
    story.publishes(flag=2)
    story.publishes(flag=3)
    story.acknowledges(flag=3)
    story.told_of_publish()
    story.acknowledges(flag=2)
    story.told_of_publish()


@violates("PUB-1", "the publish with flag 2 was told as a success before its SENDACK came", world="live")
def test_a_success_that_is_told_before_its_sendack(story: Story) -> Evidence:
    story.connect()
    sent = story.publishes()
    told = story.told_of_publish()
    story.acknowledges()
    return sent, told


@violates("PUB-1", "the publish with flag 2 was told as a success before its SENDACK came")
def test_a_sendack_with_another_flag_is_not_its_own(story: Story) -> Evidence:
    story.connect()
    sent = story.publishes()
    story.acknowledges(flag=3)
    story.acknowledges(flag=0)
    return sent, story.told_of_publish()


@violates("PUB-1", "the publish with flag 2 was told as a success before its SENDACK came")
def test_a_push_with_its_flag_is_not_its_sendack(story: Story) -> Evidence:
    story.connect()
    sent = story.publishes()
    push = Push(token="t", id=7, topic=TOPIC).to_frame()
    story.hears(type(push)(type=push.type, flag=2, token=push.token, content=push.content))
    return sent, story.told_of_publish()


@violates("PUB-1", "the publish with flag 2 was told as a success before its SENDACK came")
def test_a_sendack_on_another_connection_is_not_its_own(story: Story) -> Evidence:
    story.connect()
    first = story.connection
    sent = story.publishes()
    story.connect()
    story.acknowledges()
    assert story.connection != first
    return sent, story.told_of_publish()


@violates("PUB-1", "the publish with flag 0 was told as a success before its SENDACK came")
def test_without_a_flag_there_is_nothing_to_wait_for(story: Story) -> Evidence:
    story.connect()
    sent = story.publishes(flag=0)
    story.published()
    return sent, story.told_of_publish()


@violates("PUB-1", f"a publish about {TOPIC!r} was told as a success and never sent")
def test_a_success_that_is_made_up(story: Story) -> Evidence:
    story.connect()
    accepted(story, content="another")
    story.told_of_publish(content="another")
    return (story.told_of_publish(),)


@violates("PUB-1", "the publish with flag 2 was accepted and the application not told; 60.0 s passed")
def test_a_success_that_is_never_told(story: Story) -> Evidence:
    story.connect()
    ack = accepted(story)
    story.wait(60)
    return (ack,)


@violates("PUB-1", "the publish with flag 2 was accepted and told as an error")
def test_a_success_that_is_told_as_an_error(story: Story) -> Evidence:
    story.connect()
    ack = accepted(story)
    return ack, story.told_of_publish(error="execution timeout")


@leaves_open("PUB-1", world="live")
def test_live_a_busy_machine_may_be_too_late_for_a_sendack(story: Story) -> None:
    story.connect()
    accepted(story)
    story.told_of_publish(error="execution timeout")


@leaves_open("PUB-1")
def test_a_client_that_gave_up_or_was_cut_off_tells_an_error(story: Story) -> None:
    story.connect()
    story.publishes()
    story.wait(1.5)
    story.acknowledges()
    story.told_of_publish(error="execution timeout")
    accepted(story, content="2", flag=3)
    story.close("fault")
    story.told_of_publish(content="2", error="connection lost")


@leaves_open("PUB-1")
def test_what_was_refused_is_a_matter_of_pub_2(story: Story) -> None:
    story.connect()
    refused(story)
    story.told_of_publish()
    refused(story, flag=3)
    story.told_of_publish(error=REFUSED)


@leaves_open("PUB-1")
def test_an_application_that_stopped_its_client_or_a_client_that_died_hears_no_more(story: Story) -> None:
    story.connect()
    accepted(story)
    story.wait(1)
    story.stopped()
    story.wait(100)
    story.connect()
    accepted(story, content="2")
    story.died()
    story.wait(100)
    accepted(story, content="3", flag=3)
    story.wait(59)


@leaves_open("PUB-1")
def test_a_publish_over_http_needs_no_sendack(story: Story) -> None:
    story.record(
        HttpIn(request=1, method="taobao.tmc.message.produce", app_key=APP, sign="right", arguments=(("topic", TOPIC),))
    )
    story.record(Published(app_key=APP, topic=TOPIC, content="{}", accepted=True, via="http"))
    story.told_of_publish()


@leaves_open("PUB-1")
def test_a_trace_that_begins_later_does_not_show_what_was_published_before(story: Story) -> None:
    story.acknowledges()
    story.told_of_publish()
    story.record(Published(app_key=APP, topic=TOPIC, content="{}", accepted=True, via="ws", connection=None))


def test_of_two_publishes_alike_each_is_told_of_once() -> None:
    story = Story()
    story.connect()
    accepted(story)
    story.publishes(flag=3)
    story.told_of_publish()
    story.told_of_publish()
    (finding,) = judged("PUB-1", story).violations
    assert finding.message == "the publish with flag 3 was told as a success before its SENDACK came"


# PUB-2: failure


@passes("PUB-2", times=2)
def test_a_refusal_and_silence_are_told_as_errors(story: Story) -> None:
    story.connect()
    refused(story)
    story.told_of_publish(error=REFUSED)
    story.publishes(flag=3)
    story.wait(2)
    story.told_of_publish(error="execution timeout")
    story.acknowledges(flag=3)


@passes("PUB-2", times=2)
def test_of_two_publishes_alike_the_errors_are_told_in_any_order(story: Story) -> None:
    story.connect()
    story.publishes(flag=2)
    story.wait(1)
    refused(story, flag=3)
    story.told_of_publish(error=REFUSED)
    story.wait(1)
    story.told_of_publish(error="execution timeout")


@passes("PUB-2", times=1)
def test_a_publish_without_a_flag_that_is_told_as_an_error(story: Story) -> None:
    story.connect()
    story.publishes(flag=0)
    story.told_of_publish(error="no flag")


@violates("PUB-2", "the publish with flag 2 was refused and told as a success", times=1)
def test_a_refusal_that_is_told_as_a_success(story: Story) -> Evidence:
    story.connect()
    ack = refused(story)
    return ack, story.told_of_publish()


@violates("PUB-2", "the publish with flag 2 was refused and told as a success", times=1)
def test_a_refusal_by_phrase_alone_is_one(story: Story) -> Evidence:
    story.connect()
    story.publishes()
    ack = story.acknowledges(phrase="no")
    return ack, story.told_of_publish()


@violates("PUB-2", "the publish with flag 2 was refused and the application not told; 60.0 s passed")
def test_a_refusal_that_is_swallowed(story: Story) -> Evidence:
    story.connect()
    sent = story.publishes()
    story.acknowledges(41, REFUSED)
    story.wait(60)
    return (sent,)


@violates("PUB-2", "the publish with flag 2 was refused and the application not told; the client died (exit status 1)")
def test_a_client_that_dies_of_a_refusal(story: Story) -> Evidence:
    story.connect()
    sent = story.publishes()
    story.acknowledges(41)
    story.died()
    return (sent,)


@violates("PUB-2", "the publish with flag 2 was not answered and the application not told; 60.0 s passed")
def test_a_client_that_waits_for_ever(story: Story) -> Evidence:
    story.connect()
    sent = story.publishes()
    story.wait(60)
    return (sent,)


@leaves_open("PUB-2")
def test_successes_and_publishes_that_nobody_waits_for_any_more(story: Story) -> None:
    story.connect()
    accepted(story)
    story.told_of_publish()
    story.publishes(content="2", flag=3)
    story.died()
    story.wait(100)
    story.connect()
    story.publishes(content="3")
    story.stopped()
    story.wait(100)
    story.connect()
    story.publishes(content="4")
    story.told_of_publish(content="4")
    story.publishes(content="5", flag=3)
    story.wait(59)


# PUB-3: the SENDACK


@passes("PUB-3", times=3)
def test_each_publish_gets_its_own_sendack(story: Story) -> None:
    story.connect()
    accepted(story)
    refused(story, flag=3)
    story.publishes(flag=4)
    story.wait(2)
    story.acknowledges(flag=4)


@passes("PUB-3", times=2)
def test_a_flag_that_is_used_again_is_answered_again(story: Story) -> None:
    story.connect()
    story.publishes()
    story.publishes()
    story.acknowledges()
    story.acknowledges()


@violates("PUB-3", "the publish with flag 2 was not answered; 2.5 s passed")
def test_a_publish_that_is_not_answered(story: Story) -> Evidence:
    story.connect()
    sent = story.publishes()
    story.published()
    story.acknowledges(flag=3)
    story.wait(2.5)
    return (sent,)


@violates("PUB-3", "the publish with flag 2 was not answered; 3.0 s passed")
def test_a_connection_that_ends_later_excuses_no_silence(story: Story) -> Evidence:
    story.connect()
    sent = story.publishes()
    story.wait(3)
    story.close()
    story.wait(10)
    return (sent,)


@violates("PUB-3", "the publish with flag 2 was answered twice")
def test_a_publish_that_is_answered_twice(story: Story) -> Evidence:
    story.connect()
    ack = accepted(story)
    again = story.acknowledges(41)
    story.acknowledges()
    return ack, again


@violates("PUB-3", "the publish with flag 2 was accepted and its SENDACK is an error")
def test_an_accepted_publish_whose_sendack_is_an_error(story: Story) -> Evidence:
    story.connect()
    story.publishes()
    found = story.published()
    return found, story.acknowledges(41)


@violates("PUB-3", "the publish with flag 2 was refused and its SENDACK is a success")
def test_a_refused_publish_whose_sendack_is_a_success(story: Story) -> Evidence:
    story.connect()
    story.publishes()
    found = story.published(code=41)
    return found, story.acknowledges()


@violates("PUB-3", "the publish with flag 2 was answered only after 2.1 s")
def test_a_sendack_that_is_too_late_for_official_clients(story: Story) -> Evidence:
    story.connect()
    sent = story.publishes()
    story.wait(2.1)
    return sent, story.acknowledges()


@leaves_open("PUB-3")
def test_publishes_that_the_service_need_not_answer(story: Story) -> None:
    # Not accepted yet, without a flag, on a connection that ends, that begins anew, and that the service will end.
    story.connects()
    story.publishes()
    story.accepts()
    story.publishes(flag=0)
    story.publishes(flag=3)
    story.close("client")
    story.connect()
    story.publishes()
    story.connects_again()
    story.publishes(flag=3)
    story.connect()
    story.publishes()
    story.fault("disconnect", story.connection)
    story.wait(10)
    story.connect()
    story.publishes()
    story.wait(2)


@leaves_open("PUB-3")
def test_what_was_done_on_purpose_is_not_the_service_s_fault(story: Story) -> None:
    story.connect()
    story.publishes()
    story.fault("sendack", story.connection)
    story.wait(10)
    story.publishes(flag=3)
    story.published()
    story.fault("sendack", story.connection)
    story.acknowledges(41, flag=3)
    accepted(story, flag=4)
    story.fault("sendack", story.connection)
    story.acknowledges(flag=4)


# PUB-4: refusals


@passes("PUB-4", times=2)
def test_refusals_by_code_or_by_phrase(story: Story) -> None:
    story.connect()
    story.published(code=41)
    story.published(phrase=REFUSED)


@passes("PUB-4", times=4)
def test_topics_and_contents_that_are_too_long_or_empty_are_refused(story: Story) -> None:
    for topic, content in (("", "{}"), ("t" * 257, "{}"), (TOPIC, ""), (TOPIC, "x" * 122_881)):
        story.published(topic, content, code=41)


@violates("PUB-4", "a publish with a topic of 257 characters and a content of 0 characters was accepted")
def test_a_publish_out_of_limits_that_is_accepted(story: Story) -> Evidence:
    return (story.published("t" * 257, ""),)


@violates("PUB-4", "a publish was refused with neither a code nor a phrase")
def test_a_refusal_that_looks_like_a_success(story: Story) -> Evidence:
    return (story.record(Published(app_key=APP, topic=TOPIC, content="{}", accepted=False, via="ws", connection="c")),)


@violates("PUB-4", "a publish was accepted with code 41, phrase None")
def test_an_acceptance_that_looks_like_a_refusal(story: Story) -> Evidence:
    return (story.record(Published(app_key=APP, topic=TOPIC, content="{}", accepted=True, via="http", code=41)),)


@leaves_open("PUB-4")
def test_good_publishes_say_nothing_about_bad_ones(story: Story) -> None:
    story.published("t" * 256, "x" * 122_880)


# The fake service


def test_the_fake_service_keeps_its_part() -> None:
    recorder = Recorder()
    service = Service(
        apps=[App(key=APP, secret="secret")],
        recorder=recorder,
        rng=random.Random(0),
        epoch_ms=EPOCH_MS,
        topics_to_taobao=[TOPIC],
    )
    sign = sign_connect(app_key=APP, group=GROUP, timestamp=str(EPOCH_MS), secret="secret")
    connect = Connect(app_key=APP, group=GROUP, timestamp=str(EPOCH_MS), sign=sign, flag=1)
    service.opened("c1", now=0.0)
    service.received("c1", encode(connect.to_frame()), now=0.0)
    for flag, topic in ((2, TOPIC), (3, "no_such_topic"), (4, "t" * 257), (0, TOPIC)):
        service.received("c1", encode(Publish(token="t", flag=flag, topic=topic, content="{}").to_frame()), now=0.0)
    service.tick(now=10.0)
    trace = Trace(entries=tuple(recorder.entries), world="simulated", epoch_ms=EPOCH_MS)
    judgements = {each.clause.id: each for each in judge_trace(trace, (CLAUSES["PUB-3"], CLAUSES["PUB-4"]))}
    assert {id: (each.result, each.exercised) for id, each in judgements.items()} == {
        "PUB-3": ("pass", 3),
        "PUB-4": ("pass", 2),
    }


def test_a_story_publishes_as_the_real_service_records_it() -> None:
    recorder = Recorder()
    service = Service(apps=[App(key=APP, secret="secret")], recorder=recorder, rng=random.Random(0), epoch_ms=EPOCH_MS)
    sign = sign_connect(app_key=APP, group=GROUP, timestamp=str(EPOCH_MS), secret="secret")
    connect = Connect(app_key=APP, group=GROUP, timestamp=str(EPOCH_MS), sign=sign, flag=1)
    service.opened("c1", now=0.0)
    service.received("c1", encode(connect.to_frame()), now=0.0)
    service.received("c1", encode(Publish(token="t", flag=2, topic=TOPIC, content="{}").to_frame()), now=0.0)
    story = Story()
    story.connect()
    accepted(story)
    assert [entry.event.word for entry in recorder.entries] == [
        entry.event.word for entry in story.trace().entries[:-1]
    ]
