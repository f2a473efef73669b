"""A real Dovecot 2.3 in a temporary directory, as root or as an ordinary user."""

import base64
import grp
import itertools
import os
import pwd
import re
import shutil
import signal
import smtplib
import subprocess
import time
from pathlib import Path

from .process import Process, accepts, free_port, wait_until

PASSWORD = "secret"
SPECIAL_USER = 'odd \\ "name"'  # must be quoted or a literal
SPECIAL_PASSWORD = 'pass "word\\ {5}'
MASTER_USER = "roost"
MASTER_PASSWORD = "master secret"
USERS = 400  # names in the password file; each test takes fresh ones


def installed():
    return shutil.which("dovecot", path=os.environ.get("PATH", "") + ":/usr/sbin") is not None


def deliver(host, port, user, subject, body, count):
    """Delivers by LMTP, as a mail server would. Returns when the store has it."""
    with smtplib.LMTP(host, port) as lmtp:
        for _ in range(count):
            lmtp.sendmail("sender@example.org", [user],
                          f"From: sender@example.org\r\nTo: {user}\r\n"
                          f"Subject: {subject}\r\n\r\n{body}")


def deliver_to(host, port, users):
    """One mail to each by LMTP."""
    with smtplib.LMTP(host, port) as lmtp:
        for user in users:
            lmtp.sendmail("sender@example.org", [user], f"To: {user}\r\nSubject: mail\r\n\r\nHello.\r\n")


def share_with(path, account):
    """Gives a directory of a test to the account of a server, which must be able to reach it. For root."""
    os.chown(path, account.pw_uid, account.pw_gid)
    # Nobody else need see what is in the directories above.
    for parent in itertools.takewhile(lambda p: p != Path("/tmp"), path.parents):
        os.chmod(parent, 0o711)


