#!/usr/bin/python3
"""The store restarts while thousands of clients are parked, and comes back with other mail.

Clients of all classes, four to a mailbox, three of them in IDLE and one quiet, all over TLS. The store is killed and
starts again with messages gone, new and reflagged, differently in each mailbox, in some not at all. No client is
closed; each is told exactly the difference of its mailbox; feeds come back paced, with one session each; and then a
delivery reaches everybody.

  restart_test.py [--clients N] [--seed S]
"""

import argparse
import asyncio
import asyncio.sslproto
import collections
import random
import resource
import sys
import time
import unittest

from embedded_test import EmbeddedStoreCase
from harness.imap import flag_set
from harness.parked import Parked
from harness.process import DEADLINE, SLOWNESS
from harness.roost import RoostStore

OPTIONS = argparse.Namespace(clients=400, seed=1)
CLASSES = ("plain", "condstore", "qresync", "plain")
QUIET = 3  # the last of each mailbox
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "$before")
ENTERING = 64  # clients at once
LOGINS_AT_ONCE = 8
RECOVERING_AT_ONCE = LOGINS_AT_ONCE // 2  # the other half is kept for clients
LOOKS = 1  # of this script, whether the store is there
TRIES_WHILE_AWAY = 2  # of each feed, in the mean

# Python would hold 256 KB for each connection.
asyncio.sslproto.SSLProtocol.max_size = 1 << 14


def told_flags(flags):
    """As a client keeps them."""
    return frozenset(flag_set(" ".join(flags).encode()))


class Mailbox:
    """What the store has: {uid: (modseq, flags)}."""

    def __init__(self, user, rng):
        self.user, self.rng = user, rng
        self.uid_next, self.modseq = 1, 1
        self.messages = {}
        for _ in range(rng.randint(0, 8)):
            self.add()
        self.expunge(rng.randint(0, 2))
        self.gone, self.reflagged, self.new = [], {}, 0

    def add(self):
        self.modseq += 1
        self.messages[self.uid_next] = (self.modseq, self._flags())
        self.uid_next += 1

    def _flags(self):
        return frozenset(self.rng.sample(FLAGS, self.rng.randint(0, 2)))

    def expunge(self, count):
        gone = self.rng.sample(sorted(self.messages), min(count, len(self.messages)))
        for uid in gone:
            self.modseq += 1
            del self.messages[uid]
        return gone

    def change(self):
        """What happens while nobody can see it."""
        if self.rng.random() < 0.2:
            return
        self.gone = self.expunge(self.rng.randint(0, 2))
        for uid in self.rng.sample(sorted(self.messages), min(self.rng.randint(0, 2), len(self.messages))):
            self.modseq += 1
            flags = self.messages[uid][1] ^ {self.rng.choice(("\\Deleted", "$meanwhile"))}
            self.messages[uid] = (self.modseq, flags)
            self.reflagged[uid] = flags
        self.new = self.rng.randint(0, 2)
        for _ in range(self.new):
            self.add()

    def text(self):
        lines = [f"inbox {self.user} 7 {self.uid_next} {self.modseq}"]
        lines += [f"{uid} {modseq} {' '.join(sorted(flags))}" for uid, (modseq, flags) in self.messages.items()]
        return "\n".join(lines) + "\n"


class Member(Parked):
    """One of the crowd: it knows what there is."""

    def __init__(self, number, content, report):
        super().__init__(f"c{number:05d}", content.user, CLASSES[number % len(CLASSES)], report,
                         quiet=number % len(CLASSES) == QUIET)
        self.content = content

    def owed(self, delivered):
        """What it must have been told since, each once; in which order is judged elsewhere."""
        mailbox = self.content
        owed = [("gone", uid) for uid in mailbox.gone]
        owed += [("flags", uid, told_flags(flags)) for uid, flags in mailbox.reflagged.items()]
        count = len(mailbox.messages)
        if self.quiet and delivered and mailbox.new:
            return collections.Counter(owed + [("exists", count), ("exists", count + 1)])
        if mailbox.new:
            owed.append(("exists", count))
        if delivered:
            owed.append(("exists", count + 1))
        return collections.Counter(owed)


