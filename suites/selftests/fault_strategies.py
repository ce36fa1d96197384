"""Frame faults for Hypothesis: any kind, on any frame that it may be about."""

from __future__ import annotations

from hypothesis import strategies as st

from tmcfakes.faults import (
    FROM_CLIENT,
    FROM_SERVICE,
    CorruptField,
    Delay,
    Drop,
    Duplicate,
    Fragment,
    FrameFault,
    Garbage,
    MissingToken,
    Oversize,
    PublishFlag,
    Reorder,
    TextFrame,
    Truncate,
    UnknownFormat,
    UnknownHeader,
    UnknownType,
    WrongFlag,
    WrongToken,
)

FIELDS = (
    *("id", "__kind", "topic", "content", "dataid", "time", "retried", "msg", "sign", "app_key", "timestamp"),
    *("token", "flag", "status_code"),
)


def frame_faults() -> st.SearchStrategy[FrameFault]:
    """A fault of the first frames of a kind."""
    both = st.sampled_from([*FROM_CLIENT, *FROM_SERVICE])
    theirs = st.sampled_from(FROM_SERVICE)
    place = {"nth": st.integers(1, 5), "count": st.integers(1, 3)}
    sizes = st.sampled_from([0, 1, 7, 30, 1000])
    return st.one_of(
        *(st.builds(kind, frame=both, **place) for kind in (Drop, Duplicate, Reorder)),
        st.builds(Delay, frame=both, delay=st.sampled_from([0.001, 1.0, 30.0]), **place),
        st.builds(Truncate, frame=both, keep=sizes, **place),
        st.builds(CorruptField, frame=both, field=st.sampled_from(FIELDS), **place),
        st.builds(Garbage, frame=theirs, size=sizes, **place),
        st.builds(Fragment, frame=theirs, fragments=st.sampled_from([2, 3, 100]), **place),
        st.builds(Oversize, frame=theirs, size=st.sampled_from([1, 2**20, 2**22]), **place),
        st.builds(UnknownHeader, frame=theirs, type=st.integers(6, 32_767), **place),
        *(st.builds(kind, frame=theirs, **place) for kind in (UnknownFormat, UnknownType, TextFrame)),
        *(st.builds(kind, frame=theirs, **place) for kind in (WrongToken, MissingToken, WrongFlag)),
        st.builds(PublishFlag, **place),
    )
