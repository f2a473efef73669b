"""The test case all integration tests derive from: a Dovecot, a roostd in front of it, and fresh users.

Environment:
  ROOST_BIN      directory of the programs (default: build/bin)
  ROOST_DIRECT   set: the clients talk to Dovecot itself. What fails then is the test, not Roost.
  ROOST_KEEP     set: directories are kept, not only those of failed tests
"""

import itertools
import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

from . import dovecot as dovecot_module
from .certificates import Authority
from .dovecot import MASTER_PASSWORD, MASTER_USER, PASSWORD, Dovecot
from .imap import Client, trusting
from .process import wait_until
from .roost import Roostd, built

DIRECT = bool(os.environ.get("ROOST_DIRECT"))
LOGINS = ("client", "proxy-authzid", "proxy-separator")


def roost_only(item):
    """Marks a test or class that means nothing without roostd."""
    return unittest.skipIf(DIRECT, "about Roost itself; ROOST_DIRECT is set")(item)


def dovecot_store(dovecot, login="client", **more):
    """A store entry of the configuration."""
    store = {"name": "dovecot", "addresses": [f"{dovecot.host}:{dovecot.imap_port}"], "login": login}
    if login != "client":
        store.update(master_user=MASTER_USER, master_password=MASTER_PASSWORD)
    store.update(more)
    return store


class _Direct:
    """Dovecot in the place of roostd."""

    def __init__(self, dovecot, authority):
        self._dovecot = dovecot
        self.host = dovecot.host
        self.imaps_port, self.imap_port = dovecot.imaps_port, dovecot.imap_port
        self.plain_port = dovecot.imap_port
        self.context = trusting(authority.ca_file)

    client = Roostd.client

    def log(self):
        return ""

    def stop(self):
        return 0


class RoostCase(unittest.TestCase):
    """Servers are started once for a class; a user is never used by two tests.

    Class attributes a test class may set:
      login            how roostd logs in
      settings         configuration keys beside listeners, certificates and stores
      store_settings   keys of the store
      environment      of roostd, beside the test's own
    """

    login = "client"
    settings = {}
    store_settings = {}
    environment = {}

    @classmethod
    def setUpClass(cls):
        cls.require_store()
        cls.directory = Path(tempfile.mkdtemp(prefix="roost-integration-"))
        cls.failed = False
        cls._users = itertools.count()
        cls.addClassCleanup(cls._forget_directory)
        cls.authority = Authority(cls.directory / "certificates")
        cls.dovecot = cls.start_store()
        cls.addClassCleanup(cls.dovecot.stop)
        cls.front = cls.start_front()

    @classmethod
    def require_store(cls):
        """Skips the class where its store is not installed."""
        if not dovecot_module.installed():
            raise unittest.SkipTest("Dovecot is not installed; tools/setup --test installs it")

    @classmethod
    def start_store(cls):
        """The store of this class; `dovecot` to the tests even where it is another one."""
        return Dovecot(cls.directory / "dovecot", cls.authority.issue("dovecot"),
                       extra=getattr(cls, "dovecot_settings", ""))

    @classmethod
    def start_front(cls):
        """The roostd of this class."""
        if DIRECT:
            return _Direct(cls.dovecot, cls.authority)
        return cls.roostd("front", [dovecot_store(cls.dovecot, cls.login, **cls.store_settings)],
                          cls.settings)

    @classmethod
    def roostd(cls, name, stores, settings=None, certificates=None, under=(), **more):
        """Another roostd, ended with the class; that it ends well is part of every test."""
        if not built("roostd"):
            raise AssertionError("roostd is not built; run tools/build, or set ROOST_BIN")
        defaults = {"shards": 2, "log": {"level": "debug"}, "parking": {"pool_keep_s": 1}}
        roostd = Roostd(cls.directory / name, cls.authority, stores, {**defaults, **(settings or {})},
                        certificates, cls.environment, under, **more)
        cls.addClassCleanup(cls._stop_roostd, roostd)
        return roostd

    @classmethod
    def _stop_roostd(cls, roostd):
        crashed = not roostd.process.running()
        status = roostd.stop()
        if crashed or status != 0:
            cls.failed = True
            raise AssertionError(f"roostd ended with {status}{' by itself' if crashed else ''}:\n"
                                 f"{roostd.log()[-4000:]}")

    @classmethod
    def _forget_directory(cls):
        if cls.failed or os.environ.get("ROOST_KEEP"):
            print(f"kept for a look: {cls.directory}", file=sys.stderr)
        else:
            shutil.rmtree(cls.directory, ignore_errors=True)

    def run(self, result=None):
        before = (len(result.failures), len(result.errors))
        super().run(result)
        if (len(result.failures), len(result.errors)) != before:
            type(self).failed = True

    # --- what tests use ---

    def user(self):
        """A user nobody has used yet, with an empty INBOX."""
        return f"u{next(self._users):03d}"

    def connect(self, tls="implicit", front=None, **options):
        """A connection through roostd, not logged in; closed with the test."""
        client = (front or self.front).client(tls, **options)
        self.addCleanup(client.close)
        return client

    def client(self, user, mailbox="INBOX", tls="implicit", front=None, **options):
        """A client through roostd, logged in and with the mailbox selected."""
        client = self.connect(tls, front, **options)
        client.login(user, PASSWORD)
        if mailbox is not None:
            client.select(mailbox)
        return client

    def direct(self, user, mailbox="INBOX") -> Client:
        """A client of Dovecot's own, around Roost."""
        client = self.direct_connection()
        client.login(user, PASSWORD)
        if mailbox is not None:
            client.select(mailbox)
        return client

    def direct_connection(self, **options) -> Client:
        """A connection to Dovecot's own port, not logged in."""
        client = Client(self.dovecot.host, self.dovecot.imap_port, **options)
        self.addCleanup(client.close)
        return client

    def assert_sessions(self, user, count):
        """Waits until Dovecot has so many sessions of the user. Without Roost nothing can be said."""
        if not DIRECT:
            self.dovecot.wait_sessions(user, count)

    def assert_no_new_login(self, user, before):
        """That no session was opened since dovecot.logins(user) was `before`."""
        if not DIRECT:
            self.assertEqual(self.dovecot.logins(user), before)

    def eventually(self, condition, what):
        wait_until(condition, what)


def main():
    """Runs the tests of the calling script."""
    unittest.main(module="__main__", verbosity=2)
