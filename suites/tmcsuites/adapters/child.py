"""The runner's side of one client process: its pipes, its log, and its end. See warden.py for the other side.

    process = await Process.spawn(["node", "adapter.js"], environment=…, on_output=…, log=Log())
    process.write(b"…")
    status = await process.ended        # "exit 0", "signal SIGKILL"
    await process.close(patience=5.0)   # nothing of it is left

Output is handed on as it comes, so nothing is buffered here but the bounded log.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tmcsuites.adapters.contract import SubjectError, Unavailable

LOG_HEAD = 64 * 1024
LOG_TAIL = 192 * 1024

WARDEN = Path(__file__).with_name("warden.py")
WARDEN_PATIENCE = 30.0  # seconds for a few milliseconds of work: only a broken machine reaches it
OUTPUT_PATIENCE = (
    2.0  # seconds for the last output after the end; it is in the pipe already, unless a stranger holds the pipe
)

# What to do about the errors of execve(2) that people meet.
_WAYS_OUT = {
    errno.ENOENT: "check the spelling, give a path, or add its directory to PATH; of a script, check its #! line too",
    errno.EACCES: "make it executable (chmod +x), or name its interpreter first, as in 'python client.py'",
    errno.ENOEXEC: "start a script with a #! line, or name its interpreter first, as in 'python client.py'",
}


def as_command(command: str | Sequence[str]) -> tuple[str, ...]:
    """The program and its arguments; text is split as a shell would, but no shell is involved.

    Raises:
        ValueError: there is no program in it, a quote is not closed, or it holds a NUL.
    """
    if isinstance(command, str):
        try:
            words = tuple(shlex.split(command))
        except ValueError as error:
            raise ValueError(f"the command {command!r} cannot be split into words: {error}") from None
    else:
        words = tuple(command)
    if not words or not words[0]:
        raise ValueError(f"the command {command!r} names no program; give one, as in 'node adapter.js'")
    if any("\0" in word for word in words):
        raise ValueError(f"the command {command!r} holds a NUL character, which no program can be given")
    return words


class Log:
    """What a client wrote for humans, bounded: the beginning and the end are kept, the middle is counted.

    Args:
        head, tail: bytes to keep of the beginning and of the end, >= 0.
    """

    def __init__(self, *, head: int = LOG_HEAD, tail: int = LOG_TAIL) -> None:
        self._head_size = head
        self._tail_size = tail
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0
        self._secrets: set[str] = set()

    def hide(self, secret: str) -> None:
        """From now on `text` shows asterisks in place of this."""
        if secret:
            self._secrets.add(secret)

    def write(self, data: bytes) -> None:
        room = self._head_size - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        # Cut seldom, so that a flood of short writes does not move the whole tail each time.
        if len(self._tail) > 2 * self._tail_size:
            self._cut()

    def text(self) -> str:
        self._cut()
        parts = [self._head.decode("utf-8", "replace"), self._tail.decode("utf-8", "replace")]
        return self.clean(f"\n[{self._left_out} bytes left out]\n".join(parts) if self._left_out else "".join(parts))

    def clean(self, text: str) -> str:
        """`text` without the secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def _cut(self) -> None:
        excess = max(0, len(self._tail) - self._tail_size)
        del self._tail[:excess]
        self._left_out += excess


