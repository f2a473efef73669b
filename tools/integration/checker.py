#!/usr/bin/python3
"""Clients that believe strictly what they are sent, over real sockets, while everything happens to their mailboxes.

Clients of all classes and habits come through roostd (two shards). Sessions of the store's own append, flag,
expunge and move; the store and single sessions are killed and come back. Every impossible response is a failure;
every so often all come to rest, and then each client's view must be what a session of the store's own sees.

  checker.py [--seconds N] [--seed S] [--clients N] [--users N] [--store dovecot|cyrus|roost-store]
             [--login HOW] [--notify]

Without --store Dovecot and roost-store are tried. The seed decides what is done, not when: a run is not repeated exactly.
ROOST_DIRECT=1 checks Dovecot itself, and so the checker.
"""

import argparse
import asyncio
import collections
import os
import random
import signal
import sys
import time
import unittest

from embedded_test import EmbeddedStoreCase
from harness import cyrus
from harness.case import DIRECT, RoostCase, dovecot_store
from harness.checked_client import Direct, Gone
from harness.dovecot import PASSWORD
from harness.gate import Gate
from harness.habits import ARCHIVE, MARKS, Habits, Mutator, mark, message
from harness.process import SLOWNESS, free_port

OPTIONS = argparse.Namespace(seconds=20.0, seed=1, clients=30, users=4, login=None, notify=False)
SETTINGS = {"shards": 2, "log": {"level": "debug"},
            "parking": {"reconnect_min_ms": 50, "reconnect_max_ms": 500, "pool_keep_s": 1,
                        "quiet_park_s": 1, "audit_s": 1}}
ROUND_S = 8.0  # of chaos, before all come to rest
EXCUSE_S = 12.0 * SLOWNESS  # a fault may end what it interrupted for so long
PARKED_S = 5.0 * SLOWNESS  # in IDLE for so long: parked, and to be kept whatever happens
MAX_REPORTS = 5