class Dovecot:
    """`imap_port` speaks STARTTLS and plain, `imaps_port` TLS, `lmtp_port` takes mail."""

    def __init__(self, directory, certificate, extra=""):
        self.directory = Path(directory)
        self.host = "127.0.0.1"
        self.imap_port, self.imaps_port, self.lmtp_port = free_port(), free_port(), free_port()
        self.proxy_port = free_port()  # expects the PROXY protocol before IMAP
        self.directory.mkdir(parents=True)
        self.config = self.directory / "dovecot.conf"
        self._process = None
        self._names = itertools.count()
        self._write_users()
        self.config.write_text(self._settings(certificate, extra))
        self.start()

    def start(self):
        dovecot = shutil.which("dovecot", path=os.environ.get("PATH", "") + ":/usr/sbin")
        self._process = Process("dovecot", [dovecot, "-F", "-c", self.config],
                                self.directory / "dovecot.out")
        ports = (self.imap_port, self.imaps_port, self.lmtp_port, self.proxy_port)
        self._process.wait_ready(lambda: all(accepts(self.host, port) for port in ports))

    def running(self):
        return self._process is not None

    def stop(self):
        """Ends it and all its sessions, at once: left alone, busy ones would live on for ten seconds."""
        if self._process is not None:
            sessions = self.sessions()
            self._process.stop()
            self._process = None
            for pid in sessions:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        wait_until(lambda: not accepts(self.host, self.imap_port), "dovecot has gone")

    def kill(self):
        """Ends it and all its processes as a crash of the machine would, or nearly so."""
        self._process.kill_all()
        self._process = None

    def logins(self, user):
        """How many sessions of the user have ever been opened.

        The log is written by a process of its own: it must have come to those that are open."""
        def missing():
            log = self.log()
            return [pid for pid in self.sessions(user) if f"mpid={pid}," not in log]
        wait_until(lambda: not missing(), lambda: f"the log lacks the logins of {missing()}")
        return self.log().count(f"imap-login: Info: Login: user=<{user}>")

    def log(self):
        log = self.directory / "dovecot.log"
        return log.read_text(errors="replace") if log.exists() else ""

    # --- what tests look at ---

    def sessions(self, user=None):
        """The pids of the imap sessions that are logged in (of one user)."""
        run = subprocess.run(["doveadm", "-c", str(self.config), "who", "-1"],
                             check=True, capture_output=True, text=True)
        pids = []
        for line in run.stdout.splitlines():
            words = line.split()  # username, proto, pid, ip
            if len(words) >= 3 and words[1] == "imap" and user in (None, words[0]):
                pids.append(int(words[2]))
        return pids

    def wait_sessions(self, user, count):
        wait_until(lambda: len(self.sessions(user)) == count,
                   lambda: f"{user} has {count} sessions, but {len(self.sessions(user))}")

    def deliver(self, user, subject="mail", body="Hello.\r\n", count=1):
        deliver(self.host, self.lmtp_port, user, subject, body, count)

    def set_password(self, user, password):
        """What the user logs in with from now on."""
        lines = (self.directory / "users").read_text().splitlines(keepends=True)
        new = [re.sub(r"\{PLAIN\}[^:]*", f"{{PLAIN}}{password}", line) if line.startswith(f"{user}:") else line
               for line in lines]
        (self.directory / "users").write_text("".join(new))

    # --- changes behind Dovecot's back, while it is down ---

    def _maildir(self, user):
        return self.directory / "mail" / user / "Maildir"

    def _write(self, path, text):
        path.write_text(text)
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)

    def mail_file(self, user, uid):
        """The file of a message."""
        maildir = self._maildir(user)
        names = {}
        for line in (maildir / "dovecot-uidlist").read_text().splitlines()[1:]:
            number, _, name = line.partition(" :")
            names[int(number.split()[0])] = name.split(":")[0]
        return next(file for folder in ("cur", "new") for file in (maildir / folder).iterdir()
                    if file.name.split(":")[0] == names[uid])

    def set_mail_flags(self, user, uid, letters):
        """Maildir's letters: F flagged, R answered, S seen, T deleted."""
        file = self.mail_file(user, uid)
        file.rename(self._maildir(user) / "cur" / f"{file.name.split(':')[0]}:2,{letters}")

    def put_mail(self, user):
        """A new mail, as some delivery agents make it: a file."""
        name = f"{time.time():.6f}.{next(self._names)}.test"
        self._write(self._maildir(user) / "new" / name, "Subject: put\r\n\r\nx\r\n")

    def renew_uidvalidity(self, user):
        """Forgets all UIDs; the mailbox gets a UIDVALIDITY it never had."""
        maildir = self._maildir(user)
        for file in maildir.glob("dovecot*"):
            file.unlink()
        self._write(maildir / "dovecot-uidlist", "3 V1 N1\n")

    # --- configuration ---

    def _write_users(self):
        """Two password files, and the directory of mail with an owner other than root."""
        mail = self.directory / "mail"
        mail.mkdir()
        account = self._account()
        if os.geteuid() == 0:
            share_with(mail, account)
        lines = [f"u{i:03d}:{{PLAIN}}{PASSWORD}:{account.pw_uid}:{account.pw_gid}::{mail}/u{i:03d}::"
                 for i in range(USERS)]
        password = base64.b64encode(SPECIAL_PASSWORD.encode()).decode()
        # Dovecot looks names up in the form in which they would stand in quotes.
        name = SPECIAL_USER.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f"{name}:{{PLAIN.b64}}{password}:{account.pw_uid}:{account.pw_gid}"
                     f"::{mail}/special::")
        (self.directory / "users").write_text("\n".join(lines) + "\n")
        (self.directory / "masters").write_text(f"{MASTER_USER}:{{PLAIN}}{MASTER_PASSWORD}\n")

    @staticmethod
    def _account():
        return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())

    def _settings(self, certificate, extra):
        account = self._account()
        group = grp.getgrgid(account.pw_gid).gr_name
        internal = "" if os.geteuid() == 0 else f"""
default_internal_user = {account.pw_name}
default_internal_group = {group}
default_login_user = {account.pw_name}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
}}
"""
        chain, key = certificate
        return f"""
base_dir = {self.directory}/run
state_dir = {self.directory}/state
log_path = {self.directory}/dovecot.log
auth_verbose = yes
protocols = imap lmtp
listen = 127.0.0.1, ::1
{internal}
ssl = yes
ssl_cert = <{chain}
ssl_key = <{key}
ssl_dh =
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = no
haproxy_trusted_networks = 127.0.0.0/8 ::1
haproxy_timeout = 3 s
auth_username_chars =
login_trusted_networks = 127.0.0.0/8 ::1

auth_mechanisms = plain login
auth_master_user_separator = *
auth_failure_delay = 0
auth_cache_size = 0
passdb {{
  driver = passwd-file
  args = {self.directory}/masters
  master = yes
  result_success = continue
}}
passdb {{
  driver = passwd-file
  args = {self.directory}/users
}}
userdb {{
  driver = passwd-file
  args = {self.directory}/users
}}
first_valid_uid = 1
first_valid_gid = 1
last_valid_uid = 0
mail_location = maildir:~/Maildir
mail_max_userip_connections = 0
mailbox_idle_check_interval = 2 s
namespace inbox {{
  inbox = yes
  separator = /
}}

service imap-login {{
  inet_listener imap {{
    port = {self.imap_port}
  }}
  inet_listener imaps {{
    port = {self.imaps_port}
    ssl = yes
  }}
  inet_listener proxied {{
    port = {self.proxy_port}
    haproxy = yes
  }}
  service_count = 0
  client_limit = 2000
}}
service imap {{
  process_limit = 1000
}}
service lmtp {{
  inet_listener lmtp {{
    port = {self.lmtp_port}
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  client_limit = 4000
}}
{extra}
"""
