"""What a service meets beside the cases: clients by hand that do what no client under test would.

Strangers connect, two channels share one queue, somebody comes late into a group that was deleted. A `Visitor` has no
socket: what it says goes straight to the engine, and what the engine answers goes nowhere but into the trace. It says
nothing of its own accord, so only the clauses that bind the service can judge by it.
"""

from __future__ import annotations

from collections.abc import Callable

from tmcfakes.console import Console
from tmcspec.clauses.requests import CONFIRM
from tmcspec.client.polling import CONSUME
from tmcspec.flow import BACKLOG_LIMIT, LATENCY
from tmcspec.frame import encode
from tmcspec.messages import ClientMessage, Confirm, Connect, Fail, Publish
from tmcspec.routing import ENVIRONMENTS, Environment
from tmcspec.signing import sign_connect
from tmcspec.timing import CONFIRM_TIMEOUT, CONNECTACK_PATIENCE, PUBLISH_CONTENT_LIMIT, SUBSCRIPTION_CACHE
from tmcsuites.casebook import Case, CaseFunction
from tmcsuites.stage import APP_KEY, APP_SECRET, TOPIC, TOPIC_TO_TAOBAO, Stage

#: By name. Those that are long only mutants of their clauses go through.
ENCOUNTERS: dict[str, tuple[Case, CaseFunction]] = {}
LONG = frozenset(
    {
        "a_backlog_for_several_clients",
        "a_flow_value_that_is_made_smaller",
        "a_queue_of_more_than_ten_thousand",
        "nothing_is_confirmed",
    }
)

#: Until a message comes again, with the tolerance of the clauses.
AGAIN = 421.0

HOUR = 3600.0

USER, STRANGER = "seller", "a seller whom the app does not know"


class Visitor:
    """A client by hand.

    Args:
        stage: where.
        name: of its connection.
        environment: that it is connected to.
    """

    def __init__(self, stage: Stage, name: str, *, environment: Environment = "production") -> None:
        self._stage = stage
        self._name = name
        self._flag = 0
        stage.do(lambda service, now: service.opened(name, now=now, environment=environment))

    def connect(self, group: str = "default", *, app_key: str = APP_KEY, secret: str = APP_SECRET) -> Visitor:
        """Says who it is."""
        sign = sign_connect(app_key=app_key, group=group, timestamp="1", secret=secret)
        self.say(Connect(app_key=app_key, group=group, timestamp="1", sign=sign, flag=self._next_flag()))
        return self

    def confirm(self, *ids: int) -> None:
        for id in ids:
            self.say(Confirm(token=None, id=id))

    def fail(self, id: int) -> None:
        self.say(Fail(token=None, id=id, reason=None))

    def publish(self, topic: str = TOPIC_TO_TAOBAO, content: str = "{}") -> None:
        self.say(Publish(token=None, flag=self._next_flag(), topic=topic, content=content))

    def say(self, message: ClientMessage) -> None:
        data = encode(message.to_frame())
        self._stage.do(lambda service, now: service.received(self._name, data, now=now))

    def leave(self) -> None:
        self._stage.do(lambda service, now: service.closed(self._name, now=now, by="client", code=1000, reason=""))

    def _next_flag(self) -> int:
        self._flag += 1
        return self._flag


def encounter(*clauses: str) -> Callable[[CaseFunction], CaseFunction]:
    """Declares what a service meets, and which clauses that brings to bear."""

    def declare(function: CaseFunction) -> CaseFunction:
        ENCOUNTERS[function.__name__] = Case(clauses=clauses), function
        return function

    return declare


# Handshakes


@encounter("HSK-11")
async def strangers(stage: Stage) -> None:
    """Somebody with a wrong secret, and somebody of an app that is not there."""
    Visitor(stage, "wrong").connect(secret="a wrong secret")
    Visitor(stage, "unknown").connect(app_key="unknown")
    await stage.pass_time(CONNECTACK_PATIENCE)


@encounter("HSK-11")
async def a_client_like_any_other(stage: Stage) -> None:
    """Its app has subscribed to everything."""
    stage.operate(lambda console: console.subscribe(APP_KEY, None))
    Visitor(stage, "right").connect()
    await stage.pass_time(CONNECTACK_PATIENCE)


@encounter("HSK-11")
async def a_group_that_is_gone(stage: Stage) -> None:
    """A group is deleted, and somebody connects to it all the same; then it is created anew."""
    stage.operate(lambda console: console.create_group(APP_KEY, "closing"))
    Visitor(stage, "early").connect("closing")
    stage.operate(lambda console: console.delete_group(APP_KEY, "closing"))
    Visitor(stage, "late").connect("closing")
    stage.operate(lambda console: console.create_group(APP_KEY, "closing"))
    Visitor(stage, "again").connect("closing")
    await stage.pass_time(CONNECTACK_PATIENCE)


@encounter("HSK-11")
async def an_app_that_has_subscribed_to_nothing_any_more(stage: Stage) -> None:
    """Long enough ago that no cache has it."""
    stage.operate(lambda console: console.subscribe(APP_KEY, []))
    await stage.pass_time(SUBSCRIPTION_CACHE + 61)
    Visitor(stage, "late").connect()
    await stage.pass_time(CONNECTACK_PATIENCE)


