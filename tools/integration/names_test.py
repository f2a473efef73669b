#!/usr/bin/python3
"""A store that is given by name: when the name leads elsewhere, so do sessions to come."""

import subprocess
import unittest

from embedded_test import EmbeddedStoreCase
from harness.case import main, roost_only
from harness.dovecot import PASSWORD
from harness.roost import RoostStore

NAME = "imap.store.example"
# roostd sees the test's own hosts file in place of the system's.
OWN_HOSTS = ["unshare", "--mount", "--", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"']


@roost_only
class NamesTest(EmbeddedStoreCase):
    """The store of the case at 127.0.0.1, and another at 127.0.0.2."""

    @classmethod
    def start_front(cls):
        cls.hosts = cls.directory / "hosts"
        cls.point_to("127.0.0.1")
        if subprocess.run([*OWN_HOSTS, cls.hosts, "true"], capture_output=True, check=False).returncode != 0:
            raise unittest.SkipTest("needs to mount a file over /etc/hosts, in a namespace of its own")
        cls.other = RoostStore(cls.directory / "other", host="127.0.0.2", imap_port=cls.dovecot.imap_port)
        cls.addClassCleanup(cls.other.stop)
        return cls.roostd("front", [{"name": "store", "addresses": [f"{NAME}:{cls.dovecot.imap_port}"],
                                     "resolve_s": 1}], cls.settings, under=[*OWN_HOSTS, cls.hosts])

    @classmethod
    def point_to(cls, *addresses):
        cls.hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{a} {NAME}\n" for a in addresses))

    def logs_in_at(self, store):
        def seen():
            before = store.total("logins")
            with self.front.client() as client:
                client.login(self.user(), PASSWORD)
                return store.total("logins") == before + 1
        self.eventually(seen, f"a login arrives at {store.host}")

    def test_sessions_to_come_go_where_it_leads(self):
        user = self.user()
        self.dovecot.deliver(user)
        client = self.client(user)
        client.idle()
        self.dovecot.wait_sessions(user, 1)
        self.logs_in_at(self.dovecot)
        self.point_to("127.0.0.2")
        self.logs_in_at(self.other)
        self.dovecot.deliver(user)  # whoever is there stays there
        client.wait_untagged(rb"\* 2 EXISTS")
        self.point_to()  # nobody knows it any more
        self.eventually(lambda: "store_name_unresolved" in self.front.log(), "the log says so")
        self.logs_in_at(self.other)
        self.point_to("127.0.0.1")
        self.logs_in_at(self.dovecot)
        client.done()


if __name__ == "__main__":
    main()
