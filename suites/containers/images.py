"""Images from nothing: this Python with its libraries, what the reference core needs, and client.py. No registry."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import docker

PYTHON = Path(sys.executable).resolve()
STDLIB = Path(sysconfig.get_path("stdlib"))

# Of the standard library, what no client imports; and packages, of which some are copied by name.
LEFT_OUT = {"test", "tests", "idlelib", "lib2to3", "ensurepip", "tkinter", "turtledemo"}
PACKAGES = {"site-packages", "dist-packages"}

# In a process of its own, which has imported nothing else.
IMPORTED = """
import json, sys, sysconfig
import tmcsuites.adapters.reference
tops = [module for name, module in sys.modules.items() if "." not in name and getattr(module, "__file__", None)]
print(json.dumps(sorted({path for each in tops for path in getattr(each, "__path__", [each.__file__])})))
"""


def base(client: docker.DockerClient, name: str) -> None:
    """Make an image whose entry point is this Python."""
    packages = list(_packages())
    places = ":".join(sorted({str(each.parent) for each in packages}))
    words = json.dumps([str(PYTHON), "-P", "-B", "-u"])
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "root.tar")
        with tarfile.open(archive, "w", dereference=True) as tar:
            tar.add(Path(__file__).with_name("client.py"), "/client.py")
            for path in sorted(_files(packages)):
                tar.add(path)
        repository, _, tag = name.partition(":")
        client.api.import_image_from_file(
            str(archive), repository=repository, tag=tag, changes=[f"ENV PYTHONPATH={places}", f"ENTRYPOINT {words}"]
        )


def derived(client: docker.DockerClient, name: str, base: str, words: Iterable[str]) -> None:
    """Make an image of the other one whose Python is given these words."""
    text = f"FROM {base}\nCMD {json.dumps(list(words))}\n"
    client.images.build(fileobj=io.BytesIO(text.encode()), tag=name, rm=True)


def _packages() -> Iterator[Path]:
    """What is imported from elsewhere than the standard library."""
    told = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True, timeout=60)
    for each in map(Path, json.loads(told.stdout)):
        if not each.is_relative_to(STDLIB) or PACKAGES & set(each.relative_to(STDLIB).parts):
            yield each


def _files(packages: Iterable[Path]) -> set[Path]:
    found = {PYTHON, *_tree(STDLIB, LEFT_OUT | PACKAGES)}
    for each in packages:
        found.update(_tree(each, set()) if each.is_dir() else [each])
    binaries = [PYTHON, *(each for each in found if ".so" in each.suffixes)]
    return found | set(_libraries(binaries))


def _tree(folder: Path, left_out: set[str]) -> Iterator[Path]:
    for path, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if each not in left_out and not each.startswith("config-")]
        yield from (Path(path, each) for each in files if not each.endswith(".a"))


def _libraries(binaries: Iterable[Path]) -> Iterator[Path]:
    """The shared libraries that these are linked to, and the loader, by the names that they are looked for."""
    told = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False, timeout=60).stdout
    for path in re.findall(r"^\s+(?:\S+ => )?(/\S+) \(0x", told, re.MULTILINE):
        yield Path(path)