# Redelivery


@encounter("RDL-1", "RDL-5")
async def nobody_confirms(stage: Stage) -> None:
    """A push and its repetitions, on one connection and then on another."""
    first = Visitor(stage, "first").connect()
    stage.produce()
    await stage.pass_time(AGAIN)
    first.leave()
    Visitor(stage, "second").connect()
    await stage.pass_time(2 * AGAIN)


@encounter("RDL-1", "RDL-5", "HTP-5")
async def what_was_consumed_comes_on_a_connection(stage: Stage) -> None:
    """Nobody confirms what was consumed over HTTP, and then somebody is connected."""
    stage.produce()
    await stage.ask(CONSUME)
    Visitor(stage, "late").connect()
    await stage.pass_time(2 * AGAIN)


@encounter("HTP-5", "HTP-7")
async def two_channels(stage: Stage) -> None:
    """Somebody asks over HTTP for what was just pushed on a connection; and for what waits, in two portions."""
    visitor = Visitor(stage, "connected").connect()
    stage.produce()
    await stage.ask(CONSUME)
    visitor.leave()
    for _ in range(15):
        stage.produce()
    await stage.ask(CONSUME, {"quantity": "10"})
    await stage.ask(CONSUME, {"quantity": "10"})
    await stage.ask(CONSUME, {"quantity": "10"})


@encounter("RDL-2")
async def everything_fails(stage: Stage) -> None:
    """A minute after it was pushed; and what comes again fails, too."""
    visitor = Visitor(stage, "failing").connect()
    message = stage.produce()
    for _ in range(2):
        await stage.pass_time(30)
        visitor.fail(message)
        await stage.pass_time(AGAIN)


@encounter("RDL-3")
async def confirmed_on_the_other_channel(stage: Stage) -> None:
    """What was pushed is confirmed over HTTP, and what was consumed, on a connection."""
    consumed = stage.produce()
    await stage.ask(CONSUME)
    visitor = Visitor(stage, "connected").connect()
    pushed = stage.produce()
    visitor.confirm(consumed)
    await stage.ask(CONFIRM, {"s_message_ids": str(pushed)})
    await stage.pass_time(2 * AGAIN)


@encounter("RDL-6")
async def confirmed_late_on_either_channel(stage: Stage) -> None:
    """Two messages, a minute after they were pushed."""
    visitor = Visitor(stage, "slow").connect()
    messages = [stage.produce() for _ in range(2)]
    await stage.pass_time(CONFIRM_TIMEOUT + 1)
    visitor.confirm(messages[0])
    await stage.ask(CONFIRM, {"s_message_ids": str(messages[1])})
    await stage.pass_time(2 * AGAIN)


@encounter("RDL-4")
async def nobody_ever_comes(stage: Stage) -> None:
    """For more than a day, and then somebody does."""
    stage.produce()
    await stage.pass_time(24 * HOUR + 61)
    Visitor(stage, "late").connect()
    await stage.pass_time(1)


@encounter("RDL-4")
async def a_shorter_retention(stage: Stage) -> None:
    """It holds for what is there, too."""
    stage.produce()
    stage.operate(lambda console: console.set_retention(600))
    stage.produce()
    await stage.pass_time(700)
    Visitor(stage, "late").connect()
    await stage.pass_time(1)


@encounter("RDL-8")
async def the_next_group_of_that_name(stage: Stage) -> None:
    """A group is deleted with one message that waits, and one that was pushed; somebody comes into the next one."""
    stage.operate(lambda console: console.create_group(APP_KEY, "closing"))
    visitor = Visitor(stage, "early").connect("closing")
    stage.produce(group="closing")
    visitor.leave()
    stage.produce(group="closing")
    stage.operate(lambda console: console.delete_group(APP_KEY, "closing"))
    stage.operate(lambda console: console.create_group(APP_KEY, "closing"))
    Visitor(stage, "late").connect("closing")
    stage.produce(group="closing")
    await stage.pass_time(AGAIN)


# Groups


@encounter("GRP-1", "GRP-6", "HTP-7")
async def every_queue_has_a_consumer(stage: Stage) -> None:
    """Two groups in two environments, with a message in each; what is left over somebody consumes over HTTP."""
    stage.operate(lambda console: console.create_group(APP_KEY, "vip"))
    visitors = [
        Visitor(stage, f"{group} {environment}", environment=environment).connect(group)
        for group in ("default", "vip")
        for environment in ENVIRONMENTS
    ]
    for again in range(2):
        for group in ("default", "vip"):
            for environment in ENVIRONMENTS:
                stage.produce(group=group, environment=environment)
        for visitor in visitors if not again else ():
            visitor.leave()
    for environment in reversed(ENVIRONMENTS):
        await stage.ask(CONSUME, {"group_name": "vip"}, environment=environment)
        await stage.ask(CONSUME, environment=environment)


