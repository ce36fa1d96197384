"""Fixtures: an engine, and images with a client in them. Where no engine can be had, every test is skipped."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator

import docker
import images
import pytest
from docker.errors import ImageNotFound
from dockerd import NoEngine, engine

MakeImage = Callable[..., str]


@pytest.fixture(scope="session")
def client() -> Iterator[docker.DockerClient]:
    """A client of an engine that runs."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(engine())
        except NoEngine as why:
            pytest.skip(str(why))  # counted, with what keeps an engine away: nothing here can be seen without one
        yield stack.enter_context(contextlib.closing(docker.from_env()))


@pytest.fixture(scope="session")
def image(client: docker.DockerClient) -> Iterator[MakeImage]:
    """Makes an image whose Python is given these words; returns its name."""
    name = f"tmcspec-test:{uuid.uuid4().hex[:12]}"
    made = [name]

    def make(*words: str) -> str:
        made.append(f"{name}-{len(made)}")
        images.derived(client, made[-1], name, words)
        return made[-1]

    images.base(client, name)
    try:
        yield make
    finally:
        for each in reversed(made):
            with contextlib.suppress(ImageNotFound):
                client.images.remove(each, force=True)
