#!/usr/bin/python3
"""The harness itself, on Dovecot alone: what the other tests lean on."""

import tempfile
import time
import unittest
from pathlib import Path

from harness.case import RoostCase, main
from harness.dovecot import MASTER_PASSWORD, MASTER_USER
from harness.process import Process, Timeout, alive, descendants, wait_until
from harness.view import Message, View, truth


class DovecotTest(RoostCase):
    @classmethod
    def start_front(cls):
        return None  # no Roost here

    def test_sessions_are_counted_for_each_user(self):
        user, other = self.user(), self.user()
        self.dovecot.wait_sessions(user, 0)
        first, _ = self.direct(user), self.direct(user)
        self.direct(other)
        self.dovecot.wait_sessions(user, 2)
        self.dovecot.wait_sessions(other, 1)
        self.assertEqual(self.dovecot.logins(user), 2)
        first.logout()
        self.dovecot.wait_sessions(user, 1)

    def test_deliveries_arrive(self):
        user = self.user()
        self.dovecot.deliver(user, subject="one", count=3)
        self.assertEqual(self.direct(user).uids(), [1, 2, 3])

    def test_the_master_user_logs_in_both_ways(self):
        user = self.user()
        client = self.direct_connection()
        client.login(f"{user}*{MASTER_USER}", MASTER_PASSWORD)
        client = self.direct_connection()
        answer = client.authenticate_plain(MASTER_USER, MASTER_PASSWORD, authzid=user)
        self.assertEqual(answer.status, "OK")
        self.dovecot.wait_sessions(user, 2)
        client = self.direct_connection()
        client.no(f"LOGIN {user}*{MASTER_USER} wrong")

    def test_wrong_passwords_are_refused_without_delay(self):
        before = time.monotonic()
        for _ in range(5):
            client = self.direct_connection()
            client.no(f"LOGIN {self.user()} wrong", "AUTHENTICATIONFAILED")
        self.assertLess(time.monotonic() - before, 5 * 2)  # Dovecot delays each by two seconds and more

    def test_a_view_follows_what_an_idle_client_is_told(self):
        user = self.user()
        self.dovecot.deliver(user, count=5)
        watcher, other = self.direct(user), self.direct(user)
        view = View(watcher)
        self.assertTrue(view.equals(truth(other)))
        watcher.idle()
        other.ok("STORE 2,4 +FLAGS (\\Deleted $Word)")
        other.ok("EXPUNGE")
        self.dovecot.deliver(user)
        other.ok("NOOP")
        view.wait_for(truth(other))
        view.done()
        self.assertEqual([m.uid for m in View(watcher).messages], [1, 3, 5, 6])

    def test_dovecot_comes_back_on_its_ports(self):
        user = self.user()
        self.direct(user)
        self.dovecot.stop()
        self.dovecot.start()
        self.direct(user)
        self.dovecot.wait_sessions(user, 1)


    def test_mail_changes_behind_dovecots_back(self):
        user = self.user()
        self.dovecot.deliver(user, count=3)
        validity = (client := self.direct(user)).uid_validity
        client.logout()
        self.dovecot.stop()
        self.dovecot.mail_file(user, 2).unlink()
        self.dovecot.set_mail_flags(user, 3, "FS")
        self.dovecot.put_mail(user)
        self.dovecot.start()
        self.assertEqual(truth(client := self.direct(user)),
                         [(1, set()), (3, {"\\Flagged", "\\Seen"}), (4, set())])
        self.assertEqual(client.uid_validity, validity)
        client.logout()
        self.dovecot.stop()
        self.dovecot.renew_uidvalidity(user)
        self.dovecot.start()
        self.assertNotEqual((client := self.direct(user)).uid_validity, validity)
        self.assertEqual(client.uids(), [1, 2, 3])


