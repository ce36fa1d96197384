"""Reports a message id as a JSON number."""

import honest


def start(command: honest.Command) -> None:
    honest.answer(command)
    honest.say({"event": "received", "message_id": 9007199254740992, "topic": "t", "content": "{}"})


honest.serve(start=start)
