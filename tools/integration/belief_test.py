#!/usr/bin/python3
"""What the checker's clients must not let pass: every impossible response, one by one, without any server."""

import asyncio
import collections
import unittest

from harness.belief import Belief, Violation
from harness.checked_client import CheckedClient


def believing(klass="plain", uids=(1, 3, 7)):
    belief = Belief(klass)
    belief.begin("INBOX")
    belief.exists(len(uids))
    belief.keywords = {"$one"}
    belief.selected()
    for number, uid in enumerate(uids, 1):
        belief.fetch(number, b"UID %d FLAGS ()" % uid)
    return belief


class BeliefTest(unittest.TestCase):
    def refuses(self, what, *arguments, klass="plain", **more):
        with self.assertRaises(Violation):
            getattr(believing(klass), what)(*arguments, **more)

    def test_counts_and_numbers(self):
        self.refuses("exists", 2)
        self.refuses("expunge", 4)
        self.refuses("expunge", 0)
        self.refuses("fetch", 4, b"FLAGS ()")

    def test_uids_only_rise_and_never_change_or_return(self):
        self.refuses("fetch", 2, b"UID 4")
        belief = believing()
        belief.exists(5)
        for items in (b"UID 7", b"UID 6", b"UID 8"):  # 8 leaves no room for message 4
            with self.assertRaises(Violation):
                belief.fetch(5, items)
        belief.fetch(5, b"UID 12")
        with self.assertRaises(Violation):
            belief.fetch(4, b"UID 12")
        belief.expunge(5)
        with self.assertRaises(Violation):
            belief.check_uid_alive(12)

    def test_what_a_class_may_be_told(self):
        self.refuses("vanished", b"3")
        self.refuses("vanished", b"3", klass="condstore")
        self.refuses("expunge", 1, klass="qresync")
        self.refuses("vanished", b"4", klass="qresync")
        self.refuses("fetch", 1, b"UID 1 FLAGS () MODSEQ (5)")
        self.refuses("fetch", 1, b"UID 1 FLAGS ()", klass="condstore", solicited=False)
        believing("condstore").fetch(1, b"UID 1 FLAGS () MODSEQ (5)", solicited=False)

    def test_keywords_are_announced_first(self):
        self.refuses("fetch", 1, b"FLAGS ($two)")
        believing().fetch(1, b"FLAGS ($one \\Seen)")

    def test_another_users_mail_shows(self):
        self.refuses("check_body", "u1", 1, b"Subject: u2 INBOX 5\r\n", {})
        identities = {}
        believing().check_body("u1", 1, b"Subject: u1 INBOX 5\r\n", identities)
        self.refuses("check_body", "u1", 1, b"Subject: u1 INBOX 6\r\n", identities)

    def test_the_difference_is_found(self):
        belief = believing()
        truth = [(1, set()), (3, set()), (7, set())]
        self.assertEqual(belief.difference(truth), "")
        self.assertIn("UID", belief.difference([(1, set()), (4, set()), (7, set())]))
        self.assertIn("flags", belief.difference([(1, {"\\Seen"}), (3, set()), (7, set())]))
        self.assertIn("2 [1, 3]", belief.difference(truth[:2]))
        belief.exists(4)
        self.assertEqual(belief.difference([*truth, (9, {"\\Seen"})]), "")
        self.assertNotEqual(belief.difference([*truth, (9, {"\\Seen"})], complete=True), "")

    def test_qresync_builds_on_what_was_known(self):
        belief = believing("qresync")
        belief.highest_modseq(10)
        cache = belief.cached()
        for exists, vanished, fetch, fits in ((3, b"3", (3, b"UID 9 FLAGS ()"), True),
                                              (3, b"3", (2, b"UID 9 FLAGS ()"), False),
                                              (4, b"3", (3, b"UID 9 FLAGS ()"), False)):
            belief.begin("INBOX", cache)
            belief.closed()
            belief.exists(exists)
            belief.vanished(vanished, earlier=True)
            belief.fetch(*fetch)
            if fits:
                belief.selected()
                self.assertEqual([m.uid for m in belief.messages], [1, 7, 9])
            else:
                with self.assertRaises(Violation):
                    belief.selected()

    def test_what_comes_before_closed_is_the_old_mailboxs(self):
        belief = believing()
        belief.begin("Archive")
        belief.exists(5)
        belief.fetch(5, b"UID 9 FLAGS ($unheard)")
        belief.closed()
        belief.exists(1)
        belief.selected()
        self.assertEqual([m.uid for m in belief.messages], [None])
        belief.begin("INBOX")
        with self.assertRaises(Violation):
            belief.selected()

    def test_only_what_was_answered_counts_for_modseq(self):
        belief = believing("condstore")
        belief.highest_modseq(10)
        belief.fetch(1, b"UID 1 MODSEQ (12) FLAGS ()")
        self.assertEqual(belief.modseq, 10)
        belief.answered()
        self.assertEqual(belief.modseq, 12)
        belief.highest_modseq(11)
        self.assertEqual(belief.modseq, 11)


class _Silent:
    """In the place of a connection: swallows what is sent."""

    def send(self, data):
        pass


class CheckedClientTest(unittest.IsolatedAsyncioTestCase):
    def client(self):
        client = CheckedClient("c", "u1", "plain", None, {})
        client.belief = believing()
        client._wire, client.transcript = _Silent(), collections.deque()
        client._reading = asyncio.get_running_loop().create_future()  # never done: connected
        return client

    async def refuses(self, commands, *responses):
        client = self.client()
        for command in commands:
            client.send(*command[:2], **(command[2] if len(command) > 2 else {}))
        for response in responses[:-1]:
            client._take(response)
        with self.assertRaises(Violation):
            client._take(responses[-1])

    async def test_no_expunge_without_a_command_or_during_commands_by_number(self):
        number = {"numbers": {1: 1}, "forbids_expunge": True}
        await self.refuses([], b"* 1 EXPUNGE")
        await self.refuses([("FETCH", "1 (FLAGS)", number)], b"* 1 EXPUNGE")
        await self.refuses([("NOOP", "")], b"c.1 OK", b"* 1 EXPUNGE")
        await self.refuses([("FETCH", "1 (FLAGS)", number), ("NOOP", "")], b"* 1 EXPUNGE")
        client = self.client()
        client.send("UID FETCH", "1 (FLAGS)")
        client._take(b"* 1 EXPUNGE")
        self.assertEqual([m.uid for m in client.belief.messages], [3, 7])

    async def test_answers_come_once_and_in_order_and_only_to_questions(self):
        await self.refuses([("NOOP", "")], b"c.1 OK", b"c.1 OK")
        await self.refuses([("NOOP", ""), ("NOOP", "")], b"c.2 OK")
        await self.refuses([], b"+ idling")
        await self.refuses([], b"* SEARCH 1")
        await self.refuses([("SEARCH", "ALL")], b"* SEARCH 4")
        await self.refuses([("NOOP", "")], b"* LIST () NIL x")
        await self.refuses([], b"* 1 FETCH (BODY[] {4}\r\nabcd)")

    async def test_a_number_means_the_message_it_was_believed_to_mean(self):
        await self.refuses([("COPY", "2 Archive", {"numbers": {2: 3}})], b"c.1 OK [COPYUID 1 7 1] Done")
        await self.refuses([("FETCH", "1:2 (FLAGS)", {"numbers": {1: 1, 2: 3}})], b"* 1 FETCH (FLAGS ())",
                           b"c.1 OK Done")


if __name__ == "__main__":
    unittest.main(verbosity=2)
