"""What a search was run with: the code, uncommitted changes included, and the environment around it."""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.utils.mlflow_tags import (
    MLFLOW_GIT_BRANCH,
    MLFLOW_GIT_COMMIT,
    MLFLOW_GIT_DIRTY,
    MLFLOW_GIT_REPO_URL,
    MLFLOW_SOURCE_NAME,
    MLFLOW_USER,
)

from regsearch.tracking.addresses import without_secrets
from regsearch.tracking.switches import switch

KEEP = "REGSEARCH_KEEP_DIFF"
"""Environment variable: 0 keeps no uncommitted changes, 1 keeps them on a server of another machine too."""

_LARGEST_DIFF = 2**20
_CODE = ("c", "cc", "cpp", "cu", "f90", "h", "hpp", "jl", "m", "pxd", "py", "pyi", "pyx", "r", "R", "rs")
"""Endings of the files whose changes are kept: source code, which holds neither data nor settings."""
_NAMES_A_SECRET = re.compile(r"""(?i)(passw|pwd|secret|token|api_?key|credential|auth\b).*["'=:]""")
_LEFT_OUT = "(left out: this line looks like a secret)"
_SECONDS = 10
_NO_PROGRAMS = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
}
"""Keeps git from fetching what is missing, and from writing its index, after which it runs a hook."""


def origin() -> dict[str, str]:
    """Return MLflow's own tags for who started a search, with what, and at which git commit."""
    commit = _git("rev-parse", "HEAD")
    tags = {MLFLOW_SOURCE_NAME: "regsearch", MLFLOW_USER: _user(), MLFLOW_GIT_COMMIT: commit}
    return {name: value for name, value in tags.items() if value}


def _user() -> str:
    """Return the user's name, and nothing where there is none, as in a container that runs under any id."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def checkout() -> dict[str, str]:
    """Return MLflow's own tags for the git repository of the current folder: branch, address, whether it is dirty."""
    if not _git("rev-parse", "HEAD"):
        return {}
    tags = {
        MLFLOW_GIT_BRANCH: _git("rev-parse", "--abbrev-ref", "HEAD"),
        MLFLOW_GIT_REPO_URL: without_secrets(_git("remote", "get-url", "origin")),
        MLFLOW_GIT_DIRTY: "true" if _git("diff", "HEAD", "--name-only", "--no-ext-diff", "--no-textconv") else "false",
    }
    return {name: value for name, value in tags.items() if value}


def environment(diff: str = "") -> dict[str, bytes]:
    """Return what the results may depend on, as files.

    ``environment.json`` has Python, machine, linear algebra and git commit, ``requirements.txt`` the installed
    packages, and ``uncommitted.diff`` the changes since the commit.

    Parameters
    ----------
    diff : str
        What `uncommitted` returned; empty for no file of it.
    """
    import scipy.linalg  # noqa: F401  # its BLAS is another than NumPy's, and counts once it is loaded
    from threadpoolctl import threadpool_info

    blas = {f"{one['internal_api']} {one['version']}" for one in threadpool_info() if one["user_api"] == "blas"}
    facts = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "blas": sorted(blas),
        **{name.removeprefix("mlflow.source."): value for name, value in {**origin(), **checkout()}.items()},
    }
    files = {
        "environment.json": f"{json.dumps(facts, indent=2)}\n".encode(),
        "requirements.txt": _packages(tuple(map(_changed, sys.path))),
    }
    return {**files, "uncommitted.diff": diff.encode()} if diff else files


def _changed(folder: str) -> int:
    """Return when a package was last installed into a folder or removed from it, in ns; 0 if it is no folder."""
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


@cache
def _packages(changed: tuple[int, ...]) -> bytes:  # noqa: ARG001  # to read their metadata again once these change
    """Return the installed packages as a file of requirements."""
    installed = [one.metadata for one in distributions()]
    packages = {f"{one['Name']}=={one['Version']}\n" for one in installed}
    return "".join(sorted(packages, key=str.lower)).encode()


