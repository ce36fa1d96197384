"""`tmcspec vectors export`: what another language is given agrees with the library, and nobody's files are lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from harness import tmcspec
from jsonschema import Draft202012Validator

from tmcspec import signing
from tmcspec.frame import ANOMALY_KINDS, FrameError, ValueType, decode, encode
from tmcspec.frame_json import from_json, to_json
from tmcspec.ids import READINGS
from tmcspec.instruction import Outcome, instruction
from tmcsuites import golden, schemas

Row = dict[str, Any]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export."""
    made: Path = tmp_path_factory.mktemp("vectors") / "a" / "b"
    assert tmcspec("vectors", "export", str(made)).status == 0
    return made


def rows(directory: Path, name: str) -> list[Row]:
    return [json.loads(line) for line in (directory / name).read_text(encoding="utf-8").splitlines()]


# What is in it


def test_frames_are_written_as_it_says(directory: Path) -> None:
    given = rows(directory, "frames/encode.jsonl")
    assert len(given) > 150
    for row in given:
        assert encode(from_json(row["frame"])).hex() == row["hex"], row["name"]
    kinds = {field[1]["t"] for row in given for field in row["frame"]["content"] or []}
    assert kinds == {kind.name.lower() for kind in ValueType}


def test_frames_are_read_as_it_says(directory: Path) -> None:
    given = rows(directory, "frames/decode.jsonl")
    for row in given:
        frame = decode(bytes.fromhex(row["hex"]))
        assert to_json(frame) == row["frame"], row["name"]
        assert [{"kind": each.kind, "offset": each.offset} for each in frame.anomalies] == row["anomalies"], row["name"]
    assert any(not row["anomalies"] for row in given)
    assert {each["kind"] for row in given for each in row["anomalies"]} <= set(ANOMALY_KINDS)


def test_malformed_frames_are_refused_where_it_says(directory: Path) -> None:
    given = rows(directory, "frames/malformed.jsonl")
    assert len(given) > 500
    for row in given:
        with pytest.raises(FrameError) as refused:
            decode(bytes.fromhex(row["hex"]))
        assert (refused.value.offset, refused.value.reason) == (row["offset"], row["error"]), row["name"]


