"""`tmcspec vectors`: golden vectors and JSON Schemas as files, for other languages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import click

from tmcspec import __version__
from tmcsuites.golden import exported
from tmcsuites.report.words import counted

MANIFEST = "MANIFEST.json"

#: Bytes of a manifest that are read; ours has some 2 KiB.
MANIFEST_LIMIT = 2**20


@click.group()
def vectors() -> None:
    """Golden vectors and JSON Schemas, for implementations in other languages.

    \b
    Example:
      tmcspec vectors export testdata/tmcspec
    """


@vectors.command("export")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace files that are no export, or were changed since.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def export(directory: Path, force: bool, as_json: bool) -> None:
    """Writes golden vectors and JSON Schemas into DIR, and prints what it wrote.

    README.txt there says what each file is. A file that is not of an earlier export, or was changed since, is not
    replaced: nothing is written then, and the exit status is 4.

    \b
    Example:
      tmcspec vectors export testdata/tmcspec
    """
    files = exported()
    texts = {path: text for path, (_, text) in files.items()}
    hashes = {path: _hash(text.encode()) for path, text in texts.items()}
    texts[MANIFEST] = json.dumps({"tmcspec": __version__, "sha256": hashes}, indent=1) + "\n"
    try:
        if not force and (strange := _strangers(directory, texts)):
            more = f" (and {len(strange) - 1} more)" if len(strange) > 1 else ""
            raise click.UsageError(
                f"{directory / strange[0]} is not of an earlier export, or was changed since{more}; "
                "--force replaces it, another directory leaves it alone"
            )
        for path, text in texts.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(text.encode())
    except OSError as error:
        raise click.UsageError(f"{error.filename or directory}: {error.strerror}") from None
    words = {path: what for path, (what, _) in files.items()} | {MANIFEST: "the SHA-256 of each file"}
    _tell(directory, words, texts, as_json)


def _strangers(directory: Path, texts: Mapping[str, str]) -> list[str]:
    """The files in the way. One that has the text already is in nobody's way."""
    known = _manifest(directory / MANIFEST)
    strange = []
    for path, text in texts.items():
        try:
            there = (directory / path).read_bytes()
        except FileNotFoundError:
            continue
        if there != text.encode() and _hash(there) != known.get(path) and not (path == MANIFEST and known):
            strange.append(path)
    return strange


def _manifest(path: Path) -> dict[str, str]:
    """What an earlier export wrote; nothing when there is none."""
    try:
        with path.open("rb") as file:
            known = json.loads(file.read(MANIFEST_LIMIT))["sha256"]
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _tell(directory: Path, words: Mapping[str, str], texts: Mapping[str, str], as_json: bool) -> None:
    sizes = {path: len(text.encode()) for path, text in texts.items()}
    if as_json:
        files = [{"path": path, "bytes": sizes[path], "what": what} for path, what in words.items()]
        click.echo(json.dumps({"directory": str(directory), "files": files}, indent=1))
        return
    for path, what in words.items():
        click.echo(f"{directory / path}  {what}")
    click.echo(f"{counted(len(words), 'file')}, {sum(sizes.values())} bytes")
