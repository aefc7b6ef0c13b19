"""Machines of a network that this machine pretends to be: network namespaces, joined by cables to a switch."""

from __future__ import annotations

import ctypes
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL

from tests.needs import missing

NEEDED = "there are no network namespaces: they need root, CAP_NET_ADMIN and on Debian: apt-get install iproute2"

_CLONE_NEWNET = 0x40000000


class Network:
    """A switch, ``10.0.0.1``, at which anything may run too, and machines with a cable to it each.

    Every one is a network namespace of its own, so that no address or port of another network, this machine's own
    included, is ever in the way, and everything is gone with the namespaces.

    Parameters
    ----------
    machines : iterable of str
    """

    def __init__(self, *machines: str) -> None:
        self._names = {name: f"regsearch-{os.getpid()}-{id(self):x}-{name}" for name in ("switch", *machines)}
        self.address = {name: f"10.0.0.{number}" for number, name in enumerate(self._names, start=1)}

    def __enter__(self) -> Network:
        _clear_away()
        try:
            for name in self._names.values():
                _ip("netns", "add", name)
                _ip("-n", name, "link", "set", "lo", "up")
            switch, *machines = self._names
            self._at(switch, "link", "add", "bridge", "type", "bridge")
            self._at(switch, "address", "add", f"{self.address[switch]}/24", "dev", "bridge")
            self._at(switch, "link", "set", "bridge", "up")
            for name in machines:
                cable = ("type", "veth", "peer", "name", name, "netns", self._names[switch])
                self._at(name, "link", "add", "eth0", *cable)
                self._at(name, "address", "add", f"{self.address[name]}/24", "dev", "eth0")
                self._at(name, "link", "set", "eth0", "up")
                self._at(switch, "link", "set", name, "master", "bridge", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._names.values():
            _end(name)

    def on(self, machine: str, *command: object) -> list[str]:
        """Return a command that runs another on a machine."""
        return ["ip", "netns", "exec", self._names[machine], *map(str, command)]

    def enter(self, machine: str) -> None:
        """Make this process run on a machine; its threads and other namespaces stay as they are."""
        with Path("/var/run/netns", self._names[machine]).open() as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def cut(self, machine: str) -> None:
        """Pull a machine's cable: what is sent either way is lost, and nobody is told."""
        self._at("switch", "link", "set", machine, "down")

    def mend(self, machine: str) -> None:
        """Put the cable back."""
        self._at("switch", "link", "set", machine, "up")

    def received(self, machine: str) -> int:
        """Return how many bytes a machine has received over its cable."""
        file = "/sys/class/net/eth0/statistics/rx_bytes"
        return int(subprocess.run(self.on(machine, "cat", file), capture_output=True, text=True, check=True).stdout)

    def listens(self, machine: str, port: int) -> bool:
        """Return whether anything listens at a port of a machine."""
        command = self.on(machine, "ss", "--listening", "--tcp", "--no-header", f"sport = {port}")
        return bool(subprocess.run(command, capture_output=True, check=True).stdout)

    def _at(self, name: str, *arguments: str) -> None:
        _ip("-n", self._names[name], *arguments)


def _clear_away() -> None:
    """End the namespaces of processes that did not live to do it."""
    for line in _ip("netns", "list").splitlines():
        name = line.split()[0]
        if name.startswith("regsearch-") and not Path("/proc", name.split("-")[1]).exists():
            _end(name)


def _end(name: str) -> None:
    pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False).stdout
    for pid in pids.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), SIGKILL)
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def _ip(*arguments: str) -> str:
    try:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        missing(NEEDED)
    if done.returncode:
        missing(f"ip {' '.join(arguments)}: {done.stderr.strip()}; {NEEDED}")
    return done.stdout