class World:
    """What clients, mutators and faults share."""

    def __init__(self, case, faults):
        self.case, self.faults = case, faults
        self.deadline = float(os.environ.get("ROOST_CHECKER_DEADLINE", "40")) * SLOWNESS
        self.random = random.Random(OPTIONS.seed)
        self.identities = {}
        self.counts = collections.Counter()
        self.reports = []
        self.over = False
        self.round = 0
        self.truth = None
        self.settling = asyncio.Event()
        self._resumed = asyncio.Event()
        self._faults = []  # (when, user or None)
        self.store_down = False
        self._number = 0

    # --- for clients and mutators ---

    def random_for(self, name):
        return random.Random(f"{OPTIONS.seed} {name}")

    def front(self, tls):
        front = self.case.front
        return (front.host, front.imaps_port, front.context) if tls else (front.host, front.plain_port, None)

    def store(self):
        return self.case.dovecot.host, self.case.dovecot.imap_port

    def next_number(self):
        self._number += 1
        return self._number

    def count(self, what):
        self.counts[what] += 1

    async def pause(self, seconds):
        """Passes time, cut short when all shall come to rest."""
        try:
            await asyncio.wait_for(self.settling.wait(), seconds)
        except asyncio.TimeoutError:
            return
        if self.over:
            return
        await asyncio.sleep(0.02)

    async def resumed(self, round_):
        while self.round == round_ and not self.over:
            self._resumed.clear()
            await self._resumed.wait()

    def report(self, client, text):
        self.reports.append(f"{client.name} of {client.user}, {client.belief.mailbox}: {text}\n  "
                            + "\n  ".join(client.transcript))
        print(f"checker: {client.name}: {text}", file=sys.stderr, flush=True)

    def fault(self, user=None):
        self._faults.append((time.monotonic(), user))

    def excuses(self, client):
        """Whether a fault of late may have ended what this client had: not, where it was parked before."""
        if self.over or DIRECT and self._faults:
            return True
        now = time.monotonic()
        parked = client.ended_idle_since + PARKED_S if client.ended_idle_since else now
        return any(user in (None, client.user) and (self.store_down or now - when < EXCUSE_S) and when < parked
                   for when, user in self._faults)

    # --- the run ---

    async def run(self):
        print(f"checker: seed {OPTIONS.seed}, {OPTIONS.seconds:.0f} s, {OPTIONS.clients} clients",
              file=sys.stderr, flush=True)
        users = [self.case.user() for _ in range(OPTIONS.users)]
        await asyncio.gather(*(self._fill(user) for user in users))
        self.clients = [Habits(self, n, users[n % len(users)]) for n in range(OPTIONS.clients)]
        self.mutators = [Mutator(self, user) for user in users]
        tasks = [asyncio.create_task(each.live()) for each in self.clients + self.mutators]
        end = time.monotonic() + OPTIONS.seconds
        try:
            while time.monotonic() < end and len(self.reports) < MAX_REPORTS:
                await self._chaos(min(ROUND_S, max(2.0, end - time.monotonic())), tasks)
                await self._settle(users, tasks)
        finally:
            self.over = True
            self.settling.set()
            self._resumed.set()
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for each in ended:
            if isinstance(each, Exception) and not isinstance(each, Gone):
                raise each

    async def _fill(self, user):
        direct = await Direct.open(*self.store(), user, PASSWORD)
        await direct.ok(f"CREATE {ARCHIVE}")
        for mailbox in ("INBOX", "INBOX", "INBOX", "INBOX", "INBOX", "INBOX", "INBOX", ARCHIVE):
            text = message(user, mailbox, self.next_number())
            await direct.ok(f"APPEND {mailbox} {{{len(text)}+}}\r\n{text.decode()}")
        direct.close()

    async def _chaos(self, seconds, tasks):
        end = time.monotonic() + seconds
        while time.monotonic() < end and len(self.reports) < MAX_REPORTS:
            await asyncio.sleep(self.random.uniform(0.3, 2.5))
            self._check(tasks)
            if time.monotonic() < end:
                await self.faults(self)

    async def _settle(self, users, tasks):
        """All come to rest, the truth is asked for, all are judged."""
        self.settling.set()
        await self._until(lambda: all(c.ready for c in self.clients) and all(m.resting for m in self.mutators),
                          lambda: f"at rest: {[c.name for c in self.clients if not c.ready]}", tasks)
        truth = {}
        for user in users:
            direct = await Direct.open(*self.store(), user, PASSWORD)
            for mailbox in ("INBOX", ARCHIVE):
                truth[user, mailbox] = await direct.listing(mailbox)
            direct.close()
        self._check_marks(truth)
        self.truth = truth
        for client in self.clients:
            client._news.set()
        await self._until(lambda: not any(c.ready for c in self.clients), lambda: "judged", tasks)
        self.truth = None
        self.settling.clear()
        self.round += 1
        self.count("rounds")
        self._resumed.set()

    async def _until(self, condition, what, tasks):
        end = time.monotonic() + 3 * self.deadline
        while not condition():
            self._check(tasks)
            if len(self.reports) >= MAX_REPORTS:
                return
            if time.monotonic() > end:
                raise AssertionError(f"not {what()}")
            await asyncio.sleep(0.05)

    @staticmethod
    def _check(tasks):
        for task in tasks:
            if task.done():
                task.result()
                raise AssertionError("a client ended by itself")

    def _check_marks(self, truth):
        """No STORE by number has ever hit another message than the one it meant."""
        for (user, mailbox), messages in truth.items():
            marks = {mark(mailbox, n) for n in range(MARKS)}
            for uid, flags in messages:
                wrong = (flags & marks) - {mark(mailbox, uid)}
                if wrong:
                    self.reports.append(f"{user} {mailbox}: UID {uid} is marked {wrong}")


class Checked:
    """One run, on the store of the class."""

    modseq_proves = True  # a client that was told a MODSEQ has been told all before it

    async def check(self):
        world = World(self, self.faults)
        try:
            await self.prepare()
            await world.run()
            self.count_audits(world)
        finally:
            await self.clean_up()
        print("checker: " + ", ".join(f"{k} {v}" for k, v in sorted(world.counts.items())), file=sys.stderr)
        if world.reports:
            self.fail(f"seed {OPTIONS.seed}: {len(world.reports)} reports:\n" + "\n".join(world.reports))
        for what in ("rounds", "verified, idle", "verified, poll", "verified, silent", "mutations",
                     "number commands", "marks by number"):
            self.assertGreater(world.counts[what], 0, what)
        self.assertEqual(world.counts["audit_mismatches"], 0)

    def count_audits(self, world):
        if not DIRECT:
            figures = self.front.figures()
            for name in ("audits", "audits_unavailable", "audits_replaced", "audit_mismatches"):
                world.counts[name] = figures[name]

    def test_every_client_sees_its_mailbox_as_it_is(self):
        asyncio.run(self.check())


