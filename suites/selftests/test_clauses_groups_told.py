"""GRP-7 judged: whether clients consume what they are told to."""

from __future__ import annotations

from proofs import Evidence, leaves_open, passes, violates
from stories import Story


@passes("GRP-7", times=4)
def test_a_client_that_asks_for_its_group(story: Story) -> None:
    story.starting("paying")
    story.connect(group="paying")
    story.consume(1, group_name="paying")
    story.close("service")
    story.connect(group="paying")
    story.stopped()
    story.starting()
    story.consume(2)


@violates("GRP-7", "told to consume 'paying', the client asks for 'default'")
def test_a_client_that_connects_to_another_group(story: Story) -> Evidence:
    told = story.starting("paying")
    return told, story.connect(group="default")


@violates("GRP-7", "told to consume 'default', the client asks for 'paying'", times=2)
def test_a_client_that_polls_another_group(story: Story) -> Evidence:
    told = story.starting()
    story.consume()
    return told, story.consume(group_name="paying")


@violates("GRP-7", "told to consume 'a', the client asks for 'b'", times=2)
def test_each_client_of_several_has_its_own_group(story: Story) -> Evidence:
    told = story.starting("a", client="first")
    story.starting("b", client="second")
    story.connect(group="b", client="second")
    return told, story.connect(group="b", client="first")


@leaves_open("GRP-7")
def test_what_a_client_was_told_may_not_be_known(story: Story) -> None:
    story.connect(group="paying")
    story.consume(group_name="paying")


@leaves_open("GRP-7")
def test_which_of_several_clients_asks_may_not_be_known(story: Story) -> None:
    story.starting("a", client="first")
    story.starting("b", client="second")
    story.connect(group="c")
    story.consume(group_name="c")


@leaves_open("GRP-7")
def test_what_names_no_group_or_is_refused_consumes_none(story: Story) -> None:
    story.starting("paying")
    story.connects(group="")
    story.open()
    story.says(b"garbage")
    story.requests("taobao.tmc.messages.consume")
    story.answers(15)
