"""Pieces of a trace file: the same lines as in the whole, while the run still goes on."""

from __future__ import annotations

import json

from tmcfakes.trace_lines import entry_lines, header_line
from tmcspec import trace_file
from tmcspec.events import Event, Opened
from tmcspec.trace import Entry, Trace

CONDITIONS = Trace(entries=(), world="live", seed=7, epoch_ms=12)


class Unheard(Event):
    """An event that trace files have no name for."""

    word = "unheard"


def opened(seq: int) -> Entry:
    return Entry(seq=seq, time=float(seq), event=Opened(connection=f"c{seq}"))


def test_header_and_lines_are_those_of_the_whole_file() -> None:
    entries = (opened(1), opened(2))
    whole = Trace(entries=entries, world="live", seed=7, epoch_ms=12)
    assert [header_line(CONDITIONS), *entry_lines(CONDITIONS, entries)] == list(trace_file.dump(whole))
    assert header_line(whole) == header_line(CONDITIONS)
    assert entry_lines(CONDITIONS, []) == []


def test_a_header_says_what_is_forgotten_and_can_be_read_all_the_same() -> None:
    line = header_line(CONDITIONS, forgotten=3)
    assert json.loads(line)["forgotten"] == 3
    assert trace_file.parse([line]) == CONDITIONS


def test_an_entry_that_no_file_can_hold_is_left_out() -> None:
    entries = [opened(1), Entry(seq=2, time=2.0, event=Unheard()), opened(3)]
    assert entry_lines(CONDITIONS, entries) == entry_lines(CONDITIONS, [opened(1), opened(3)])