class ViewTest(unittest.TestCase):
    def view(self, count):
        view = View.__new__(View)
        view.messages, view.told = [Message(uid, set()) for uid in range(1, count + 1)], []
        view.known_flags = {"\\Seen"}
        return view

    def test_numbers_shift_after_each_expunge(self):
        view = self.view(4)
        view.take(b"* 2 EXPUNGE")
        view.take(b"* 2 EXPUNGE")
        self.assertTrue(view.equals([(1, set()), (4, set())]))

    def test_vanished_takes_ranges(self):
        view = self.view(6)
        view.take(b"* VANISHED 2:4,6,9")
        self.assertTrue(view.equals([(1, set()), (5, set())]))

    def test_vanished_earlier_changes_nothing(self):
        view = self.view(2)
        view.take(b"* VANISHED (EARLIER) 1:2")
        self.assertEqual(len(view.messages), 2)

    def test_impossible_responses_are_failures(self):
        for response in (b"* 3 EXISTS", b"* 5 EXPUNGE", b"* 0 EXPUNGE", b"* 5 FETCH (FLAGS ())",
                         b"* 1 FETCH (UID 9)", b"* 1 FETCH (FLAGS (Unannounced))"):
            with self.assertRaises(AssertionError, msg=response):
                self.view(4).take(response)

    def test_what_was_not_told_matches_anything(self):
        view = self.view(1)
        view.take(b"* 2 EXISTS")
        self.assertTrue(view.equals([(1, set()), (9, {"\\Seen"})]))
        view.take(b"* 2 FETCH (FLAGS (\\Recent))")
        self.assertFalse(view.equals([(1, set()), (9, {"\\Seen"})]))


class ProcessTest(unittest.TestCase):
    """What a server does wrong in the background fails the test that started it."""

    REPORTS = ("core/x.cc:7:3: runtime error: signed integer overflow",
               "==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010",
               "==7==ERROR: LeakSanitizer: detected memory leaks",
               "WARNING: ThreadSanitizer: data race (pid=7)")

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.log = Path(directory.name) / "log"

    def process(self, script):
        """A shell that runs the script, once it has said that it will."""
        process = Process("sh", ["sh", "-c", f"trap 'exit 0' TERM; {script}"], self.log)
        self.addCleanup(process.popen.kill)
        return process

    def talker(self, text):
        process = self.process(f"echo '{text}' >&2; while :; do read line; sleep 0.01; done")
        wait_until(lambda: text in process.log(), "it talks")
        return process

    def test_reports_of_sanitizers_fail_the_end_of_a_program(self):
        for report in self.REPORTS:
            with self.assertRaisesRegex(AssertionError, "has a report"):
                self.talker(report).stop()

    def test_reports_of_sanitizers_fail_the_killing_of_a_program(self):
        for report in self.REPORTS:
            with self.assertRaisesRegex(AssertionError, "has a report"):
                self.talker(report).kill()

    def test_without_a_report_it_may_be_ended_and_killed(self):
        self.assertEqual(self.talker("all is well").stop(), 0)
        self.talker("all is well").kill()

    def test_a_program_that_ended_by_itself_cannot_be_killed(self):
        process = self.process("exit 3")
        wait_until(lambda: not process.running(), "it has ended")
        with self.assertRaisesRegex(AssertionError, "ended with 3 before"):
            process.kill()

    def test_a_program_is_killed_with_what_it_started(self):
        process = self.process("sleep 600 & echo started; wait")
        wait_until(lambda: "started" in process.log(), "it has a child")
        below = descendants(process.pid)
        self.assertEqual(len(below), 1)
        process.kill_all()
        self.assertFalse(any(map(alive, below)))


class WaitTest(unittest.TestCase):
    def test_the_value_is_returned(self):
        values = iter((0, None, 7))
        self.assertEqual(wait_until(lambda: next(values), "seven"), 7)

    def test_what_never_comes_is_named(self):
        with self.assertRaisesRegex(Timeout, "the moon"):
            wait_until(lambda: False, "the moon", deadline=0.02)


if __name__ == "__main__":
    main()
