"""The stage: what a case may do with the client and the service, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tmcfakes.clock import Clock
from tmcfakes.fake import FakeTmc
from tmcfakes.service import AckScript, App
from tmcfakes.simulation import EPOCH_MS, simulate
from tmcspec.client import Handled as ClientHandledByCore
from tmcspec.client import Observation
from tmcspec.events import (
    Accepted,
    Advanced,
    ClientDied,
    ClientError,
    ClientStarted,
    ClientStarting,
    ClientStopped,
    Confirmed,
    Event,
    Fault,
    Handled,
    Produced,
    Received,
)
from tmcspec.instruction import Instruction
from tmcspec.trace import World
from tmcsuites.adapters.contract import (
    AdapterFault,
    Answer,
    ClientHandled,
    ClientInfo,
    ClientOnline,
    ClientReceived,
    Crashed,
    Hung,
    StartOptions,
    SubjectError,
    Unsupported,
)
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.stage import APP_KEY, APP_SECRET, FIRST_ID, MARGIN, NeverReady, Stage

PATIENCE = 60.0
CRASHED = Crashed("it fell", status="exit 7")


class Puppet(ReferenceSubject):
    """The reference core, except for what a test wants otherwise."""

    answer: Answer | None = None
    capabilities = frozenset({"push"})
    bare = False
    deaf = False  # start never answers
    sick: SubjectError | None = None  # what a probe, and a check, raise

    @property
    def info(self) -> ClientInfo:
        return ClientInfo(
            name="puppet",
            version="1",
            language="python",
            transport="in-process",
            capabilities=self.capabilities,
            bare=self.bare,
        )

    async def start(self, options: StartOptions) -> Answer:
        if self.deaf:
            await asyncio.get_running_loop().create_future()
        return self.answer or await super().start(options)

    async def probe(self) -> None:
        self.check()

    def check(self) -> None:
        if self.sick is not None:
            raise self.sick

    def die(self, error: SubjectError) -> None:
        self.sick = error
        self.died.set_result(error)


def on_stage(
    play: Callable[[Stage, Puppet], Awaitable[object]], puppet: Puppet | None = None, world: World = "simulated"
) -> Stage:
    """Plays in virtual time, and returns the stage as it was left."""

    async def perform() -> Stage:
        subject = puppet or Puppet()
        clock = Clock.of_loop(asyncio.get_running_loop())
        async with FakeTmc(apps=[App(key=APP_KEY, secret=APP_SECRET)], clock=clock, epoch_ms=EPOCH_MS) as fake:
            subject._wall_clock = lambda: EPOCH_MS / 1000 + asyncio.get_running_loop().time()
            stage = Stage(fake=fake, subject=subject, world=world, patience=PATIENCE)
            await subject.open(stage.client_says)
            stage.watch()
            try:
                await play(stage, subject)
            finally:
                await subject.close()
        return stage

    return simulate(perform)


def events(stage: Stage, kind: type[Event]) -> list[Event]:
    return [entry.event for entry in stage.entries() if isinstance(entry.event, kind)]


def now() -> float:
    return asyncio.get_running_loop().time()


# The client


def test_start_waits_until_the_service_has_accepted_the_client() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        await stage.start()
        assert len(stage.connections()) == 1

    stage = on_stage(play)
    names = [entry.event.word for entry in stage.entries()]
    assert names.index("accepted") < names.index("client_started")


def test_a_client_that_was_stopped_has_left_and_may_be_started_again() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        await stage.start(group="default", dedupe=("tid",))
        await stage.stop()
        assert not stage.connections()
        await stage.start()
        assert len(stage.connections()) == 1

    stage = on_stage(play)
    starting = [ClientStarting(client="client", dedupe=("tid",)), ClientStarting(client="client")]
    assert events(stage, ClientStarting) == starting
    assert len(events(stage, ClientStopped)) == 1


def test_an_adapter_that_cannot_stop_its_client_after_all_is_unsound() -> None:
    class Unstoppable(Puppet):
        async def stop(self) -> Answer:
            return Answer(status="unsupported")

    async def play(stage: Stage, puppet: Puppet) -> None:
        await stage.start()
        with pytest.raises(AdapterFault, match="declares 'graceful_stop' and answers 'unsupported' to 'stop'"):
            await stage.stop()

    on_stage(play, Unstoppable())


def test_a_client_that_says_it_could_not_start_never_got_ready() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        stage.do(lambda service, now: service.script_connectacks(AckScript(refuse=(25, "Invalid signature"))))
        with pytest.raises(NeverReady, match=r"could not start: .*Invalid signature"):
            await stage.start()

    (told,) = events(on_stage(play), ClientError)
    assert isinstance(told, ClientError)
    assert told.op == "start"
    assert "Invalid signature" in told.error


def test_a_client_that_says_started_and_never_connects_is_given_its_full_time() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        puppet.answer = Answer(status="result")
        with pytest.raises(NeverReady, match="never accepted a CONNECT"):
            await stage.start()
        assert now() == PATIENCE

    on_stage(play)


def test_a_client_that_never_connects_since_it_hangs_is_reported_as_hung() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        puppet.answer = Answer(status="result")
        puppet.sick = Hung("no answer", op="probe", deadline=1.0)
        with pytest.raises(Hung):
            await stage.start()

    on_stage(play)


def test_a_start_that_takes_too_long_is_no_hang_as_long_as_the_adapter_answers() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        puppet.deaf = True
        assert await stage.try_start(within=3.0) is None
        assert now() == 3.0
        puppet.sick = Hung("no answer", op="probe", deadline=1.0)
        with pytest.raises(Hung):
            await stage.try_start()

    assert events(on_stage(play), ClientStarted) == []


def test_a_client_that_does_not_declare_push_may_refuse_to_start() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        puppet.answer = Answer(status="unsupported")
        puppet.capabilities = frozenset({"poll"})
        with pytest.raises(Unsupported, match="does not connect by WebSocket"):
            await stage.start()

    on_stage(play)


def test_a_client_that_declares_push_must_be_able_to_start() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        puppet.answer = Answer(status="unsupported")
        with pytest.raises(AdapterFault, match="declares 'push' and answers 'unsupported'"):
            await stage.try_start()

    on_stage(play)


def test_what_a_bare_program_says_of_its_start_is_not_its_word() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        puppet.bare = True
        await stage.start()

    stage = on_stage(play)
    assert events(stage, ClientStarted) == []
    assert stage.trace().handlers is False


def test_nobody_waits_for_a_client_that_has_died() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        await stage.start()
        asyncio.get_running_loop().call_later(5.0, puppet.die, CRASHED)
        assert not await stage.until_answered(4711)
        assert now() == pytest.approx(5.0, abs=0.1)
        with pytest.raises(Crashed):
            await stage.finish()

    (died,) = events(on_stage(play), ClientDied)
    assert died == ClientDied(client="client", status="exit 7")


def test_a_broken_adapter_is_not_waited_for_either_and_is_no_death() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        await stage.start()
        asyncio.get_running_loop().call_later(5.0, puppet.die, AdapterFault("two answers"))
        await stage.wait(PATIENCE)
        assert now() == pytest.approx(5.0, abs=0.1)

    assert events(on_stage(play), ClientDied) == []


def test_a_client_that_dies_before_it_is_accepted_has_crashed() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        puppet.answer = Answer(status="result")
        asyncio.get_running_loop().call_later(1.0, puppet.die, CRASHED)
        with pytest.raises(Crashed):
            await stage.start()

    on_stage(play)


def test_the_trace_says_that_the_client_was_stopped_before_its_connection_goes() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        await stage.start()
        await stage.finish()

    names = [entry.event.word for entry in on_stage(play).entries()]
    assert names.index("client_stopped") < names.index("closed")


def test_a_hanging_client_is_not_stopped_in_good_order() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        await stage.start()
        puppet.sick = Hung("no answer", op="probe", deadline=1.0)
        with pytest.raises(Hung):
            await stage.finish()

    assert events(on_stage(play), ClientStopped) == []


# What it says


def received(**members: object) -> ClientReceived:
    return ClientReceived(**{"message_id": 7, "topic": "t", "content": "{}", **members})  # type: ignore[arg-type]


def test_what_the_client_reports_goes_into_the_trace() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        stage.client_says(received(user_id=-5, data_id="9007199254740993", publish_time=1))
        stage.client_says(ClientHandled(message_id=7, outcome="raise"))
        stage.client_says(ClientOnline())

    stage = on_stage(play)
    (seen,) = events(stage, Received)
    assert seen == Received(
        client="client",
        message=7,
        topic="t",
        content="{}",
        user_id=-5,
        data_id=9007199254740993,
        publish_time=1,
    )
    assert events(stage, Handled) == [Handled(client="client", message=7, outcome="raise")]
    assert len(stage.entries()) == 2


@pytest.mark.parametrize(
    "data_id", ["", "none", "1_000", " 7", "７", "0x7", "1e3", "9" * 21, "9" * 5000, "-"], ids=lambda text: text[:8]
)
def test_a_data_id_that_is_no_id_is_none(data_id: str) -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        stage.client_says(received(data_id=data_id))

    (seen,) = events(on_stage(play), Received)
    assert isinstance(seen, Received)
    assert seen.data_id is None


def test_an_unsigned_id_is_shown_as_it_is() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        stage.client_says(received(message_id=2**64 - 5))

    (seen,) = events(on_stage(play), Received)
    assert isinstance(seen, Received)
    assert seen.message == 2**64 - 5


# The service


def test_messages_get_small_ids_unless_a_case_wants_another() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        assert [stage.produce(), stage.produce(id=2**63 - 1), stage.produce()] == [FIRST_ID, 2**63 - 1, FIRST_ID + 1]

    assert len(events(on_stage(play), Produced)) == 3


def test_a_handler_is_told_in_the_content_of_its_message() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        await stage.start()
        message = stage.produce(told=Instruction(delay_ms=30_000))
        assert not await stage.until_answered(message, within=29.0)
        assert await stage.until_answered(message, within=2.0)

    (handled,) = events(on_stage(play), Handled)
    assert isinstance(handled, Handled)
    assert handled.outcome == "ok"


# Time


def test_until_answered_waits_for_confirms_and_fails() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        await stage.start()
        messages = [stage.produce(), stage.produce(told=Instruction(outcome="fail"))]
        assert await stage.until_answered(*messages)
        assert now() < 1.0

    on_stage(play)


def test_until_gives_up_when_the_patience_is_over() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        assert not await stage.until(lambda: False)
        assert now() == PATIENCE + MARGIN
        assert await stage.until(lambda: True, within=0.0)
        assert not await stage.until(lambda: False, within=-1.0)
        assert now() == PATIENCE + MARGIN

    on_stage(play)


def test_until_event_waits_for_one_that_is_still_to_come() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        await stage.start()
        await stage.until_answered(stage.produce())
        before = len(stage.fake.recorder.listeners)
        assert not await stage.until_event(lambda event: isinstance(event, Confirmed), within=1.0)
        stage.produce()
        assert await stage.until_event(lambda event: isinstance(event, Confirmed), within=1.0)
        assert len(stage.fake.recorder.listeners) == before

    on_stage(play)


def test_until_back_waits_for_an_accepted_connection() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        await stage.start()
        assert await stage.until_back(within=0.0)
        stage.do(lambda service, now: service.disconnect(now=now, code=1001, reason="restart"))
        assert not stage.connections()
        assert await stage.until_back(within=30.0)

    assert len(events(on_stage(play), Accepted)) == 2


def test_time_passes_for_everybody_in_simulation() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        await stage.pass_time(361)
        assert (now(), stage.fake.now()) == (361, 361)
        # With nothing due in between.
        await stage.pass_time(10 * 24 * 3600)
        assert now() == 361 + 10 * 24 * 3600

    assert events(on_stage(play), Advanced) == []


def test_time_passes_for_the_service_alone_in_a_live_run() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        await stage.pass_time(361)
        assert (now(), stage.fake.now()) == (0, 361)

    assert events(on_stage(play, world="live"), Advanced) == [Advanced(seconds=361)]


def test_the_trace_knows_under_what_conditions_it_was_made() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        stage.record(Fault(name="unreachable", detail="the port is closed"))
        trace = stage.trace()
        assert [entry.event for entry in trace.entries] == [Fault(name="unreachable", detail="the port is closed")]
        assert (trace.world, trace.patience, trace.handlers, trace.epoch_ms) == ("simulated", PATIENCE, True, EPOCH_MS)

    on_stage(play)


class Swallower(Puppet):
    """Its adapter is told to fail, and reports success."""

    def _observe(self, seen: Observation) -> None:
        if isinstance(seen, ClientHandledByCore):
            self._on_event(ClientHandled(message_id=seen.message.id, outcome="ok"))
        else:
            super()._observe(seen)


def test_an_adapter_whose_handler_does_not_obey_is_at_fault_itself() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        await stage.start()
        message = stage.produce(told=Instruction(outcome="fail", reason="no stock"))
        assert not await stage.until(lambda: False)
        assert now() < PATIENCE
        with pytest.raises(AdapterFault, match=f"the handler of message {message} was told fail and reports ok"):
            await stage.finish()

    on_stage(play, Swallower())


def test_a_client_that_cannot_tell_two_ids_apart_may_report_either_outcome() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        told: list[Instruction] = [Instruction(), Instruction(outcome="fail")]
        for each in told:
            stage.client_says(ClientReceived(message_id=7, topic="t", content=each.content()))
        stage.client_says(ClientHandled(message_id=7, outcome="fail"))
        stage.client_says(ClientHandled(message_id=7, outcome="ok"))
        stage.check()

    on_stage(play)


def test_an_address_where_nobody_listens_refuses_in_both_worlds() -> None:
    async def play(stage: Stage, puppet: Puppet) -> None:
        with stage.nobody_listens() as url:
            answer = await stage.try_start(url=url)
        assert answer is not None
        assert answer.status == "raised"
        assert [type(event) for event in (entry.event for entry in stage.entries())] == [
            Fault,
            ClientStarting,
            ClientError,
        ]

    on_stage(play)

    async def refused(url: str) -> None:
        host, _, port = url.removeprefix("ws://").removesuffix("/").partition(":")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, int(port))

    async def live() -> None:
        async with FakeTmc() as fake:
            stage = Stage(fake=fake, subject=Puppet(), world="live", patience=PATIENCE)
            with stage.nobody_listens() as url:
                await refused(url)

    asyncio.run(live())
