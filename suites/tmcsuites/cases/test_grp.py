"""GRP: groups, and who gets which message.

Most of this binds the service. A client shows that it consumes what it is given, and that what is not for it does not
disturb it.
"""

from __future__ import annotations

import pytest

from tmcfakes.console import Console, ConsoleError
from tmcspec.routing import GROUP_LIMIT, GROUP_NAME_LIMIT
from tmcspec.timing import SUBSCRIPTION_CACHE
from tmcsuites.casebook import case
from tmcsuites.stage import APP_KEY, Stage

SELLER, OTHER = "seller", "other seller"

#: Enough pushes for three connections that a choice which is not uniform shows, and no more.
PUSHES = 240


def let_in(console: Console) -> None:
    """Two sellers grant the app access, and it takes their messages about everything."""
    for nick in (SELLER, OTHER):
        console.authorise(APP_KEY, nick)
        console.permit(APP_KEY, nick)


# S58: 组内用户的消息只会发送到相同组名的连接上
@case("GRP-1", "GRP-5", "ACK-7", handlers=False)
async def test_a_users_messages_go_to_the_group_that_the_user_is_in(tmc_stage: Stage) -> None:
    """The client consumes the default group. One seller is in another, whose messages wait for somebody else."""
    tmc_stage.operate(let_in)
    await tmc_stage.start()
    await tmc_stage.until_answered(*tmc_stage.broadcast(SELLER))
    tmc_stage.operate(lambda console: console.add_to_group(APP_KEY, "paying", [SELLER]))
    tmc_stage.broadcast(SELLER)
    await tmc_stage.until_answered(*tmc_stage.broadcast(OTHER))
    tmc_stage.operate(lambda console: console.remove_from_group(APP_KEY, "paying", [SELLER]))
    await tmc_stage.until_answered(*tmc_stage.broadcast(SELLER))


# S9, S10
@case("GRP-5", "ACK-7", handlers=False)
async def test_what_a_user_has_not_permitted_is_produced_for_nobody(tmc_stage: Stage) -> None:
    """One seller has let the app in and permitted nothing yet, another has permitted everything."""
    tmc_stage.operate(let_in)
    tmc_stage.operate(lambda console: console.authorise(APP_KEY, "商家未开通"))
    await tmc_stage.start()
    tmc_stage.broadcast("商家未开通")
    await tmc_stage.until_answered(*tmc_stage.broadcast(SELLER))


@case("GRP-1", "GRP-5", "ACK-7", handlers=False)
async def test_a_bound_topic_goes_to_its_group_and_no_other_does(tmc_stage: Stage) -> None:
    """As long as the producer names no group."""
    await tmc_stage.start()
    tmc_stage.operate(lambda console: console.bind_topics(APP_KEY, "refunds", ["taobao_refund_RefundCreated"]))
    tmc_stage.produce(topic="taobao_refund_RefundCreated")
    await tmc_stage.until_answered(tmc_stage.produce())
    await tmc_stage.until_answered(tmc_stage.produce(topic="taobao_refund_RefundCreated", group="default"))


@case("GRP-6", "ACK-7", handlers=False)
async def test_no_message_of_the_other_environment_comes(tmc_stage: Stage) -> None:
    """The client is connected to production."""
    await tmc_stage.start()
    tmc_stage.produce(environment="pre-release")
    await tmc_stage.until_answered(tmc_stage.produce())


@case("GRP-3", "ACK-7", handlers=False)
async def test_what_was_produced_before_anybody_was_there_comes_when_somebody_is(tmc_stage: Stage) -> None:
    """A few messages, and then the client."""
    messages = [tmc_stage.produce() for _ in range(5)]
    await tmc_stage.pass_time(30)
    await tmc_stage.start()
    await tmc_stage.until_answered(*messages)


# S55: 取消订阅, 授权过期, 删除用户; S56: 已产生的待消费堆积消息依然继续推送
@case("GRP-8", "ACK-7", handlers=False)
@pytest.mark.parametrize("ending", ["cancelled", "unsubscribed", "expired"])
async def test_a_relation_that_ended_produces_nothing_and_what_is_queued_still_comes(
    tmc_stage: Stage, ending: str
) -> None:
    """A message is queued, the relation ends, and after the time of the cache something happens again."""
    tmc_stage.operate(let_in)
    queued = tmc_stage.broadcast(SELLER)
    if ending == "cancelled":
        tmc_stage.operate(lambda console: console.cancel(APP_KEY, SELLER))
    elif ending == "unsubscribed":
        tmc_stage.operate(lambda console: console.subscribe(APP_KEY, ["taobao_item_ItemUpdate"]))
    else:
        tmc_stage.operate(lambda console: console.revoke(APP_KEY, SELLER))
    await tmc_stage.pass_time(SUBSCRIPTION_CACHE + 61)
    tmc_stage.broadcast(SELLER)
    await tmc_stage.start()
    await tmc_stage.until_answered(*queued)


# S58: 组内用户的消息只会发送到相同组名的连接上
@case("GRP-7", "GRP-1", "ACK-7", handlers=False)
async def test_a_client_consumes_the_group_that_it_is_told_to(tmc_stage: Stage) -> None:
    """There is a message for its group, and one for the default group, which waits for somebody else."""
    tmc_stage.operate(lambda console: console.create_group(APP_KEY, "paying"))
    await tmc_stage.start(group="paying")
    tmc_stage.produce()
    await tmc_stage.until_answered(tmc_stage.produce(group="paying"))


@case("GRP-7", handlers=False)
@pytest.mark.parametrize(
    "group", ["VIP", "7", "a_b-c.d", "g" * GROUP_NAME_LIMIT], ids=["case", "digit", "marks", "long"]
)
async def test_a_group_may_have_any_name(tmc_stage: Stage, group: str) -> None:
    """One of each kind."""
    tmc_stage.operate(lambda console: console.create_group(APP_KEY, group))
    await tmc_stage.start(group=group)
    await tmc_stage.until_answered(tmc_stage.produce(group=group))


@case("GRP-7", needs=("poll",))
async def test_a_client_polls_for_the_group_that_it_is_told_to(tmc_stage: Stage) -> None:
    """There is a message for its group, and one for the default group, which waits for somebody else."""
    tmc_stage.operate(lambda console: console.create_group(APP_KEY, "paying"))
    await tmc_stage.start("poll", group="paying")
    tmc_stage.produce()
    await tmc_stage.until_answered(tmc_stage.produce(group="paying"))


# S60: 随机发送到组内的某一个连接
@case("GRP-2", "ACK-1")
async def test_messages_are_spread_over_the_connections_of_a_group(tmc_stage: Stage) -> None:
    """The client is one of three."""
    await tmc_stage.start()
    async with tmc_stage.bystanders(2):
        await tmc_stage.until_answered(*[tmc_stage.produce() for _ in range(PUSHES)])


@case("GRP-4", "ACK-7", handlers=False)
async def test_an_app_gets_no_more_groups_than_fifty(tmc_stage: Stage) -> None:
    """The next one is refused, and nobody is disturbed."""
    await tmc_stage.start()
    for number in range(GROUP_LIMIT):
        tmc_stage.operate(lambda console, number=number: console.create_group(APP_KEY, f"group {number}"))  # type: ignore[misc]
    with pytest.raises(ConsoleError, match="may have no more"):
        tmc_stage.operate(lambda console: console.create_group(APP_KEY, "one too many"))
    await tmc_stage.until_answered(tmc_stage.produce())
