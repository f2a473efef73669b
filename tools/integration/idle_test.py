#!/usr/bin/python3
"""Several idle clients of one mailbox: each hears of everything, with the right numbers, over one session."""

import json
import os
import random

from harness.case import DIRECT, RoostCase, main, roost_only
from harness.view import View, truth


# More of them find more; what they find is repeated with ROOST_SEEDS=<seed>.
SEEDS = [int(seed) for seed in os.environ.get("ROOST_SEEDS", "1 2 3").split()]


class IdleBehaviour:
    """The same for every way of logging in to the store; see the classes at the end."""

    def idle(self, user, count, **options):
        """Views of so many clients, all in IDLE."""
        views = [View(self.client(user, **options)) for _ in range(count)]
        for view in views:
            view.client.idle()
        return views

    def settle(self, views, other):
        """Waits until all views, in IDLE, say what the store says; then asks by number, out of IDLE."""
        expected = truth(other)
        for view in views:
            view.wait_for(expected)
        for view in views:
            view.done()
            view.check(expected)

    def test_a_delivery_reaches_every_client_and_costs_one_session(self):
        user = self.user()
        views = self.idle(user, 6)
        self.assert_sessions(user, 1)
        for number in range(1, 4):
            self.dovecot.deliver(user)
            for view in views:
                view.wait_exists(number)
        self.assert_sessions(user, 1)

    def test_an_expunge_in_the_middle_shifts_the_numbers_of_all(self):
        user = self.user()
        self.dovecot.deliver(user, count=8)
        views, other = self.idle(user, 4), self.direct(user)
        other.ok("STORE 2,5:6 +FLAGS (\\Deleted)")
        other.ok("EXPUNGE")
        self.settle(views, other)
        self.assertEqual([m.uid for m in views[0].messages], [1, 3, 4, 7, 8])

    def test_flag_changes_reach_every_client(self):
        user = self.user()
        self.dovecot.deliver(user, count=5)
        views, other = self.idle(user, 4), self.direct(user)
        other.ok("STORE 1,3 +FLAGS (\\Seen \\Flagged)")
        other.ok("STORE 3 -FLAGS (\\Flagged)")
        other.ok("STORE 4 FLAGS (\\Answered)")
        self.settle(views, other)
        self.assertEqual(views[0].messages[2].flags, {"\\Seen"})

    def test_a_new_keyword_is_announced_before_it_is_used(self):
        user = self.user()
        self.dovecot.deliver(user, count=2)
        views, other = self.idle(user, 3), self.direct(user)
        other.ok("STORE 2 +FLAGS ($Brand-New another)")
        self.settle(views, other)  # View asserts that FLAGS came first
        self.assertEqual(views[1].messages[1].flags, {"$Brand-New", "another"})

    def test_arrivals_expunges_and_flags_in_one_go(self):
        user = self.user()
        self.dovecot.deliver(user, count=6)
        views, other = self.idle(user, 3), self.direct(user)
        self.dovecot.deliver(user, count=2)
        other.ok("STORE 1,6 +FLAGS (\\Deleted)")
        other.ok("EXPUNGE")
        other.ok("NOOP")
        other.ok("STORE 1:* +FLAGS (\\Seen)")
        self.dovecot.deliver(user)
        self.settle(views, other)

    def test_a_message_that_comes_and_goes_leaves_the_numbers_right(self):
        user = self.user()
        self.dovecot.deliver(user, count=3)
        views, other = self.idle(user, 3), self.direct(user)
        for _ in range(3):
            self.dovecot.deliver(user)
            other.ok("NOOP")
            other.ok("STORE * +FLAGS (\\Deleted)")
            other.ok("EXPUNGE")
        self.dovecot.deliver(user)
        self.settle(views, other)

    def test_all_messages_can_go(self):
        user = self.user()
        self.dovecot.deliver(user, count=30)
        views, other = self.idle(user, 3), self.direct(user)
        other.ok("STORE 1:* +FLAGS (\\Deleted)")
        other.ok("EXPUNGE")
        for view in views:
            view.wait_for([])
        self.dovecot.deliver(user)
        self.settle(views, other)

    def test_a_client_joins_while_the_mailbox_changes(self):
        user = self.user()
        self.dovecot.deliver(user, count=6)
        views, other = self.idle(user, 2), self.direct(user)
        late = View(self.client(user))
        other.ok("STORE 2 +FLAGS (\\Deleted)")
        other.ok("EXPUNGE")
        other.ok("STORE 3 +FLAGS (\\Flagged)")
        self.dovecot.deliver(user)
        late.client.idle()
        self.settle(views + [late], other)

    def test_users_hear_nothing_of_each_other(self):
        one, two = self.user(), self.user()
        views = self.idle(one, 2) + self.idle(two, 2)
        self.assert_sessions(one, 1)
        self.assert_sessions(two, 1)
        self.dovecot.deliver(one)
        for view in views[:2]:
            view.wait_exists(1)
        for view in views[2:]:
            self.assertEqual(view.done().untagged, [])
            view.check([])

    def test_mailboxes_hear_nothing_of_each_other(self):
        user = self.user()
        other = self.direct(user)
        other.ok("CREATE Folder")
        in_inbox, in_folder = self.idle(user, 2), self.idle(user, 2, mailbox="Folder")
        self.dovecot.deliver(user)
        for view in in_inbox:
            view.wait_exists(1)
        other.append("Folder", "Subject: x\r\n\r\nx\r\n")
        other.append("Folder", "Subject: y\r\n\r\ny\r\n")
        for view in in_folder:
            view.wait_exists(2)
        other.select("Folder")
        self.settle(in_folder, other)
        other.select("INBOX")
        self.settle(in_inbox, other)

    def test_changes_by_one_idle_client_reach_the_others_and_itself(self):
        user = self.user()
        self.dovecot.deliver(user, count=4)
        views = self.idle(user, 4)
        actor = views[0]
        actor.done()
        actor.run("STORE 2 +FLAGS (\\Deleted \\Seen)")
        actor.run("EXPUNGE")
        actor.client.idle()
        self.settle(views, self.direct(user))

    def test_examine_and_select_share_what_they_hear(self):
        user = self.user()
        self.dovecot.deliver(user, count=3)
        reader = self.client(user, mailbox=None)
        reader.select("INBOX", "EXAMINE")
        reading = View(reader)
        reader.idle()
        views, other = self.idle(user, 2) + [reading], self.direct(user)
        other.ok("STORE 2 +FLAGS (\\Deleted)")
        other.ok("EXPUNGE")
        self.settle(views, other)
        reader.command("STORE 1 +FLAGS (\\Seen)")
        self.assertEqual(other.uids("SEEN"), [], "EXAMINE is read-only")

    def test_random_changes_leave_every_view_right(self):
        for seed in SEEDS:
            with self.subTest(seed=seed):
                self.random_changes(random.Random(seed))

    def random_changes(self, rng):
        user = self.user()
        self.dovecot.deliver(user, count=10)
        views, other = self.idle(user, 4), self.direct(user)
        idle = [True] * len(views)
        for _ in range(60):
            action = rng.randrange(8)
            count = len(other.uids())
            if action <= 1 or count < 4:
                self.dovecot.deliver(user)
            elif action == 2:
                other.ok(f"STORE {rng.randint(1, count)} +FLAGS (\\Deleted)")
                other.ok("EXPUNGE")
            elif action == 3:
                flag = rng.choice(("\\Seen", "\\Flagged", "word", "other"))
                other.ok(f"STORE {rng.randint(1, count)} {rng.choice('+-')}FLAGS ({flag})")
            else:
                self.random_step(rng, views, idle)
        for view, is_idle in zip(views, idle):
            if not is_idle:
                view.client.idle()
        self.settle(views, other)

    def random_step(self, rng, views, idle):
        """One client goes into or out of IDLE, or asks by number, which View checks by UID."""
        which = rng.randrange(len(views))
        view = views[which]
        if rng.random() < 0.5:
            if idle[which]:
                view.done()
            else:
                view.client.idle()
            idle[which] = not idle[which]
        elif not idle[which] and view.messages:
            number = rng.randint(1, len(view.messages))
            answer = view.apply(view.client.command(f"FETCH {number} (UID FLAGS)"))
            self.assertTrue(answer.status == "OK" or "EXPUNGEISSUED" in answer.text, answer)


