"""PUB: publishing to Taobao."""

from __future__ import annotations

from tmcfakes.service import AckScript
from tmcsuites.casebook import case
from tmcsuites.stage import Stage

#: Seconds that a SENDACK is kept back: long enough for a report that did not wait for it to come first, and short
#: enough for every client, which waits for 2 s.
KEPT_BACK = 0.5


@case("PUB-1", "PUB-3", "FRM-13", needs=("publish",))
async def test_a_publish_succeeds_when_it_is_acknowledged(tmc_stage: Stage) -> None:
    """The SENDACK takes its time."""
    await tmc_stage.start()
    tmc_stage.do(lambda service, now: service.script_sendacks(AckScript(delay=KEPT_BACK)))
    await tmc_stage.publish('{"text": "中文 😀"}')
    await tmc_stage.publish()


@case("PUB-2", "PUB-4", needs=("publish",))
async def test_a_publish_about_a_topic_that_does_not_exist_is_an_error(tmc_stage: Stage) -> None:
    """Code and phrase; a good publish behind it succeeds."""
    await tmc_stage.start()
    await tmc_stage.publish(topic="tmcspec_topic_that_nobody_created")
    await tmc_stage.publish()


@case("PUB-2", needs=("publish",))
async def test_a_refusal_by_phrase_alone_is_an_error(tmc_stage: Stage) -> None:
    """As for a CONNECT: an exception made from text alone has code 0."""
    await tmc_stage.start()
    tmc_stage.do(lambda service, now: service.script_sendacks(AckScript(refuse=(0, "try again later"))))
    await tmc_stage.publish()


@case("PUB-2", "PUB-1", needs=("publish",))
async def test_a_publish_that_is_never_answered_is_an_error(tmc_stage: Stage) -> None:
    """Silence for one publish, and an answer for the next."""
    await tmc_stage.start()
    tmc_stage.do(lambda service, now: service.script_sendacks(AckScript(silent=True), AckScript(delay=KEPT_BACK)))
    await tmc_stage.publish('{"answered": false}')
    await tmc_stage.publish('{"answered": true}')


@case("PUB-1", "ACK-1", needs=("publish",))
async def test_messages_go_on_while_a_publish_waits(tmc_stage: Stage) -> None:
    """A message comes before the SENDACK does."""
    await tmc_stage.start()
    tmc_stage.do(lambda service, now: service.script_sendacks(AckScript(delay=KEPT_BACK)))
    message = tmc_stage.produce()
    await tmc_stage.publish()
    await tmc_stage.until_answered(message)
