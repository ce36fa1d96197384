"""The API methods that handle messages: consuming and confirming, publishing to Taobao, and looking at queues."""

from __future__ import annotations

from typing import Any

from tmcfakes.arguments import Parameter, Refused, file, message_ids, objects, read, text, whole
from tmcfakes.asked import Asked, Method, Result, strings
from tmcfakes.delivering import PUBLISHER
from tmcfakes.queues import Message
from tmcspec import top
from tmcspec.routing import GROUP_NAME_LIMIT, TOPIC_NAME_LIMIT
from tmcspec.timing import PUBLISH_CONTENT_LIMIT

_MILLISECONDS = whole(0, 2**63 - 1)
_IDS = message_ids(200)
_FILE = file(2**20)
_GROUP_NAME = text(GROUP_NAME_LIMIT)
_GROUP = Parameter(name="group_name", kind=_GROUP_NAME)
_NEEDED_GROUP = Parameter(name="group_name", kind=_GROUP_NAME, required=True)

# `delay_millis` (a point in time) and `expires_millis` (a span) are about what Taobao does with a message; so are
# `target_group`, and `ex_content` and `target_appkey`, which only an SDK of 2015 has.
_TO_TAOBAO = (
    Parameter(name="content", kind=text(PUBLISH_CONTENT_LIMIT), required=True),
    Parameter(name="topic", kind=text(TOPIC_NAME_LIMIT), required=True),
    Parameter(name="target_group", kind=text(256)),
    Parameter(name="delay_millis", kind=_MILLISECONDS),
    Parameter(name="expires_millis", kind=_MILLISECONDS),
    Parameter(name="ex_content", kind=text(500)),
    Parameter(name="target_appkey", kind=text(256)),
)


def _consume(asked: Asked) -> Result:
    group = asked.group()
    taken = asked.service.consume(
        asked["quantity"],
        app_key=asked.app.key,
        group=group,
        now=asked.now,
        request=asked.request,
        ip=asked.ip,
        environment=asked.environment,
    )
    return {"messages": {"tmc_message": [_message(asked, each) for each in taken]}}


def _message(asked: Asked, message: Message) -> Result:
    """What it has not is left out."""
    assert message.letter is not None
    members: dict[str, Any] = {
        "user_id": message.user_id,
        "user_nick": message.nick,
        "content": message.letter.content,
        "id": message.id,
        "pub_time": asked.date(message.born),
        "pub_app_key": PUBLISHER,
        "topic": message.topic,
    }
    return {name: value for name, value in members.items() if value is not None}


def _confirm(asked: Asked) -> Result:
    """That it is a success whatever messages the ids belong to is inferred: a confirm that comes twice, or too late, is
    no fault of anybody, and over a WebSocket there is no answer at all. The trace has those that belong to none.
    """
    group = asked.group()
    for ids, settle in ((asked["s_message_ids"], asked.service.confirm), (asked["f_message_ids"], asked.service.fail)):
        for message_id in ids:
            settle(
                message_id,
                app_key=asked.app.key,
                group=group,
                now=asked.now,
                via="http",
                environment=asked.environment,
            )
    return {"is_success": True}


def _produce(asked: Asked) -> Result:
    _publish(asked, asked["topic"], asked["content"])
    # What ids of messages to Taobao look like is not public; the one of the request will do.
    return {"is_success": True, "total": 1, "msg_ids": strings([str(asked.request)])}


def _produce_many(asked: Asked) -> Result:
    """One by one, in the order of the request; what is wrong with one of them is said in its place (inferred)."""
    results: list[Result] = []
    for each in asked["messages"]:
        try:
            arguments = read(_TO_TAOBAO, each, {})
            _publish(asked, arguments["topic"], arguments["content"])
        except Refused as refused:
            failure = refused.failure
            results.append({"is_success": False, "error_code": failure.sub_code, "error_message": failure.sub_msg})
        else:
            results.append({"is_success": True})
    return {
        "is_all_success": all(each["is_success"] for each in results),
        "results": {"tmc_produce_result": results},
    }


def _publish(asked: Asked, topic: str, content: str) -> None:
    refused = asked.service.publish(app_key=asked.app.key, topic=topic, content=content, now=asked.now)
    if refused is not None:
        # Whatever else there is to it was looked at before, so it is the topic (S72).
        raise Refused(top.failure(refused.code, "isv.invalid-parameter:topic", refused.phrase, about="topic"))


def _look_at_queue(asked: Asked) -> Result:
    """Since the start; production counts from midnight (当前队列当天读取量, says the page). `put_toal` is how the
    gateway spells it.
    """
    queue = asked.queue()
    told = {
        "name": queue.key.group,
        "broker_name": "fake",
        "get_total": queue.counts.pushed,
        "put_toal": queue.counts.produced,
    }
    return {"datas": {"tmc_queue_info": [told]}}


def _sent(asked: Asked) -> Result:
    """When the messages about a business object were produced by Taobao, and when they were delivered by the service.
    Only names and types are public: that the times are joined by commas is inferred.
    """
    messages = asked.service.about(asked.queue(), asked["topic_name"], asked["data_id"])
    born = [each.born for each in messages]
    handed = sorted(each.time for message in messages for each in message.handed)
    return {
        "tb_send_times": len(born),
        "tb_send_list": ",".join(map(asked.date, born)),
        "tmc_send_times": len(handed),
        "tmc_send_list": ",".join(map(asked.date, handed)),
    }


def _token(asked: Asked) -> Result:
    """The token of a connection, in whose frames it stands."""
    queue = asked.service.queue(asked.app.key, asked.group("group"), asked.environment)
    return {"result": asked.service.token(queue)}


METHODS = {
    "taobao.tmc.messages.consume": Method(
        parameters=(_GROUP, Parameter(name="quantity", kind=whole(10, 200), default=100)),
        act=_consume,
    ),
    "taobao.tmc.messages.confirm": Method(
        parameters=(
            _GROUP,
            Parameter(name="s_message_ids", kind=_IDS, required=True),
            Parameter(name="f_message_ids", kind=_IDS, default=()),
        ),
        act=_confirm,
    ),
    "taobao.tmc.message.produce": Method(
        parameters=(
            *_TO_TAOBAO,
            Parameter(name="media_content", kind=_FILE),
            *(Parameter(name=f"media_content{number}", kind=_FILE) for number in range(2, 6)),
        ),
        act=_produce,
    ),
    "taobao.tmc.messages.produce": Method(
        parameters=(Parameter(name="messages", kind=objects(50), required=True),),
        act=_produce_many,
    ),
    "taobao.tmc.queue.get": Method(parameters=(_NEEDED_GROUP,), act=_look_at_queue),
    "taobao.tmc.msg.sendrecord": Method(
        parameters=(
            Parameter(name="data_id", kind=whole(-(2**63), 2**63 - 1), required=True),
            _NEEDED_GROUP,
            Parameter(name="topic_name", kind=text(TOPIC_NAME_LIMIT), required=True),
        ),
        act=_sent,
    ),
    "taobao.tmc.auth.get": Method(parameters=(Parameter(name="group", kind=_GROUP_NAME),), act=_token),
}