class Process(asyncio.SubprocessProtocol):
    """One running client and its warden. Made by `spawn` only.

    Attributes:
        ended: "exit N" or "signal NAME" once the client has ended and all its output has been handed on.
        output_closed: done when the client has closed its standard output.
        left: how many processes it left behind, told after `ended` where a `linger` was given and /proc can say it.
    """

    def __init__(self, on_output: Callable[[bytes], None], log: Log, control: _Control) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = loop.create_future()
        self.output_closed: asyncio.Future[None] = loop.create_future()
        self.left: asyncio.Future[int] = loop.create_future()
        self._on_output = on_output
        self._log = log
        self._control = control
        self._transport: asyncio.SubprocessTransport | None = None
        self._first_word: asyncio.Future[str] = loop.create_future()
        self._warden_ended: asyncio.Future[None] = loop.create_future()
        self._pipes_closed: asyncio.Future[None] = loop.create_future()
        self._open_outputs = {1, 2}
        self._status: str | None = None
        self._closing = False
        control.told = self._told

    @classmethod
    async def spawn(
        cls,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        on_output: Callable[[bytes], None],
        log: Log,
        linger: float = 0.0,
    ) -> Process:
        """Start a client under a warden.

        Args:
            command: the program, found on PATH, and its arguments.
            environment: all of its environment variables.
            on_output: gets its standard output, in the loop, as it comes.
            log: gets its standard error.
            linger: seconds that processes of its own may outlive it, >= 0, before they are killed and counted in
                `left`; with 0 they are killed at once, and nobody counts.

        Raises:
            Unavailable: it could not be executed.
        """
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                _, control = await loop.create_connection(_Control, sock=ours)
            except BaseException:
                ours.close()
                raise
            process = cls(on_output, log, control)
            try:
                # A session of its own: Ctrl-C at the terminal reaches the runner alone, which then closes in order.
                process._transport, _ = await loop.subprocess_exec(
                    lambda: process,
                    *(sys.executable, "-I", "-S", str(WARDEN), str(theirs.fileno()), str(linger), "--", *command),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=dict(environment),
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
                theirs.close()
                first_word = await asyncio.wait_for(asyncio.shield(process._first_word), WARDEN_PATIENCE)
            except OSError as error:  # TimeoutError is one
                await process.close(patience=0.0)
                text = f"cannot start the watchdog of the client {command[0]!r}: {error!r}"
                raise Unavailable(text, log=log.text()) from error
            except BaseException:
                await process.close(patience=0.0)
                raise
        if not first_word.startswith("started"):
            await process.close(patience=0.0)
            raise Unavailable(_why_not(command[0], first_word), log=log.text())
        return process

    @property
    def status(self) -> str | None:
        """How the client ended, None while it runs."""
        return self.ended.result() if self.ended.done() else None

    def write(self, data: bytes) -> None:
        """Write to the client's standard input; nothing happens when the client has closed it."""
        pipe = self._input()
        if pipe is not None and not pipe.is_closing():
            pipe.write(data)

    def end_input(self) -> None:
        """Let the client see EOF."""
        pipe = self._input()
        if pipe is not None and not pipe.is_closing():
            pipe.write_eof()

    def terminate(self) -> None:
        """SIGTERM to its process group."""
        self._control.write(b"T")

    def kill(self) -> None:
        """SIGKILL to it and to all it has started."""
        self._control.write(b"K")

    async def wait(self, patience: float) -> bool:
        """Whether the client ended within `patience` seconds."""
        done, _ = await asyncio.wait([self.ended], timeout=patience)
        return bool(done)

    async def close(self, *, patience: float) -> None:
        """SIGTERM, `patience` seconds, SIGKILL. Returns when the client, all it started and the warden are gone."""
        self._closing = True
        try:
            if self._transport is not None and not await self.wait(0.0):
                self.terminate()
                if not await self.wait(patience):
                    self.kill()
                    await self.wait(WARDEN_PATIENCE)
        finally:
            # EOF for the warden: should we be cancelled, it does the rest by itself, and `process_exited` tidies up.
            self._control.close()
        if self._transport is not None:
            await asyncio.wait([self._warden_ended], timeout=WARDEN_PATIENCE)
            self._transport.close()
            await asyncio.wait([self._pipes_closed], timeout=WARDEN_PATIENCE)

    def _input(self) -> asyncio.WriteTransport | None:
        pipe = None if self._transport is None else self._transport.get_pipe_transport(0)
        return pipe if isinstance(pipe, asyncio.WriteTransport) else None

    # From asyncio: what the pipes and the warden process do.

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            self._on_output(data)
        else:
            self._log.write(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self.output_closed.set_result(None)
        self._open_outputs.discard(fd)
        if not self._open_outputs:
            self._end()

    def process_exited(self) -> None:
        self._warden_ended.set_result(None)
        if self._closing and self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._pipes_closed.set_result(None)

    # From the warden.

    def _told(self, line: str) -> None:
        if not self._first_word.done():
            self._first_word.set_result(line)
        word, _, value = line.partition(" ")
        if word == "left":
            self.left.set_result(int(value))
        if self._status is None and word in ("exited", "signalled", "lost"):
            # A warden that is lost without a word about the client was killed itself; the kernel then kills the client.
            texts = {"exited": f"exit {value}", "signalled": f"signal {_signal_name(value)}"}
            self._status = texts.get(word, "unknown: its watchdog was killed")
            if self._open_outputs:
                asyncio.get_running_loop().call_later(OUTPUT_PATIENCE, self._end)
            else:
                self._end()

    def _end(self) -> None:
        if self._status is not None and not self.ended.done():
            self.ended.set_result(self._status)


class _Control(asyncio.Protocol):
    """The runner's end of the control socket. `told` gets the warden's lines, and "lost" at their end."""

    def __init__(self) -> None:
        self.told: Callable[[str], None] = lambda line: None
        self._buffer = b""
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self.told(line.decode("ascii"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.told("lost")

    def write(self, order: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(order)

    def close(self) -> None:
        self._transport.close()


def crash_text(status: str) -> str:
    """The message of a `Crashed`."""
    return f"the client ended by itself ({status}) while it was under test; its log says why, if anything does"


def closed_error() -> SubjectError:
    return SubjectError("this client is closed or was never opened; make a new subject and open() it")


def _why_not(program: str, told: str) -> str:
    if told == "lost":
        return f"cannot start the client {program!r}: its watchdog ended at once; see the log"
    return cannot_execute(program, int(told.split()[1]))


def cannot_execute(program: str, number: int) -> str:
    """The message of an `Unavailable`; `number` is the errno."""
    way_out = _WAYS_OUT.get(number, "run it by hand to see why")
    name = errno.errorcode.get(number, str(number))
    return f"cannot execute the client {program!r}: {os.strerror(number)} ({name}); {way_out}"


def _signal_name(number: str) -> str:
    try:
        return signal.Signals(int(number)).name
    except ValueError:
        return number
