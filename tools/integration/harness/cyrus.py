"""A real Cyrus IMAP server in a temporary directory, as root or as the account of its package (cyrus).

Nothing installs it for these tests: its package brings a mail transport agent and starts a server on port 143.
Where it is there, the tests of it run.
"""

import os
import pwd
import shutil
import socket
import struct
import threading
from pathlib import Path

from .dovecot import MASTER_PASSWORD, MASTER_USER, PASSWORD, deliver, share_with
from .process import Process, accepts, descendants, free_port, wait_until

PROGRAMS = Path("/usr/lib/cyrus/bin")
ACCOUNT = "cyrus"  # which its programs insist on


def missing():
    """Why it cannot run here; None: it can."""
    if not (PROGRAMS / "master").exists() or not (PROGRAMS / "imapd").exists():
        return "Cyrus is not installed"
    try:
        account = pwd.getpwnam(ACCOUNT)
    except KeyError:
        return f"there is no account {ACCOUNT}"
    if os.geteuid() not in (0, account.pw_uid):
        return f"Cyrus runs as {ACCOUNT}: be root, or that account"
    return None


class Passwords:
    """What Cyrus asks whether a password is right: saslauthd's socket, with one password for all users."""

    def __init__(self, path):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        os.chmod(path, 0o666)
        self._listener.listen(128)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as asked:
                fields = [self._field(asked) for _ in range(4)]  # login, password, service, realm
                expected = MASTER_PASSWORD if fields[0] == MASTER_USER.encode() else PASSWORD
                answer = b"OK" if fields[1] == expected.encode() else b"NO"
                connection.sendall(struct.pack(">H", len(answer)) + answer)

    @staticmethod
    def _field(asked):
        length = asked.read(2)
        return asked.read(struct.unpack(">H", length)[0]) if len(length) == 2 else b""

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Cyrus:
    """`imap_port` speaks plain IMAP, `lmtp_port` takes mail. A user's INBOX comes into being at login."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.host = "127.0.0.1"
        self.imap_port, self.lmtp_port = free_port(), free_port()
        self._directories = [self.directory / each for each in
                             (".", "conf", "conf/socket", "spool", "run", "proc", "lock")]
        for each in self._directories:
            each.mkdir(parents=True, exist_ok=True)
        self.config, self.services = self.directory / "imapd.conf", self.directory / "cyrus.conf"
        self.config.write_text(self._settings())
        self.services.write_text(self._services())
        if os.geteuid() == 0:
            for path in self._directories:
                share_with(path, pwd.getpwnam(ACCOUNT))
        self._passwords = Passwords(self.directory / "passwords")
        self._process = None
        self.start()

    def start(self):
        self._process = Process("cyrus", [PROGRAMS / "master", "-C", self.config, "-M", self.services,
                                          "-p", self.directory / "run" / "master.pid", "-D"],
                                self.directory / "cyrus.out")
        self._process.wait_ready(lambda: all(accepts(self.host, port)
                                             for port in (self.imap_port, self.lmtp_port)))

    def running(self):
        return self._process is not None

    def kill(self):
        """Ends it and all its processes as a crash of the machine would, or nearly so."""
        self._process.kill_all()
        self._process = None

    def stop(self):
        if self.running():
            self.kill()  # asked politely it waits for its sessions
        self._passwords.close()

    def sessions(self, user=None):
        """The pids of the imap sessions that are logged in (of one user)."""
        pids = []
        for pid in map(str, descendants(self._process.pid)):
            try:
                words = (self.directory / "proc" / pid).read_text().rstrip("\n").split("\t")
            except OSError:
                continue
            # service, client, user, mailbox, command
            if len(words) > 2 and words[0] == "imap" and words[2] and user in (None, words[2]):
                pids.append(int(pid))
        return pids

    def wait_sessions(self, user, count):
        wait_until(lambda: len(self.sessions(user)) == count,
                   lambda: f"{user} has {count} sessions, but {len(self.sessions(user))}")

    def deliver(self, user, subject="mail", body="Hello.\r\n", count=1):
        deliver(self.host, self.lmtp_port, user, subject, body, count)

    # --- configuration ---

    def _settings(self):
        directory = self.directory
        return f"""
configdirectory: {directory}/conf
defaultpartition: default
partition-default: {directory}/spool
proc_path: {directory}/proc
mboxname_lockpath: {directory}/lock
altnamespace: yes
unixhierarchysep: yes
allowplaintext: yes
proxyservers: {MASTER_USER}
autocreate_quota: 0
autocreate_post: yes
duplicatesuppression: no
delete_mode: immediate
sasl_mech_list: PLAIN
sasl_pwcheck_method: saslauthd
sasl_saslauthd_path: {directory}/passwords
failedloginpause: 0
timeout: 60
"""

    def _services(self):
        with_config = f"-C {self.config}"
        return f"""
START {{
  recover cmd="{shutil.which("cyrus", path="/usr/sbin:/usr/lib/cyrus/bin")} ctl_cyrusdb {with_config} -r"
}}
SERVICES {{
  imap cmd="{PROGRAMS}/imapd {with_config}" listen="{self.host}:{self.imap_port}" prefork=0 maxchild=500 maxforkrate=500
  lmtp cmd="{PROGRAMS}/lmtpd {with_config} -a" listen="{self.host}:{self.lmtp_port}" prefork=0 maxchild=20
}}
DAEMON {{
  idled cmd="{PROGRAMS}/idled {with_config}"
}}
"""
