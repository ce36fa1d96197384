"""Frame faults for Hypothesis: any kind, on any frame that it may be about."""

from __future__ import annotations

from typing import Any

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
    """A fault of the first frames of a kind; all kinds of faults are as likely."""
    both = {"frame": st.sampled_from([*FROM_CLIENT, *FROM_SERVICE])}
    theirs = {"frame": st.sampled_from(FROM_SERVICE)}
    sizes = st.sampled_from([0, 1, 7, 30, 1000])
    members: dict[type[FrameFault], dict[str, st.SearchStrategy[Any]]] = {
        Drop: both,
        Duplicate: both,
        Reorder: both,
        Delay: both | {"delay": st.sampled_from([0.001, 1.0, 30.0])},
        Truncate: both | {"keep": sizes},
        CorruptField: both | {"field": st.sampled_from(FIELDS)},
        Garbage: theirs | {"size": sizes},
        TextFrame: theirs,
        Fragment: theirs | {"fragments": st.sampled_from([2, 3, 100])},
        Oversize: theirs | {"size": st.sampled_from([1, 2**20, 2**22])},
        UnknownHeader: theirs | {"type": st.integers(6, 32_767)},
        UnknownFormat: theirs,
        UnknownType: theirs,
        WrongToken: theirs,
        MissingToken: theirs,
        WrongFlag: theirs,
        PublishFlag: {},
    }
    place = {"nth": st.integers(1, 4), "count": st.integers(1, 3)}
    return st.sampled_from(list(members)).flatmap(lambda kind: st.builds(kind, **members[kind], **place))