def keeps_changes(*, own_machine: bool) -> bool:
    """Return whether uncommitted changes are kept with a search: on this machine unless `KEEP` says otherwise.

    Raises
    ------
    ConfigError
        If `KEEP` is neither 0 nor 1.
    """
    wanted = switch(KEEP, "to keep changes on this machine only")
    return own_machine if wanted is None else wanted


def uncommitted() -> tuple[str, str]:
    """Return the changes to tracked source code since the commit, as `git diff` shows them, and a note of them.

    Lines that look like a secret are replaced.  Beyond 1 MiB there is only the summary.  No program that the
    repository's own settings name is run.

    Returns
    -------
    diff, note : str
        Both empty if nothing was changed.
    """
    arguments = ("diff", "HEAD", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules", "--no-renames")
    paths = ("--", *(f":(top,glob)**/*.{ending}" for ending in _CODE))
    diff = _git(*arguments, *paths)
    if not diff:
        return "", ""
    if len(diff.encode()) > _LARGEST_DIFF:
        diff, left_out = f"more than 1 MiB, in short:\n{_git(*arguments, '--stat', *paths)}", 0
    else:
        diff, left_out = _without_secret_lines(diff)
    n_files = len(_git(*arguments, "--name-only", *paths).splitlines())
    but = f", without {left_out} line(s) that look like secrets" if left_out else ""
    return f"{diff}\n", f"kept the uncommitted changes of {n_files} source file(s){but}; {KEEP}=0 turns this off"


def _without_secret_lines(diff: str) -> tuple[str, int]:
    """Return a diff with the lines that look like secrets replaced, and how many they are."""
    lines = diff.splitlines()
    secret = {number for number, line in enumerate(lines) if _is_secret(line)} | _found_by_the_library(lines)
    kept = [f"{line[:1]}{_LEFT_OUT}" if number in secret else line for number, line in enumerate(lines)]
    return "\n".join(kept), len(secret)


def _is_secret(line: str) -> bool:
    return bool(_NAMES_A_SECRET.search(line)) or without_secrets(line) != line


def _found_by_the_library(lines: list[str]) -> set[int]:
    """Return the numbers of the lines of a diff that hold secrets; all, if one may be part of a private key."""
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import default_settings

    with TemporaryDirectory() as folder, default_settings():
        file = Path(folder, "changes.txt")
        file.write_text("\n".join(line[1:] for line in lines))
        found = list(scan_file(str(file)))
    if any("PRIVATE KEY" in line for line in lines) or any(one.type == "Private Key" for one in found):
        return set(range(len(lines)))
    return {one.line_number - 1 for one in found}


def _git(*arguments: str) -> str:
    """Return what git says, and nothing where there is no git, no repository or no answer."""
    try:
        return _asked(*arguments, settings={"core.fsmonitor": "false", "core.hooksPath": os.devnull, **_no_filters()})
    except (OSError, subprocess.SubprocessError):
        return ""


def _no_filters() -> dict[str, str]:
    """Return settings that switch off the programs by which a repository converts its files."""
    pattern = r"^filter\..*\.(clean|smudge|process|required)$"
    try:
        names = _asked("config", "--name-only", "--null", "--get-regexp", pattern, settings={})
    except subprocess.CalledProcessError:  # there are none
        return {}
    return {name: "false" if name.endswith(".required") else "" for name in names.split("\0") if name}


def _asked(*arguments: str, settings: Mapping[str, str]) -> str:
    given = {"GIT_CONFIG_COUNT": str(len(settings))}  # by the environment: a name may hold what `-c` splits at
    for number, (name, value) in enumerate(settings.items()):
        given |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    done = subprocess.run(  # noqa: S603
        ["git", *arguments],  # noqa: S607
        capture_output=True,
        text=True,
        errors="replace",
        check=True,
        timeout=_SECONDS,
        env={**os.environ, **_NO_PROGRAMS, **given},
    )
    return done.stdout.rstrip("\n")
