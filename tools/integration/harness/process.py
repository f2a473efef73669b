"""Waiting for conditions, ports on loopback, and programs that are ended by their own pid."""

import ctypes
import itertools
import os
import signal
import socket
import subprocess
import time

# How many times as long as those of a release build the programs may take: sanitized ones are slow.
SLOWNESS = float(os.environ.get("ROOST_TEST_SLOWNESS", "1"))

# Seconds after which a condition that should come true soon counts as never. Generous, because the
# machine may be building something else; a passing test never waits for it. What may take longer gets a multiple.
DEADLINE = 30.0 * SLOWNESS

# The environment of programs whose memory is measured: an address sanitizer that keeps less of what they free.
MEASURED = {"ASAN_OPTIONS": ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "quarantine_size_mb=1",
                                                   "thread_local_quarantine_size_kb=64")))}


class Timeout(AssertionError):
    """A condition did not come true in time."""


def wait_until(condition, what, deadline=DEADLINE):
    """Returns the first true value of condition(), which is asked again and again until the deadline."""
    end = time.monotonic() + deadline
    pause = 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise Timeout(f"not within {deadline:.0f} s: {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


# Below the range from which the kernel takes the ports of outgoing connections, so that none of those
# can be in the way between our choice and the server's bind.
_ports = itertools.cycle(range(20_000, 32_000))
_skip = os.getpid() * 97 % 12_000  # two runs at once begin at different places


def free_port():
    """A TCP port that is free on 127.0.0.1 and ::1 alike; never the same twice soon."""
    global _skip
    skip, _skip = _skip, 0
    return first_free(itertools.islice(_ports, skip, skip + 12_000))


def first_free(ports):
    """The first of them that is free on 127.0.0.1 and ::1 alike."""
    for port in ports:
        with socket.socket(socket.AF_INET) as four, socket.socket(socket.AF_INET6) as six:
            try:
                four.bind(("127.0.0.1", port))
                six.bind(("::1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("none of these ports is free on loopback")


def accepts(host, port):
    """Whether somebody listens there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
        return True
    except OSError:
        return False


def accepts_at(path):
    """The same of a Unix socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(path)) == 0


_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _end_with_parent():
    """Runs in the child: a test that is killed leaves no server behind."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _status(pid):
    """(state, parent) of a process; ("X", 0) when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            state, parent = file.read().rpartition(")")[2].split()[:2]
        return state, int(parent)
    except OSError:
        return "X", 0


def alive(pid):
    return _status(pid)[0] not in "XZ"


def descendants(pid):
    """The pids of the processes below this one: its children, theirs, …"""
    children = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        children.setdefault(_status(entry)[1], []).append(int(entry))
    found, left = [], [pid]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


class Process:
    """A program with its output in a file. Ended by its own pid, never by name, or with the test."""

    def __init__(self, name, command, log_path, environment=None, cwd=None):
        self.name = name
        self.command = [str(part) for part in command]
        self.log_path = str(log_path)
        self._log = open(self.log_path, "ab")
        self.popen = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            env={**os.environ, **(environment or {})}, cwd=cwd, preexec_fn=_end_with_parent)

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_ready(self, condition, deadline=DEADLINE):
        """Waits until condition() is true; fails at once if the program has ended."""
        def ready():
            if not self.running():
                raise AssertionError(
                    f"{self.name} ended with {self.popen.returncode} before it was ready:\n"
                    f"{' '.join(self.command)}\n{self.log()[-4000:]}")
            return condition()
        wait_until(ready, lambda: f"{self.name} is ready\n{self.log()[-4000:]}", deadline)

    def signal(self, number):
        self.popen.send_signal(number)

    def stop(self, deadline=DEADLINE / 2):
        """Asks it to end, then insists. Returns its exit status (negative: the signal)."""
        if self.running():
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(deadline)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        status = self.popen.wait()
        self._log.close()
        self.check_reports()
        return status

    def check_reports(self):
        """Fails if a sanitizer has written into its log."""
        log = self.log()
        for sign in (": runtime error: ", "Sanitizer: "):
            at = log.find(sign)
            if at >= 0:
                raise AssertionError(f"{self.name} has a report:\n{log[max(0, at - 200):at + 4000]}")

    def kill(self):
        """Ends it as a crash would. That it ran until then is part of every test."""
        self.popen.kill()
        status = self.popen.wait()
        self._log.close()
        self.check_reports()
        if status != -signal.SIGKILL:
            raise AssertionError(f"{self.name} ended with {status} before it was killed:\n{self.log()[-4000:]}")

    def kill_all(self):
        """Ends it and all processes below it as a crash of the machine would, or nearly so."""
        self.signal(signal.SIGSTOP)  # so that nothing is forked while we look
        processes = descendants(self.pid)
        self.kill()
        for pid in processes:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        wait_until(lambda: not any(map(alive, processes)), f"{self.name} has gone")

    def memory_kb(self):
        """Resident memory in KB."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        raise AssertionError(f"{self.name} has no memory any more")

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))
