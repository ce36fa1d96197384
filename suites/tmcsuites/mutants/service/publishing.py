"""Services that answer a publish wrongly."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from tmcfakes.connections import Connection
from tmcfakes.handshake import Refusal
from tmcfakes.publishing import Publishing
from tmcfakes.reception import Reception
from tmcspec.messages import SendAck
from tmcspec.timing import PUBLISH_TIMEOUT
from tmcsuites.mutants.base import ServiceCatalogue

MUTANTS = ServiceCatalogue()
mutant = MUTANTS.mutant


@mutant("does-not-acknowledge", "PUB-3")
class DoesNotAcknowledge(Reception):
    """Answers no publish."""

    def _acknowledge(self, connection: Connection, answer: SendAck, flag: int) -> None:
        pass


@mutant("acknowledges-twice", "PUB-3")
class AcknowledgesTwice(Reception):
    """Answers every publish twice."""

    def _acknowledge(self, connection: Connection, answer: SendAck, flag: int) -> None:
        for _ in range(2):
            super()._acknowledge(connection, answer, flag)


@mutant("acknowledges-late", "PUB-3")
class AcknowledgesLate(Reception):
    """Answers a publish when its client has given up."""

    def _acknowledge(self, connection: Connection, answer: SendAck, flag: int) -> None:
        late = partial(super()._acknowledge, connection, answer, flag)
        self._outbox.postpone(connection.name, late, seconds=PUBLISH_TIMEOUT + 1)


@mutant("acknowledges-with-another-flag", "PUB-3")
class AcknowledgesWithAnotherFlag(Reception):
    """Answers a publish with the flag of the next one."""

    def _acknowledge(self, connection: Connection, answer: SendAck, flag: int) -> None:
        super()._acknowledge(connection, replace(answer, flag=answer.flag + 1), flag)


@mutant("acknowledges-what-it-refuses", "PUB-3")
class AcknowledgesWhatItRefuses(Reception):
    """Answers a publish that it refuses with a success."""

    def _acknowledge(self, connection: Connection, answer: SendAck, flag: int) -> None:
        super()._acknowledge(connection, replace(answer, status_code=0, status_phrase=None), flag)


@mutant("refuses-what-it-accepts", "PUB-3")
class RefusesWhatItAccepts(Reception):
    """Answers a publish that it accepts with an error."""

    def _acknowledge(self, connection: Connection, answer: SendAck, flag: int) -> None:
        super()._acknowledge(connection, replace(answer, status_code=15), flag)


@mutant("accepts-every-publish", "PUB-4")
class AcceptsEveryPublish(Publishing):
    """Does not look at what is published."""

    def _refusal(self, topic: str, content: str) -> Refusal | None:
        return None


@mutant("refuses-a-publish-without-a-reason", "PUB-4")
class RefusesAPublishWithoutAReason(Publishing):
    """Refuses a publish with neither a code nor a phrase."""

    def _refusal(self, topic: str, content: str) -> Refusal | None:
        return super()._refusal(topic, content) and Refusal(code=0, phrase=None)
