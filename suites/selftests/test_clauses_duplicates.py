"""DUP judged: hand-written copies."""

from __future__ import annotations

import pytest
from proofs import Evidence, judged, leaves_open, passes, violates
from stories import Story

from tmcspec.clauses.copies import business_key
from tmcspec.events import Id, Produced
from tmcspec.instruction import Instruction

SLOW, HANG = Instruction(delay_ms=500), Instruction(outcome="hang")


def trade(story: Story, id: int, *, tid: int = 7, told: Instruction | None = None) -> None:
    """A message about a trade is pushed."""
    story.push(id, (told or Instruction()).content(tid=tid))


def begin(story: Story) -> None:
    story.starting(dedupe=("tid",))
    story.connect()


@passes("DUP-1", times=2)
def test_a_copy_that_is_confirmed_when_the_first_was_handled(story: Story) -> None:
    begin(story)
    for id in (1, 2):
        trade(story, id)
    story.handles(1)
    story.confirm(2)
    story.confirm(1)


@passes("DUP-1", times=2)
def test_a_message_that_comes_again_is_a_copy_of_itself(story: Story) -> None:
    begin(story)
    trade(story, 1)
    story.handles(1)
    story.confirm(1, lost=True)
    story.wait(360)
    story.push(1)
    story.confirm(1)


@passes("DUP-1", times=1)
def test_a_copy_of_what_failed_is_handled(story: Story) -> None:
    begin(story)
    for id in (1, 2):
        trade(story, id)
    story.handles(1, "raise")
    story.fail(1)
    story.takes(2)


@violates("DUP-1", "1, 2 have one key, which was handled 2 times", times=1)
def test_a_copy_that_is_handled_again(story: Story) -> Evidence:
    begin(story)
    done = []
    for id in (1, 2):
        trade(story, id)
        done.append(story.handles(id))
        story.confirm(id)
    return done[0], done[1]


@violates("DUP-1", "1, 2, 3, … have one key, which was handled 2 times")
def test_across_a_restart_a_key_is_the_same(story: Story) -> Evidence:
    begin(story)
    trade(story, 1)
    first = story.handles(1)
    story.confirm(1)
    story.stopped()
    story.close("client")
    begin(story)
    for id in (2, 3, 4):
        trade(story, id)
    return first, story.handles(3)


@violates("DUP-1", "2 was confirmed before its key was handled")
def test_a_copy_that_is_confirmed_while_the_first_is_being_handled(story: Story) -> Evidence:
    begin(story)
    pushed = story.push(1, Instruction().content(tid=7))
    story.received(1)
    trade(story, 2)
    return pushed, story.confirm(2)


@violates("DUP-1", "2 was confirmed before its key was handled", world="live")
def test_in_a_live_run_a_handler_that_takes_its_time_is_the_proof(story: Story) -> Evidence:
    begin(story)
    pushed = story.push(1, SLOW.content(tid=7))
    trade(story, 2, told=HANG)
    story.wait(0.1)
    return pushed, story.confirm(2)


@passes("DUP-1", times=2, world="live")
def test_in_a_live_run_a_report_may_come_behind_what_the_wire_shows(story: Story) -> None:
    begin(story)
    for id in (1, 2):
        trade(story, id, told=SLOW)
    story.wait(0.5)
    story.confirm(2)
    story.handles(1)


@leaves_open("DUP-1", world="live")
def test_in_a_live_run_quick_handlers_tell_nothing(story: Story) -> None:
    begin(story)
    for id in (1, 2):
        trade(story, id)
    story.confirm(2)


@leaves_open("DUP-1")
def test_what_has_no_copy_or_no_key_is_no_business_of_this_clause(story: Story) -> None:
    begin(story)
    for id in (1, 2):
        trade(story, id, tid=id)
        story.takes(id)
    for id in (3, 4):
        story.push(id)
        story.takes(id)


@leaves_open("DUP-1")
def test_who_was_told_no_key_may_handle_copies(story: Story) -> None:
    story.starting()
    story.connect()
    for id in (1, 2):
        trade(story, id)
        story.takes(id)


@leaves_open("DUP-1")
def test_of_several_clients_nobody_knows_who_keeps_which_keys(story: Story) -> None:
    for client in ("a", "b"):
        story.starting(client=client, dedupe=("tid",))
    story.connect()
    for id, client in ((1, "a"), (2, "b")):
        trade(story, id)
        story.takes(id, client=client)


@passes("DUP-1", times=1)
def test_a_client_that_died_may_not_know_what_it_had_handled(story: Story) -> None:
    begin(story)
    trade(story, 1)
    story.takes(1)
    story.died()
    begin(story)
    trade(story, 2)
    story.takes(2)


def test_clients_that_were_told_different_keys_are_held_to_none() -> None:
    story = Story()
    begin(story)
    story.starting(dedupe=("oid",))
    for id in (1, 2):
        trade(story, id)
        story.takes(id)
    assert judged("DUP-1", story).result == "not_exercised"


@pytest.mark.parametrize("clause", ["ACK-2", "CON-6"])
def test_that_the_handler_of_a_copy_was_not_called_is_not_held_against_its_confirm(clause: str) -> None:
    story = Story()
    begin(story)
    for id in (1, 2):
        trade(story, id)
    story.handles(1)
    story.stopped()
    story.confirm(2)
    assert judged(clause, story).violations == ()


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (None, None),
        ("no object", None),
        ("[7]", None),
        ('{"tid": 7}', '["t", [7]]'),
        ('{"tid": true}', '["t", [true]]'),
        ('{"tid": "7"}', '["t", ["7"]]'),
        ('{"tid": ""}', None),
        ('{"tid": 7.0}', None),
        ('{"tid": null}', None),
        ('{"oid": 7}', None),
        ("[" * 100_000, None),
    ],
)
def test_a_key_is_made_of_members_that_identify(content: str | None, key: str | None) -> None:
    message = Produced(message=Id(1), app_key="1", group="default", topic="t", content=content)
    assert business_key(message, ("tid",)) == key
