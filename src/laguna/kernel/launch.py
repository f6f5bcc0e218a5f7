"""Programs that end with the process that started them, under another identity where one is needed.

`command()` wraps a program's arguments so that this file runs first, as a script: it takes on the identity, asks the
kernel for a signal at the parent's death, and becomes the program. A script of its own rather than a `preexec_fn`,
because code between fork and exec may hang in a process with threads. It runs isolated (`-I -S`), so it imports nothing
but the standard library.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

CANNOT_BECOME = 71  # the identity was refused
CANNOT_REACH = 77  # the identity may not use a path that it needs

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Identity:
    """Who the program runs as.

    `namespace`: the same user, who is called `uid` in a user namespace of its own; no file changes hands. `account`:
    the user `uid` itself, which only root can become.
    """

    kind: Literal["same", "namespace", "account"]
    uid: int = 0
    gid: int = 0


SAME = Identity("same")


def command(
    argv: Sequence[str | Path],
    death_signal: signal.Signals = signal.SIGKILL,
    identity: Identity = SAME,
    reach: Iterable[Path] = (),
) -> list[str]:
    """Arguments for Popen that run `argv` as `identity` and send it `death_signal` when the calling thread ends.

    The kernel watches the thread that forks, so call Popen from one that lives as long as the process: the main one.
    Exits with CANNOT_REACH, naming the place, when the identity can't enter or execute one of the paths in `reach`.
    """
    order = {
        "parent": os.getpid(),
        "death_signal": int(death_signal),
        "identity": asdict(identity),
        "reach": [str(path) for path in reach],
    }
    return [sys.executable, "-I", "-S", __file__, json.dumps(order), *map(str, argv)]


def end_with_parent(parent: int, death_signal: int = signal.SIGKILL) -> None:
    """Have the kernel send this process `death_signal` when its parent ends; now, if `parent` has ended already."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
        raise _last_error("prctl")
    if os.getppid() != parent:  # it died before the kernel knew
        os.kill(os.getpid(), death_signal)


def _become(identity: Identity) -> None:
    if identity.kind == "namespace":
        user, group = os.geteuid(), os.getegid()
        if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER) != 0:
            raise _last_error("unshare")
        Path("/proc/self/setgroups").write_text("deny")  # the kernel's condition for mapping a group
        Path("/proc/self/uid_map").write_text(f"{identity.uid} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{identity.gid} {group} 1")
    elif identity.kind == "account":
        os.setgroups([])
        os.setgid(identity.gid)
        os.setuid(identity.uid)


def _obstacle(path: Path) -> Path | None:
    """The first place on the way to `path`, or `path` itself, that this process may not enter or execute."""
    return next((place for place in (*reversed(path.parents), path) if not os.access(place, os.X_OK)), None)


def _last_error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), call)


def _fail(code: int, message: str) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(code)


def _main(text: str, argv: list[str]) -> NoReturn:
    order: dict[str, Any] = json.loads(text)
    try:
        _become(Identity(**order["identity"]))
    except OSError as error:
        _fail(CANNOT_BECOME, str(error))
    end_with_parent(order["parent"], order["death_signal"])  # after _become: new credentials clear the request
    for path in order["reach"]:
        obstacle = _obstacle(Path(path))
        if obstacle is not None:
            _fail(CANNOT_REACH, str(obstacle))
    try:
        os.execv(argv[0], argv)  # noqa: S606  (no shell is the point)
    except OSError as error:
        _fail(CANNOT_REACH, f"{argv[0]}: {error.strerror}")


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2:])
