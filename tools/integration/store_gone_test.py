#!/usr/bin/python3
"""The store goes away: idle clients stay, and when it is back they hear what happened meanwhile."""

import os
import signal

from harness.case import RoostCase, main, roost_only
from harness.dovecot import PASSWORD
from harness.imap import Closed
from harness.process import DEADLINE, accepts, wait_until
from harness.view import View, truth


@roost_only
class StoreGoneTest(RoostCase):
    settings = {"parking": {"reconnect_min_ms": 50, "reconnect_max_ms": 500, "pool_keep_s": 1}}

    def setUp(self):
        self.addCleanup(self.store_up)

    def store_up(self):
        if not self.dovecot.running():
            self.dovecot.start()

    def idle(self, user, count, settle=True):
        views = [View(self.client(user)) for _ in range(count)]
        for view in views:
            view.client.idle()
        if settle:  # one session: all of them are parked
            self.assert_sessions(user, 1)
        return views

    def check_all(self, views, user):
        expected = truth(self.direct(user))
        for view in views:
            view.wait_for(expected)
        for view in views:
            view.done()
            view.check(expected)

    def test_idle_clients_stay_and_hear_of_mail_delivered_meanwhile(self):
        user = self.user()
        self.dovecot.deliver(user, count=3)
        views = self.idle(user, 4)
        self.dovecot.stop()
        self.dovecot.put_mail(user)
        self.dovecot.start()
        for view in views:
            view.wait_exists(4)
        self.assert_sessions(user, 1)
        self.check_all(views, user)

    def test_expunges_and_flags_of_meanwhile_are_told_too(self):
        user = self.user()
        self.dovecot.deliver(user, count=6)
        views = self.idle(user, 3)
        self.dovecot.stop()
        self.dovecot.mail_file(user, 2).unlink()
        self.dovecot.mail_file(user, 5).unlink()
        self.dovecot.set_mail_flags(user, 4, "FS")
        self.dovecot.put_mail(user)
        self.dovecot.start()
        expected_uids = [1, 3, 4, 6, 7]
        for view in views:
            view.wait_exists(5)
        self.check_all(views, user)
        self.assertEqual([m.uid for m in views[0].messages], expected_uids)
        self.assertEqual(views[0].messages[2].flags, {"\\Seen", "\\Flagged"})

    def test_a_killed_driver_is_replaced_and_nothing_is_lost(self):
        user = self.user()
        self.dovecot.deliver(user, count=2)
        views = self.idle(user, 3)
        for round_ in range(3):
            driver = self.dovecot.sessions(user)
            os.kill(driver[0], signal.SIGKILL)
            self.dovecot.deliver(user)
            for view in views:
                view.wait_exists(3 + round_)
            wait_until(lambda driver=driver: self.dovecot.sessions(user) not in ([], driver),
                       "a new session drives the feed")
            self.assert_sessions(user, 1)
        self.check_all(views, user)

    def test_without_the_store_parked_clients_are_answered_with_what_is_known(self):
        user = self.user()
        self.dovecot.deliver(user, count=2)
        views = self.idle(user, 3)
        self.dovecot.stop()
        for view in views:
            view.done()
            view.run("NOOP")
            view.client.ok("CAPABILITY")
            view.client.idle()
        views[0].done()
        views[0].client.logout()
        self.dovecot.start()
        self.dovecot.deliver(user)
        for view in views[1:]:
            view.wait_exists(3)

    def test_without_the_store_a_command_is_refused_and_the_client_stays(self):
        user = self.user()
        self.dovecot.deliver(user, count=2)
        views = self.idle(user, 2)
        self.dovecot.stop()
        views[0].done()
        views[0].client.no("FETCH 1 (UID)", "UNAVAILABLE")
        views[0].client.idle()
        self.dovecot.start()
        self.dovecot.deliver(user)
        for view in views:
            view.wait_exists(3)
        self.check_all(views, user)

    def test_without_the_store_a_login_is_refused_as_unavailable(self):
        user = self.user()
        self.dovecot.stop()
        client = self.connect()
        client.no(f"LOGIN {user} {PASSWORD}", "UNAVAILABLE")
        self.dovecot.start()
        client.login(user, PASSWORD)

    def test_a_working_client_is_told_bye_or_cut_off(self):
        client = self.client(self.user())
        self.dovecot.stop()
        with self.assertRaises(Closed):
            while True:
                client.read()

    def test_many_users_come_back_without_a_stampede(self):
        users = [self.user() for _ in range(25)]
        views = {user: self.idle(user, 2, settle=False) for user in users}
        for user in users:
            self.assert_sessions(user, 1)
        self.dovecot.stop()
        for user in users:
            self.dovecot.put_mail(user)
        self.dovecot.start()
        for user in users:
            for view in views[user]:
                view.wait_exists(1)
        for user in users:
            self.assert_sessions(user, 1)

    def test_a_mailbox_with_a_new_uidvalidity_ends_its_clients(self):
        user = self.user()
        self.dovecot.deliver(user, count=2)
        views = self.idle(user, 2)
        self.dovecot.stop()
        self.dovecot.renew_uidvalidity(user)
        self.dovecot.start()
        for view in views:
            responses = view.client.read_closed()
            self.assertTrue(any(r.startswith(b"* BYE") for r in responses), responses)
        client = self.client(user)
        self.assertEqual(len(client.uids()), 2)


@roost_only
class StoppingTest(RoostCase):
    """roostd itself stops: politely, in time, with nothing left."""

    settings = {"timeouts": {"stop_s": 5}}

    def test_all_clients_are_told_bye(self):
        roostd = self.roostd("stopping", self.front.config["stores"], self.settings)
        user = self.user()
        clients = [self.client(user, front=roostd) for _ in range(3)]
        for client in clients[:2]:
            client.idle()
        clients.append(self.connect(front=roostd))
        roostd.process.signal(signal.SIGTERM)
        for client in clients:
            responses = client.read_closed()
            self.assertTrue(any(r.startswith(b"* BYE") for r in responses), responses)
        self.assertEqual(roostd.process.popen.wait(DEADLINE), 0)
        self.assert_sessions(user, 0)
        roostd.start()  # so that the class finds it as it expects

    def test_asked_to_stop_the_moment_it_listens_it_ends_well(self):
        roostd = self.roostd("early", self.front.config["stores"], {"shards": 16})
        for _ in range(5):
            self.assertEqual(roostd.stop(), 0)
            roostd.launch()
            while not accepts(roostd.host, roostd.imaps_port):  # its first listener of all
                self.assertTrue(roostd.process.running())
        self.assertEqual(roostd.stop(), 0)
        roostd.start()  # so that the class finds it as it expects


if __name__ == "__main__":
    main()
