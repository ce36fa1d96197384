"""The API methods of the gateway: what each takes, and what it does.

The requests that the engine understands come by these names. Numbers are limits of one call, as the pages of the API
and published SDKs have them; `!` is what may not be missing, `*` what needs a user's session.

    taobao.tmc.messages.consume     group_name, quantity 10 to 200 (100)            next messages of a group (S37)
    taobao.tmc.messages.confirm     s_message_ids! 200, f_message_ids 200           settles them, reports them as failed
    taobao.tmc.message.produce      topic!, content!, media_content 1 MiB, …        one message to Taobao (S13)
    taobao.tmc.messages.produce     messages! 50                                    many
    taobao.tmc.user.permit *        topics 100                                      takes a user's messages (S15)
    alipay.xiaodai.user.permit      user_id!                                        as well
    taobao.tmc.user.cancel          nick!                                           takes them no more (S17)
    taobao.tmc.user.get             fields!, nick!                                  what is permitted of a user (S16)
    taobao.tmc.users.get            fields!, is_valid, page_no 50, page_size 100    of all users
    taobao.tmc.user.topics.get      nick                                            the topics of a user
    taobao.tmc.group.add            group_name!, nicks! 200                         makes a group, adds users to it
    taobao.tmc.group.delete         group_name!, nicks 20                           takes users out, or deletes it
    taobao.tmc.groups.get           group_names 20, page_no, page_size 100          the groups of an app
    taobao.tmc.topic.group.add      group_name!, topics! 20                         binds topics to a group
    taobao.tmc.topic.group.delete   group_name!, topics! 20                         binds them no more
    taobao.tmc.queue.get            group_name!                                     counts of a queue
    taobao.tmc.msg.sendrecord       data_id!, group_name!, topic_name!              when a message was sent
    taobao.tmc.auth.get             group                                           the token of a connection

What a page sets as a limit is enforced here; whether production does, or clamps, is not public (quantity 1 to 9:
inferred). Of several faults of a call the first is told, in this order (inferred): no such method, call limit, no
session, a bad session, missing arguments, wrong arguments, no subscription (S71), and what the method itself finds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tmcfakes import methods_messages, methods_settings
from tmcfakes.arguments import Refused, read, refusal
from tmcfakes.asked import Asked, Method, Result
from tmcfakes.console import ConsoleError
from tmcfakes.directory import Application, Relation
from tmcfakes.service import Service
from tmcspec import top
from tmcspec.routing import Environment

METHODS: Final[Mapping[str, Method]] = methods_messages.METHODS | methods_settings.METHODS


def perform(
    method: Method,
    call: top.Call,
    *,
    service: Service,
    files: Mapping[str, bytes],
    request: int,
    ip: str,
    environment: Environment,
    now: float,
) -> Result:
    """Does what a call asks for.

    Args:
        method: the method that it calls.
        call: who asks, and for what.
        service: the engine.
        files: the files that came with it.
        request: its number.
        ip: the chain of addresses on the way.
        environment: where.
        now: service time in seconds.

    Raises:
        Refused: it cannot be done, and nothing was.
    """
    app = service.directory.app(call.app_key)
    user = _user(service, app, call.session, now=now) if method.session else None
    arguments = read(method.parameters, call.arguments, files)
    if not service.directory.has_subscribed(app, None, now=now):
        raise Refused(top.NOT_SUBSCRIBED)
    asked = Asked(
        service=service,
        now=now,
        app=app,
        request=request,
        arguments=arguments,
        environment=environment,
        ip=ip,
        user=user,
    )
    try:
        return method.act(asked)
    except ConsoleError as error:
        # The console speaks of one nick at a time, where the method takes several.
        name = error.parameter if error.parameter in arguments else f"{error.parameter}s"
        raise refusal(name, str(error)) from None


def _user(service: Service, app: Application, session: str | None, *, now: float) -> Relation:
    if session is None:
        raise Refused(top.MISSING_SESSION)
    user = service.directory.of_session(session, app)
    if user is None or now >= user.until:
        raise Refused(top.INVALID_SESSION)
    return user
