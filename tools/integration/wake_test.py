#!/usr/bin/python3
"""What a parked client may say: what needs no session costs none, what does gets one with the right view."""

from harness.case import RoostCase, main, roost_only
from harness.dovecot import PASSWORD
from harness.view import View, truth


class WakeBehaviour:
    def idle(self, user, count=1, **options):
        views = [View(self.client(user, **options)) for _ in range(count)]
        for view in views:
            view.client.idle()
        return views

    # --- without a session ---

    def test_what_a_parked_client_asks_is_answered_without_a_login(self):
        user = self.user()
        views = self.idle(user, 3)
        self.assert_sessions(user, 1)
        before = self.dovecot.logins(user)
        for _ in range(3):
            for view in views:
                view.done()
                view.client.ok("NOOP")
                view.client.ok("CHECK")
                self.assertIn(b"IDLE", view.client.ok("CAPABILITY").find(rb"^\* CAPABILITY (.*)").group(1))
                view.client.ok('ID ("name" "test")')
                view.client.idle()
        self.assert_no_new_login(user, before)
        self.assert_sessions(user, 1)

    def test_noop_of_a_parked_client_brings_the_news(self):
        user = self.user()
        self.dovecot.deliver(user, count=3)
        views, other = self.idle(user, 3), self.direct(user)
        before = self.dovecot.logins(user)
        for view in views:
            view.done()
        other.ok("STORE 2 +FLAGS (\\Deleted)")
        other.ok("EXPUNGE")
        self.dovecot.deliver(user)
        other.ok("NOOP")
        expected = truth(other)

        def knows(view):
            view.run("NOOP")
            return view.equals(expected)
        for view in views:
            self.eventually(lambda view=view: knows(view), "NOOP tells all")
        self.assert_no_new_login(user, before)

    def test_logout_of_a_parked_client_is_polite_and_costs_no_login(self):
        user = self.user()
        views = self.idle(user, 3)
        self.assert_sessions(user, 1)
        before = self.dovecot.logins(user)
        for view in views:
            view.done()
            answer = view.client.start("LOGOUT")
            answer = view.client.finish(answer)
            self.assertEqual(answer.status, "OK")
            answer.find(rb"^\* BYE")
            self.assertEqual(view.client.read_closed(), [])
        self.assert_no_new_login(user, before)
        self.assert_sessions(user, 0)

    def test_clients_that_just_leave_leave_no_session(self):
        user = self.user()
        for view in self.idle(user, 3):
            view.client.close()
        self.assert_sessions(user, 0)

    def test_idle_without_a_mailbox(self):
        user = self.user()
        clients = [self.client(user, mailbox=None) for _ in range(2)]
        for client in clients:
            client.idle()
        for client in clients:
            client.done()
            client.select()
            self.assertEqual(View(client).messages, [])

    # --- with a session ---

    def test_the_only_client_gets_the_session_back(self):
        user = self.user()
        self.dovecot.deliver(user, count=3)
        view = self.idle(user)[0]
        before = self.dovecot.logins(user)
        for _ in range(3):
            view.done()
            view.run("STORE 2 +FLAGS (\\Seen)")
            view.run("STORE 2 -FLAGS (\\Seen)")
            view.check(truth(self.direct(user)))
            before += 1  # that was ours
            view.client.idle()
        self.assert_no_new_login(user, before)

    def test_one_of_many_wakes_works_and_parks_again(self):
        user = self.user()
        self.dovecot.deliver(user, count=4)
        views = self.idle(user, 4)
        self.assert_sessions(user, 1)
        views[2].done()
        answer = views[2].run("FETCH 2 (UID BODY.PEEK[TEXT])")
        self.assertIn(b"Hello.", answer.find(rb"^\* 2 FETCH .*UID 2.*").group(0))
        views[2].run("STORE 3 +FLAGS (\\Flagged)")
        views[2].client.idle()
        self.assert_sessions(user, 1)
        expected = truth(self.direct(user))
        for view in views:
            view.wait_for(expected)

    def test_all_of_many_wake_at_once(self):
        user = self.user()
        self.dovecot.deliver(user, count=4)
        views = self.idle(user, 5)
        for view in views:
            view.client.send(b"DONE\r\n")
        tags = [view.client.start("FETCH 1:4 (UID FLAGS)") for view in views]
        for view, tag in zip(views, tags):
            view.client.read()  # the answer to IDLE
            self.assertEqual(view.apply(view.client.finish(tag)).status, "OK")
            view.client.idle()
        self.assert_sessions(user, 1)

    def test_done_a_command_and_idle_in_one_segment(self):
        user = self.user()
        self.dovecot.deliver(user, count=2)
        for view in self.idle(user, 2):
            client = view.client
            client.send(b"DONE\r\nx1 FETCH 2 (UID)\r\nx2 NOOP\r\n")
            self.assertTrue(client.read().startswith(b"a"))
            client.finish("x1").find(rb"^\* 2 FETCH \(UID 2\)")
            self.assertEqual(client.finish("x2").status, "OK")
            client.idle()

    def test_done_byte_by_byte_and_in_small_letters(self):
        user = self.user()
        view = self.idle(user)[0]
        for byte in b"dOnE\r\n":
            view.client.send(bytes([byte]))
        self.assertEqual(view.client.finish(view.client._idle_tag).status, "OK")
        view.check([])

    def test_anything_but_done_ends_idle_with_bad(self):
        user = self.user()
        view = self.idle(user)[0]
        view.client.send(b"x NOOP\r\n")
        self.assertEqual(view.client.finish(view.client._idle_tag).status, "BAD")
        view.check([])

    def test_what_happened_between_done_and_the_first_command_is_told_before_numbers_are_used(self):
        for count in (1, 3):
            user = self.user()
            self.dovecot.deliver(user, count=6)
            views, other = self.idle(user, count), self.direct(user)
            views[0].done()
            other.ok("STORE 2 +FLAGS (\\Deleted)")
            other.ok("EXPUNGE")
            other.ok("STORE 3 +FLAGS (\\Flagged)")
            self.dovecot.deliver(user)
            other.ok("NOOP")
            # The client believes 4 to be UID 4; View checks that whatever is told fits.
            view = views[0]
            number = len(view.messages) - 2
            uid = view.messages[number - 1].uid
            answer = view.apply(view.client.command(f"STORE {number} +FLAGS (marked)"))
            marked = other.uids("KEYWORD marked")
            if answer.status == "OK":
                self.assertEqual(marked, [uid])
            else:
                self.assertIn("EXPUNGEISSUED", answer.text)
                self.assertEqual(marked, [])
            view.check(truth(other))

    def test_a_number_that_has_gone_hits_no_other_message(self):
        user = self.user()
        self.dovecot.deliver(user, count=5)
        views, other = self.idle(user, 2), self.direct(user)
        views[0].done()
        other.ok("STORE 3 +FLAGS (\\Deleted)")
        other.ok("EXPUNGE")
        answer = views[0].apply(views[0].client.command("STORE 3 +FLAGS (marked)"))
        if answer.status != "OK":
            self.assertIn("EXPUNGEISSUED", answer.text)
        self.assertEqual(other.uids("KEYWORD marked"), [])
        views[0].check(truth(other))

    def test_flags_changed_by_others_before_the_first_command_are_told(self):
        user = self.user()
        self.dovecot.deliver(user, count=3)
        views, other = self.idle(user, 3), self.direct(user)
        views[1].done()
        other.ok("STORE 1:2 +FLAGS (\\Answered unheard-of)")
        expected = truth(other)
        view = views[1]

        def knows():
            view.run("UID SEARCH ALL")
            return view.equals(expected)
        self.eventually(knows, "the flags are told")

    def test_pipelined_commands_after_a_wake_are_answered_once_each(self):
        user = self.user()
        self.dovecot.deliver(user, count=10)
        view = self.idle(user, 2)[0]
        view.done()
        client = view.client
        tags = [f"p{n}" for n in range(40)]
        client.send("".join(f"{tag} UID FETCH {n % 10 + 1} (UID)\r\n" for n, tag in enumerate(tags)))
        answers, untagged = client.finish_all(tags)
        self.assertEqual(set(answers.values()), {"OK"})
        self.assertEqual(sorted(untagged), sorted(b"* %d FETCH (UID %d)" % (n % 10 + 1, n % 10 + 1)
                                                  for n in range(40)))

    def test_append_after_a_wake(self):
        user = self.user()
        views = self.idle(user, 3)
        for non_sync in (False, True):
            views[0].done()
            views[0].apply(views[0].client.append("INBOX", "Subject: x\r\n\r\nx\r\n", non_sync=non_sync))
            views[0].client.idle()
        expected = truth(self.direct(user))
        self.assertEqual(len(expected), 2)
        for view in views:
            view.wait_for(expected)

    # --- another mailbox, another mode ---

    def test_a_client_that_selects_another_mailbox_moves_there(self):
        user = self.user()
        other = self.direct(user)
        other.ok("CREATE Other")
        views = self.idle(user, 3)
        view = views[0]
        view.done()
        view.client.select("Other")
        moved = View(view.client)
        moved.client.idle()
        self.assert_sessions(user, 3)  # two feeds and ours
        self.dovecot.deliver(user)
        other.append("Other", "Subject: x\r\n\r\nx\r\n")
        moved.wait_exists(1)
        for stays in views[1:]:
            stays.wait_exists(1)
        moved.done()
        moved.client.select("INBOX")
        back = View(moved.client)
        back.client.idle()
        self.assert_sessions(user, 2)
        back.done()
        back.check(truth(other))

    def test_close_expunges_in_select_and_not_in_examine(self):
        for command, left in (("SELECT", [1]), ("EXAMINE", [1, 2])):
            user = self.user()
            self.dovecot.deliver(user, count=2)
            other = self.direct(user)
            other.ok("STORE 2 +FLAGS (\\Deleted)")
            clients = [self.client(user, mailbox=None) for _ in range(2)]
            for client in clients:
                client.select("INBOX", command)
                client.idle()
            clients[0].done()
            clients[0].ok("CLOSE")
            self.assertEqual(other.uids(), left, command)
            clients[0].bad("FETCH 1 (UID)")

    def test_unselect_expunges_nothing(self):
        user = self.user()
        self.dovecot.deliver(user, count=2)
        views, other = self.idle(user, 2), self.direct(user)
        views[0].done()
        views[0].run("STORE 2 +FLAGS (\\Deleted)")
        views[0].client.ok("UNSELECT")
        views[0].client.idle()
        views[0].client.done()
        self.assertEqual(other.uids(), [1, 2])
        views[0].client.select()
        View(views[0].client).check(truth(other))

    def test_status_and_list_after_a_wake(self):
        user = self.user()
        self.dovecot.deliver(user, count=2)
        view = self.idle(user, 2)[0]
        view.done()
        view.client.ok("STATUS INBOX (MESSAGES UIDNEXT)").find(rb"MESSAGES 2 UIDNEXT 3")
        view.client.ok('LIST "" *').find(rb"^\* LIST .*INBOX")
        view.check(truth(self.direct(user)))

    # --- clients that cannot share ---

    def test_a_saved_search_survives_idle(self):
        user = self.user()
        self.dovecot.deliver(user, count=4)
        views = self.idle(user, 2)
        keeper = self.client(user)
        keeper.ok("UID SEARCH RETURN (SAVE) UID 2:3")
        keeper.idle()
        self.dovecot.deliver(user)
        keeper.wait_untagged(rb"^\* 5 EXISTS")
        keeper.done()
        answer = keeper.ok("FETCH $ (UID)")
        answer.find(rb"^\* 2 FETCH \(UID 2\)")
        answer.find(rb"^\* 3 FETCH \(UID 3\)")
        for view in views:
            view.wait_exists(5)

    def test_the_store_hears_the_names_of_mailboxes_as_they_are(self):
        user = self.user()
        client = self.client(user, mailbox=None)
        name = 'a "quoted" \\ &- name'
        tag = client.start(f"CREATE {{{len(name)}}}")
        client.continuation()
        client.send(name + "\r\n")
        self.assertEqual(client.finish(tag).status, "OK")
        for _ in range(2):
            watcher = self.client(user, mailbox=None)
            watcher.select(name)
            watcher.idle()
        client.append(name, "Subject: x\r\n\r\nx\r\n")
        watcher.wait_untagged(rb"^\* 1 EXISTS")