class IdleAsClient(IdleBehaviour, RoostCase):
    login = "client"


@roost_only
class IdleAsProxyByAuthzid(IdleBehaviour, RoostCase):
    login = "proxy-authzid"


@roost_only
class IdleAsProxyBySeparator(IdleBehaviour, RoostCase):
    login = "proxy-separator"


@roost_only
class IdleWithoutParking(IdleBehaviour, RoostCase):
    """Every client keeps its own session; everything else is the same."""

    settings = {"parking": {"enabled": False}}

    def assert_sessions(self, user, count):
        pass


@roost_only
class IdleOnDirectDescriptors(IdleBehaviour, RoostCase):
    settings = {"descriptors": "direct"}


@roost_only
class IdleOnOrdinaryDescriptors(IdleBehaviour, RoostCase):
    settings = {"descriptors": "ordinary"}


@roost_only
class IdleByNotify(IdleBehaviour, RoostCase):
    """What several clients watch is heard of by NOTIFY (RFC 5465); all is as it was."""

    login = "proxy-authzid"
    store_settings = {"notify": True}

    def driver_of(self, user):
        answer = self.front.ctl("feeds", "--user", user, "--json", status=0).stdout
        return [feed["driver"] for feed in json.loads(answer)["feeds"]]

    def test_only_what_several_watch_is_heard_of_by_notify(self):
        user, single = self.user(), self.user()
        self.idle(single, 1)
        views = self.idle(user, 2)
        self.eventually(lambda: self.driver_of(user) == ["notify"], "the feed of two hears by NOTIFY")
        self.assertEqual(self.driver_of(single), ["idle"])
        for number in range(1, 4):
            self.dovecot.deliver(user)
            for view in views:
                view.wait_exists(number)

    def test_who_is_left_alone_wakes_on_a_session_that_never_ran_it(self):
        user = self.user()
        self.dovecot.deliver(user, count=3)
        views = self.idle(user, 2)
        self.eventually(lambda: self.driver_of(user) == ["notify"], "the feed of two hears by NOTIFY")
        views[1].client.close()
        other = self.direct(user)
        views[0].done()
        for _ in range(4):
            self.dovecot.deliver(user)
            other.ok("STORE 1 +FLAGS (\\Deleted)")
            other.ok("EXPUNGE")
            # Woken, it hears of what comes as on any session.
            views[0].run("NOOP")
            views[0].check(truth(other))


