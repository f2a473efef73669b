"""roostd and roost-store, as built, with a configuration written by the test."""

import json
import os
import socket
import subprocess
from pathlib import Path

from .dovecot import MASTER_PASSWORD, MASTER_USER, PASSWORD, deliver, deliver_to
from .imap import Client, trusting
from .process import DEADLINE, Process, accepts, accepts_at, free_port, wait_until

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("ROOST_BIN", ROOT / "build" / "bin"))


def built(name):
    return (BIN / name).exists()


class Roostd:
    """roostd in front of stores. Listeners on 127.0.0.1 and ::1: implicit TLS, STARTTLS, and plain.

    `stores` are dictionaries of the configuration's keys; `settings` are merged over the rest; `under` is what
    executes it. `hosts`: what its listeners are bound to.
    """

    def __init__(self, directory, authority, stores, settings=None, certificates=None, environment=None, under=(),
                 hosts=("127.0.0.1", "[::1]")):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.host = "127.0.0.1"
        self.imaps_port, self.imap_port, self.plain_port = free_port(), free_port(), free_port()
        self.context = trusting(authority.ca_file)
        self.config_path = self.directory / "roost.yaml"
        certificates = certificates or [authority.issue("roost")]
        self.config = {
            "listeners": [
                {"address": f"{host}:{port}", "tls": tls, "allow_plaintext_login": tls == "none"}
                for host in hosts
                for port, tls in ((self.imaps_port, "implicit"), (self.imap_port, "starttls"),
                                  (self.plain_port, "none"))],
            "certificates": [{"chain_file": str(c), "key_file": str(k)} for c, k in certificates],
            "stores": stores,
            "control_socket": str(self.directory / "control"),
            "limits": {"failed_login_delay_s": 0},  # all tests come from one address
            "dumpable": True,
        }
        for key, value in (settings or {}).items():
            self.config[key] = value
        self.environment = environment
        self.under = list(under)
        self.process = None
        self.start()

    def launch(self):
        """Starts it, and waits for nothing."""
        self.config_path.write_text(json.dumps(self.config, indent=1))  # JSON is YAML
        self.process = Process("roostd", [*self.under, BIN / "roostd", f"--config={self.config_path}"],
                               self.directory / "roostd.log", self.environment)

    def start(self):
        self.launch()
        ports = (self.imaps_port, self.imap_port, self.plain_port)
        # The control socket comes after the listeners.
        self.process.wait_ready(lambda: all(accepts(self.host, port) for port in ports)
                                and accepts_at(self.config["control_socket"]))

    def stop(self):
        return self.process.stop()

    def log(self):
        return self.process.log()

    def ctl_command(self, *words):
        """The command line of a roostctl that asks this roostd."""
        return [BIN / "roostctl", "--socket", self.config["control_socket"], *map(str, words)]

    def ctl(self, *words, status=None):
        """roostctl, which has ended: its exit status (checked, where one is given) and what it said."""
        run = subprocess.run(self.ctl_command(*words), check=False, capture_output=True, text=True, timeout=DEADLINE)
        if status not in (None, run.returncode):
            raise AssertionError(f"roostctl {words} ended with {run.returncode}: {run.stdout}{run.stderr}")
        return run

    def figures(self):
        """What roostctl status tells, of all shards together; while they do not answer, it waits."""
        runs = []

        def answered():
            runs.append(self.ctl("status", "--json"))
            return runs[-1].returncode == 0

        wait_until(answered, lambda: f"roostctl status is answered: {runs[-1].stderr}")
        return json.loads(runs[-1].stdout)["total"]

    def client(self, tls="implicit", host=None, **options):
        """A connection, not logged in. tls: "implicit", "starttls", "none" (STARTTLS port), "plain"."""
        port = {"implicit": self.imaps_port, "plain": self.plain_port}.get(tls, self.imap_port)
        return Client(host or self.host, port, tls if tls in ("implicit", "starttls") else None,
                      self.context, **options)


def check_config(path):
    """roostd --check-config: (exit status, output)."""
    run = subprocess.run([BIN / "roostd", f"--config={path}", "--check-config"],
                         capture_output=True, text=True, check=False)
    return run.returncode, run.stdout + run.stderr


class RoostStore:
    """The embedded store: any user, one password, a master user, and counts on its control port."""

    def __init__(self, directory, arguments=(), host="127.0.0.1", imap_port=None):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.host = host
        self.imap_port, self.lmtp_port, self.control_port = imap_port or free_port(), free_port(), free_port()
        self.arguments = list(arguments)
        self.process = None
        self.start()

    def start(self):
        self.process = Process(
            "roost-store", [BIN / "roost-store", "--listen", f"{self.host}:{self.imap_port}",
                            "--lmtp", f"{self.host}:{self.lmtp_port}",
                            "--control", f"{self.host}:{self.control_port}",
                            "--password", PASSWORD, "--master-user", MASTER_USER,
                            "--master-password", MASTER_PASSWORD, *self.arguments],
            self.directory / "roost-store.log")
        ports = (self.imap_port, self.lmtp_port, self.control_port)
        self.process.wait_ready(lambda: all(accepts(self.host, port) for port in ports))

    def counts(self):
        """The lines it answers to "counts"."""
        with socket.create_connection((self.host, self.control_port), timeout=DEADLINE) as control:
            control.sendall(b"counts\r\n")
            with control.makefile("r", encoding="utf-8", newline="\n") as lines:
                return list(iter(lambda: lines.readline().strip(), ""))

    def _of_user(self, user, what):
        for line in self.counts():
            words = line.split()
            if words[:2] == ["user", user]:
                return int(words[words.index(what, 2) + 1])
        return 0

    def total(self, what):
        """A number of those of all users together."""
        return next(int(line.split()[1]) for line in self.counts() if line.split()[0] == what)

    def deliver_to(self, users):
        """One mail to each."""
        deliver_to(self.host, self.lmtp_port, users)

    # The same as of Dovecot, so that the same tests can run on both.

    def logins(self, user):
        return self._of_user(user, "logins")

    def wait_sessions(self, user, count):
        wait_until(lambda: self._of_user(user, "sessions") == count,
                   lambda: f"{user} has {count} sessions, but {self._of_user(user, 'sessions')}")

    def deliver(self, user, subject="mail", body="Hello.\r\n", count=1):
        deliver(self.host, self.lmtp_port, user, subject, body, count)

    def stop(self):
        status = self.process.stop()
        if status != 0:
            raise AssertionError(f"roost-store ended with {status}:\n{self.process.log()[-4000:]}")
