"""What the clients of the checker do, and what changes their mailboxes meanwhile.

A `world` (checker.World) is what they share: its random numbers, its log of faults, its phase. In the phase of
settling everybody comes to rest in one of three ways (IDLE, polling, silence) and is then judged by `verify`.
"""

import asyncio
import re

from .checked_client import CheckedClient, Direct, Gone, Late
from .dovecot import PASSWORD

MARKS = 8  # a message is only ever marked with keyword UID modulo this
ARCHIVE = "Archive"
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Draft", "$one", "$two")
REST = ("idle", "poll", "silent")


def mark(mailbox, uid):
    return f"${mailbox[0].lower()}{uid % MARKS}"


def message(user, mailbox, number):
    return f"From: a@example.org\r\nSubject: {user} {mailbox} {number}\r\n\r\nHello {user}.\r\n".encode()


class Habits(CheckedClient):
    """One client. Lives until the world is over; comes back when its connection ended."""

    def __init__(self, world, number, user):
        self.random = world.random_for(f"client {number}")
        klass = self.random.choice(("plain", "plain", "condstore", "qresync", "qresync"))
        super().__init__(f"c{number:02d}{klass[0]}", user, klass, world.report, world.identities,
                         world.deadline)
        self.world = world
        self.tls = self.random.random() < 0.3
        self.idler = self.random.choice((0.2, 0.4, 0.8))
        self.ready = False
        self.parked_since = None
        self._cache = {}

    async def live(self):
        while not self.world.over:
            self.ready = False
            try:
                await self._enter()
                while not self.world.over:
                    if self.world.settling.is_set():
                        await self._settle()
                    else:
                        await self._act()
            except Gone as gone:
                self._judge_end(str(gone))
                await self.world.pause(self.random.uniform(0.05, 0.5))
            except Late as late:
                self.world.report(self, str(late))
            finally:
                self._keep_cache()
                await self.close()

    def _judge_end(self, text):
        if not self.world.excuses(self) and not self.judged:
            self.world.report(self, f"cut off without a fault: {text}")
        self.world.count("ends " + re.sub(r"\d+", "n", text)[:60])

    # --- coming in ---

    async def _enter(self):
        await self.open(*self.world.front(self.tls))
        login = await self.run("LOGIN", f"{self.user} {PASSWORD}")
        if not login.ok:
            self.world.count("login refused")
            raise Gone(login.line)
        self.world.count("logins")
        if self.klass != "plain":
            await self._ok("ENABLE", "QRESYNC" if self.klass == "qresync" else "CONDSTORE")
        await self._select(self.random.choice(("INBOX", "INBOX", "INBOX", ARCHIVE)))

    async def _ok(self, name, arguments="", **more):
        command = await self.run(name, arguments, **more)
        if not command.ok:
            self._judge_refusal(command)
        return command

    def _judge_refusal(self, command):
        """A command may be refused for owed expunges and for a store that is away; nothing else."""
        line = command.line
        if "[EXPUNGEISSUED]" in line and (command.numbers or "UID" in command.name):
            self.world.count("EXPUNGEISSUED")
        elif ("[UNAVAILABLE]" in line or "[SERVERBUG]" in line) and self.world.excuses(self):
            self.world.count("refused as unavailable")
        else:
            self.world.report(self, f"{command.name} {command.text} is refused: {line}")

    async def _select(self, mailbox, name=None):
        self._keep_cache()
        name = name or self.random.choice(("SELECT", "SELECT", "SELECT", "EXAMINE"))
        cache = self._cache.get(mailbox) if self.klass == "qresync" else None
        arguments = mailbox
        if cache:
            arguments += f" (QRESYNC ({cache[0]} {cache[1]}))"
            self.world.count("SELECT (QRESYNC)")
        self.belief.begin(mailbox, cache)
        command = await self.run(name, arguments)
        if not command.ok:
            self._judge_refusal(command)
            raise Gone(command.line)
        self.examined = name == "EXAMINE"
        if not (cache and self.belief.cached()):
            await self._learn_all()

    def _keep_cache(self):
        if not self.world.case.modseq_proves:
            return
        cached = self.belief.mailbox and not self.belief.selecting and self.belief.cached()
        if cached and self.klass == "qresync":
            self._cache[self.belief.mailbox] = cached

    async def _learn_all(self):
        if self.random.random() < 0.5:
            await self._ok("UID SEARCH", "ALL")
        await self._ok("UID FETCH", "1:* (FLAGS)")

    # --- what it does ---

    async def _act(self):
        if self.random.random() < self.idler:
            return await self._idle()
        action = self.random.choice((
            self._poll, self._poll, self._be_quiet, self._learn_new, self._fetch_some, self._fetch_some,
            self._fetch_body, self._store_some, self._store_some, self._store_by_uid, self._search,
            self._mark_one, self._copy_or_move, self._append, self._pipeline, self._reselect,
            self._leave, self._expunge, self._cheap))
        await action()

    async def _idle(self):
        """IDLE and, mostly, IDLE again."""
        for _ in range(self.random.choice((1, 1, 2, 4))):
            command = await self.idle()
            self.world.count("IDLE")
            if self.random.random() < 0.2:
                await self.world.pause(self.random.uniform(2, 8))
            else:
                await self.world.pause(self.random.uniform(0, 1.5))
            await self._done(command)
            if self.world.settling.is_set():
                return

    async def _done(self, command):
        await self.done(command)
        if not command.ok:
            self.world.report(self, f"IDLE ends with {command.line}")

    async def _poll(self):
        for _ in range(self.random.choice((1, 1, 3))):
            await self._ok("NOOP")
            await self.world.pause(self.random.uniform(0, 0.3))

    async def _be_quiet(self):
        await self.world.pause(self.random.uniform(0.5, 5))

    async def _cheap(self):
        await self._ok(self.random.choice(("CAPABILITY", "CHECK", "NOOP")))

    async def _learn_new(self):
        await self._ok("UID FETCH", f"{self.belief.last_uid() + 1}:* (FLAGS)")

    def _some_numbers(self):
        """A few numbers with the UIDs they are believed to be; {} when the mailbox is empty."""
        size = len(self.belief.messages)
        if not size:
            return {}
        first = self.random.randint(1, size)
        last = min(size, first + self.random.choice((0, 0, 1, 5, 1000)))
        return {n: self.belief.messages[n - 1].uid for n in range(first, last + 1)}

    @staticmethod
    def _set(numbers):
        first, last = min(numbers), max(numbers)
        return str(first) if first == last else f"{first}:{last}"

    async def _fetch_some(self):
        numbers = self._some_numbers()
        if numbers:
            self.world.count("number commands")
            await self._ok("FETCH", f"{self._set(numbers)} (UID FLAGS)", numbers=numbers, forbids_expunge=True)

    async def _fetch_body(self):
        numbers = self._some_numbers()
        if numbers:
            await self._ok("FETCH", f"{self._set(numbers)} (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])",
                           numbers=numbers, forbids_expunge=True)

    async def _pipeline(self):
        """Commands by number, none of which allows an EXPUNGE, at once."""
        commands = []
        for _ in range(self.random.randint(2, 5)):
            numbers = self._some_numbers()
            if numbers:
                commands.append(self.send("FETCH", f"{self._set(numbers)} (FLAGS)", numbers=numbers,
                                          forbids_expunge=True))
        commands.append(self.send("NOOP"))
        for command in commands:
            await self.finish(command)
            if not command.ok:
                self._judge_refusal(command)

    async def _store_some(self):
        numbers = {n: uid for n, uid in self._some_numbers().items() if uid}
        if not numbers or self.examined:
            return
        how = self.random.choice(("+FLAGS", "-FLAGS", "+FLAGS.SILENT"))
        if "SILENT" in how:
            self.belief.flags_forgotten(numbers.values())
        self.world.count("number commands")
        await self._ok("STORE", f"{self._set(numbers)} {how} ({self.random.choice(FLAGS)})", numbers=numbers,
                       forbids_expunge=True)

    async def _mark_one(self):
        """A keyword by number that shows for ever which UID was meant."""
        known = self.belief.known()
        if known and not self.examined:
            number, uid = self.random.choice(known)
            self.world.count("marks by number")
            await self._ok("STORE", f"{number} +FLAGS ({mark(self.belief.mailbox, uid)})",
                           numbers={number: uid}, forbids_expunge=True)

    async def _store_by_uid(self):
        known = self.belief.known()
        if known and not self.examined:
            _, uid = self.random.choice(known)
            await self._ok("UID STORE", f"{uid} +FLAGS ({self.random.choice(FLAGS)})")

    async def _search(self):
        numbers = self._some_numbers()
        if numbers and self.random.random() < 0.5:
            await self._ok("SEARCH", f"{self._set(numbers)} UNFLAGGED", numbers=numbers, forbids_expunge=True)
        else:
            await self._ok("UID SEARCH", self.random.choice(("ALL", "FLAGGED", "RETURN (ALL) ALL")))

    async def _copy_or_move(self):
        """Towards the archive only, so that marks never come back."""
        known = self.belief.known()
        if not known or self.belief.mailbox != "INBOX":
            return
        number, uid = self.random.choice(known)
        name = "COPY" if self.examined or self.random.random() < 0.5 else "MOVE"
        self.world.count("COPY, MOVE by number")
        await self._ok(name, f"{number} {ARCHIVE}", numbers={number: uid})

    async def _append(self):
        mailbox = self.random.choice(("INBOX", ARCHIVE))
        text = message(self.user, mailbox, self.world.next_number())
        command = self.send("APPEND", f"{mailbox} {{{len(text)}}}")
        try:
            await self._within(command.continuation, "no + for APPEND")
            self.send_raw(text + b"\r\n")
        except Gone:
            if not command.answer.done():
                raise
        await self.finish(command)
        if not command.ok:
            self._judge_refusal(command)

    async def _expunge(self):
        known = self.belief.known()
        if known and not self.examined and len(known) > 5:
            _, uid = self.random.choice(known)
            await self._ok("UID STORE", f"{uid} +FLAGS (\\Deleted)")
            await self._ok(*self.random.choice((("EXPUNGE",), ("UID EXPUNGE", str(uid)))))

    async def _reselect(self):
        if self.random.random() < 0.3:
            if not (await self._ok("UNSELECT")).ok:
                return
            await self.world.pause(self.random.uniform(0, 0.5))
        await self._select(self.random.choice(("INBOX", "INBOX", ARCHIVE)))

    async def _leave(self):
        """With a word or without; the next life begins at once."""
        if self.random.random() < 0.5:
            await self.run("LOGOUT")
        self._keep_cache()
        await self.close()
        await self._enter()

    # --- coming to rest ---

    async def _settle(self):
        """Rests, is judged when the truth is known, and goes on when the world does."""
        round_ = self.world.round
        if self.belief.mailbox is None:
            await self._select("INBOX")
        if any(m.uid is None or m.flags is None for m in self.belief.messages):
            await self._learn_all()
        rest = self.random.choice(REST)
        command = await self.idle() if rest == "idle" else None
        self.ready = True
        try:
            if not await self.wait_until(lambda: self.world.truth is not None, 2 * self.deadline):
                return
            await self._verify(rest, command, self.world.truth[self.user, self.belief.mailbox])
            self.world.count(f"verified, {rest}")
        finally:
            self.ready = False
        self.verified = round_
        await self.world.resumed(round_)

    async def _verify(self, rest, command, truth):
        belief = self.belief
        if rest == "idle":
            if not await self.wait_until(lambda: not belief.difference(truth), self.deadline):
                self.world.report(self, f"in IDLE, never told: {belief.difference(truth)}")
            await self._done(command)
        end = asyncio.get_running_loop().time() + self.deadline
        while True:
            late = asyncio.get_running_loop().time() > end
            await self._ok("NOOP")
            if not belief.difference(truth):
                if not belief.messages:
                    return
                numbers = {n: m.uid for n, m in enumerate(belief.messages, 1)}
                await self._ok("FETCH", "1:* (UID FLAGS)", numbers=numbers, forbids_expunge=True)
                if not belief.difference(truth, complete=True):
                    return
            if late:
                return self.world.report(self, f"at rest ({rest}): {belief.difference(truth, complete=True)}")
            await self.wait_until(lambda: False, 0.2)


