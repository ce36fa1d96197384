"""The life of one message, as a table.

A message is produced into the queue of a group and *waits* there until a connection of that group can take it. When
it has been *pushed*, the client has one minute to confirm it (S24: 若阻塞1分钟仍未处理完毕…将导致确认超时). A
message that misses its minute is *overdue*: nothing is sent yet, but the push counts as unconfirmed, and about six
minutes after the push it waits again (S39; S52a: 消费了不确认, 每间隔约6分钟重发一次). A client that cannot handle
a message reports it as *failed*; six minutes after that report it waits again (S25:
约6分钟后重新加入消费队列待消费). A *confirmed* message never comes again (S38: 消费确认后的消息无法再次获取).
Whatever has not been confirmed when its retention is over is *expired*, pushed or not, on its way back or not (S53:
不论发没发, 有没有重发). And what has not been confirmed when its group is deleted is *dropped*: the page of the API
says that the messages of a deleted group are lost.

Being handed out in the answer to an HTTP request is a push like any other: 多种消费方式协作消费同一个队列 (S3).

    waiting ──push──▶ pushed ──1 min──▶ overdue ──6 min after the push──▶ waiting
    pushed, overdue ──fail──▶ failed ──6 min after the report──▶ waiting
    any of these ──confirm──▶ confirmed
    any of these ──retention over──▶ expired
    any of these ──group deleted──▶ dropped

What the official document leaves open, and what is chosen here:

- A confirm settles a message whenever it is not settled yet: late, after a Failed, while it waits to be pushed
  again, and even before its first push. The service looks the id up and nothing else. So an id that lost precision
  (S62) settles whichever message it hits, which is the harm a conformance suite must be able to show.
- A Failed after the minute counts as well: the client has spoken, so the six minutes run from the report.
- A second Failed for the same push changes nothing. Otherwise a client that repeats itself keeps a message away for
  ever.
- Messages that were pushed on a connection which then went away keep ageing as if it were still there: they come
  again six minutes after their push. Whether the service returns them at once is stated nowhere; this is the harder
  way for clients.
- There is no last attempt: 重发次数由消息服务控制 (S39) names no number, so retention alone ends it.
- No order is promised anywhere. The oldest waiting message goes first.
"""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """Where a message is in its life."""

    WAITING = auto()
    PUSHED = auto()
    OVERDUE = auto()
    FAILED = auto()
    CONFIRMED = auto()
    EXPIRED = auto()
    DROPPED = auto()

    # The hash of Enum is a Python function; members are singletons, so identity serves, and a table lookup costs half.
    __hash__ = object.__hash__


class Input(Enum):
    """What can happen to a message."""

    PUSH = auto()
    CONFIRM = auto()
    FAIL = auto()
    CONFIRM_TIMEOUT = auto()
    REDELIVERY_DUE = auto()
    RETENTION_OVER = auto()
    GROUP_DELETED = auto()

    __hash__ = object.__hash__


class Effect(Enum):
    """What the service does when a message changes its state."""

    #: The confirm timeout runs from now.
    TIME_CONFIRM = auto()
    #: The redelivery delay runs from now; one that was running is forgotten.
    TIME_REDELIVERY = auto()
    #: The message is to be pushed as soon as a connection can take it.
    QUEUE = auto()
    #: Recorded as settled by a confirm.
    REPORT_CONFIRMED = auto()
    #: Recorded as reported failed.
    REPORT_FAILED = auto()
    #: Recorded as expired.
    REPORT_EXPIRED = auto()
    #: Recorded as lost with its group.
    REPORT_DROPPED = auto()
    #: Recorded as a confirm (or Failed) of nothing unsettled.
    REPORT_UNKNOWN = auto()


Step = tuple[State, tuple[Effect, ...]]

_CONFIRMED: Step = (State.CONFIRMED, (Effect.REPORT_CONFIRMED,))
_FAILED: Step = (State.FAILED, (Effect.REPORT_FAILED, Effect.TIME_REDELIVERY))
_WAITING: Step = (State.WAITING, (Effect.QUEUE,))
_EXPIRED: Step = (State.EXPIRED, (Effect.REPORT_EXPIRED,))
_DROPPED: Step = (State.DROPPED, (Effect.REPORT_DROPPED,))

