"""`docs/kill-matrix.md` and its data are what the tests of the mutants find; they play once for both."""

from __future__ import annotations

from kill_matrix import DATA, DOCUMENT, texts


def test_the_kill_matrix_is_up_to_date() -> None:
    document, data = texts()
    again = "write it anew: python suites/selftests/kill_matrix.py"
    assert DOCUMENT.read_text(encoding="utf-8") == document, again
    assert DATA.read_text(encoding="utf-8") == data, again
