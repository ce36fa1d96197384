"""The API methods that change and show settings: users and what is permitted of them, groups, and bound topics.

They do what the console does (控制台操作和 消息API操作 效果相同, S5), within the limits that the pages of the API set
for one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from tmcfakes.arguments import PLATFORMS, Parameter, flag, names, refusal, text, whole
from tmcfakes.asked import Asked, Method, Result, strings
from tmcfakes.directory import PLATFORM, Relation
from tmcspec.frame_values import show
from tmcspec.routing import DEFAULT_GROUP, EVERYTHING, GROUP_NAME_LIMIT, TOPIC_NAME_LIMIT

T = TypeVar("T")

_USER_FIELDS = (
    "created",
    "group_name",
    "is_valid",
    "modified",
    "topics",
    "user_id",
    "user_nick",
    "user_platform",
)

_NICK = text(100)
_GROUP = Parameter(name="group_name", kind=text(GROUP_NAME_LIMIT), required=True)
_TOPICS = Parameter(name="topics", kind=names(20, each=TOPIC_NAME_LIMIT), required=True)
_PLATFORM = Parameter(name="user_platform", kind=PLATFORMS, default=PLATFORM)
_FIELDS = Parameter(name="fields", kind=names(100), required=True)
_PAGE_SIZE = Parameter(name="page_size", kind=whole(1, 100), default=40)


# Users


def _permit(asked: Asked) -> Result:
    """Each call replaces the list of the one before; without topics it is all that the app has (inferred)."""
    assert asked.user is not None
    user = asked.user.user
    asked.console.permit(asked.app.key, user.nick, topics=asked["topics"], platform=user.platform)
    return {"is_success": True}


def _permit_by_number(asked: Asked) -> Result:
    """As `_permit`, of all topics, for a user that the app names by number. That this is what it does, and that it
    tells of a user without a grant as `user.cancel` does, is inferred.
    """
    relation = asked.app.relations.get(asked["user_id"])
    if relation is None or asked.now >= relation.until:
        return {"is_success": False}
    asked.console.permit(asked.app.key, relation.user.nick, platform=relation.user.platform)
    return {"is_success": True}


def _cancel(asked: Asked) -> Result:
    return {"is_success": asked.console.cancel(asked.app.key, asked["nick"], platform=asked["user_platform"])}


def _user(asked: Asked) -> Result:
    fields, relation = _fields(asked), asked.console.user(asked.app.key, asked["nick"], platform=asked["user_platform"])
    if relation is None:
        raise _unknown_user(asked["nick"])
    return {"tmc_user": _shown(asked, relation, fields)}


def _users(asked: Asked) -> Result:
    """Those that something is permitted of. The method is one of 2013 that is not documented any more."""
    fields, now, cache = _fields(asked), asked.now, asked.console.directory.cache
    found = [
        relation
        for relation in asked.app.relations.values()
        if relation.permitted.known(now=now, cache=cache)
        and asked["is_valid"] in (None, relation.valid(now=now, cache=cache))
    ]
    shown = [_shown(asked, each, fields) for each in _page(asked, found)]
    return {"users": {"tmc_user": shown}, "total": len(found)}


def _topics_of_user(asked: Asked) -> Result:
    """The topics that are permitted of a user; without a nick, those of the app. That, and the words of the result, are
    inferred.
    """
    if asked["nick"] is None:
        topics = _everything(asked)
    else:
        relation = asked.console.user(asked.app.key, asked["nick"])
        if relation is None:
            raise _unknown_user(asked["nick"])
        topics = _permitted(asked, relation)
    return {"topics": strings(topics), "result_code": "0", "result_message": "success"}


def _fields(asked: Asked) -> list[str]:
    """Those of the wanted fields that there are; clients may ask for some that only older versions had (inferred)."""
    found = [name for name in _USER_FIELDS if name in asked["fields"]]
    if not found:
        raise refusal("fields", f"fields has none of: {', '.join(_USER_FIELDS)}")
    return found


def _shown(asked: Asked, relation: Relation, fields: Sequence[str]) -> Result:
    cache = asked.console.directory.cache
    members = {
        "created": None if relation.created is None else asked.date(relation.created),
        "group_name": relation.group or DEFAULT_GROUP,
        "is_valid": relation.valid(now=asked.now, cache=cache),
        "modified": None if relation.modified is None else asked.date(relation.modified),
        "topics": strings(_permitted(asked, relation)),
        "user_id": relation.user.user_id,
        "user_nick": relation.user.nick,
        "user_platform": relation.user.platform,
    }
    return {name: members[name] for name in fields if members[name] is not None}


def _permitted(asked: Asked, relation: Relation) -> tuple[str, ...]:
    """The topics of a user; all topics are those of the app."""
    topics = asked.console.topics_of(relation)
    return _everything(asked) if EVERYTHING in topics else topics


def _everything(asked: Asked) -> tuple[str, ...]:
    return asked.app.subscribed.known(now=asked.now, cache=asked.console.directory.cache)


def _unknown_user(nick: str) -> Exception:
    """How the gateway tells so is not public."""
    return refusal("nick", f"nick is {show(nick)}; nothing is permitted of a user of this name and platform")


# Groups


def _add_group(asked: Asked) -> Result:
    asked.console.add_to_group(asked.app.key, asked["group_name"], asked["nicks"], platform=asked["user_platform"])
    return {"created": asked.date(asked.now), "group_name": asked["group_name"]}


def _delete_group(asked: Asked) -> Result:
    """Its last user gone, a group is deleted; without nicks it is deleted at once."""
    group, console = asked["group_name"], asked.console
    if asked["nicks"] is None:
        console.delete_group(asked.app.key, group)
    else:
        console.remove_from_group(asked.app.key, group, asked["nicks"], platform=asked["user_platform"])
    return {"is_success": True}


def _groups(asked: Asked) -> Result:
    """The groups that were created; whether production lists the default group as well is not public."""
    found = [
        group
        for group in asked.app.groups
        if group != DEFAULT_GROUP and (asked["group_names"] is None or group in asked["group_names"])
    ]
    shown: list[Result] = [{"name": group} for group in _page(asked, found)]
    return {"groups": {"tmc_group": shown}, "total_results": len(found)}


def _add_topics(asked: Asked) -> Result:
    asked.console.bind_topics(asked.app.key, asked["group_name"], asked["topics"])
    return {"result": True}


def _delete_topics(asked: Asked) -> Result:
    asked.console.unbind_topics(asked.app.key, asked["group_name"], asked["topics"])
    return {"result": True}


def _page(asked: Asked, found: Sequence[T]) -> Sequence[T]:
    start = (asked["page_no"] - 1) * asked["page_size"]
    return found[start : start + asked["page_size"]]


METHODS = {
    "taobao.tmc.user.permit": Method(
        parameters=(Parameter(name="topics", kind=names(100, each=TOPIC_NAME_LIMIT)),),
        act=_permit,
        session=True,
    ),
    "alipay.xiaodai.user.permit": Method(
        parameters=(Parameter(name="user_id", kind=whole(0, 2**63 - 1), required=True),),
        act=_permit_by_number,
    ),
    "taobao.tmc.user.cancel": Method(
        parameters=(Parameter(name="nick", kind=_NICK, required=True), _PLATFORM),
        act=_cancel,
    ),
    "taobao.tmc.user.get": Method(
        parameters=(_FIELDS, Parameter(name="nick", kind=_NICK, required=True), _PLATFORM),
        act=_user,
    ),
    "taobao.tmc.users.get": Method(
        parameters=(
            _FIELDS,
            Parameter(name="is_valid", kind=flag()),
            Parameter(name="page_no", kind=whole(1, 50), default=1),
            _PAGE_SIZE,
        ),
        act=_users,
    ),
    "taobao.tmc.user.topics.get": Method(parameters=(Parameter(name="nick", kind=_NICK),), act=_topics_of_user),
    "taobao.tmc.group.add": Method(
        parameters=(_GROUP, Parameter(name="nicks", kind=names(200, each=100), required=True), _PLATFORM),
        act=_add_group,
    ),
    "taobao.tmc.group.delete": Method(
        parameters=(_GROUP, Parameter(name="nicks", kind=names(20, each=100)), _PLATFORM),
        act=_delete_group,
    ),
    "taobao.tmc.groups.get": Method(
        parameters=(
            Parameter(name="group_names", kind=names(20)),
            Parameter(name="page_no", kind=whole(1, 2**31 - 1), default=1),
            _PAGE_SIZE,
        ),
        act=_groups,
    ),
    "taobao.tmc.topic.group.add": Method(parameters=(_GROUP, _TOPICS), act=_add_topics),
    # The number of the group, which no other method tells, is not looked at.
    "taobao.tmc.topic.group.delete": Method(
        parameters=(_GROUP, _TOPICS, Parameter(name="group_id", kind=whole(0, 2**63 - 1))),
        act=_delete_topics,
    ),
}
