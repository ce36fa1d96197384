"""Two worlds that a case can run in: simulated (virtual time, in-memory sockets) and live (real time, real sockets).

The same case runs in both, with the same clauses judging its trace. What differs is how long a client is given: in
simulation its full official time, since that costs nothing; live a few seconds, scaled by one factor.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tmcfakes.clock import Clock
from tmcfakes.fake import FakeTmc
from tmcfakes.service import App
from tmcfakes.simulation import EPOCH_MS, simulate
from tmcspec.clauses import Clause, Judgement, Level, judge_trace
from tmcspec.timing import CONFIRM_TIMEOUT
from tmcspec.trace import Trace
from tmcsuites.adapters.contract import ClientInfo, Hung, Subject, SubjectError, Unavailable
from tmcsuites.adapters.engine import LOOPBACK
from tmcsuites.adapters.in_process import no_exit
from tmcsuites.casebook import Case, CaseFunction
from tmcsuites.stage import APP_KEY, APP_SECRET, START_PATIENCE, TOPIC_TO_TAOBAO, NeverReady, Stage
from tmcsuites.verdict import CaseResult, Verdict, decide, guilty_of

WorldName = Literal["simulated", "live"]

#: Seconds that a client in a live run has to do what it must, before the factor.
LIVE_PATIENCE = 5.0

#: Seconds of real time after which a live case is given up as a fault of the suite. A factor above 1 makes it longer.
CASE_LIMIT = 180.0

#: Makes a fresh client for one case.
SubjectFactory = Callable[[Callable[[], float], random.Random], Subject]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Under what conditions cases run.

    Args:
        world: simulated or live.
        subject: makes the client.
        clauses: that judge, in order.
        seed: of everything drawn by chance.
        factor: scales how long a client in a live run is given, > 0.
        jobs: how many cases of a live run are played side by side, at least 1.
        fake: the service.
        host: address that the service listens on.
    """

    world: WorldName
    subject: SubjectFactory
    clauses: Sequence[Clause]
    seed: int
    factor: float = 1.0
    jobs: int = 1
    fake: type[FakeTmc] = FakeTmc
    host: str = LOOPBACK

    @property
    def patience(self) -> float:
        return CONFIRM_TIMEOUT if self.world == "simulated" else LIVE_PATIENCE * self.factor

    @property
    def start_patience(self) -> float:
        return START_PATIENCE if self.world == "simulated" else START_PATIENCE * self.factor


def look_at(setting: Setting) -> ClientInfo:
    """Brings the client to life once, to learn who it is. Raises SubjectError when it cannot be done."""

    async def hello() -> ClientInfo:
        subject = setting.subject(time.time, random.Random(0))
        try:
            await subject.open(lambda event: None)
            return subject.info
        finally:
            await subject.close()

    with no_exit():
        return asyncio.run(hello())


def binding(clauses: Iterable[Clause], capabilities: frozenset[str]) -> tuple[Clause, ...]:
    """Those of the clauses that a client is held to, which declares these capabilities."""
    return tuple(each for each in clauses if each.capability is None or each.capability in capabilities)


def run_case(id: str, case: Case, function: CaseFunction, setting: Setting) -> CaseResult:
    """Runs one case in its world and judges its trace."""
    began = time.perf_counter()
    run = _Run(id=id, case=case, function=function, setting=setting)
    try:
        with no_exit():
            if setting.world == "simulated":
                simulate(run.play)
            else:
                asyncio.run(run.play_in_time())
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # What a client does to itself is noted in the run already, unless it ends all. All else is the suite's own, and
        # hides that.
        run.error = error
    return run.result(time.perf_counter() - began)


