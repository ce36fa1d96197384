"""The container engine, by the library testcontainers: is it there, has it the image, and how do containers reach us?

The library is the extra `containers`, imported only where a container is asked for. It finds the engine as its own
tools do: DOCKER_HOST, the Docker context in use, or the usual socket.
"""

from __future__ import annotations

import contextlib
import importlib.util
import ipaddress
import logging
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tmcsuites.adapters.contract import StartOptions, Unavailable

if TYPE_CHECKING:
    from testcontainers.core.docker_client import DockerClient

LOOPBACK = "127.0.0.1"
HOST_NAME = "host.docker.internal"  # what containers call the machine that runs them
BRIDGE = "bridge"  # the engine's default network


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How a container gets at a service on this machine.

    Args:
        listen: the address that the service listens on.
        name: what the container calls it.
    """

    listen: str
    name: str

    def seen(self, options: StartOptions) -> StartOptions:
        """The options with addresses as they are for the container."""
        here, there = f"//{self.listen}:", f"//{self.name}:"
        return replace(
            options, url=options.url.replace(here, there), gateway_url=options.gateway_url.replace(here, there)
        )


def refusals() -> tuple[type[Exception], ...]:
    """The errors of an engine that is not there, is lost, or refuses."""
    from docker.errors import DockerException

    return DockerException, OSError


@contextlib.contextmanager
def connected() -> Iterator[DockerClient]:
    """The engine, as long as the context lasts.

    Raises:
        Unavailable: the extra is not installed, or no engine answers.
    """
    if importlib.util.find_spec("testcontainers") is None:
        raise Unavailable(
            "a client in a container needs the library testcontainers, which is not installed; "
            "pip install 'tmcspec[containers]'"
        )
    from testcontainers.core.docker_client import DockerClient

    # It tells on standard error what it does, which is no business of who reads ours.
    logging.getLogger(DockerClient.__module__).setLevel(logging.WARNING)
    try:
        engine = DockerClient()
    except refusals() as error:
        asked = os.environ.get("DOCKER_HOST", "its usual place")
        raise Unavailable(
            f"no container engine answers at {asked}: {error}; start one, or say in DOCKER_HOST where it is"
        ) from error
    try:
        yield engine
    finally:
        engine.client.close()


def prepare(image: str) -> Reach:
    """Make sure that containers of this image can be run, and how they will reach a service here.

    Args:
        image: name of an image; pulled when the engine does not have it.

    Raises:
        ValueError: the image has no name.
        Unavailable: the extra is not installed, no engine answers, or it has no such image and cannot get it.
    """
    if not image.strip():
        raise ValueError(f"the image {image!r} has no name; give one, as in 'acme/tmc-client:1.2'")
    with connected() as engine:
        try:
            _have(engine, image)
            bridge = engine.client.networks.get(BRIDGE).attrs
        except refusals() as error:
            raise Unavailable(f"the container engine cannot run {image!r}: {error}") from error
    for subnet in _subnets(bridge):
        if (own := own_address(subnet)) is not None:
            return Reach(listen=own, name=own)
    # An engine in a virtual machine, as that of a desktop. It has a name for us, behind which is our loopback.
    return Reach(listen=LOOPBACK, name=HOST_NAME)


def _have(engine: DockerClient, image: str) -> None:
    from docker.errors import DockerException, ImageNotFound

    try:
        engine.client.images.get(image)
    except ImageNotFound:
        try:
            engine.client.images.pull(image)
        except DockerException as error:
            raise Unavailable(
                f"the container engine has no image {image!r} and cannot pull it: {error}; "
                "check the name (docker image ls), or build it (docker build -t NAME .)"
            ) from error


def _subnets(network: dict[str, Any]) -> Iterator[ipaddress.IPv4Network]:
    for config in network["IPAM"]["Config"] or ():
        with contextlib.suppress(ValueError):  # it is of the other family, or there is none
            yield ipaddress.IPv4Network(config.get("Subnet"))


def own_address(subnet: ipaddress.IPv4Network) -> str | None:
    """Our own address in this subnet, None when we are not in it.

    On the machine of the engine that is the gateway of its containers; in a container beside them it is ours.
    """
    # A datagram socket that is connected sends nothing: the kernel only chooses the address that it would send from.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(next(iter(subnet.hosts()))), 9))
        except OSError:
            return None
        own = str(probe.getsockname()[0])
    return own if ipaddress.IPv4Address(own) in subnet else None