def test_a_frame_that_is_cut_off_anywhere_is_in_it(directory: Path) -> None:
    cut = [row for row in rows(directory, "frames/malformed.jsonl") if row["name"].startswith("all-kinds/v2/first-")]
    (whole,) = (row for row in rows(directory, "frames/encode.jsonl") if row["name"] == "all-kinds/v2")
    assert {row["hex"] for row in cut} == {whole["hex"][: 2 * size] for size in range(len(whole["hex"]) // 2)}


def test_the_official_answers_are_in_it_byte_for_byte(directory: Path) -> None:
    source = Path(signing.__file__).parent / "vectors"
    there = {path.name: path.read_bytes() for path in (directory / "official").iterdir()}
    assert there == {path.name: path.read_bytes() for path in source.iterdir()}


def test_signs_are_as_it_says(directory: Path) -> None:
    given = rows(directory, "signatures.jsonl")
    for row in given:
        assert signing.sign(row["parameters"], row["secret"], method=row["method"]) == row["sign"], row["name"]
    assert {row["method"] for row in given} == {"md5", "hmac", "hmac-sha256"}
    (connect,) = (row for row in given if row["name"] == "connect/default")
    named = {"app_key": "12129701", "group": "default", "timestamp": "1767225600000"}
    assert signing.sign_connect(**named, secret=connect["secret"]) == connect["sign"]


def test_readings_of_ids_are_as_it_says(directory: Path) -> None:
    given = rows(directory, "ids.jsonl")
    harmed = set()
    for row in given:
        assert row["readings"].keys() == READINGS.keys()
        for name, reading in READINGS.items():
            assert str(reading(int(row["id"]))) == row["readings"][name], row
            harmed |= {name} if row["readings"][name] != row["id"] else set()
    assert harmed == set(READINGS)


def test_instructions_are_as_it_says(directory: Path) -> None:
    given = rows(directory, "instructions.jsonl")
    for row in given:
        told = instruction(row["content"])
        assert (told.outcome, told.delay_ms, told.reason) == (row["outcome"], row["delay_ms"], row["reason"]), row
    assert {row["outcome"] for row in given} == set(Outcome.__args__)  # type: ignore[attr-defined]


def test_the_schemas_are_in_it_and_the_frames_are_valid(directory: Path) -> None:
    there = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (directory / "schemas").iterdir()}
    assert there == {name: schemas.schema(name) for name in schemas.NAMES}
    frame = Draft202012Validator(there["frame"])
    for name in ("frames/encode.jsonl", "frames/decode.jsonl"):
        assert all(frame.is_valid(row["frame"]) for row in rows(directory, name))


def test_names_are_unique_in_a_file(directory: Path) -> None:
    for name in golden.ROWS:
        names = [row["name"] for row in rows(directory, name) if "name" in row]
        assert len(names) == len(set(names))


def test_the_readme_says_what_each_file_is(directory: Path) -> None:
    readme = (directory / "README.txt").read_text(encoding="utf-8")
    there = {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
    assert [name for name in sorted(there) if name not in readme and name != "README.txt"] == []
    listed = {line.split()[0] for line in readme.splitlines() if "/" in line.partition("  ")[0]}
    assert listed <= there


# How it is written


def test_it_says_what_it_wrote(tmp_path: Path) -> None:
    ended = tmcspec("vectors", "export", str(tmp_path))
    there = sorted(str(path) for path in tmp_path.rglob("*") if path.is_file())
    *lines, last = ended.out.splitlines()
    assert sorted(line.partition("  ")[0] for line in lines) == there
    assert last.startswith(f"{len(there)} files, ")
    told = json.loads(tmcspec("vectors", "export", str(tmp_path), "--json").out)
    assert told["directory"] == str(tmp_path)
    assert sorted(str(tmp_path / each["path"]) for each in told["files"]) == there
    assert all((tmp_path / each["path"]).stat().st_size == each["bytes"] for each in told["files"])


def contents(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_an_export_is_repeated_byte_for_byte(directory: Path, tmp_path: Path) -> None:
    before = contents(directory)
    assert tmcspec("vectors", "export", str(directory)).status == 0
    assert contents(directory) == before
    assert tmcspec("vectors", "export", str(tmp_path)).status == 0
    assert sorted(contents(tmp_path).values()) == sorted(before.values())


def test_an_older_export_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as older:
        older.setattr(golden, "README", "Of an older version.\n{files}\n")
        assert tmcspec("vectors", "export", str(tmp_path)).status == 0
    assert tmcspec("vectors", "export", str(tmp_path)).status == 0
    assert (tmp_path / "README.txt").read_text(encoding="utf-8").startswith("Golden vectors")


@pytest.mark.parametrize("exported_before", [False, True])
def test_a_file_of_somebody_else_or_a_changed_one_is_left_alone(tmp_path: Path, exported_before: bool) -> None:
    if exported_before:
        tmcspec("vectors", "export", str(tmp_path))
    (tmp_path / "README.txt").write_text("mine", encoding="utf-8")
    before = contents(tmp_path)
    ended = tmcspec("vectors", "export", str(tmp_path))
    assert ended.status == 4
    assert "README.txt is not of an earlier export, or was changed since; --force replaces it" in ended.err
    assert contents(tmp_path) == before
    assert tmcspec("vectors", "export", str(tmp_path), "--force").status == 0
    assert "mine" not in (tmp_path / "README.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", "[]", '{"sha256": 7}', "[" * 100_000, "null"])
def test_a_manifest_that_is_none_makes_nothing_ours(tmp_path: Path, text: str) -> None:
    (tmp_path / "MANIFEST.json").write_text(text, encoding="utf-8")
    ended = tmcspec("vectors", "export", str(tmp_path))
    assert ended.status == 4
    assert "MANIFEST.json is not of an earlier export" in ended.err


def test_other_files_beside_it_are_nobodys_business(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    assert tmcspec("vectors", "export", str(tmp_path)).status == 0
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "mine"


def test_a_directory_that_is_none_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    ended = tmcspec("vectors", "export", str(tmp_path / "file"))
    assert ended.status == 4
    assert "Not a directory" in ended.err
