"""What a client believes of its selected mailbox: strictly what it was sent. What cannot be is a Violation.

No I/O, no clock. Numbers are positions in `messages`; UIDs and flags are None until told. Stricter than
view.View: it knows which UIDs are gone for good, in which order UIDs can stand, and what a class of client
may be sent.
"""

import re

from .imap import flag_set


class Violation(AssertionError):
    """Something no server may send at this point."""


_UID = re.compile(rb"\bUID (\d+)", re.I)
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)", re.I)
_MODSEQ = re.compile(rb"\bMODSEQ \((\d+)\)", re.I)
_OWNER = re.compile(rb"\r\nSubject: (\S+) (\S+) (\d+)", re.I)


class Message:
    def __init__(self, uid=None, flags=None):
        self.uid, self.flags = uid, flags

    def __repr__(self):
        flags = "?" if self.flags is None else " ".join(sorted(self.flags))
        return f"({self.uid or '?'} {flags})"


def expand(uid_set):
    """The numbers of b"1:3,7"."""
    numbers = []
    for part in uid_set.decode().split(","):
        first, _, last = part.partition(":")
        low, high = sorted((int(first), int(last or first)))
        numbers += range(low, high + 1)
    return numbers


class Belief:
    """Opened by `begin`, filled by what is told. klass: "plain", "condstore" or "qresync"."""

    def __init__(self, klass="plain"):
        self.klass = klass
        self.clear()

    def clear(self):
        self.mailbox = None
        self.selecting = False
        self.messages = []
        self.keywords = set()
        self.gone = set()
        self.uid_validity = 0
        self._cache = None  # (uid validity, {uid: flags}) a SELECT (QRESYNC …) builds on
        self._placed = {}
        self._leaving = False  # until [CLOSED], what is told is the old mailbox's (RFC 7162, 3.2.11)
        self.modseq = 0  # the highest that may be believed: told, and its command answered
        self._modseq_told = 0

    def begin(self, mailbox, cache=None):
        """A SELECT was sent: counts are its own now, smaller or not.

        `cache`, what `cached` returned once, makes it a SELECT (QRESYNC …).
        """
        left = self.mailbox is not None
        self.clear()
        self.mailbox, self.selecting = mailbox, True
        self._leaving = left
        self._cache = (cache[0], dict(cache[2])) if cache else None

    def closed(self):
        self._leaving = False

    def selected(self):
        if self._leaving:
            raise Violation("no [CLOSED] between two mailboxes")
        self.selecting = False
        if self._cache:
            self._merge_cache()

    def cached(self):
        """(UIDVALIDITY, MODSEQ, {uid: flags}) for another session; None where not all is known."""
        if not self.modseq or any(m.uid is None or m.flags is None for m in self.messages):
            return None
        return self.uid_validity, self.modseq, {m.uid: m.flags for m in self.messages}

    def _merge_cache(self):
        validity, uids = self._cache
        self._cache = None
        if validity != self.uid_validity:
            return
        for uid in self.gone:
            uids.pop(uid, None)
        uids.update({uid: flags for uid, flags in self._placed.values()})
        merged = [Message(uid, flags) for uid, flags in sorted(uids.items())]
        if len(merged) != len(self.messages):
            raise Violation(f"after QRESYNC the cache has {len(merged)} messages {sorted(uids)}, "
                            f"EXISTS says {len(self.messages)}")
        for number, (uid, _) in self._placed.items():
            if merged[number - 1].uid != uid:
                raise Violation(f"after QRESYNC message {number} has UID {uid}, "
                                f"not {merged[number - 1].uid}")
        self.messages = merged

    # --- what is told ---

    def exists(self, count):
        if self._leaving:
            return
        if count < len(self.messages):
            raise Violation(f"EXISTS shrinks from {len(self.messages)} to {count}")
        self.messages += [Message() for _ in range(count - len(self.messages))]

    def expunge(self, number):
        if self._leaving:
            return
        if self.klass == "qresync":
            raise Violation(f"{number} EXPUNGE to a client with QRESYNC")
        self._check_range(number, "EXPUNGE")
        uid = self.messages.pop(number - 1).uid
        if uid:
            self.gone.add(uid)

    def vanished(self, uid_set, earlier=False):
        if self.klass != "qresync":
            raise Violation(f"VANISHED {uid_set.decode()} to a client without QRESYNC")
        if not earlier and self._leaving:
            return
        for uid in expand(uid_set):
            if earlier:
                self.gone.add(uid)
                continue
            at = next((i for i, m in enumerate(self.messages) if m.uid is not None and m.uid >= uid),
                      len(self.messages))
            if at < len(self.messages) and self.messages[at].uid == uid:
                del self.messages[at]
            elif at > 0 and self.messages[at - 1].uid is None:
                del self.messages[at - 1]  # one of those not learned yet; all the same which
            else:
                raise Violation(f"VANISHED {uid}, which was never told of or is gone already")
            self.gone.add(uid)

    def fetch(self, number, items, solicited=True):
        """`items` is what stands within FETCH (…)."""
        if self._leaving:
            return
        self._check_range(number, "FETCH")
        message = self.messages[number - 1]
        head = items.split(b"BODY[", 1)[0]
        uid, flags, modseq = _UID.search(items), _FLAGS.search(head), _MODSEQ.search(items)
        if uid:
            self._learn(number, int(uid.group(1)))
        if flags:
            message.flags = flag_set(flags.group(1))
            unknown = {f for f in message.flags if not f.startswith("\\")} - self.keywords
            if unknown:
                raise Violation(f"keywords {unknown} of message {number} were never announced")
            if not solicited and self.klass != "plain" and not modseq:
                raise Violation(f"flags of message {number} without MODSEQ to a client with CONDSTORE")
            if self._cache and self.selecting:
                self._placed[number] = (message.uid, message.flags)
        if modseq:
            if self.klass == "plain":
                raise Violation(f"MODSEQ of message {number} to a client without CONDSTORE")
            self._modseq_told = max(self._modseq_told, int(modseq.group(1)))

    def announce(self, flags):
        """The flags of a FLAGS response."""
        if not self._leaving:
            self.keywords = {flag for flag in flags if not flag.startswith("\\")}

    def highest_modseq(self, modseq):
        """[HIGHESTMODSEQ n] of a tagged answer or a SELECT: nothing above it may be believed."""
        self.modseq = self._modseq_told = modseq

    def answered(self):
        """A command was answered OK: what was told before counts."""
        self.modseq = max(self.modseq, self._modseq_told)

    def flags_forgotten(self, uids):
        for message in self.messages:
            if message.uid in uids:
                message.flags = None

    def check_uid_alive(self, uid):
        if uid in self.gone:
            raise Violation(f"UID {uid} is told of again, though gone")

    def check_body(self, user, number, literal, identities):
        """The subject names owner and mailbox; the same UID must always show the same one."""
        owner = _OWNER.search(b"\r\n" + literal)
        if not owner:
            raise Violation(f"message {number} has an unexpected header {literal!r}")
        if owner.group(1).decode() != user:
            raise Violation(f"message {number} belongs to {owner.group(1)}, not to {user}")
        uid = self.messages[number - 1].uid
        if uid:
            known = identities.setdefault((user, self.mailbox, uid), owner.group(0))
            if known != owner.group(0):
                raise Violation(f"UID {uid} shows {owner.group(0)}, not {known}")

    def _check_range(self, number, what):
        if not 1 <= number <= len(self.messages):
            raise Violation(f"{number} {what} of {len(self.messages)} messages")

    def _learn(self, number, uid):
        self.check_uid_alive(uid)
        message = self.messages[number - 1]
        if message.uid is not None:
            if message.uid != uid:
                raise Violation(f"message {number} has UID {uid}, not {message.uid}")
            return
        for distance, before in enumerate(reversed(self.messages[:number - 1]), 1):
            if before.uid is not None:
                if before.uid + distance > uid:
                    raise Violation(f"message {number} has UID {uid} behind {before.uid}")
                break
        for after in self.messages[number:]:
            if after.uid is not None:
                if after.uid <= uid:
                    raise Violation(f"message {number} has UID {uid} before {after.uid}")
                break
        message.uid = uid

    # --- judged ---

    def difference(self, truth, complete=False):
        """What separates the belief from the list of (uid, flags); "" when nothing.

        What has not been learned is not believed, unless it should all have been (`complete`).
        """
        mine = [(m.uid, m.flags) for m in self.messages]
        if len(mine) != len(truth):
            return (f"believes in {len(mine)} messages {[m[0] for m in mine]}, "
                    f"there are {len(truth)} {[t[0] for t in truth]}")
        for number, ((uid, flags), (true_uid, true_flags)) in enumerate(zip(mine, truth), 1):
            if uid != true_uid and (complete or uid is not None):
                return f"believes that message {number} has UID {uid}, it has {true_uid}"
            if flags != true_flags and (complete or flags is not None):
                return (f"believes that message {number} (UID {true_uid}) has flags "
                        f"{flags and sorted(flags)}, it has {sorted(true_flags)}")
        return ""

    def last_uid(self):
        return max((m.uid for m in self.messages if m.uid), default=0)

    def known(self):
        """[(number, uid)] of messages whose UID is known."""
        return [(n, m.uid) for n, m in enumerate(self.messages, 1) if m.uid]
