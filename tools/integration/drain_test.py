#!/usr/bin/python3
"""Going: a drain by roostctl or by SIGTERM, at once when asked twice; and sending one user away."""

import json
import signal
import time

from embedded_test import EmbeddedStoreCase
from harness.case import main
from harness.dovecot import PASSWORD
from harness.process import DEADLINE, accepts
from harness.roost import Roostd

BYE = b"* BYE [UNAVAILABLE] Server shutting down; please connect again"


class DrainCase(EmbeddedStoreCase):
    """Each test has a roostd of its own, which it ends."""

    own = None

    @classmethod
    def start_front(cls):
        return None

    def begin(self, **drain):
        store = {"name": "store", "addresses": [f"{self.dovecot.host}:{self.dovecot.imap_port}"]}
        self.own = Roostd(self.directory / self.id().rsplit(".", 1)[-1], self.authority, [store],
                          {"drain": drain, "shards": 2, "parking": {"pool_keep_s": 1}})
        self.addCleanup(self.own.stop)

    def log_in(self, user):
        client = self.own.client()
        self.addCleanup(client.close)
        client.login(user, PASSWORD)
        return client

    def idle(self, user):
        client = self.log_in(user)
        client.select("INBOX")
        client.idle()
        return client

    def ends(self, status=0):
        self.assertEqual(self.own.process.popen.wait(DEADLINE), status, self.own.log())

    def heard_bye(self, client):
        self.assertEqual([line for line in client.read_closed() if b"Still here" not in line], [BYE])


class DrainTest(DrainCase):

    def test_clients_are_told_one_after_another(self):
        self.begin(accept_s=1)
        parked = [self.idle(self.user()) for _ in range(12)]
        attached = [self.log_in(self.user()) for _ in range(4)]
        self.eventually(lambda: self.own.figures()["asleep"] == 12, "all are parked")
        before = time.monotonic()
        answer = self.own.ctl("drain", "--over", "15", "--json", status=0)
        self.assertEqual(json.loads(answer.stdout), {"draining": True, "over_s": 15})
        self.eventually(lambda: self.own.figures()["draining"] != 0, "it is shown")
        self.eventually(lambda: not accepts(self.own.host, self.own.imaps_port), "nobody is taken any more")
        for client in parked + attached:
            self.heard_bye(client)
        self.ends()
        self.assertGreater(time.monotonic() - before, 3)

    def test_a_client_in_the_middle_of_a_message_may_finish(self):
        self.begin(accept_s=0)
        client = self.log_in(self.user())
        tag = client.start("APPEND INBOX {10}")
        client.continuation()
        self.assertEqual(self.own.ctl("drain", "--over", "20", status=0).stdout,
                         "roostd is drained: all clients are told BYE within 20 s, then it ends\n")
        self.eventually(lambda: not accepts(self.own.host, self.own.imaps_port), "nobody is taken any more")
        client.silent_for(1)
        client.send("a: b\r\n\r\nok\r\n")
        self.assertEqual(client.finish(tag).status, "OK")
        self.heard_bye(client)
        self.ends()

    def test_sigterm_drains_and_a_second_one_does_not_wait(self):
        self.begin(on_stop_s=600, accept_s=0)
        user = self.user()  # of one shard: the second client's turn is far off
        client, other = self.idle(user), self.idle(user)
        self.own.process.signal(signal.SIGTERM)
        self.eventually(lambda: self.own.figures()["draining"] == 2, "both shards drain")
        self.eventually(lambda: self.own.figures()["clients"] == 1, "the first was told")
        self.own.ctl("reload", status=0)
        self.own.figures()
        self.assertEqual(self.own.figures()["clients"], 1)  # whose turn that did not bring forward
        self.own.process.signal(signal.SIGTERM)
        heard = sorted(line for c in (client, other) for line in c.read_closed() if b"Still here" not in line)
        self.assertEqual(heard, [b"* BYE [UNAVAILABLE] Server shutting down", BYE])
        self.ends()

    def test_sigterm_stops_at_once_unless_told_otherwise(self):
        self.begin()
        client = self.idle(self.user())
        self.own.process.signal(signal.SIGTERM)
        self.assertEqual(client.read_closed(), [b"* BYE [UNAVAILABLE] Server shutting down"])
        self.ends()

    def test_roostctl_waits_for_the_end(self):
        self.begin(accept_s=0)
        user = self.user()
        clients = [self.idle(user) for _ in range(2)]
        before = time.monotonic()
        self.own.ctl("drain", "--over", "4", "--wait", status=0)
        self.assertGreater(time.monotonic() - before, 0.5)
        self.ends()
        for client in clients:
            self.heard_bye(client)

    def test_nonsense_drains_nothing(self):
        self.begin()
        for over in ("0", "-1", "soon", "99999999"):
            self.own.ctl("drain", "--over", over, status=1)
        self.assertEqual(self.own.figures()["draining"], 0)


class KickTest(DrainCase):

    def test_a_user_is_sent_away(self):
        self.begin()
        user, other = self.user(), self.user()
        clients = [self.idle(user), self.idle(user), self.log_in(user)]
        stays = self.idle(other)
        answer = self.own.ctl("kick", user, "--json", status=0)
        self.assertEqual(json.loads(answer.stdout), {"kicked": 3})
        for client in clients:
            self.assertEqual(client.read_closed(), [b"* BYE [UNAVAILABLE] Disconnected by the administrator"])
        self.assertEqual(self.own.ctl("kick", user, status=0).stdout, f"there is no client of {user}\n")
        stays.done()
        self.idle(user).done()  # and may come again


if __name__ == "__main__":
    main()
