"""FRM judged: whether a push was decoded and reached the handler, in one piece or in fragments."""

from __future__ import annotations

from dataclasses import replace

from odd_frames import plain, rare, unreadable
from proofs import Evidence, leaves_open, passes, violates
from stories import Story

from tmcspec.events import Id, Pushed

# FRM-1: formats. What all clauses about delivery have in common is told of this one.


@passes("FRM-1", times=1)
def test_a_push_with_a_rare_field_that_reaches_the_handler_was_decoded(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.received(7)


@passes("FRM-1", times=1, handlers=False)
def test_on_the_wire_alone_an_answer_shows_that_a_push_was_decoded(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.confirm(7)


@passes("FRM-1", times=2, handlers=False, world="live")
def test_an_answer_behind_the_next_push_of_a_message_may_be_that_to_the_first(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.advance(360)
    story.push(7)
    story.fail(7)
    story.wait(60)


@violates("FRM-1", "7 did not reach the handler; 60.0 s passed")
def test_a_push_that_never_reaches_the_handler_was_not_decoded(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, wire=rare)
    story.wait(60)
    return (pushed,)


@violates("FRM-1", "7 did not reach the handler; 420.0 s passed", handlers=False)
def test_an_answer_to_the_second_delivery_does_not_show_that_the_first_was_decoded(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, wire=rare)
    story.wait(360)
    story.push(7)
    story.confirm(7)
    story.wait(60)
    return (pushed,)


@leaves_open("FRM-1")
def test_a_push_whose_turn_does_not_come_while_others_are_handled_may_have_been_decoded(story: Story) -> None:
    story.connect()
    story.push(5)
    story.push(6)
    story.push(7, wire=rare)
    story.received(5)
    story.wait(60)
    story.received(6)
    story.wait(10)


@violates("FRM-1", "7 did not reach the handler; 70.0 s passed")
def test_a_push_is_lost_when_only_those_behind_it_are_handled(story: Story) -> Evidence:
    story.connect()
    story.push(6)
    story.received(6)
    pushed = story.push(7, wire=rare)
    story.push(8)
    story.wait(60)
    story.received(8)
    story.wait(10)
    return (pushed,)


@violates("FRM-1", "7 did not reach the handler; the client died (exit status 1)")
def test_a_push_that_kills_the_client_was_not_decoded(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, wire=rare)
    story.wait(1)
    story.died()
    return (pushed,)


@violates("FRM-1", "7 did not reach the handler; 60.0 s passed")
def test_a_client_that_closes_upon_a_push_is_not_excused_by_that(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, wire=rare)
    story.close("client")
    story.connect()
    story.wait(60)
    return (pushed,)


@violates("FRM-1", "7 did not reach the handler; 420.0 s passed")
def test_a_first_delivery_that_was_dropped_is_not_made_good_by_the_second(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, wire=rare)
    story.wait(360)
    story.push(7)
    story.takes(7)
    story.wait(60)
    return (pushed,)


@violates(
    "FRM-1", "the content of 7 reached the handler as '{}' instead of '{\"tid\": 1}'", handlers=True, world="live"
)
def test_a_push_that_reaches_the_handler_with_the_wrong_content_was_not_decoded(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, '{"tid": 1}', wire=rare)
    return pushed, story.received(7, "{}")


@violates("FRM-1", "the content of 7 reached the handler as nothing instead of '{}'")
def test_lost_content_is_told_as_nothing(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, wire=rare)
    return pushed, story.received(7, None)


@passes("FRM-1", times=1)
def test_a_duplicate_that_is_recognised_and_confirmed_need_not_reach_the_handler(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.handles(7)
    story.confirm(7, lost=True)
    story.wait(360)
    story.push(7)
    story.confirm(7)
    story.wait(60)


@passes("FRM-1", times=2, world="live")
def test_two_deliveries_that_are_under_way_at_once_reach_the_handler_one_by_one(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.advance(360)
    story.push(7)
    story.received(7)
    story.received(7)
    story.wait(60)


@leaves_open("FRM-1")
def test_a_push_on_a_connection_that_the_service_ends_need_not_arrive(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.wait(1)
    story.close("fault")
    story.wait(60)


@leaves_open("FRM-1")
def test_a_client_that_is_asked_to_stop_need_not_take_more(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.stopped()
    story.close("client")
    story.wait(60)


@leaves_open("FRM-1")
def test_a_client_that_dies_after_the_connection_was_cut_did_not_die_of_the_push(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.close("fault")
    story.died()


@leaves_open("FRM-1")
def test_a_push_that_came_just_now_may_still_be_handled(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.wait(59)


@leaves_open("FRM-1", handlers=False)
def test_seconds_that_the_service_clock_was_moved_are_not_the_clients(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.advance(3600)
    story.wait(1)


@leaves_open("FRM-1")
def test_an_ordinary_push_shows_nothing_of_rare_formats(story: Story) -> None:
    story.connect()
    story.push(7, data_id=4, wire=plain)
    story.takes(7)


@leaves_open("FRM-1")
def test_a_push_without_id_topic_or_token_or_that_nobody_can_read_is_not_judged(story: Story) -> None:
    story.connect()
    story.push(1, wire=lambda push: rare(replace(push, id=None)))
    story.push(2, wire=lambda push: rare(replace(push, topic=None)))
    story.push(3, wire=lambda push: rare(replace(push, token=None)))
    story.push(4, wire=lambda push: rare(replace(push, token="of another app")))
    story.push(5, wire=unreadable)
    story.wait(60)


@leaves_open("FRM-1")
def test_a_push_whose_frame_is_not_in_the_trace_is_not_judged(story: Story) -> None:
    story.produce(7, wire=rare)
    story.record(Pushed(message=Id(7), connection="c9", attempt=1))
    story.wait(60)


@leaves_open("FRM-1", handlers=False)
def test_an_id_that_was_lost_in_rounding_is_a_matter_of_lid(story: Story) -> None:
    story.connect()
    story.push(2**53 + 1, wire=rare)
    story.confirm(2**53)
    story.wait(60)


@leaves_open("FRM-1")
def test_what_a_rounding_client_shows_of_two_neighbours_is_not_judged(story: Story) -> None:
    story.connect()
    story.push(2**53, '{"it": 1}', wire=rare)
    story.push(2**53 + 1, '{"it": 2}', wire=rare)
    story.received(2**53, '{"it": 2}')
    story.confirm(2**53)
    story.received(2**53, '{"it": 1}')
    story.confirm(2**53)
    story.wait(60)


@passes("FRM-1", times=1)
def test_a_rounding_client_is_still_held_to_the_content(story: Story) -> None:
    story.connect()
    story.push(2**53 + 1, wire=rare)
    story.received(2**53, "{}")
    story.confirm(2**53)


# FRM-15: fragments


@passes("FRM-15", times=1)
def test_fragments_that_are_joined(story: Story) -> None:
    story.connect()
    story.push(7, fragments=3)
    story.takes(7)


@violates("FRM-15", "7 did not reach the handler; 60.0 s passed")
def test_fragments_that_are_not_joined(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, fragments=2)
    story.close("client")
    story.wait(60)
    return (pushed,)


@leaves_open("FRM-15")
def test_a_message_in_one_piece_has_no_fragments(story: Story) -> None:
    story.connect()
    story.push(7)
    story.wait(60)
