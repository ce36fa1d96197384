"""Services that answer a CONNECT wrongly."""

from __future__ import annotations

from typing import Any

from tmcfakes.handshake import NOT_SUBSCRIBED, UNKNOWN_APP, UNKNOWN_GROUP, WRONG_SIGN, Refusal
from tmcfakes.reception import Reception
from tmcspec.events import SignFinding
from tmcspec.messages import Connect
from tmcsuites.mutants.base import ServiceCatalogue

MUTANTS = ServiceCatalogue()
mutant = MUTANTS.mutant


@mutant("answers-no-connect", "HSK-11")
class AnswersNoConnect(Reception):
    """Takes a CONNECT, and says nothing to it."""

    def _connect(self, *connect: Any) -> None:
        pass


@mutant("refuses-by-silence", "HSK-11")
class RefusesBySilence(Reception):
    """Does not answer a CONNECT that it refuses."""

    def _answer_connect(self, *asked: Any, with_token: bool) -> None:
        if asked[-1] is None:
            super()._answer_connect(*asked, with_token=with_token)


@mutant("refuses-without-a-code", "HSK-11")
class RefusesWithoutACode(Reception):
    """Refuses with words alone."""

    def _inspect(self, connect: Connect) -> tuple[SignFinding, Refusal | None]:
        finding, refusal = super()._inspect(connect)
        return finding, refusal and refusal._replace(code=0)


@mutant("accepts-a-wrong-sign", "HSK-11")
class AcceptsAWrongSign(Reception):
    """Does not look at the sign."""

    def _inspect(self, connect: Connect) -> tuple[SignFinding, Refusal | None]:
        finding, refusal = super()._inspect(connect)
        return finding, None if refusal == WRONG_SIGN else refusal


@mutant("accepts-an-unknown-app", "HSK-11")
class AcceptsAnUnknownApp(Reception):
    """Lets in whoever names an app that it does not know."""

    def _inspect(self, connect: Connect) -> tuple[SignFinding, Refusal | None]:
        finding, refusal = super()._inspect(connect)
        return finding, None if refusal == UNKNOWN_APP else refusal


@mutant("accepts-an-unknown-group", "HSK-11")
class AcceptsAnUnknownGroup(Reception):
    """Does not look at the group."""

    def _inspect(self, connect: Connect) -> tuple[SignFinding, Refusal | None]:
        finding, refusal = super()._inspect(connect)
        return finding, None if refusal == UNKNOWN_GROUP else refusal


@mutant("accepts-an-app-without-a-subscription", "HSK-11")
class AcceptsAnAppWithoutASubscription(Reception):
    """Lets an app in that has subscribed to nothing."""

    def _inspect(self, connect: Connect) -> tuple[SignFinding, Refusal | None]:
        finding, refusal = super()._inspect(connect)
        return finding, None if refusal == NOT_SUBSCRIBED else refusal


@mutant("refuses-a-right-sign", "HSK-11")
class RefusesARightSign(Reception):
    """Refuses every CONNECT."""

    def _inspect(self, connect: Connect) -> tuple[SignFinding, Refusal | None]:
        return super()._inspect(connect)[0], WRONG_SIGN
