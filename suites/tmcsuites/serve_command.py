"""`tmcspec serve`: the fake service, for people and for other test suites."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import json
import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click

from tmcfakes import control, logs
from tmcfakes.clock import Clock
from tmcfakes.collector import calm
from tmcfakes.control_access import is_loopback
from tmcfakes.fake import FakeTmc
from tmcfakes.service import App
from tmcsuites.trace_writer import TraceWriter

log = logging.getLogger("tmcfakes.serve")

#: Seconds after a signal when the process ends, whatever it is doing.
PATIENCE = 0.8

#: Seconds for the last lines of the log.
LOG_PATIENCE = 0.1

#: Of a seed that is drawn: every JSON reader can read it in the trace.
SEED_BITS = 53

LEVELS = ("debug", "info", "warning", "error")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--ws-port", type=click.IntRange(0, 65535), default=8090, show_default=True, help="For WebSockets; 0 for any."
)
@click.option(
    "--http-port",
    type=click.IntRange(0, 65535),
    default=8091,
    show_default=True,
    help="For the gateway and the control API; 0 for any.",
)
@click.option(
    "--app",
    "apps",
    multiple=True,
    metavar="KEY:SECRET",
    default=["test:test-secret"],
    show_default=True,
    help="Who may connect. Repeatable.",
)
@click.option(
    "--group", "groups", multiple=True, metavar="KEY:GROUP", help="A group of an app beside `default`. Repeatable."
)
@click.option(
    "--topic",
    "topics",
    multiple=True,
    metavar="TOPIC",
    help="A topic that the apps have subscribed to. Repeatable; all by default.",
)
@click.option("--manual-clock", is_flag=True, help="Service time only moves when it is told to.")
@click.option(
    "--seed",
    type=click.IntRange(-(2**63), 2**63 - 1),
    metavar="N",
    help="Of all that is drawn by chance. Drawn itself by default, so that no message id comes again after a restart.",
)
@click.option("--trace", type=click.Path(path_type=Path), help="Writes the trace into this file, as it happens.")
@click.option(
    "--control-token",
    metavar="TOKEN",
    envvar="TMCSPEC_CONTROL_TOKEN",
    show_envvar=True,
    help="What callers of the control API must bring. Needed on another host than loopback.",
)
@click.option("--until-eof", is_flag=True, help="Ends when the standard input does, as when the parent dies.")
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True, help="Of the log on stderr.")
@click.option("--json", "as_json", is_flag=True, help="For machines: the line on stdout, and those of the log.")
def serve(
    host: str,
    ws_port: int,
    http_port: int,
    apps: tuple[str, ...],
    groups: tuple[str, ...],
    topics: tuple[str, ...],
    manual_clock: bool,
    seed: int | None,
    trace: Path | None,
    control_token: str | None,
    until_eof: bool,
    log_level: str,
    as_json: bool,
) -> None:
    """The fake service: the WebSocket, the HTTP gateway, and a control API under /_tmc/ to drive both.

    It says where it listens in one line on stdout, and ends with SIGINT or SIGTERM.

    \b
    Example:
      tmcspec serve
      curl -d '{"topic": "taobao_trade_TradeCreate", "content": {"tid": 1}}' http://127.0.0.1:8091/_tmc/messages
    """
    if control_token == "":
        raise click.UsageError("--control-token must not be empty")
    try:
        tmc = FakeTmc(
            apps=_apps(apps, groups, topics),
            seed=secrets.randbits(SEED_BITS) if seed is None else seed,
            clock=Clock.manual() if manual_clock else None,
            host=host,
            port=ws_port,
            http_port=http_port,
            routes=functools.partial(control.routes, token=control_token),
            endless=True,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    # The events that only debugging shows are the many.
    told = tmc.recorder.listeners if log_level == "debug" else tmc.recorder.watchers
    told.append(logs.log_event)
    tmc.resets.append(lambda: log.info("reset"))
    end = _End()
    calm()
    with end.by_signal(), _logging(log_level, as_json=as_json):
        asyncio.run(
            _serve(
                tmc,
                end,
                host=host,
                trace=trace,
                until_eof=until_eof,
                as_json=as_json,
                has_token=control_token is not None,
            )
        )
    # All is closed and written. The interpreter would now take apart what waits in the queues, message by message.
    os._exit(0)


async def _serve(
    tmc: FakeTmc, end: _End, *, host: str, trace: Path | None, until_eof: bool, as_json: bool, has_token: bool
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        if trace:
            writer = TraceWriter(trace, tmc)
            end.last_words = writer.flush
            stack.callback(writer.close)
        try:
            await stack.enter_async_context(tmc)
        except OSError as error:
            raise click.ClickException(_cannot_listen(error, host)) from None
        if trace:
            # Not before, so that a second service that finds its port in use leaves the trace of the first alone.
            try:
                writer.open()
            except OSError as error:
                raise click.UsageError(f"--trace {trace}: {error.strerror}") from None
        addresses = {
            "url": tmc.url,
            "gateway_url": tmc.gateway_url,
            "control_url": tmc.http_url + control.PATH.removeprefix("/"),
        }
        bound = urlsplit(tmc.http_url).hostname
        if not has_token and not is_loopback(bound or ""):
            log.warning(
                "control_off",
                extra={
                    "members": {"why": f"{bound} is no loopback address, and there is no --control-token"},
                },
            )
        log.info("serving", extra={"members": {"seed": tmc.conditions.seed, "apps": [app.key for app in tmc.apps]}})
        if until_eof:
            threading.Thread(target=_watch_input, args=(end,), daemon=True).start()
        click.echo(json.dumps(addresses) if as_json else _said(addresses))
        await end.wait()
        log.info("stopping")


def _cannot_listen(error: OSError, host: str) -> str:
    """The way out depends on what is wrong: the ports, or the host."""
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        way_out = f"--host is {host!r}; valid: an address of this machine, as 127.0.0.1"
    elif error.errno == errno.EADDRINUSE:
        way_out = "--ws-port 0 and --http-port 0 take any port that is free"
    else:
        way_out = "--host, --ws-port and --http-port choose where"
    return f"cannot listen: {error.strerror}; {way_out}"


def _said(addresses: Mapping[str, str]) -> str:
    return "TMC at {url}, HTTP gateway at {gateway_url}, control API at {control_url}".format(**addresses)


class _End:
    """What ends the service, and makes sure that the process ends, too: its event loop may be at work for long.

    Attributes:
        last_words: called when the process has to be ended.
    """

    def __init__(self) -> None:
        self.last_words: Callable[[], None] = lambda: None
        self._told = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event = asyncio.Event()

    def tell(self) -> None:
        """It is to end. From any thread, and from a signal handler."""
        if self._told:
            return
        self._told = True
        # A thread could not be started safely in a signal handler.
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        """Until it is to end."""
        self._loop = asyncio.get_running_loop()
        if not self._told:
            await self._event.wait()

    @contextlib.contextmanager
    def by_signal(self) -> Iterator[None]:
        """While SIGINT and SIGTERM are its end."""
        before = {each: signal.signal(each, lambda *_: self.tell()) for each in (signal.SIGINT, signal.SIGTERM)}
        before[signal.SIGALRM] = signal.signal(signal.SIGALRM, lambda *_: self._cut())
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for each, handler in before.items():
                signal.signal(each, handler)

    def _cut(self) -> None:
        """The time is up."""
        self.last_words()
        os._exit(0)


def _watch_input(end: _End) -> None:
    # sys.stdin would hold a lock that the end of the interpreter wants.
    with contextlib.suppress(OSError):
        while os.read(0, 65536):
            pass
    end.tell()


@contextlib.contextmanager
def _logging(level: str, *, as_json: bool) -> Iterator[None]:
    """While what is logged goes to stderr: of the service from this level on, of libraries what is amiss."""
    handler = logs.PatientHandler(2)
    handler.setFormatter(logs.JsonLines() if as_json else logs.HumanLines())
    root = logging.getLogger()
    root.addHandler(handler)
    for name in ("tmcfakes", "tmcsuites"):
        logging.getLogger(name).setLevel(level.upper())
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.leave(LOG_PATIENCE)


def _apps(apps: Sequence[str], groups: Sequence[str], topics: Sequence[str]) -> list[App]:
    """Raises UsageError, or ValueError as `App`."""
    named: dict[str, set[str]] = {}
    secrets_: dict[str, str] = {}
    for word in apps:
        key, colon, secret = word.partition(":")
        if not colon:
            raise click.UsageError("--app takes KEY:SECRET, as test:test-secret, and one has no colon")
        if key in named:
            raise click.UsageError(f"--app names {key!r} twice")
        named[key], secrets_[key] = {"default"}, secret
    for word in groups:
        key, colon, group = word.partition(":")
        if not colon or key not in named:
            raise click.UsageError(f"--group is {word!r}; valid: KEY:GROUP, with KEY one of {', '.join(named)}")
        named[key].add(group)
    subscribed = frozenset(topics) if topics else None
    return [App(key=key, secret=secrets_[key], groups=frozenset(named[key]), topics=subscribed) for key in named]
