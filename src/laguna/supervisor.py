"""`laguna up`: one tree of processes, the database, the API and the worker, that starts, heals and ends together.

Every child asks the kernel to be ended with this process, so that not even a kill -9 leaves one behind.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from types import FrameType

import psycopg

from laguna.kernel import launch
from laguna.kernel.embedded import EmbeddedError, EmbeddedPostgres
from laguna.settings import Settings, masked_url

READY_SECONDS = 120  # for the API's first answer
HEALTHY_SECONDS = 60  # a child that lived this long starts anew without delay
TICK_SECONDS = 0.1
MAX_DELAY_SECONDS = 30.0
CONNECT_SECONDS = 10
STOP_MARGIN_SECONDS = 2  # the parts keep to `stop_seconds` themselves, and end better by themselves


class StartError(Exception):
    """Laguna can't start. The message is written for the person who started it."""


def say(message: str) -> None:
    """News of the processes themselves, beside their logs."""
    print(message, file=sys.stderr, flush=True)


def check_database(url: str) -> None:
    """Raise StartError when the database doesn't let us in."""
    try:
        psycopg.connect(url, connect_timeout=CONNECT_SECONDS).close()
    except psycopg.Error as error:
        raise StartError(f"Can't reach the database {masked_url(url)}: {str(error).strip()}") from error


def claim_port(host: str, port: int) -> int:
    """The port to listen on: a free one for 0. Raises StartError when it is taken or the host isn't ours.

    The API's own socket shares its port between processes (SO_REUSEPORT), and so would with another Laguna's: asked
    here without sharing, the kernel refuses.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of an earlier life don't count
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        reason = "another program uses the port" if error.errno == errno.EADDRINUSE else error.strerror
        raise StartError(f"Can't listen on {host}:{port}: {reason}. Choose another with --port or --host.") from error


def reserve_port(host: str, port: int) -> socket.socket:
    """A port nobody else can take before the API does: bound, never listened on, shared with our own processes only."""
    free = claim_port(host, port)
    family, kind, protocol, _, address = socket.getaddrinfo(host, free, type=socket.SOCK_STREAM)[0]
    reservation = socket.socket(family, kind, protocol)
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reservation.bind(address)
    return reservation


class Signals:
    """SIGINT, SIGTERM and SIGHUP: noted, and raised as KeyboardInterrupt only where waiting may be cut short."""

    def __init__(self) -> None:
        self._noted = False
        self._raises = False
        signal.signal(signal.SIGINT, self._handle)
        signal.signal(signal.SIGTERM, self._handle)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup asked to outlive the terminal
            signal.signal(signal.SIGHUP, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._raises:
            self._raises = False
            raise KeyboardInterrupt
        self._noted = True

    def take(self) -> bool:
        """Whether one came since the last time that was asked."""
        noted, self._noted = self._noted, False
        return noted

    @contextlib.contextmanager
    def interrupting(self) -> Generator[None]:
        self._raises = True
        try:
            if self.take():
                raise KeyboardInterrupt
            yield
        finally:
            self._raises = False


class Child:
    """One `laguna …` process, started again when it ends: at once at first, then ever later."""

    def __init__(self, name: str, arguments: Sequence[str], environment: dict[str, str]) -> None:
        self.name = name
        self._program = [sys.executable, "-P", "-m", "laguna", *arguments]
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._failures = 0
        self._restart_at: float | None = None

    def start(self) -> None:
        self._restart_at = None
        self._started = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603
            launch.command(self._program, signal.SIGKILL),
            stdin=subprocess.DEVNULL,
            env=self._environment,
            start_new_session=True,  # a terminal's Ctrl-C reaches the supervisor alone, which stops things in order
        )

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll() if self._process is not None else None

    def tend(self, now: float) -> None:
        """Start it again when it has ended and its delay is over."""
        code = self.exit_code()
        if code is None:
            return
        if self._restart_at is None:
            self._failures = 0 if now - self._started > HEALTHY_SECONDS else self._failures + 1
            delay = min(MAX_DELAY_SECONDS, 0.25 * 2**self._failures)
            self._restart_at = now + delay
            say(f"The {self.name} process ended ({code}); starting it again in {delay:.1f} s.")
        elif now >= self._restart_at:
            self.start()

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self, seconds: float) -> None:
        """Until it has ended; killed when `seconds` are over."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            say(f"The {self.name} process did not finish in time and is ended.")
            self._process.kill()
            self._process.wait()


