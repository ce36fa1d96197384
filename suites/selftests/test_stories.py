"""Hand-written traces are like those of the real service."""

from __future__ import annotations

import random

from stories import APP, EPOCH_MS, GROUP, TOKEN, TOPIC, USER, Story

from tmcfakes.service import App, Service
from tmcspec.clauses import judge_trace
from tmcspec.events import HttpIn, HttpOut
from tmcspec.frame import encode
from tmcspec.messages import Confirm, Connect, Fail
from tmcspec.signing import sign_connect
from tmcspec.trace import Recorder, Trace


def test_a_story_records_in_the_order_of_the_real_service() -> None:
    recorder = Recorder()
    app = App(key=APP, secret="secret")
    service = Service(apps=[app], recorder=recorder, rng=random.Random(0), epoch_ms=EPOCH_MS)
    sign = sign_connect(app_key=APP, group=GROUP, timestamp=str(EPOCH_MS), secret="secret")
    connect = Connect(app_key=APP, group=GROUP, timestamp=str(EPOCH_MS), sign=sign, flag=1)
    wrong = Connect(app_key=APP, group=GROUP, timestamp=str(EPOCH_MS), sign="A" * 32, flag=1)
    service.opened("c1", now=0.0)
    service.received("c1", encode(connect.to_frame()), now=0.0)
    service.produce(app_key=APP, topic="t", content="{}", id=7, now=0.0)
    service.received("c1", encode(Confirm(token=TOKEN, id=8).to_frame()), now=0.0)
    service.received("c1", encode(Fail(token=TOKEN, id=7).to_frame()), now=0.0)
    service.lose_confirms(1)
    service.received("c1", encode(Confirm(token=TOKEN, id=7).to_frame()), now=0.0)
    service.received("c1", encode(Confirm(token=TOKEN, id=7).to_frame()), now=0.0)
    service.opened("c2", now=0.0)
    service.received("c2", encode(wrong.to_frame()), now=0.0)

    story = Story()
    story.connect()
    story.push(7)
    story.confirm(8)
    story.fail(7)
    story.confirm(7, lost=True)
    story.confirm(7)
    story.connects(sign="wrong")
    story.refuses()
    told = [entry.event.word for entry in story.trace().entries[:-1]]
    assert [entry.event.word for entry in recorder.entries] == told
    assert judge_trace(Trace(entries=tuple(recorder.entries), epoch_ms=EPOCH_MS))[0].result == "pass"


def test_a_story_tells_of_the_console_and_of_requests_in_the_order_of_the_real_service() -> None:
    recorder = Recorder()
    service = Service(apps=[App(key=APP, secret="secret")], recorder=recorder, rng=random.Random(0))
    console = service.console(now=0.0)
    console.authorise(APP, "张三", user_id=USER)
    console.permit(APP, "张三")
    console.add_to_group(APP, "vip", ["张三"])
    console.bind_topics(APP, "vip", [TOPIC])
    service.produce(app_key=APP, topic=TOPIC, content="{}", id=7, group="vip", now=0.0)
    service.produce(app_key=APP, topic=TOPIC, content="{}", id=8, group="default", now=0.0)
    console.delete_group(APP, "vip")
    console.set_flow(APP, GROUP, 1)
    console.set_mode(APP, GROUP, "pull")
    console.set_retention(1000.0)
    service.consume(10, app_key=APP, group=GROUP, now=0.0, request=1)
    service.fail(8, app_key=APP, group=GROUP, now=0.0, via="http")
    service.confirm(8, app_key=APP, group=GROUP, now=0.0, via="http")
    console.cancel(APP, "张三")
    console.subscribe(APP, [])

    story = Story()
    story.authorises()
    story.permits()
    story.creates_group("vip")
    story.groups_user("vip")
    story.binds_topic("vip")
    story.produce(7, group="vip")
    story.produce(8)
    story.groups_user(None)
    story.binds_topic(None)
    story.deletes_group("vip", 7)
    story.sets_flow(1)
    story.sets_mode("pull")
    story.sets_retention(1000.0)
    story.consume(8)
    story.fail_by_http(8)
    story.confirm_by_http(8)
    story.cancels()
    story.subscribes()
    # The requests themselves are written down by the gateway, not by the service.
    told = [entry.event for entry in story.trace().entries[:-1] if not isinstance(entry.event, HttpIn | HttpOut)]
    assert [entry.event for entry in recorder.entries] == told
