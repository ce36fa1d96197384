"""Hand-written traces are like those of the real service."""

from __future__ import annotations

import random

from stories import APP, EPOCH_MS, GROUP, TOKEN, Story

from tmcfakes.service import App, Service
from tmcspec.clauses import judge_trace
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
