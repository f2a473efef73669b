#!/usr/bin/python3
"""Who parks: quiet clients without IDLE, and the switches that are read anew while roostd runs."""

import json
import signal

from embedded_test import EmbeddedStoreCase
from harness.case import RoostCase, main, roost_only


class QuietBehaviour:
    """Clients that say nothing give their sessions back, and lose nothing by it."""

    settings = {"parking": {"quiet_park_s": 1, "pool_keep_s": 1}}

    def test_quiet_clients_share_one_session(self):
        user = self.user()
        self.dovecot.deliver(user, count=3)
        clients = [self.client(user) for _ in range(4)]
        self.assert_sessions(user, 1)
        self.dovecot.deliver(user)
        for client in clients:
            # The first may be told of it when it asks once more: the store is asked once a second only.
            self.eventually(lambda c=client: b"* 4 EXISTS" in c.ok("NOOP").untagged, "it is told of the message")
        self.assert_sessions(user, 1)

    def test_an_expunge_is_told_when_it_may_be(self):
        user = self.user()
        self.dovecot.deliver(user, count=4)
        client = self.client(user)
        self.assert_sessions(user, 1)
        other = self.direct(user)
        other.ok("STORE 2 +FLAGS (\\Deleted)")
        other.ok("EXPUNGE")
        other.logout()
        client.silent_for(1.5)
        # Its third message is still its third, or cannot be had: never another one.
        answer = client.command("FETCH 3 (UID)")
        if answer.status == "NO":
            self.assertIn("EXPUNGEISSUED", answer.text)
        else:
            answer.find(rb"^\* 3 FETCH \(UID 3\)")
        client.ok("NOOP")
        self.assertEqual(client.uids(), [1, 3, 4])

    def test_with_nothing_selected_no_session_is_kept(self):
        user = self.user()
        self.dovecot.deliver(user)
        # What these two are told of INBOX shows whether a master user's session may serve the user.
        clients = [self.client(user) for _ in range(2)]
        self.assert_sessions(user, 1)
        clients[1].ok("FETCH 1 (FLAGS)")
        self.client(user, mailbox=None)
        self.assert_sessions(user, 1)
        for client in clients:
            client.close()
        self.assert_sessions(user, 0)


@roost_only
class QuietOnDovecot(QuietBehaviour, RoostCase):
    login = "proxy-authzid"


class QuietOnRoostStore(QuietBehaviour, EmbeddedStoreCase):
    pass


class SwitchesTest(EmbeddedStoreCase):
    """SIGHUP and roostctl reload: parking goes off and on again without a restart."""

    settings = {"parking": {"pool_keep_s": 1}}

    @classmethod
    def start_front(cls):
        return cls.roostd("front", [{"name": "store", "addresses": [f"{cls.dovecot.host}:{cls.dovecot.imap_port}"]}],
                          cls.settings)

    def write(self, **parking):
        config = {**self.front.config, "parking": {"pool_keep_s": 1, **parking}}
        self.front.config_path.write_text(json.dumps(config))

    def idle_sessions(self, user, count, clients=3):
        for _ in range(clients):
            self.client(user).idle()
        self.assert_sessions(user, count)

    def reloads(self):
        return self.front.log().count("reloaded")

    def test_parking_goes_off_and_on(self):
        user = self.user()
        self.idle_sessions(user, 1)
        before = self.reloads()
        self.write(enabled=False)
        self.front.process.signal(signal.SIGHUP)
        self.eventually(lambda: self.reloads() > before, "the configuration is read anew")
        self.idle_sessions(self.user(), 3)
        self.assert_sessions(user, 1)  # those that are parked stay so
        self.write(except_users=[exempt := self.user()])
        self.front.ctl("reload", status=0)
        self.idle_sessions(exempt, 3)
        self.idle_sessions(self.user(), 1)

    def test_a_file_with_an_error_changes_nothing(self):
        self.write(enabled=False, nonsense=1)
        refused = self.front.ctl("reload", status=1)
        self.assertRegex(refused.stderr, "^roostctl: nothing was changed: .*parking.nonsense")
        self.idle_sessions(self.user(), 1)


if __name__ == "__main__":
    main()
