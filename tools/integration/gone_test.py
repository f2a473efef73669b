#!/usr/bin/python3
"""What clients are parked on goes: the mailbox is deleted, renamed, made anew; the password is another one.

Who cannot be told anything true is told BYE, with the reason, not all in one moment. Nobody is served with the view
of another mailbox of the same name, and nobody else is disturbed.
"""

import asyncio
import os
import re
import signal
import time
import unittest

from harness import cyrus
from harness.case import RoostCase, main, roost_only
from harness.checked_client import Gone
from harness.dovecot import PASSWORD
from harness.parked import Parked
from harness.process import DEADLINE, SLOWNESS, wait_until

SPREAD_S = 2
CLASSES = ("plain", "condstore", "qresync", "plain")
MAILBOX_GONE = r"\* BYE \[NONEXISTENT\] The selected mailbox cannot be opened"
REPLACED = r"\* BYE \[UNAVAILABLE\] The mailbox was replaced"
REFUSED = r"\* BYE \[UNAVAILABLE\] The mail store no longer accepts this login"


class MailboxGoes:
    settings = {"timeouts": {"bye_spread_s": SPREAD_S},
                "parking": {"reconnect_min_ms": 50, "reconnect_max_ms": 500, "pool_keep_s": 0}}

    def setUp(self):
        self.reports = []
        self.clients = []

    def run_checked(self, coroutine):
        """Runs it, and judges what all clients were sent meanwhile."""
        async def run():
            try:
                await coroutine
            finally:
                for client in self.clients:
                    await client.close()
        asyncio.run(run())
        self.assertFalse(self.reports, "\n".join(self.reports))

    def report(self, client, text):
        self.reports.append(f"{client.name} of {client.user}: {text}\n  " + "\n  ".join(client.transcript))

    def prepare(self, count=3):
        """A user with mail in Archive."""
        user = self.user()
        direct = self.direct(user)
        direct.ok("CREATE Archive")
        for number in range(count):
            direct.append("Archive", f"Subject: {user} Archive {number}\r\n\r\nx\r\n".encode())
        return user, direct

    async def park(self, user, mailbox, count=len(CLASSES), sessions=1, quiet=False):
        """So many clients, all parked, when the user has `sessions` sessions."""
        clients = [Parked(f"{user}.{len(self.clients) + n}", user, CLASSES[n % len(CLASSES)], self.report, mailbox,
                          quiet) for n in range(count)]
        self.clients += clients
        for client in clients:
            await client.enter(self.front)
        await asyncio.to_thread(self.dovecot.wait_sessions, user, sessions)
        return clients

    async def all_told_bye(self, clients, reason, spread=True):
        """Each with the reason; when there are enough to tell, not all at once."""
        ends = {}
        end = time.monotonic() + DEADLINE
        while len(ends) < len(clients):
            for client in clients:
                if not client.connected:
                    ends.setdefault(client.name, time.monotonic())
            self.assertLess(time.monotonic(), end, f"{len(ends)} of {len(clients)} have gone")
            await asyncio.sleep(0.01)
        for client in clients:
            self.assertRegex(client.bye or "no BYE", reason)
        within = max(ends.values()) - min(ends.values())
        self.assertLess(within, SPREAD_S + DEADLINE / 3)  # the machine may be busy
        if spread and len(clients) >= 8:
            self.assertGreater(within, 0.1, "all at once")

    async def undisturbed(self, clients, user):
        """They are there and hear of mail in their INBOX."""
        count = len(clients[0].belief.messages)
        await asyncio.to_thread(self.dovecot.deliver, user)
        for client in clients:
            self.assertTrue(await client.wait_until(lambda c=client: len(c.belief.messages) == count + 1, DEADLINE))

    # --- mailboxes ---

    def test_a_deleted_mailbox_ends_its_clients_and_no_others(self):
        self.run_checked(self.deleted())

    async def deleted(self):
        user, direct = self.prepare()
        on_it = await self.park(user, "Archive", count=8, sessions=2)  # and the direct one
        beside = await self.park(user, "INBOX", sessions=3)
        other = self.user()
        others = await self.park(other, "INBOX")
        await asyncio.to_thread(direct.ok, "DELETE Archive")
        await self.all_told_bye(on_it, MAILBOX_GONE)
        await self.undisturbed(beside, user)
        await self.undisturbed(others, other)

    def test_a_mailbox_deleted_and_made_anew_is_another_one(self):
        self.run_checked(self.made_anew())

    async def made_anew(self):
        user, direct = self.prepare(count=5)
        old = await self.park(user, "Archive", sessions=2)
        await asyncio.to_thread(direct.ok, "DELETE Archive")
        await asyncio.to_thread(direct.ok, "CREATE Archive")
        await self.append_anew(direct, f"Subject: {user} Archive 9\r\n\r\nx\r\n")
        new = await self.park(user, "Archive", sessions=2)
        await self.all_told_bye(old, f"{REPLACED}|{MAILBOX_GONE}")
        await self.only_the_new_is_seen(new, old, direct, user)

    async def append_anew(self, direct, mail):
        """Dovecot's own sessions may still write to the index of the mailbox before: whoever comes while it repairs
        that ("duplicate transaction log sequence" in its log) is told of an internal error."""
        def appended():
            try:
                direct.append("Archive", mail.encode())
            except AssertionError as refused:
                if "[SERVERBUG]" not in str(refused):
                    raise
                return False
            return True
        await asyncio.to_thread(wait_until, appended, "Archive takes a message")

    async def only_the_new_is_seen(self, new, old, direct, user):
        """`new` selected it when it had one message; its identity is checked by body as well."""
        self.assertNotEqual(new[0].belief.uid_validity, old[0].belief.uid_validity)
        await self.append_anew(direct, f"Subject: {user} Archive 10\r\n\r\nx\r\n")
        for client in new:
            self.assertTrue(await client.wait_until(lambda c=client: len(c.belief.messages) == 2, DEADLINE))
            self.assertEqual([told for told in client.told if told[0] != "flags"], [("exists", 2)])
            await client.end_idle()
            fetched = await client.ok("UID FETCH", "1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            self.assertEqual([m.uid for m in client.belief.messages], [1, 2], fetched.line)

    def test_a_renamed_mailbox_ends_the_client_that_wakes_and_then_the_others(self):
        self.run_checked(self.renamed())

    async def renamed(self):
        user, direct = self.prepare()
        on_it = await self.park(user, "Archive", sessions=2)
        beside = await self.park(user, "INBOX", sessions=3)
        await asyncio.to_thread(direct.ok, "RENAME Archive Old")
        await self.wakes_in_vain(on_it[0])
        await self.all_told_bye(on_it, MAILBOX_GONE)
        await self.undisturbed(beside, user)

    async def wakes_in_vain(self, client):
        """Its command by number is never answered: neither by the old mailbox nor by another one."""
        with self.assertRaises(Gone):
            await client.end_idle()
            if not client.belief.messages:  # Cyrus tells that all have gone
                await client.run("UID FETCH", "1:* (FLAGS)")
            numbers = {1: client.belief.messages[0].uid}
            await client.run("FETCH", "1 (UID FLAGS)", numbers=numbers, forbids_expunge=True)

    def test_a_renamed_mailbox_whose_name_is_used_again_is_never_served_with_the_old_view(self):
        self.run_checked(self.renamed_and_made_anew())

    async def renamed_and_made_anew(self):
        user, direct = self.prepare(count=5)
        old = await self.park(user, "Archive", sessions=2)
        await asyncio.to_thread(direct.ok, "RENAME Archive Old")
        await asyncio.to_thread(direct.ok, "CREATE Archive")
        await self.append_anew(direct, f"Subject: {user} Archive 9\r\n\r\nx\r\n")
        # The old one's session in IDLE hears nothing of it; whoever comes new shows it.
        new = await self.park(user, "Archive", sessions=2)
        await self.all_told_bye(old, REPLACED)
        await self.only_the_new_is_seen(new, old, direct, user)

    def test_a_client_that_wakes_in_a_renamed_mailbox_does_not_get_the_new_one(self):
        self.run_checked(self.renamed_and_woken())

    async def renamed_and_woken(self):
        user, direct = self.prepare(count=5)
        old = await self.park(user, "Archive", sessions=2)
        await asyncio.to_thread(direct.ok, "RENAME Archive Old")
        await asyncio.to_thread(direct.ok, "CREATE Archive")
        for number in range(5):  # as many, with the same UIDs
            await self.append_anew(direct, f"Subject: {user} Archive {number}\r\n\r\n")
        await self.wakes_in_vain(old[0])
        await self.all_told_bye(old, REPLACED)

    def test_a_quiet_client_of_a_deleted_mailbox_is_told_so(self):
        self.run_checked(self.deleted_under_quiet())

    async def deleted_under_quiet(self):
        quiet_front = self.roostd(f"quiet{os.getpid()}", self.front.config["stores"],
                                  {**self.settings, "parking": {**self.settings["parking"], "quiet_park_s": 1}})
        front, self.front = self.front, quiet_front
        try:
            user, direct = self.prepare()
            on_it = await self.park(user, "Archive", sessions=2, quiet=True)
            await asyncio.to_thread(direct.ok, "DELETE Archive")
            await self.all_told_bye(on_it, MAILBOX_GONE)
        finally:
            self.front = front


@roost_only
class OnCyrus(MailboxGoes, RoostCase):
    @classmethod
    def require_store(cls):
        if cyrus.missing():
            raise unittest.SkipTest(cyrus.missing())

    @classmethod
    def start_store(cls):
        return cyrus.Cyrus(cls.directory / "cyrus")


@roost_only
class OnDovecot(MailboxGoes, RoostCase):
    """And passwords: Dovecot's are in a file."""

    def refusals(self, user):
        return len(re.findall(rf"passwd-file\({user},.*[Pp]assword mismatch", self.dovecot.log()))

    async def refused_once(self, user, before):
        """The log is written by a process of its own."""
        await asyncio.to_thread(self.eventually, lambda: self.refusals(user) > before, "the log has the refusal")
        self.assertEqual(self.refusals(user), before + 1, "tried more than once")

    async def change_password(self, user):
        before = self.refusals(user)
        await asyncio.to_thread(self.dovecot.set_password, user, "another")

        def refused():
            with self.direct_connection() as probe:
                return probe.command(f"LOGIN {user} {PASSWORD}").status == "NO"
        await asyncio.to_thread(self.eventually, refused, "the old password is refused")
        await asyncio.to_thread(self.eventually, lambda: self.refusals(user) > before, "the log has it")

    async def new_password_serves(self, user):
        client = Parked(f"{user}.new", user, "plain", self.report)
        self.clients.append(client)
        await client.enter(self.front, "another")
        await self.undisturbed([client], user)

    def test_a_changed_password_ends_who_holds_the_old_one_when_its_feed_must_log_in(self):
        self.run_checked(self.password_and_driver())

    async def password_and_driver(self):
        user, direct = self.prepare()
        direct.logout()
        holders = await self.park(user, "INBOX", count=8)
        holders += await self.park(user, "Archive", sessions=2)
        other = self.user()
        others = await self.park(other, "INBOX")
        await self.change_password(user)
        await self.undisturbed(holders[:8], user)  # the session they have goes on
        refused = self.refusals(user)
        os.kill(self.dovecot.sessions(user)[0], signal.SIGKILL)
        await self.all_told_bye(holders, REFUSED)
        await self.refused_once(user, refused)
        await self.new_password_serves(user)
        await self.undisturbed(others, other)

    def test_a_changed_password_ends_who_holds_the_old_one_when_one_of_them_wakes(self):
        self.run_checked(self.password_and_wake())

    async def password_and_wake(self):
        user, direct = self.prepare()
        await asyncio.to_thread(direct.append, "INBOX", b"Subject: x\r\n\r\nx\r\n")
        direct.logout()
        holders = await self.park(user, "INBOX")
        holders += await self.park(user, "Archive", sessions=2)
        await self.change_password(user)
        refused = self.refusals(user)
        await self.wakes_in_vain(holders[0])
        await self.all_told_bye(holders, REFUSED)
        await self.refused_once(user, refused)
        await self.new_password_serves(user)

    def test_a_changed_password_ends_who_has_nothing_selected(self):
        self.run_checked(self.password_and_nothing_selected())

    async def password_and_nothing_selected(self):
        user, direct = self.prepare()
        direct.logout()
        holders = await self.park(user, None, count=8, sessions=0)
        holders += await self.park(user, "INBOX", count=2)
        other = self.user()
        others = await self.park(other, None, sessions=0)
        await self.change_password(user)
        refused = self.refusals(user)
        with self.assertRaises(Gone):
            await holders[0].end_idle()
            await holders[0].ok("LIST", '"" %')
        await self.all_told_bye(holders, REFUSED)
        await self.refused_once(user, refused)
        await self.new_password_serves(user)
        for client in others:  # they are served as ever
            await client.end_idle()
            await client.ok("LIST", '"" %')


if __name__ == "__main__":
    main()