class WakeAsClient(WakeBehaviour, RoostCase):
    login = "client"


@roost_only
class WakeAsProxyByAuthzid(WakeBehaviour, RoostCase):
    login = "proxy-authzid"


@roost_only
class WakeWithoutPool(WakeBehaviour, RoostCase):
    login = "proxy-authzid"
    settings = {"parking": {"pool_keep_s": 0, "pool_per_user": 0}}


@roost_only
class WakeWithFreshFlushes(WakeBehaviour, RoostCase):
    """NOOP never answered from an older flush."""

    settings = {"parking": {"flush_max_age_ms": 0, "pool_keep_s": 1}}


class CredentialsTest(RoostCase):
    def test_a_woken_client_sees_only_its_own_mail(self):
        one, two = self.user(), self.user()
        self.dovecot.deliver(one, subject="for one")
        self.dovecot.deliver(two, subject="for two")
        clients = {}
        for user in (one, two):
            clients[user] = [self.client(user) for _ in range(3)]
            for client in clients[user]:
                client.idle()
        for _ in range(2):
            for user, word in ((one, b"one"), (two, b"two")):
                for client in clients[user]:
                    client.done()
                    client.ok("FETCH 1 BODY.PEEK[HEADER]").find(rb"Subject: for " + word)
                    client.idle()

    def test_a_second_login_with_a_wrong_password_is_refused_though_the_user_is_known(self):
        user = self.user()
        self.client(user).idle()
        client = self.connect()
        client.no(f"LOGIN {user} wrong", "AUTHENTICATIONFAILED")
        client.login(user, PASSWORD)


if __name__ == "__main__":
    main()
