"""How the events are made that happen a hundred thousand times: from what was noted of them, when somebody looks."""

from __future__ import annotations

from tmcspec.events import Confirmed, Consumed, FrameIn, FrameOut, Id, Produced, Pushed, Via
from tmcspec.routing import Environment, MessageKind, Routed
from tmcspec.shortcuts import content_of


def frame_in(connection: str, data: bytes) -> FrameIn:
    return FrameIn(connection=connection, data=data)


def frame_out(connection: str, data: bytes, fragments: int) -> FrameOut:
    return FrameOut(connection=connection, data=data, fragments=fragments)


def produced(
    message: int,
    app_key: str,
    group: str,
    environment: Environment,
    topic: str,
    user_id: int | None,
    after: bytes,
    kind: MessageKind,
    routed: Routed,
) -> Produced:
    """The content is taken out of the letter (`after`), so that it is kept once."""
    return Produced(
        message=Id(message),
        app_key=app_key,
        group=group,
        topic=topic,
        user_id=None if user_id is None else Id(user_id),
        content=content_of(after),
        environment=environment,
        kind=kind,
        routed=routed,
    )


def pushed(message: int, connection: str, attempt: int) -> Pushed:
    return Pushed(message=Id(message), connection=connection, attempt=attempt)


def consumed(message: int, attempt: int, request: int) -> Consumed:
    return Consumed(message=Id(message), attempt=attempt, request=request)


def confirmed(message: int, via: Via, connection: str | None) -> Confirmed:
    return Confirmed(message=Id(message), via=via, connection=connection)
