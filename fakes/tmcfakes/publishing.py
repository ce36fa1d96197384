"""Messages to Taobao (回流消息, S13): what the service takes from applications, over either channel.

Where they go is none of the applications' business, and not modelled: an accepted one is written into the trace, and
that is all. The topic must have been created inside Taobao before (S72: 申请创建 isv -> taobao 流向的消息topic).

No refusal by production was ever captured in public. The codes are those of the HTTP gateway of the same platform, and
the limits those of its page for `taobao.tmc.message.produce`.
"""

from __future__ import annotations

from tmcfakes.directory import Directory
from tmcfakes.effects import Outbox
from tmcfakes.handshake import MISSING_FIELD, Refusal
from tmcspec.events import Published, Via
from tmcspec.frame_values import show
from tmcspec.routing import TOPIC_NAME_LIMIT
from tmcspec.timing import PUBLISH_CONTENT_LIMIT

#: Code of the gateway for an argument that is not what it should be.
INVALID_ARGUMENT = 41


class Publishing:
    """Takes messages to Taobao."""

    def __init__(self, *, directory: Directory, outbox: Outbox) -> None:
        self._directory = directory
        self._outbox = outbox

    def publish(
        self, *, app_key: str, topic: str, content: str, via: Via, connection: str | None = None
    ) -> Refusal | None:
        """An app sends a message; why it is refused, None when it is accepted."""
        refusal = self._refusal(topic, content)
        self._outbox.record(
            Published(
                app_key=app_key,
                topic=topic,
                content=content,
                accepted=refusal is None,
                via=via,
                connection=connection,
                code=0 if refusal is None else refusal.code,
                phrase=None if refusal is None else refusal.phrase,
            )
        )
        return refusal

    def _refusal(self, topic: str, content: str) -> Refusal | None:
        missing = [name for name, text in (("topic", topic), ("content", content)) if not text]
        if missing:
            return Refusal(code=MISSING_FIELD, phrase=f"Missing required arguments: {', '.join(missing)}")
        if len(topic) > TOPIC_NAME_LIMIT:
            return _invalid("topic", f"{len(topic)} characters; at most {TOPIC_NAME_LIMIT}")
        if len(content) > PUBLISH_CONTENT_LIMIT:
            return _invalid("content", f"{len(content)} characters; at most {PUBLISH_CONTENT_LIMIT}")
        known = self._directory.topics_to_taobao
        if known is not None and topic not in known:
            return _invalid("topic", f"{show(topic)} does not exist; it must be created before it is used")
        return None


def _invalid(name: str, why: str) -> Refusal:
    return Refusal(code=INVALID_ARGUMENT, phrase=f"Invalid arguments: {name}, {why}")