class RestartTest(EmbeddedStoreCase):
    @classmethod
    def start_store(cls):
        rng = random.Random(OPTIONS.seed)
        cls.mailboxes = [Mailbox(f"u{n:05d}", random.Random(rng.random()))
                         for n in range((OPTIONS.clients + len(CLASSES) - 1) // len(CLASSES))]
        cls.inboxes = cls.directory / "inboxes"
        cls.keep_mail()
        return RoostStore(cls.directory / "roost-store", [f"--inboxes-from={cls.inboxes}"])

    @classmethod
    def keep_mail(cls):
        cls.inboxes.write_text("".join(mailbox.text() for mailbox in cls.mailboxes))

    @classmethod
    def start_front(cls):
        store = {"name": "store", "addresses": [f"{cls.dovecot.host}:{cls.dovecot.imap_port}"],
                 "max_logins_in_progress": LOGINS_AT_ONCE}
        return cls.roostd("front", [store], {
            "control_socket": str(cls.directory / "control"), "log": {"level": "warning"},
            "parking": {"pool_keep_s": 1, "quiet_park_s": 1, "reconnect_min_ms": 100, "reconnect_max_ms": 2000,
                        "audit_s": 0}})  # its logins are none of a feed's

    def test_all_stay_and_are_told_the_difference(self):
        asyncio.run(self.restart())

    async def restart(self):
        self.reports = []
        self.deadline = 2 * DEADLINE + SLOWNESS * OPTIONS.clients / 50
        self.clients = [Member(n, self.mailboxes[n // len(CLASSES)], self.report) for n in range(OPTIONS.clients)]
        try:
            await self.park()
            await self.away_and_back()
            await self.deliveries_reach_all()
            await self.all_see_what_is_there()
        finally:
            for client in self.clients:
                await client.close()

    def report(self, client, text):
        self.reports.append(f"{client.name} of {client.user}: {text}\n  " + "\n  ".join(client.transcript))

    def say(self, text):
        print(f"restart: {text}", file=sys.stderr, flush=True)

    async def each(self, action, clients=None):
        turn = asyncio.Semaphore(ENTERING)

        async def one(client):
            async with turn:
                await action(client)
        await asyncio.gather(*(one(client) for client in (self.clients if clients is None else clients)))

    async def until(self, condition, what):
        """Asks condition() until it is true."""
        end = time.monotonic() + self.deadline
        while not condition():
            self.check_all_stay()
            if time.monotonic() > end:
                self.fail(f"not within {self.deadline:.0f} s: {what() if callable(what) else what}")
            await asyncio.sleep(0.05)

    def check_all_stay(self):
        self.assertFalse(self.reports, "\n".join(self.reports[:3]))
        gone = [client for client in self.clients if not client.connected]
        self.assertFalse(gone, f"{len(gone)} are gone, one of them {gone and gone[0].bye}")

    # --- the four acts ---

    async def park(self):
        begin = time.monotonic()
        await self.each(lambda client: client.enter(self.front))
        await self.until(lambda: self.front.figures()["parked"] == len(self.clients),
                         lambda: f"all are parked: {self.front.figures()}")
        await self.until(lambda: self.dovecot.total("sessions") == len(self.mailboxes),
                         lambda: f"one session for each mailbox, {len(self.mailboxes)}: {self.dovecot.total('sessions')}")
        self.say(f"{len(self.clients)} clients of {len(self.mailboxes)} mailboxes parked "
                 f"after {time.monotonic() - begin:.1f} s")

    async def away_and_back(self):
        opened = self.front.figures()["sessions_opened"]
        away = time.monotonic()
        self.dovecot.process.kill()
        for mailbox in self.mailboxes:
            mailbox.change()
        self.keep_mail()
        await self.until(lambda: self.front.figures()["feeds_recovering"] == len(self.mailboxes),
                         "all feeds look for a driver")
        await self.until(lambda: (self.front.figures()["sessions_opened"] - opened
                                  >= TRIES_WHILE_AWAY * len(self.mailboxes)), "they have tried in vain")
        tries = self.front.figures()["sessions_opened"] - opened
        self.assertEqual(self.front.figures()["parked"], len(self.clients))
        self.dovecot.start()
        begin = time.monotonic()
        self.say(f"away for {begin - away:.1f} s, {tries} tries of {len(self.mailboxes)} feeds")
        await self.until(lambda: self.front.figures()["feeds_recovering"] == 0, lambda: f"all feeds have a driver: {self.front.figures()}")
        driven = time.monotonic() - begin
        idle = [client for client in self.clients if not client.quiet]
        await self.until(lambda: all(client.heard() == client.owed(False) for client in idle),
                         lambda: self.first_wrong(idle, False))
        logins, peak = self.dovecot.total("logins"), self.dovecot.total("most-logging-in")
        self.say(f"all feeds had drivers after {driven:.1f} s, all clients knew after "
                 f"{time.monotonic() - begin:.1f} s; {logins} logins, at most {peak} in progress")
        self.assertEqual(logins, len(self.mailboxes), "sessions opened by feeds")
        self.assertLessEqual(peak, RECOVERING_AT_ONCE + LOOKS)

    def first_wrong(self, clients, delivered):
        wrong = [c for c in clients if c.heard() != c.owed(delivered)]
        each = wrong and wrong[0]
        return f"{len(wrong)} of {len(clients)} were told the difference" + (
            f"; {each.name}, {each.klass}, was told {each.told}, owed {each.owed(delivered)}" if each else "")

    async def deliveries_reach_all(self):
        quiet = [client for client in self.clients if client.quiet]
        await self.each(lambda client: client.ok("NOOP"), quiet)
        self.assertFalse([c for c in quiet if c.heard() != c.owed(False)], self.first_wrong(quiet, False))
        begin = time.monotonic()
        await asyncio.to_thread(self.dovecot.deliver_to, [mailbox.user for mailbox in self.mailboxes])
        idle = [client for client in self.clients if not client.quiet]
        await self.until(lambda: all(client.heard() == client.owed(True) for client in idle),
                         lambda: self.first_wrong(idle, True))
        self.say(f"a message for each mailbox was told to all in IDLE after {time.monotonic() - begin:.1f} s")

        async def ask(client):  # what was flushed within a second is news enough to NOOP
            while client.heard() != client.owed(True):
                await client.ok("NOOP")
                await asyncio.sleep(0.1)
        await asyncio.wait_for(self.each(ask, quiet), self.deadline)
        self.check_all_stay()

    async def all_see_what_is_there(self):
        async def look(client):
            await client.end_idle()
            await client.ok("UID FETCH", "1:* (FLAGS)")
            mailbox = client.content
            truth = [(uid, told_flags(flags)) for uid, (_, flags) in mailbox.messages.items()]
            truth.append((mailbox.uid_next, frozenset()))
            self.assertEqual([(m.uid, frozenset(m.flags)) for m in client.belief.messages], truth)
        await self.each(look)
        self.check_all_stay()


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=OPTIONS.clients)
    parser.add_argument("--seed", type=int, default=OPTIONS.seed)
    parser.parse_args(namespace=OPTIONS)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    options()
    unittest.main(argv=sys.argv[:1], verbosity=2)
