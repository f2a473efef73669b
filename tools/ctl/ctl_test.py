#!/usr/bin/python3
"""roostctl as a program, before a control socket that answers as the test wants: its exit status and what it says."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

BINARY = Path(os.environ.get("ROOST_BIN", "build/bin")) / "roostctl"
DEADLINE_S = 20 * float(os.environ.get("ROOST_TEST_SLOWNESS", "1"))  # of the programs of a sanitized build

ROW = b'{"user": "ann", "mailbox": "INBOX"}'
DRAINING = b'{"draining": true, "over_s": 1}\n'
# A roostd of its own process: it answers once, closes its socket, and goes on.
DRAINED = """
import signal, socket, sys
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    print("listening", flush=True)
    connection, _ = listener.accept()
    with connection:
        connection.recv(2000)
        connection.sendall(sys.argv[2].encode())
print("closed", flush=True)
signal.pause()
"""


class Answering(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="roost-ctl-")
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "control"

    def ask(self, answer, *words, before=lambda: None):
        """What roostctl does with that answer: its status, standard output and standard error.

        `before` is called when it has asked; once it is answered nobody listens there any more. Who has begun to
        listen is gone, so that there is no process to wait for, as with a roostd in another pid namespace.
        """
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listening = os.fork()
        if listening == 0:
            listener.listen()
            os._exit(0)
        os.waitpid(listening, 0)
        listener.settimeout(DEADLINE_S)
        thread = threading.Thread(target=self.answer_once, args=(listener, answer, before))
        thread.start()
        try:
            return subprocess.run([BINARY, "--socket", self.path, *words], capture_output=True, timeout=DEADLINE_S,
                                  check=False)
        finally:
            thread.join()
            self.path.unlink()

    @staticmethod
    def answer_once(listener, answer, before):
        with listener:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(DEADLINE_S)
                if answer:
                    connection.recv(2000)
                    before()
                    connection.sendall(answer)

    def test_rows_that_did_not_come_whole_are_not_status_0(self):
        head, end = b'{"clients": [\n' + ROW, b'\n], "end": "%s"}\n'
        for answer, status, said in ((head + end % b"all", 0, b""),
                                     (head + end % b"limit", 0, b""),
                                     (b"".join((head, (b",\n" + ROW) * 3000, end % b"all")), 0, b""),
                                     (head + end % b"failed", 1, b"not all shards have answered"),
                                     (head, 1, b"cut off"),
                                     (b"{", 1, b"cut off"),
                                     (b'{"error": "not understood"}\n', 1, b"not understood"),
                                     (b"", 1, b"closed the connection without an answer")):
            done = self.ask(answer, "clients", "--json")
            self.assertEqual(done.returncode, status, done)
            self.assertEqual(done.stdout, answer)
            self.assertIn(said, done.stderr)
            self.assertEqual(bool(done.stderr), bool(status))
        self.assertIn(b"cut off", self.ask(head, "clients").stderr)

    def test_a_status_that_did_not_come_whole_is_not_status_0(self):
        whole = b'{"version": "1.2.3", "total": {"clients": 1}, "shards": [{"clients": 1}]}\n'
        self.assertEqual(self.ask(whole, "status", "--json").returncode, 0)
        for size in (1, whole.index(b"}") + 1, len(whole) - 3):
            done = self.ask(whole[:size], "status", "--json")
            self.assertEqual((done.returncode, b"cut off" in done.stderr), (1, True), done)

    def test_a_trace_says_why_it_is_over(self):
        following = b'{"time": "T", "event": "following", "user": "ann"}\n'
        for answer, status, said in ((b"", 1, b"closed the connection without an answer"),
                                     (b'{"error": "4 follow somebody already"}\n', 1, b"4 follow somebody already"),
                                     (following, 1, b"roostd has closed the connection"),
                                     (following + b'{"time": "T", "event": "ending"}\n', 0, b"roostd has ended")):
            done = self.ask(answer, "trace", "ann")
            self.assertEqual(done.returncode, status, done)
            self.assertIn(said, done.stderr)

    def bar_the_way(self):
        self.path.unlink()
        self.path.symlink_to(self.path)

    def test_a_drain_has_ended_when_the_process_has(self):
        """Which has closed its socket before, and has still things to do."""
        roostd = self.start(sys.executable, "-c", DRAINED, self.path, DRAINING)
        roostd.stdout.readline()
        ctl = self.start(BINARY, "--socket", self.path, "drain", "--wait")
        roostd.stdout.readline()
        with self.assertRaises(subprocess.TimeoutExpired):
            ctl.wait(1)
        roostd.kill()
        self.assertEqual(ctl.wait(DEADLINE_S), 0)

    def start(self, *command):
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_without_a_process_to_wait_for_a_drain_has_ended_where_nobody_listens(self):
        self.assertEqual(self.ask(DRAINING, "drain", "--wait").returncode, 0)
        # That it cannot be reached says nothing of roostd.
        done = self.ask(DRAINING, "drain", "--wait", before=self.bar_the_way)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(b"cannot connect to", done.stderr)

    def test_a_disk_that_is_full_is_not_status_0(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([BINARY, "--help"], stdout=full, stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"standard output", done.stderr)


class EachProgram(unittest.TestCase):
    def test_says_its_version_and_how_it_is_used(self):
        versions = set()
        for name in ("roostd", "roostctl", "roost-store", "roost-load"):
            said = {}
            for option in ("--version", "--help", "-h"):
                said[option] = subprocess.run([BINARY.parent / name, option], capture_output=True, text=True,
                                              timeout=DEADLINE_S, check=True).stdout
            self.assertEqual(said["-h"], said["--help"])
            self.assertIn("--version", said["-h"])
            self.assertRegex(said["--version"], rf"^{name} \d+\.\d+\.\d+ \(.*\)\n$")
            versions.add(said["--version"].split(" ", 1)[1])
        self.assertEqual(len(versions), 1, versions)


if __name__ == "__main__":
    unittest.main()