@encounter("GRP-1")
async def a_user_and_a_topic_in_different_groups(stage: Stage) -> None:
    """The group of the user wins."""
    stage.operate(_know)
    stage.operate(lambda console: console.add_to_group(APP_KEY, "vip", [USER]))
    stage.operate(lambda console: console.bind_topics(APP_KEY, "trades", [TOPIC]))
    stage.broadcast(USER)


@encounter("GRP-2")
async def a_group_of_four(stage: Stage) -> None:
    """Everything is confirmed at once."""
    visitors = [Visitor(stage, f"visitor {number}").connect() for number in range(4)]
    for _ in range(400):
        visitors[0].confirm(stage.produce())


@encounter("GRP-5")
async def users_whom_the_app_does_not_know(stage: Stage) -> None:
    """One who never granted it access, and one of whom it permitted nothing, then another topic, and then this one."""
    stage.do(lambda service, now: service.directory.meet(STRANGER))
    stage.broadcast(STRANGER)
    stage.operate(lambda console: console.authorise(APP_KEY, USER))
    stage.broadcast(USER)
    stage.operate(lambda console: console.permit(APP_KEY, USER, topics=["taobao_item_ItemUpdate"]))
    stage.broadcast(USER)
    stage.operate(lambda console: console.permit(APP_KEY, USER))
    stage.broadcast(USER)


@encounter("GRP-8")
async def a_grant_that_ends_by_itself(stage: Stage) -> None:
    """A message is queued before, and another one is not produced after."""
    stage.operate(lambda console: console.authorise(APP_KEY, USER, until=100.0))
    stage.operate(lambda console: console.permit(APP_KEY, USER))
    stage.broadcast(USER)
    await stage.pass_time(100 + SUBSCRIPTION_CACHE + 61)
    stage.broadcast(USER)
    Visitor(stage, "late").connect()
    await stage.pass_time(1)


# Publishing


@encounter("PUB-3", "PUB-4")
async def good_and_bad_publishes(stage: Stage) -> None:
    """Nothing, too much, about nothing, and about what does not exist; and one that is right."""
    visitor = Visitor(stage, "publisher").connect()
    visitor.publish(content="")
    visitor.publish(content="x" * (PUBLISH_CONTENT_LIMIT + 1))
    visitor.publish("")
    visitor.publish("x" * 257)
    visitor.publish("tmcspec_topic_that_nobody_created")
    visitor.publish()
    await stage.pass_time(5)


# Over HTTP


@encounter("HTP-6")
async def requests_that_are_not_signed_rightly(stage: Stage) -> None:
    """For messages that are there; by somebody with a wrong secret, and of an app that is not there."""
    message = stage.produce()
    await stage.ask(CONSUME, secret="a wrong secret")
    await stage.ask(CONSUME, app_key="unknown")
    await stage.ask(CONSUME)
    await stage.ask(CONFIRM, {"s_message_ids": str(message)}, secret="a wrong secret")
    await stage.ask(CONFIRM, {"s_message_ids": str(message)}, app_key="unknown")


# Flow control


@encounter("FLW-1")
async def a_backlog_for_several_clients(stage: Stage) -> None:
    """At a flow value above the smallest slot, and one below."""
    for value in (40, 2):
        for number in range(3):
            Visitor(stage, f"visitor {value} {number}").connect()
        stage.operate(lambda console, value=value: console.set_flow(APP_KEY, "default", value))  # type: ignore[misc]
        await stage.pass_time(LATENCY + 1)
        for _ in range(3000):
            stage.produce()
        await stage.pass_time(10)


@encounter("FLW-1", "FLW-2")
async def a_flow_value_that_is_made_smaller(stage: Stage) -> None:
    """While a backlog is worked off."""
    visitor = Visitor(stage, "visitor").connect()
    stage.operate(lambda console: console.set_flow(APP_KEY, "default", 3))
    await stage.pass_time(LATENCY + 1)
    messages = [stage.produce() for _ in range(3000)]
    stage.operate(lambda console: console.set_flow(APP_KEY, "default", 1))
    await stage.pass_time(LATENCY + 20)
    visitor.confirm(*messages)


@encounter("FLW-3")
async def a_queue_of_more_than_ten_thousand(stage: Stage) -> None:
    """Nothing of it is confirmed, and it is worked off for a minute."""
    Visitor(stage, "visitor").connect()
    stage.operate(lambda console: console.set_flow(APP_KEY, "default", 1))
    await stage.pass_time(LATENCY + 1)
    for _ in range(BACKLOG_LIMIT + 2000):
        stage.produce()
    await stage.pass_time(30)


@encounter("FLW-4")
async def nothing_is_confirmed(stage: Stage) -> None:
    """Of what is pushed for minutes."""
    Visitor(stage, "visitor").connect()
    stage.operate(lambda console: console.set_flow(APP_KEY, "default", 1))
    await stage.pass_time(LATENCY + 1)
    for _ in range(6000):
        stage.produce()
    await stage.pass_time(200)


def _know(console: Console) -> None:
    console.authorise(APP_KEY, USER)
    console.permit(APP_KEY, USER)
