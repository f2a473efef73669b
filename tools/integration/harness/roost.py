"""roostd and roost-store, as built, with a configuration written by the test."""

import json
import os
import subprocess
from pathlib import Path

from .imap import Client, trusting
from .process import Process, accepts, free_port

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("ROOST_BIN", ROOT / "build" / "bin"))


def built(name):
    return (BIN / name).exists()


class Roostd:
    """roostd in front of stores. Listeners on 127.0.0.1 and ::1: implicit TLS, STARTTLS, and plain.

    `stores` are dictionaries of the configuration's keys; `settings` are merged over the rest.
    """

    def __init__(self, directory, authority, stores, settings=None, certificates=None):
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
                for host in ("127.0.0.1", "[::1]")
                for port, tls in ((self.imaps_port, "implicit"), (self.imap_port, "starttls"),
                                  (self.plain_port, "none"))],
            "certificates": [{"chain_file": str(c), "key_file": str(k)} for c, k in certificates],
            "stores": stores,
            "dumpable": True,
        }
        for key, value in (settings or {}).items():
            self.config[key] = value
        self.process = None
        self.start()

    def start(self):
        self.config_path.write_text(json.dumps(self.config, indent=1))  # JSON is YAML
        self.process = Process("roostd", [BIN / "roostd", f"--config={self.config_path}"],
                               self.directory / "roostd.log")
        ports = (self.imaps_port, self.imap_port, self.plain_port)
        self.process.wait_ready(lambda: all(accepts(self.host, port) for port in ports))

    def stop(self):
        return self.process.stop()

    def log(self):
        return self.process.log()

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
    """The embedded store on an ordinary port."""

    def __init__(self, directory, arguments=()):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.host = "127.0.0.1"
        self.imap_port, self.lmtp_port = free_port(), free_port()
        self.process = Process(
            "roost-store", [BIN / "roost-store", f"--listen={self.host}:{self.imap_port}",
                            f"--lmtp={self.host}:{self.lmtp_port}", *arguments],
            self.directory / "roost-store.log")
        self.process.wait_ready(lambda: accepts(self.host, self.imap_port))

    def stop(self):
        return self.process.stop()