class Supervisor:
    """Starts everything in order, watches it, and stops it in the opposite order."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._signals = Signals()
        self._postgres: EmbeddedPostgres | None = None
        self._reservation: socket.socket | None = None
        self._postgres_retry_at = 0.0
        self._children: list[Child] = []

    def run(self) -> None:
        """Until SIGINT or SIGTERM. Raises StartError or EmbeddedError when it can't start."""
        try:
            with self._signals.interrupting():
                self._start()
            self._watch()
        except KeyboardInterrupt:
            pass
        finally:
            self._stop()

    def _start(self) -> None:
        host, reservation = self._settings.host, reserve_port(self._settings.host, self._settings.port)
        self._reservation, port = reservation, int(reservation.getsockname()[1])
        url = self._database()
        self._prepare(url)
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "LAGUNA_HOST": host,
            "LAGUNA_PORT": str(port),
        }
        api = Child("API", ["serve", "--reserved"], environment)
        self._children = [api, Child("worker", ["work"], environment)]
        for child in self._children:
            child.start()
        self._wait_for(api, host, port)
        address = f"http://{_authority(_reachable(host), port)}"
        print(f"Laguna is ready at {address} (API reference: {address}/docs). Ctrl-C stops it.", flush=True)

    def _database(self) -> str:
        if self._settings.database_url is not None:
            check_database(self._settings.database_url)
            return self._settings.database_url
        self._postgres = EmbeddedPostgres(self._settings.data_dir, say=say)
        self._postgres.start()
        return self._postgres.url

    def _prepare(self, url: str) -> None:
        from laguna.accounts.bootstrap import first_organization
        from laguna.kernel.migrations import upgrade

        upgrade(url)
        key = first_organization(url)
        if key is not None:
            print(f"The first organization is made. Its API key, shown this once:\n\n    {key}\n", flush=True)

    def _wait_for(self, api: Child, host: str, port: int) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not _is_healthy(_reachable(host), port):
            if api.exit_code() is not None:
                raise StartError("The API process did not start; the reason stands above.")
            if time.monotonic() > deadline:
                raise StartError(f"The API did not answer at {_authority(host, port)} within {READY_SECONDS} s.")
            time.sleep(0.05)

    def _watch(self) -> None:
        while not self._signals.take():
            now = time.monotonic()
            self._tend_postgres(now)
            for child in self._children:
                child.tend(now)
            if os.getpid() == 1:  # in a container, orphans of any process become ours to bury
                self._reap_strangers()
            time.sleep(TICK_SECONDS)

    def _tend_postgres(self, now: float) -> None:
        if self._postgres is None or self._postgres.pid is not None or now < self._postgres_retry_at:
            return
        say(f"PostgreSQL ended ({self._postgres.poll()}); starting it again.")
        try:
            with self._signals.interrupting():
                self._postgres.restart()
        except EmbeddedError as error:
            say(str(error))
            self._postgres_retry_at = time.monotonic() + 5

    def _reap_strangers(self) -> None:
        known = {child.pid for child in self._children}
        if self._postgres is not None:
            known.add(self._postgres.pid)
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if ended.si_pid in known:  # its own Popen has to learn of it first
                return
            os.waitpid(ended.si_pid, 0)

    def _stop(self) -> None:
        try:
            with self._signals.interrupting():
                if self._children:
                    say("Stopping: what is in flight is finished first. Another Ctrl-C stops at once.")
                allowed = self._settings.drain_seconds + self._settings.stop_seconds + STOP_MARGIN_SECONDS
                deadline = time.monotonic() + allowed
                for child in self._children:
                    child.signal(signal.SIGTERM)
                for child in self._children:
                    child.wait(deadline - time.monotonic())
                if self._postgres is not None:
                    self._postgres.stop()
        except KeyboardInterrupt:
            for child in self._children:
                child.signal(signal.SIGKILL)
                child.wait(5)
            if self._postgres is not None:
                self._postgres.stop(immediate=True)
        finally:
            if self._reservation is not None:
                self._reservation.close()


def _reachable(host: str) -> str:
    """An address to ask when listening on `host`: loopback for "all"."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_healthy(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
