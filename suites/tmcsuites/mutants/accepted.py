"""What else is found of mutants than their defect, and why that cannot be otherwise.

By mutant and clause, with the reason. What does not happen any more is taken out again: tests hold this list to it.
"""

from __future__ import annotations

#: Of clients.
NO_TOKEN = "there is no token that it could send"
BLIND = "what it sends blindly comes behind the answer, and nobody can tell that from using it"
SAME_LOSS = "the same loss, where no neighbour is pending"
#: Of services.
SOONER = "what comes again too soon does so, whichever channel it comes over"
DEAF = "what it does not hear it does not hear late either"
OTHER_APP = "the app that the stranger names is another one than that of the messages"
NO_END = "who does not look whether there is a relation does not see its end"
NOT_KEPT = "a rate that is never kept is not kept when a value is new"

#: Of mutants of the client.
ACCEPTED: dict[tuple[str, str], str] = {
    ("pulls-before-the-answer", "HSK-5"): BLIND,
    ("pulls-before-the-answer", "HSK-6"): BLIND,
    ("pulls-before-the-answer", "HSK-8"): NO_TOKEN,
    ("pulls-before-the-answer", "HSK-10"): BLIND,
    ("takes-a-refusal-for-success", "HSK-7"): "it tells the application that it is connected",
    ("keeps-a-refusal-to-itself", "CON-7"): "that an upgrade is refused it keeps to itself, too",
    ("takes-a-refusal-for-success", "HSK-8"): NO_TOKEN,
    ("takes-a-refusal-by-phrase-for-success", "HSK-7"): "it tells the application that it is connected",
    ("takes-a-refusal-by-phrase-for-success", "HSK-8"): NO_TOKEN,
    ("connects-without-a-token", "HSK-8"): NO_TOKEN,
    ("loses-its-place-at-bytes", "FRM-5"): "gzip content is bytes",
    ("reads-int64-unsigned", "FRM-3"): "it shows `dataid` without its sign, in whatever format that came",
    ("never-confirms", "RDL-7"): "a copy that comes again is known, and not confirmed either",
    ("confirms-first", "DUP-1"): "it confirms a copy first, too",
    ("never-confirms", "FRM-6"): "the clause asks for a confirm",
    ("never-confirms", "FRM-11"): "the clause asks for a confirm",
    ("never-confirms", "QUE-1"): "what is never confirmed never leaves the queue",
    ("loses-confirms-that-come-together", "ACK-8"): "messages whose confirms were lost come again together",
    ("confirms-what-takes-long", "ACK-3"): "a handler that takes long may fail in the end",
    ("dies-of-a-raising-handler", "ACK-1"): "what it had in hand dies with it",
    ("reads-ids-unsigned", "ACK-1"): "an id that it cannot write ends its connection, and with it what waited behind",
    ("loses-confirms-that-come-together", "QUE-1"): "what it does not confirm does not leave the queue",
    ("never-confirms", "CON-6"): "what it never confirms it does not confirm before it leaves",
    ("loses-confirms-that-come-together", "CON-6"): "handlers that are done together are lost on the way out, too",
    ("confirms-what-takes-long", "CON-6"): "a handler takes long while it is stopped, too",
    ("confirms-all-it-has-when-it-stops", "ACK-2"): "what it confirms as it stops, no handler has done",
    ("never-comes-back", "CON-2"): "it does not come back after an outage either",
    ("never-comes-back", "CON-7"): "it does not try again, whatever ended its connection",
    ("never-comes-back", "QUE-1"): "what waits for it never leaves the queue",
    ("confirms-first", "ACK-3"): "what is confirmed first is confirmed whatever comes of it",
    ("confirms-first", "ACK-5"): "what is confirmed first is confirmed whatever comes of it",
    ("swallows-failures", "ACK-2"): "nothing shows that its handler was done before",
    ("swallows-failures", "ACK-5"): "it swallows every exception alike",
    ("counts-characters-when-writing", "GRP-7"): "the service reads another group than it was told to consume",
    ("counts-characters-when-writing", "HSK-3"): "the service checks the sign against what it can read of the group",
    (
        "counts-characters-when-writing",
        "PUB-1",
    ): "what arrives, and is acknowledged, is another text than was published",
    ("tells-of-success-at-once", "PUB-2"): "whoever does not wait for an answer does not see an error either",
    ("ignores-a-repetition", "ACK-8"): "what is ignored is not confirmed",
    ("forgets-its-queue", "RDL-7"): "what it has forgotten is ignored when it comes again",
    ("reads-ids-as-doubles", "LID-1"): SAME_LOSS,
    ("confirms-through-a-double", "LID-1"): SAME_LOSS,
    ("reads-ids-as-int32", "LID-1"): SAME_LOSS,
    ("confirms-in-the-smallest-width", "LID-1"): SAME_LOSS,
}

#: The same of mutants of the service.
SERVICE_ACCEPTED: dict[tuple[str, str], str] = {
    ("redelivers-after-a-minute", "HTP-5"): SOONER,
    ("redelivers-when-the-connection-ends", "HTP-5"): SOONER,
    ("does-not-hear-a-confirm", "RDL-6"): DEAF,
    ("does-not-hear-a-confirm-over-http", "RDL-6"): DEAF,
    ("settles-over-http-only-what-was-consumed", "RDL-6"): DEAF,
    ("brings-back-what-it-dropped", "RDL-1"): "what was just pushed comes again at once when it is kept",
    (
        "brings-back-what-it-dropped",
        "GRP-2",
    ): "what was just pushed comes again at once, wherever somebody is",
    ("pushes-to-every-connection", "RDL-1"): "on each connection but the first it comes again, at once",
    ("loses-what-waits-for-nobody", "HTP-5"): "what is lost does not come over HTTP either",
    ("loses-what-waits-for-nobody", "RDL-4"): "what is lost does not expire either",
    ("broadcasts-to-every-app", "GRP-8"): NO_END,
    ("broadcasts-what-was-not-permitted", "GRP-8"): NO_END,
    ("refuses-a-publish-without-a-reason", "PUB-3"): "a SENDACK with neither a code nor a phrase is a success",
    ("puts-back-what-was-consumed", "RDL-1"): SOONER,
    ("has-a-queue-for-each-channel", "RDL-1"): SOONER,
    (
        "takes-requests-of-strangers",
        "GRP-1",
    ): OTHER_APP,
    (
        "takes-requests-of-strangers",
        "HTP-7",
    ): OTHER_APP,
    ("hands-out-of-another-group", "GRP-1"): "whoever asks over HTTP is a consumer of a group like any other",
    ("hands-out-of-the-other-environment", "GRP-6"): "whoever asks over HTTP is a consumer like any other",
    ("hands-out-of-the-other-environment", "HTP-5"): "what waits in the environment that is asked is left there",
    ("ignores-the-flow-value", "FLW-2"): NOT_KEPT,
    ("ignores-the-flow-value", "FLW-3"): "where there is no limit there is none of 30 % of it",
    ("pushes-half-as-fast", "FLW-2"): NOT_KEPT,
    ("pushes-twice-as-fast", "FLW-2"): NOT_KEPT,
    ("pushes-twice-as-fast", "FLW-3"): "30 % of twice the rate is 60 % of it",
    ("does-not-count-the-clients", "FLW-2"): NOT_KEPT,
    ("is-slow-to-take-a-new-value", "FLW-1"): "what is not in force yet is not kept",
}