class OnDovecot(Checked, RoostCase):
    """Killed for good, with all its processes; single sessions killed."""

    settings = SETTINGS
    session_signal = signal.SIGKILL

    async def prepare(self):
        pass

    async def clean_up(self):
        if not self.dovecot.running():
            self.dovecot.start()

    async def faults(self, world):
        if world.random.random() < 0.2:
            world.count("stores killed")
            world.store_down = True
            world.fault()
            await asyncio.to_thread(self.dovecot.kill)
            await asyncio.sleep(world.random.choice((0, 0.5, 2, 4)))
            self.dovecot.start()  # by this thread: it would end with another
            world.fault()
            world.store_down = False
        elif world.random.random() < 0.6:
            sessions = await asyncio.to_thread(self.dovecot.sessions)
            world.fault()
            for pid in world.random.sample(sessions, min(len(sessions), world.random.choice((1, 1, 3, 8)))):
                world.count("sessions killed")
                try:
                    os.kill(pid, self.session_signal)
                except ProcessLookupError:
                    pass


class OnDovecotAsProxy(OnDovecot):
    login = "proxy-authzid"


class OnCyrus(OnDovecot):
    """The same faults; where Cyrus is not installed it is skipped."""

    # Its master closes the port for good when too many sessions crash.
    session_signal = signal.SIGTERM
    # It tells MODSEQs above those of expunges that it withholds, and not that they are above (RFC 7162, 3.2).
    modseq_proves = False

    @classmethod
    def require_store(cls):
        missing = cyrus.missing()
        if missing:
            raise unittest.SkipTest(missing)

    @classmethod
    def start_store(cls):
        return cyrus.Cyrus(cls.directory / "cyrus")


class OnRoostStore(Checked, EmbeddedStoreCase):
    """It keeps nothing, so its connections are cut or frozen on the way instead."""

    settings = SETTINGS

    @classmethod
    def start_front(cls):
        return None

    async def prepare(self):
        self.gate = Gate("127.0.0.1", free_port(), self.dovecot.host, self.dovecot.imap_port)
        await self.gate.open()
        store = dovecot_store(self.dovecot, self.login)
        store["addresses"] = [f"{self.gate.host}:{self.gate.port}"]
        store["notify"] = OPTIONS.notify
        type(self).front = self.roostd("front", [store], self.settings)

    async def clean_up(self):
        await self.gate.close()

    async def faults(self, world):
        what = world.random.random()
        world.fault()
        if what < 0.2:
            world.count("stores gone")
            world.store_down = True
            await self.gate.close()
            await asyncio.sleep(world.random.choice((0, 0.5, 2, 4)))
            await self.gate.open()
            world.fault()
            world.store_down = False
        elif what < 0.35:
            world.count("stores frozen")
            self.gate.freeze(True)
            await asyncio.sleep(world.random.uniform(0, 2))
            self.gate.freeze(False)
        elif what < 0.7:
            world.count("sessions cut")
            self.gate.cut(world.random.choice((1, 1, 3, 8)))


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=OPTIONS.seconds, help="of each run")
    parser.add_argument("--seed", type=int, default=OPTIONS.seed)
    parser.add_argument("--clients", type=int, default=OPTIONS.clients)
    parser.add_argument("--users", type=int, default=OPTIONS.users)
    parser.add_argument("--store", choices=("dovecot", "cyrus", "roost-store"))
    parser.add_argument("--login", choices=("client", "proxy"))
    parser.add_argument("--notify", action="store_true", help="mailboxes with several clients are heard of by NOTIFY")
    parser.parse_args(namespace=OPTIONS)


if __name__ == "__main__":
    options()
    names = []
    if OPTIONS.store in (None, "dovecot"):
        names += {"client": ["OnDovecot"], "proxy": ["OnDovecotAsProxy"],
                  None: ["OnDovecot"]}[OPTIONS.login]
    if OPTIONS.store == "cyrus":
        names += ["OnCyrus"]
    if OPTIONS.store in (None, "roost-store"):
        names += ["OnRoostStore"]
    unittest.main(argv=[sys.argv[0], *names], verbosity=2)