class _Run:
    """One case on its stage."""

    def __init__(self, *, id: str, case: Case, function: CaseFunction, setting: Setting) -> None:
        self.id = id
        self.case = case
        self.function = function
        self.setting = setting
        self.trace: Trace | None = None
        self.error: BaseException | None = None
        self.stage: Stage | None = None
        self.log = ""
        self.capabilities: frozenset[str] = frozenset()

    async def play_in_time(self) -> None:
        limit = CASE_LIMIT * max(1.0, self.setting.factor)
        try:
            async with asyncio.timeout(limit) as given:
                await self.play()
        except TimeoutError:
            if given.expired():
                raise TimeoutError(f"the case did not end within {limit:g} s") from None
            raise

    async def play(self) -> None:
        loop = asyncio.get_running_loop()
        rng = random.Random(f"{self.setting.seed}/{self.id}")
        simulated = self.setting.world == "simulated"
        epoch_ms = EPOCH_MS if simulated else time.time_ns() // 1_000_000
        clock = Clock.of_loop(loop)
        app = App(key=APP_KEY, secret=APP_SECRET)
        fake = self.setting.fake(
            apps=[app],
            seed=rng.getrandbits(32),
            clock=clock,
            epoch_ms=epoch_ms,
            host=self.setting.host,
            topics_to_taobao=[TOPIC_TO_TAOBAO],
        )
        wall_clock = (lambda: epoch_ms / 1000 + loop.time()) if simulated else time.time
        subject = self.setting.subject(wall_clock, random.Random(rng.getrandbits(32)))
        async with fake:
            try:
                await self._perform(fake, subject, wall_clock, random.Random(rng.getrandbits(32)))
            except (SubjectError, NeverReady) as error:
                self.error = error
            finally:
                await subject.close()
                self.log = subject.log

    async def _perform(
        self, fake: FakeTmc, subject: Subject, wall_clock: Callable[[], float], rng: random.Random
    ) -> None:
        stage = Stage(
            fake=fake,
            subject=subject,
            world=self.setting.world,
            patience=self.setting.patience,
            start_patience=self.setting.start_patience,
            wall_clock=wall_clock,
            rng=rng,
        )
        await subject.open(stage.client_says)
        self.stage = stage
        self.capabilities = subject.info.capabilities
        stage.watch()
        try:
            await self.function(stage)
            await stage.finish()
        finally:
            # Frozen here: what happens while the client is taken down is not its doing.
            self.trace = stage.trace()

    def result(self, duration: float) -> CaseResult:
        judgements: tuple[Judgement, ...] = ()
        if self.trace is not None:
            try:
                judgements = judge_trace(self.trace, binding(self.setting.clauses, self.capabilities))
            except Exception as error:
                # A judge that fails on a trace is our fault, whatever the client did.
                self.error = error
        bare = self.trace is not None and not self.trace.handlers
        clauses = _about(self.case, self.setting.clauses, bare=bare)
        verdict, message = decide(
            clauses=clauses,
            judgements=judgements,
            error=self.error,
            may_be_silent=self.case.optional or bare,
        )
        return CaseResult(
            id=self.id,
            area=self.case.area,
            verdict=verdict,
            clauses=clauses,
            judgements=judgements,
            message=message,
            duration=duration,
            log=self.log,
            trace=self.trace,
            set_up=self._set_up(verdict, judgements, clauses),
        )

    def _set_up(self, verdict: Verdict, judgements: Sequence[Judgement], clauses: Sequence[str]) -> bool:
        """Whether the client never got as far as the case. A broken MUST that says why is a verdict like any other."""
        if verdict is Verdict.FAIL and any(each.clause.level is Level.MUST for each in guilty_of(judgements, clauses)):
            return False
        if self.stage is None:
            return isinstance(self.error, SubjectError)
        return isinstance(self.error, Hung | NeverReady | Unavailable if self.stage.starting else Unavailable)


def unsupported(id: str, case: Case, info: ClientInfo, clauses: Sequence[Clause]) -> CaseResult | None:
    """The result of a case that this client says it cannot do; None when it can."""
    missing = sorted(case.needs - info.capabilities)
    if missing:
        why = f"the client does not declare {', '.join(missing)}"
    elif info.bare and case.handlers:
        why = "a bare program cannot be told what its handler shall do"
    else:
        return None
    about = _about(case, clauses, bare=info.bare)
    return CaseResult(id=id, area=case.area, verdict=Verdict.UNSUPPORTED, clauses=about, message=why)


def _about(case: Case, clauses: Sequence[Clause], *, bare: bool) -> tuple[str, ...]:
    """What a case is about among the clauses that judge; of a bare client, by what shows on the wire."""
    chosen = {clause.id for clause in clauses if not (bare and clause.needs_handlers)}
    return tuple(id for id in case.clauses if id in chosen)
