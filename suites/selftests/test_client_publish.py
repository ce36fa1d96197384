"""The client publishes, and tells its application what came of it: in time, and whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from scripted_service import SECRET, URL, Peer, Service, accept, client, now, simulate, simulated

from tmcspec.client import Message, PublishFailed, PublishRefused, PublishTimeout, Stats, TmcClient
from tmcspec.frame import encode
from tmcspec.messages import Confirm, Connect, Publish, SendAck
from tmcsuites.adapters.contract import Answer, StartOptions
from tmcsuites.adapters.reference import ReferenceSubject

SESSION = "6100e23f0c1f2a7"


def publishes(service: Service) -> list[Publish]:
    return [message for message in service.answers if isinstance(message, Publish)]


async def received(service: Service, count: int = 1) -> list[Publish]:
    """Waits until the service has so many publishes."""
    await service.until(lambda: len(publishes(service)) >= count)
    return publishes(service)


async def acknowledge(peer: Peer, flag: int, code: int = 0, phrase: str | None = None) -> None:
    ack = SendAck(token=peer.token, flag=flag, status_code=code, status_phrase=phrase)
    await peer.send(encode(ack.to_frame()))


async def acknowledge_all(service: Service) -> None:
    """Acknowledges what comes, for ever, in its order."""
    done = 0
    while True:
        for publish in (await received(service, done + 1))[done:]:
            await acknowledge(service.peer, publish.flag)
            done += 1


class Acknowledging(Service):
    """A service that acknowledges every publish at once."""

    async def __aenter__(self) -> Service:
        self._acknowledging = asyncio.create_task(acknowledge_all(self))
        return await super().__aenter__()

    async def __aexit__(self, *error: object) -> None:
        self._acknowledging.cancel()
        await super().__aexit__(*error)


# What comes of it


@simulated
async def test_a_publish_returns_when_the_service_has_acknowledged_it_and_not_before() -> None:
    async with Service() as service, client() as tmc:
        publishing = asyncio.create_task(tmc.publish("taobao_erp_Order", '{"tid":1}', session=SESSION))
        (publish,) = await received(service)
        assert publish == Publish(
            token="token-1", flag=2, topic="taobao_erp_Order", content='{"tid":1}', session=SESSION
        )
        await asyncio.sleep(1.5)
        assert not publishing.done()
        await acknowledge(service.peer, 2)
        await publishing
        assert now() == pytest.approx(1.5)
        assert tmc.stats == Stats(published=1)


@pytest.mark.parametrize(("code", "phrase"), [(41, "no such topic"), (41, None), (0, "isv.invalid-topic")])
def test_a_publish_that_the_service_refuses_raises(code: int, phrase: str | None) -> None:
    async def scenario() -> None:
        async with Service() as service, client() as tmc:
            publishing = asyncio.create_task(tmc.publish("t", "{}"))
            (publish,) = await received(service)
            await acknowledge(service.peer, publish.flag, code, phrase)
            with pytest.raises(PublishRefused, match=f"the service refused the message: code {code}, ") as caught:
                await publishing
            assert (caught.value.code, caught.value.phrase) == (code, phrase)

    simulate(scenario())


@simulated
async def test_a_publish_that_is_not_acknowledged_raises_after_two_seconds_or_as_long_as_was_said() -> None:
    async with Service() as service, client() as tmc:
        with pytest.raises(PublishTimeout, match=r"^no SENDACK within 2 s; .* publishing again may publish it twice$"):
            await tmc.publish("t", "{}")
        assert now() == pytest.approx(2.0)
        with pytest.raises(PublishTimeout, match="no SENDACK within 7 s") as caught:
            await tmc.publish("t", "{}", timeout=7.0)
        assert caught.value.may_have_arrived
        assert now() == pytest.approx(9.0)
        assert len(publishes(service)) == 2


@simulated
async def test_a_late_acknowledgement_answers_no_other_publish() -> None:
    async with Service() as service, client() as tmc:
        with pytest.raises(PublishTimeout):
            await tmc.publish("t", "1")
        again = asyncio.create_task(tmc.publish("t", "2"))
        first, second = await received(service, 2)
        await acknowledge(service.peer, first.flag)
        await asyncio.sleep(1)
        assert not again.done()
        await acknowledge(service.peer, second.flag)
        await again
        assert tmc.stats == Stats(published=1, bad_frames=1)


@simulated
async def test_publishes_that_overlap_have_each_their_own_answer() -> None:
    async with Service() as service, client() as tmc:
        publishing = [asyncio.create_task(tmc.publish("t", str(number))) for number in range(100)]
        for publish in reversed(await received(service, 100)):
            await acknowledge(service.peer, publish.flag, code=int(publish.content) % 2)
        results = await asyncio.gather(*publishing, return_exceptions=True)
        assert [type(result) for result in results] == [type(None), PublishRefused] * 50


@simulated
async def test_the_longest_content_arrives_whole() -> None:
    async with Acknowledging() as service, client() as tmc:
        await tmc.publish("主" * 256, "😀" * 122_880)
        assert publishes(service) == [Publish(token="token-1", flag=2, topic="主" * 256, content="😀" * 122_880)]


@simulated
async def test_what_is_out_of_its_range_is_refused_before_anything_is_sent() -> None:
    async with Acknowledging() as service, client() as tmc:
        with pytest.raises(ValueError, match="content must have 1 to 122880 characters, not 122881"):
            await tmc.publish("t", "c" * 122_881)
        await tmc.publish("t", "{}")
        assert len(publishes(service)) == 1


def test_a_session_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def scenario() -> None:
        async with Service() as service, client() as tmc:
            with pytest.raises(PublishTimeout) as caught:
                await tmc.publish("t", "{}", session=SESSION)
            await acknowledge(service.peer, 2, 41, "late")
            await service.peer.push(7)
            await service.until(lambda: len(service.inbox) == 2)
            assert SESSION not in f"{caught.value!r} {caught.value} {tmc!r}"

    simulate(scenario())
    assert "a SENDACK that nothing asked for" in caplog.text
    assert SESSION not in caplog.text


# When the connection is not there, or ends


@simulated
async def test_a_client_that_is_not_online_does_not_publish() -> None:
    tmc = client()
    with pytest.raises(PublishFailed, match="the client is offline, not online; the message was not sent"):
        await tmc.publish("t", "{}")
    async with Service() as service:
        await tmc.start()
        await service.down()
        await asyncio.sleep(1)
        with pytest.raises(PublishFailed, match="not online") as caught:
            await tmc.publish("t", "{}")
        assert not caught.value.may_have_arrived
        await service.up()
        await service.online(2)
        await tmc.stop()
        with pytest.raises(PublishFailed, match="not online"):
            await tmc.publish("t", "{}")
        assert publishes(service) == []


async def close(peer: Peer) -> None:
    await peer.close(1001, "restart")


async def abort(peer: Peer) -> None:
    peer.transport.abort()


@pytest.mark.parametrize("end", [close, abort])
def test_a_publish_fails_as_soon_as_its_connection_ends_and_nobody_knows_whether_it_arrived(
    end: Callable[[Peer], Awaitable[None]],
) -> None:
    async def scenario() -> None:
        async with Service() as service, client() as tmc:
            publishing = asyncio.create_task(tmc.publish("t", "{}", timeout=60.0))
            (publish,) = await received(service)
            await asyncio.sleep(1)
            await end(service.peer)
            with pytest.raises(PublishFailed, match=r"before the SENDACK came; .* may publish it twice$") as caught:
                await publishing
            assert now() == pytest.approx(1.0)
            assert caught.value.may_have_arrived
            # An answer on the next connection is not an answer to it, and it is not sent again.
            await acknowledge(await service.online(2), publish.flag)
            await asyncio.sleep(20)
            assert len(publishes(service)) == 1
            assert tmc.stats == Stats(reconnects=1, bad_frames=1)

    simulate(scenario())


@simulated
async def test_an_acknowledgement_right_before_the_end_of_the_connection_counts() -> None:
    async with Service() as service, client() as tmc:
        publishing = asyncio.create_task(tmc.publish("t", "{}"))
        (publish,) = await received(service)
        await acknowledge(service.peer, publish.flag)
        await service.peer.close()
        await publishing


@simulated
async def test_a_publish_ends_in_time_though_the_connection_takes_no_bytes() -> None:
    async with Service() as service, client() as tmc:
        peer = await service.online()
        peer.transport.pause_reading()
        publishing = [tmc.publish("t", f"{number} " + 100_000 * "x") for number in range(20)]
        errors = await asyncio.gather(*publishing, return_exceptions=True)
        assert now() == pytest.approx(2.0, abs=0.01)
        assert all(isinstance(error, PublishTimeout) for error in errors)
        unsent = [isinstance(error, PublishTimeout) and not error.may_have_arrived for error in errors]
        assert any(unsent)
        assert not all(unsent)
        # What certainly did not arrive does not arrive later.
        peer.transport.resume_reading()
        await asyncio.sleep(20)
        arrived = {int(publish.content.split()[0]) for publish in publishes(service)}
        assert arrived == {number for number in range(20) if not unsent[number]}
        assert len(service.connects) == 1


# Who publishes, and stops to


@simulated
async def test_a_publish_that_is_cancelled_leaves_nothing_behind() -> None:
    async with Service() as service, client() as tmc:
        publishing = asyncio.create_task(tmc.publish("t", "1", timeout=60.0))
        (publish,) = await received(service)
        publishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publishing
        assert tmc._core.publishing == 0
        assert tmc._publishes == {}
        await acknowledge(service.peer, publish.flag)
        again = asyncio.create_task(tmc.publish("t", "2"))
        await acknowledge(service.peer, (await received(service, 2))[1].flag)
        await again


@simulated
async def test_a_publish_that_is_cancelled_in_the_moment_of_its_answer_leaves_nothing_behind() -> None:
    async with Service() as service, client() as tmc:
        publishing = asyncio.create_task(tmc.publish("t", "{}"))
        (publish,) = await received(service)
        tmc._publishes[publish.flag].add_done_callback(lambda _: publishing.cancel())
        await acknowledge(service.peer, publish.flag, 41, "no")
        with pytest.raises(asyncio.CancelledError):
            await publishing
        assert tmc._publishes == {}


@simulated
async def test_a_handler_may_publish_though_its_client_is_full() -> None:
    async def flood(peer: Peer, connect: Connect) -> None:
        await accept(peer, connect)
        await peer.push(*range(50))

    async def handle(message: Message) -> None:
        await tmc.publish("t", str(message.id))

    async with Acknowledging(flood) as service:
        tmc = client(handle, queue_size=1, workers=1)
        await tmc.start()
        await service.until(lambda: len(service.inbox) == 100)
        assert [publish.content for publish in publishes(service)] == [str(number) for number in range(50)]
        assert {answer.id for answer in service.answers if isinstance(answer, Confirm)} == set(range(50))
        assert now() < 2.0
        await tmc.stop()


@simulated
async def test_a_push_with_the_flag_of_a_publish_is_handled_and_the_publish_goes_on_waiting() -> None:
    async with Service() as service, client() as tmc:
        publishing = asyncio.create_task(tmc.publish("t", "{}"))
        (publish,) = await received(service)
        frame = replace(service.peer.message(7).to_frame(), flag=publish.flag)
        await service.peer.send(encode(frame))
        await service.until(lambda: Confirm(token="token-1", id=7) in service.answers)
        await asyncio.sleep(1)
        assert not publishing.done()
        await acknowledge(service.peer, publish.flag)
        await publishing


@simulated
async def test_a_stop_waits_for_what_is_being_published() -> None:
    async with Service() as service:
        tmc = client()
        await tmc.start()
        publishing = asyncio.create_task(tmc.publish("t", "{}", timeout=10.0))
        (publish,) = await received(service)
        stopping = asyncio.create_task(tmc.stop())
        await asyncio.sleep(5)
        assert not stopping.done()
        await acknowledge(service.peer, publish.flag)
        await publishing
        await stopping
        assert now() == pytest.approx(5.0, abs=0.1)


@simulated
async def test_a_stop_does_not_wait_for_a_publish_that_nobody_waits_for() -> None:
    async with Service() as service:
        tmc = client()
        await tmc.start()
        publishing = asyncio.create_task(tmc.publish("t", "{}", timeout=60.0))
        await received(service)
        stopping = asyncio.create_task(tmc.stop())
        await asyncio.sleep(1)
        publishing.cancel()
        await stopping
        assert now() == pytest.approx(1.0, abs=0.1)


@simulated
async def test_what_is_still_being_published_when_the_grace_is_over_fails() -> None:
    async with Service() as service:
        tmc = client()
        await tmc.start()
        publishing = asyncio.create_task(tmc.publish("t", "{}", timeout=60.0))
        await received(service)
        await tmc.stop(grace=3.0)
        with pytest.raises(PublishFailed, match="the connection ended before the SENDACK came"):
            await publishing
        assert now() == pytest.approx(3.0, abs=0.1)


@simulated
async def test_a_handler_may_publish_while_the_client_stops() -> None:
    async def handle(message: Message) -> None:
        await asyncio.sleep(1)
        await tmc.publish("t", "{}")

    async with Acknowledging() as service:
        tmc: TmcClient = client(handle)
        await tmc.start()
        await (await service.online()).push(7)
        await asyncio.sleep(0.5)
        await tmc.stop()
        assert [type(message) for message in service.answers] == [Publish, Confirm]


# Under test


@simulated
async def test_the_reference_core_under_test_reports_what_came_of_a_publish() -> None:
    subject = ReferenceSubject()
    assert "publish" in subject.info.capabilities
    assert (await subject.publish(topic="t", content="{}", session=None)).status == "raised"
    async with Service() as service:
        options = StartOptions(url=URL, gateway_url="", app_key="1023", app_secret=SECRET)
        assert await subject.start(options) == Answer(status="result")
        publishing = asyncio.create_task(subject.publish(topic="t", content="1", session=SESSION))
        await acknowledge(service.peer, (await received(service))[0].flag)
        assert await publishing == Answer(status="result")
        publishing = asyncio.create_task(subject.publish(topic="t", content="2", session=None))
        await acknowledge(service.peer, (await received(service, 2))[1].flag, 41, "no such topic")
        refusal = "the service refused the message: code 41, 'no such topic'"
        assert await publishing == Answer(status="raised", error=refusal, code=41)
        silent = await subject.publish(topic="t", content="3", session=None)
        assert (silent.status, silent.code) == ("raised", None)
        assert str(silent.error).startswith("no SENDACK within 2 s")
        assert (await subject.publish(topic="", content="4", session=None)).status == "raised"
        assert [(publish.content, publish.session) for publish in publishes(service)] == [
            ("1", SESSION),
            ("2", None),
            ("3", None),
        ]
        await subject.close()
