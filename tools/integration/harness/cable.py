"""Cables that can be cut: network namespaces, in which packets can vanish without a word to anybody. For root.

The test enters a namespace of its own first (own_network), so that nothing of this happens on the machine's network.
"""

import contextlib
import ctypes
import os
import subprocess
import unittest

from .process import DEADLINE, Process

_CLONE_NEWNET = 0x40000000
_OWN = "/proc/thread-self/ns/net"
_libc = ctypes.CDLL(None, use_errno=True)


def _enter(descriptor):
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _run(*words):
    subprocess.run(words, check=True, capture_output=True, text=True, timeout=DEADLINE)


def own_network():
    """Puts this thread, and what it starts, into a network of its own, with nothing but loopback in it. Returns what
    brings it back; skips the tests where that is not allowed."""
    before = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    if _libc.unshare(_CLONE_NEWNET) != 0:
        os.close(before)
        raise unittest.SkipTest(f"no network namespace can be made: {os.strerror(ctypes.get_errno())}")

    def back():
        _enter(before)
        os.close(before)
    try:
        _run("ip", "link", "set", "lo", "up")
        Cable.probe()
    except (OSError, subprocess.SubprocessError) as error:
        back()
        raise unittest.SkipTest(f"ip cannot make a pair of veth: {getattr(error, 'stderr', '') or error}") from None
    return back


class Cable:
    """Another network, and the cable to it: `here` and `there` are the addresses of its two ends.

    What is on its way while it is cut vanishes, in both directions: no FIN, no RST, no ICMP, and the link stays up.
    """

    def __init__(self, directory, number):
        self.here, self.there = f"192.0.2.{4 * number + 1}", f"192.0.2.{4 * number + 2}"
        self._macs = [f"02:00:00:00:{number:02x}:{end:02x}" for end in (1, 2)]
        self._device = f"cable{number}"
        directory.mkdir(parents=True, exist_ok=True)
        own = os.readlink(_OWN)
        self._keeper = Process("keeper of a network", ["unshare", "--net", "sleep", "infinity"], directory / "log")
        self._path = f"/proc/{self._keeper.pid}/ns/net"
        self._keeper.wait_ready(lambda: os.readlink(self._path) != own)
        _run("ip", "link", "add", self._device, "address", self._macs[0], "type", "veth", "peer", "name", self._device,
             "address", self._macs[1], "netns", str(self._keeper.pid))
        self._set_up(self.here)
        with self.entered():
            _run("ip", "link", "set", "lo", "up")
            self._set_up(self.there)
        self.mend()

    @staticmethod
    def probe():
        _run("ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1")
        _run("ip", "link", "del", "probe0")

    def _set_up(self, address):
        _run("ip", "address", "add", f"{address}/30", "dev", self._device)
        _run("ip", "link", "set", self._device, "up")

    def _neighbour(self, address, mac):
        _run("ip", "neighbour", "replace", address, "lladdr", mac, "dev", self._device, "nud", "permanent")

    def _lead_to(self, macs):
        self._neighbour(self.there, macs[1])
        with self.entered():
            self._neighbour(self.here, macs[0])

    def cut(self):
        """Each end sends to somebody who is not there."""
        self._lead_to(["02:00:00:00:ff:ff"] * 2)

    def mend(self):
        self._lead_to(self._macs)

    @contextlib.contextmanager
    def entered(self):
        """This thread, and what it starts meanwhile, is at the other end. Sockets stay where they were made."""
        before = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(there)
            yield self
        finally:
            _enter(before)
            os.close(there)
            os.close(before)

    def close(self):
        self._keeper.stop()