class EnabledTest(RoostCase):
    """Clients that have ENABLEd something are told in their own form."""

    def enabled(self, user, what):
        client = self.client(user, mailbox=None)
        client.ok(f"ENABLE {what}")
        client.select()
        view = View(client)
        client.idle()
        return view

    def test_qresync_clients_get_vanished_and_plain_clients_get_expunge(self):
        user = self.user()
        self.dovecot.deliver(user, count=6)
        plain = View(self.client(user))
        plain.client.idle()
        resync = [self.enabled(user, "QRESYNC") for _ in range(2)]
        other = self.direct(user)
        other.ok("STORE 2:3 +FLAGS (\\Deleted)")
        other.ok("EXPUNGE")
        other.ok("STORE 1 +FLAGS (\\Seen)")
        expected = truth(other)
        for view in [plain, *resync]:
            view.wait_for(expected)
        self.assertFalse(any(b"VANISHED" in told for told in plain.told))
        self.assertFalse(any(b"MODSEQ" in told for told in plain.told))
        for view in resync:
            self.assertTrue(any(b"VANISHED 2:3" in told for told in view.told), view)
            self.assertFalse(any(b"EXPUNGE" in told for told in view.told), view)
        for view in [plain, *resync]:
            view.done()
            view.check(expected)

    def test_condstore_clients_get_modseq(self):
        user = self.user()
        self.dovecot.deliver(user, count=3)
        views = [self.enabled(user, "CONDSTORE") for _ in range(2)]
        other = self.direct(user)
        other.ok("STORE 2 +FLAGS (\\Flagged)")
        for view in views:
            view.wait_for(truth(other))
            self.assertTrue(any(b"FETCH" in told and b"MODSEQ (" in told for told in view.told), view)


@roost_only
class EnabledByNotify(EnabledTest):
    store_settings = {"notify": True}


class SharesTest(RoostCase):
    """Many clients of one user on many shards; still one session."""

    settings = {"shards": 4}

    def test_clients_on_all_shards_share_one_session(self):
        user = self.user()
        views = [View(self.client(user)) for _ in range(24)]
        for view in views:
            view.client.idle()
        self.assert_sessions(user, 1)
        self.dovecot.deliver(user, count=3)
        expected = truth(self.direct(user))
        for view in views:
            view.wait_for(expected)

    def test_users_spread_over_the_shards(self):
        users = [self.user() for _ in range(12)]
        views = [View(self.client(user)) for user in users for _ in range(2)]
        for view in views:
            view.client.idle()
        for user in users:
            self.assert_sessions(user, 1)
        for user in users:
            self.dovecot.deliver(user)
        for view in views:
            view.wait_exists(1)
        if not DIRECT:
            self.assertGreaterEqual(self.front.process.threads(), 4)


@roost_only
class HeartbeatTest(RoostCase):
    settings = {"timeouts": {"heartbeat_s": 10}}

    def test_idle_clients_hear_that_the_server_is_still_there(self):
        clients = [self.client(self.user()) for _ in range(2)]
        for client in clients:
            client.idle()
        for client in clients:
            self.assertTrue(client.read(40).startswith(b"* OK Still here"))
            client.done()


if __name__ == "__main__":
    main()
