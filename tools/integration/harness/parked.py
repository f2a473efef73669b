"""A checked client that stays on one mailbox, or on none, in IDLE or quietly, and keeps what it is told there."""

import collections

from .checked_client import CheckedClient
from .dovecot import PASSWORD
from .process import DEADLINE


class Parked(CheckedClient):
    """`told` holds ("gone", uid), ("flags", uid, flags) and ("exists", count) since it came to rest."""

    def __init__(self, name, user, klass, report, mailbox="INBOX", quiet=False):
        super().__init__(name, user, klass, report, {}, deadline=4 * DEADLINE)
        self.mailbox, self.quiet = mailbox, quiet
        self.told = []
        self.idling = None

    async def enter(self, front, password=PASSWORD):
        await self.open(front.host, front.imaps_port, front.context)
        await self.ok("LOGIN", f"{self.user} {password}")
        if self.klass != "plain":
            await self.ok("ENABLE", self.klass.upper())
        if self.mailbox:
            self.belief.begin(self.mailbox)
            await self.ok("SELECT", self.mailbox)
            await self.ok("UID FETCH", "1:* (FLAGS)")
        self.told = []
        if not self.quiet:
            self.idling = await self.idle()

    async def ok(self, name, arguments="", **more):
        command = await self.run(name, arguments, **more)
        if not command.ok:
            raise AssertionError(f"{self.name}: {name} {arguments}: {command.line}")
        return command

    async def end_idle(self):
        if self.idling:
            await self.done(self.idling)
            self.idling = None

    def heard(self):
        return collections.Counter(self.told)

    def _take_number(self, number, word, rest):
        if word == b"EXPUNGE" and number <= len(self.belief.messages):
            self.told.append(("gone", self.belief.messages[number - 1].uid))
        super()._take_number(number, word, rest)
        if word == b"EXISTS":
            self.told.append(("exists", number))
        elif word == b"FETCH" and 0 < number <= len(self.belief.messages):
            message = self.belief.messages[number - 1]
            self.told.append(("flags", message.uid, frozenset(message.flags or ())))

    def _take_untagged(self, response):
        before = {m.uid for m in self.belief.messages}
        super()._take_untagged(response)
        if response.startswith(b"* VANISHED "):
            self.told += [("gone", uid) for uid in before - {m.uid for m in self.belief.messages}]