TABLE: dict[tuple[State, Input], Step] = {
    (State.WAITING, Input.PUSH): (State.PUSHED, (Effect.TIME_CONFIRM, Effect.TIME_REDELIVERY)),
    (State.WAITING, Input.CONFIRM): _CONFIRMED,
    (State.WAITING, Input.FAIL): _FAILED,
    (State.WAITING, Input.CONFIRM_TIMEOUT): (State.WAITING, ()),
    (State.WAITING, Input.REDELIVERY_DUE): (State.WAITING, ()),
    (State.WAITING, Input.RETENTION_OVER): _EXPIRED,
    (State.WAITING, Input.GROUP_DELETED): _DROPPED,
    (State.PUSHED, Input.PUSH): (State.PUSHED, ()),
    (State.PUSHED, Input.CONFIRM): _CONFIRMED,
    (State.PUSHED, Input.FAIL): _FAILED,
    (State.PUSHED, Input.CONFIRM_TIMEOUT): (State.OVERDUE, ()),
    # The timeout is never longer than the delay: a message that is due again has missed it, if only in the same
    # instant.
    (State.PUSHED, Input.REDELIVERY_DUE): _WAITING,
    (State.PUSHED, Input.RETENTION_OVER): _EXPIRED,
    (State.PUSHED, Input.GROUP_DELETED): _DROPPED,
    (State.OVERDUE, Input.PUSH): (State.OVERDUE, ()),
    (State.OVERDUE, Input.CONFIRM): _CONFIRMED,
    (State.OVERDUE, Input.FAIL): _FAILED,
    (State.OVERDUE, Input.CONFIRM_TIMEOUT): (State.OVERDUE, ()),
    (State.OVERDUE, Input.REDELIVERY_DUE): _WAITING,
    (State.OVERDUE, Input.RETENTION_OVER): _EXPIRED,
    (State.OVERDUE, Input.GROUP_DELETED): _DROPPED,
    (State.FAILED, Input.PUSH): (State.FAILED, ()),
    (State.FAILED, Input.CONFIRM): _CONFIRMED,
    (State.FAILED, Input.FAIL): (State.FAILED, ()),
    (State.FAILED, Input.CONFIRM_TIMEOUT): (State.FAILED, ()),
    (State.FAILED, Input.REDELIVERY_DUE): _WAITING,
    (State.FAILED, Input.RETENTION_OVER): _EXPIRED,
    (State.FAILED, Input.GROUP_DELETED): _DROPPED,
    (State.CONFIRMED, Input.PUSH): (State.CONFIRMED, ()),
    (State.CONFIRMED, Input.CONFIRM): (State.CONFIRMED, (Effect.REPORT_UNKNOWN,)),
    (State.CONFIRMED, Input.FAIL): (State.CONFIRMED, (Effect.REPORT_UNKNOWN,)),
    (State.CONFIRMED, Input.CONFIRM_TIMEOUT): (State.CONFIRMED, ()),
    (State.CONFIRMED, Input.REDELIVERY_DUE): (State.CONFIRMED, ()),
    (State.CONFIRMED, Input.RETENTION_OVER): (State.CONFIRMED, ()),
    (State.CONFIRMED, Input.GROUP_DELETED): (State.CONFIRMED, ()),
    (State.EXPIRED, Input.PUSH): (State.EXPIRED, ()),
    (State.EXPIRED, Input.CONFIRM): (State.EXPIRED, (Effect.REPORT_UNKNOWN,)),
    (State.EXPIRED, Input.FAIL): (State.EXPIRED, (Effect.REPORT_UNKNOWN,)),
    (State.EXPIRED, Input.CONFIRM_TIMEOUT): (State.EXPIRED, ()),
    (State.EXPIRED, Input.REDELIVERY_DUE): (State.EXPIRED, ()),
    (State.EXPIRED, Input.RETENTION_OVER): (State.EXPIRED, ()),
    (State.EXPIRED, Input.GROUP_DELETED): (State.EXPIRED, ()),
    (State.DROPPED, Input.PUSH): (State.DROPPED, ()),
    (State.DROPPED, Input.CONFIRM): (State.DROPPED, (Effect.REPORT_UNKNOWN,)),
    (State.DROPPED, Input.FAIL): (State.DROPPED, (Effect.REPORT_UNKNOWN,)),
    (State.DROPPED, Input.CONFIRM_TIMEOUT): (State.DROPPED, ()),
    (State.DROPPED, Input.REDELIVERY_DUE): (State.DROPPED, ()),
    (State.DROPPED, Input.RETENTION_OVER): (State.DROPPED, ()),
    (State.DROPPED, Input.GROUP_DELETED): (State.DROPPED, ()),
}

#: Nothing brings a message back from here.
SETTLED = frozenset({State.CONFIRMED, State.EXPIRED, State.DROPPED})


def step(state: State, happened: Input) -> Step:
    """The state after `happened`, and what the service does about it.

    Example:
        >>> step(State.PUSHED, Input.CONFIRM)[0]
        <State.CONFIRMED: 5>
    """
    return TABLE[state, happened]


def changes(state: State, happened: Input) -> bool:
    """Whether `happened` moves a message out of `state`: if not, there is no need to wait for it."""
    return TABLE[state, happened][0] is not state
