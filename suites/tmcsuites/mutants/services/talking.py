"""Services that answer wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tmcfakes.connections import Connection
from tmcfakes.gateway import Gateway
from tmcfakes.handshake import WRONG_SIGN, Refusal
from tmcfakes.publishing import Publishing
from tmcfakes.reception import Reception
from tmcspec import top
from tmcspec.messages import SendAck
from tmcspec.signing import sign
from tmcsuites.mutants.services.base import Catalogue

MUTANTS = Catalogue()
mutant = MUTANTS.mutant


@mutant("accepts-a-wrong-sign", "HSK-11")
class AcceptsAWrongSign(Reception):
    """Accepts who cannot sign for an app."""

    def _answer_connect(self, connection: Connection, *more: Any, **named: Any) -> None:
        connect, flag, error = more
        super()._answer_connect(connection, connect, flag, None if error == WRONG_SIGN else error, **named)


@mutant("refuses-without-a-reason", "HSK-11")
class RefusesWithoutAReason(Reception):
    """Refuses with a code and no phrase."""

    def _answer_connect(self, connection: Connection, *more: Any, **named: Any) -> None:
        connect, flag, error = more
        super()._answer_connect(connection, connect, flag, error and (error[0], None), **named)


@mutant("acknowledges-what-it-refuses", "PUB-3")
class AcknowledgesWhatItRefuses(Publishing):
    """Tells every publisher of success."""

    def publish(self, **more: Any) -> Refusal | None:
        super().publish(**more)
        return None


@mutant("acknowledges-another-flag", "PUB-3")
class AcknowledgesAnotherFlag(Reception):
    """Answers a publish with a flag that nobody asked with."""

    def _acknowledge(self, connection: Connection, answer: SendAck, flag: int) -> None:
        super()._acknowledge(connection, replace(answer, flag=answer.flag + 1000), flag)


@mutant("refuses-a-publish-without-a-reason", "PUB-4")
class RefusesAPublishWithoutAReason(Publishing):
    """Refuses without a code and a phrase."""

    def _refusal(self, topic: str, content: str) -> Refusal | None:
        return None if super()._refusal(topic, content) is None else Refusal(code=0, phrase=None)


@mutant("answers-whoever-asks", "HTP-6")
class AnswersWhoeverAsks(Gateway):
    """Does not look at the sign of a request."""

    def _checked(self, texts: Mapping[str, str]) -> top.Call:
        app = next(iter(self._service.directory.apps.values()))
        signed = {name: text for name, text in texts.items() if name not in ("sign", "sign_method")}
        signed |= {"app_key": app.key, "sign_method": "md5"}
        return super()._checked(signed | {"sign": sign(signed, app.secret)})