class Mutator:
    """Changes the mailboxes of one user by a session of the store's own."""

    def __init__(self, world, user):
        self.world, self.user = world, user
        self.random = world.random_for(f"mutator {user}")
        self.resting = False
        self._direct = None

    async def live(self):
        try:
            await self._live()
        finally:
            if self._direct:
                self._direct.close()

    async def _live(self):
        while not self.world.over:
            try:
                self.resting = self.world.settling.is_set()
                if self.resting:
                    await self.world.resumed(self.world.round)
                    continue
                if self._direct is None:
                    self._direct = await Direct.open(*self.world.store(), self.user, PASSWORD)
                await self._change()
                await self.world.pause(self.random.choice((0, 0, 0.05, 0.3, 1, 2)))
            except Gone:
                if self._direct:
                    self._direct.close()
                self._direct = None
                await self.world.pause(0.3)

    async def _change(self):
        run = self._direct.run
        mailbox = self.random.choice(("INBOX", "INBOX", "INBOX", ARCHIVE))
        await self._direct.ok(f"SELECT {mailbox}")
        uids = [uid for uid, _ in await self._list()]
        self.world.count("mutations")
        for _ in range(self.random.choice((1, 1, 2, 6))):
            count = min(len(uids), self.random.choice((1, 2, 4)))
            some = ",".join(str(uid) for uid in self.random.sample(uids, count))
            what = self.random.random()
            if what < 0.35 or len(uids) < 6:
                text = message(self.user, mailbox, self.world.next_number())
                await run(f"APPEND {mailbox} {{{len(text)}+}}\r\n".encode() + text)
            elif what < 0.65:
                await run(f"UID STORE {some} {self.random.choice('+-')}FLAGS ({self.random.choice(FLAGS)})")
            elif what < 0.8 or mailbox == ARCHIVE or len(uids) > 30:
                await run(f"UID STORE {some} +FLAGS.SILENT (\\Deleted)")
                await run(self.random.choice((f"UID EXPUNGE {some}", "EXPUNGE")))
            else:
                await run(f"UID MOVE {some} {ARCHIVE}")

    async def _list(self):
        _, untagged = await self._direct.run("UID SEARCH ALL")
        found = next((r for r in untagged if r.startswith(b"* SEARCH")), b"")
        return [(int(u), None) for u in found.split()[2:]]
