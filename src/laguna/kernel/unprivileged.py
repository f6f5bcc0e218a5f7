"""Whom to run a program as that refuses root, with the files it needs within its reach."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from laguna.kernel import launch
from laguna.kernel.launch import SAME, Identity


class NoIdentityError(Exception):
    """None of the candidates can run the program. The message has a line for each that says why."""


def candidates(folder: Path, *, is_made: bool) -> list[Identity]:
    """Whom a program that keeps its data in `folder` may run as, best first.

    An ordinary user is that user. Root becomes the folder's owner, or, where root owns it, goes into a user namespace:
    the files stay root's. Only while there is no data yet (`is_made`) may the folder be given to another account.
    """
    user = os.geteuid()
    if user != 0:
        # initdb asks for the user's name, which the made-up user id of a container doesn't have.
        return [SAME] if _is_known(user) else [_namespace(), SAME]
    owner = folder.stat().st_uid if folder.exists() else 0
    if owner != 0:
        return [_account(owner)]
    if is_made:
        return [_namespace()]
    owners = [place.stat().st_uid for place in folder.parents if place.exists()]
    neighbours = [_account(owner) for owner in owners if owner != 0 and _is_known(owner)]
    return [_namespace(), *neighbours[:1], _account(_nobody())]


def first_able(
    argv: Sequence[str | Path], identities: Iterable[Identity], reach: Sequence[Path], environment: Mapping[str, str]
) -> tuple[Identity, str]:
    """The first identity that can reach all of `reach` and run `argv`, with what that printed.

    Raises NoIdentityError when there is none.
    """
    reasons: list[str] = []
    for identity in identities:
        done = subprocess.run(  # noqa: S603
            launch.command(argv, identity=identity, reach=reach),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            env=environment,
        )
        if done.returncode == 0:
            return identity, done.stdout
        said = done.stderr.strip()
        if done.returncode == launch.CANNOT_BECOME:
            said = f"not allowed ({said})"
        elif done.returncode == launch.CANNOT_REACH:
            said = f"can't reach {said}"
        reasons.append(f"  - {_describe(identity)}: {said}")
    raise NoIdentityError("\n".join(reasons))


def _describe(identity: Identity) -> str:
    match identity.kind:
        case "same":
            return "as the present user"
        case "namespace":
            return "as the present user in a user namespace"
        case "account":
            return f"as {pwd.getpwuid(identity.uid).pw_name if _is_known(identity.uid) else f'user {identity.uid}'}"


def _is_known(uid: int) -> bool:
    return any(entry.pw_uid == uid for entry in pwd.getpwall())


def _nobody() -> int:
    return next((entry.pw_uid for entry in pwd.getpwall() if entry.pw_name == "nobody"), 65534)


def _account(uid: int) -> Identity:
    return Identity("account", uid, pwd.getpwuid(uid).pw_gid if _is_known(uid) else uid)


def _namespace() -> Identity:
    # A user who has a name; not 65534, which stands for every user outside of the namespace.
    users = sorted(entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid not in (0, 65534))
    uid = users[0] if users else 65534
    return Identity("namespace", uid, uid)
