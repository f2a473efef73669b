#!/usr/bin/python3
"""Large bodies, both ways: the same bytes, in bounded memory, whoever is slow."""

import hashlib
import os
import random
import threading
import time

from harness.case import DIRECT, RoostCase, main, roost_only
from harness.dovecot import PASSWORD
from harness.process import DEADLINE, MEASURED, wait_until

MB = 1 << 20


def large_message(size, seed=1):
    """A message of this many bytes, of lines that look like literals, tags and tagged answers too."""
    rng = random.Random(seed)
    head = f"From: a@example.org\r\nSubject: large {seed}\r\n\r\n".encode()
    tricks = [b"a1 OK done\r\n", b"{10}\r\n", b"{99999+}\r\n", b"* 3 EXPUNGE\r\n", b"+ go\r\n", b"DONE\r\n",
              b")\r\n", b"* BYE\r\n", b"~{3}\r\n", b'"\\\r\n']
    block = b"".join(tricks) + b"".join(
        bytes(rng.choice(range(33, 256)) for _ in range(70)) + b"\r\n" for _ in range(900))
    body = block * (size // len(block) + 1)
    return head + body[:size - len(head) - 2] .rstrip(b"\r\n").ljust(size - len(head) - 2, b"x") + b"\r\n"


def digest(data):
    return hashlib.sha256(data).hexdigest()


class RelayTest(RoostCase):
    # Dovecot lets a mail be appended of any size; more than we hold in any buffer by far.
    SIZE = 40 * MB
    # What roostd may grow by while such a body passes: its buffers, and what the allocator keeps.
    GROWTH_KB = 24 * 1024
    environment = MEASURED

    def memory(self):
        return 0 if DIRECT else self.front.process.memory_kb()

    def setUp(self):
        # Whatever is allocated once for a working connection is allocated before measuring.
        client = self.client(self.user())
        client.append("INBOX", large_message(MB))
        client.ok("FETCH 1 BODY.PEEK[]")
        client.logout()
        self.before_kb = self.memory()

    def assert_memory_bounded(self):
        self.assertLess(self.memory() - self.before_kb, self.GROWTH_KB)

    def fetch(self, client, number, size):
        answer = client.ok(f"FETCH {number} BODY.PEEK[]", deadline=4 * DEADLINE)
        head = b"* %d FETCH (BODY[] {%d}\r\n" % (number, size)
        body = next(r for r in answer.untagged if r.startswith(head))
        return body[len(head):len(head) + size]

    def test_a_large_message_is_the_same_after_upload_and_download(self):
        for non_sync in (False, True):
            for tls in ("implicit", "plain"):
                client = self.client(self.user(), tls=tls, deadline=4 * DEADLINE)
                sent = large_message(self.SIZE)
                client.append("INBOX", sent, non_sync=non_sync)
                self.assert_memory_bounded()
                self.assertEqual(digest(self.fetch(client, 1, len(sent))), digest(sent))
                self.assert_memory_bounded()
                client.ok("NOOP")
                client.logout()

    def test_every_size_around_the_bounds_of_records_and_buffers(self):
        client = self.client(self.user())
        edges = (16384, 16384 - 256, 16640, 32768, 65536)
        sizes = sorted({edge + delta for edge in edges for delta in (-2, -1, 0, 1, 2)})
        for number, size in enumerate(sizes, start=1):
            sent = large_message(size, seed=size)
            self.assertEqual(len(sent), size)
            client.append("INBOX", sent, non_sync=number % 2 == 0)
            self.assertEqual(digest(self.fetch(client, number, size)), digest(sent), size)

    def test_a_body_that_trickles_in_byte_by_byte(self):
        client = self.client(self.user())
        sent = large_message(600)
        tag = client.start(f"APPEND INBOX {{{len(sent)}}}")
        client.continuation()
        for byte in sent + b"\r\n":
            client.send(bytes([byte]))
        self.assertEqual(client.finish(tag).status, "OK")
        self.assertEqual(self.fetch(client, 1, len(sent)), sent)

    def test_a_reader_that_stops_reading_holds_up_the_store_not_the_memory(self):
        user = self.user()
        writer = self.client(user, deadline=4 * DEADLINE)
        sent = large_message(self.SIZE)
        writer.append("INBOX", sent)
        slow = self.client(user, deadline=4 * DEADLINE)
        tag = slow.start("FETCH 1 BODY.PEEK[]")
        # Meanwhile everybody else is served.
        other = self.client(self.user())
        end = time.monotonic() + 1
        while time.monotonic() < end:
            other.ok("NOOP")
            self.assert_memory_bounded()
        answer = slow.finish(tag)
        self.assertEqual(answer.status, "OK")
        self.assertIn(sent, answer.untagged[0])

    def test_a_client_that_leaves_in_the_middle_of_a_body_costs_only_itself(self):
        user = self.user()
        client = self.client(user, deadline=4 * DEADLINE)
        client.append("INBOX", large_message(8 * MB))
        for _ in range(3):
            leaver = self.client(user)
            leaver.start("FETCH 1 BODY.PEEK[]")
            leaver.socket.recv(1000)
            leaver.close()
            leaver = self.client(user)
            leaver.start("APPEND INBOX {1000000}")
            leaver.continuation()
            leaver.send(b"x" * 5000)
            leaver.close()
        self.assertEqual(client.uids(), [1])
        self.assert_sessions(user, 1)
        self.assert_memory_bounded()

    def test_several_large_bodies_at_once(self):
        failures = []

        def one(user, seed):
            try:
                client = self.client(user, deadline=6 * DEADLINE)
                sent = large_message(10 * MB + seed, seed)
                client.append("INBOX", sent, non_sync=seed % 2 == 0)
                if digest(self.fetch(client, 1, len(sent))) != digest(sent):
                    failures.append(f"{user}: other bytes")
            except Exception as error:  # reported by the main thread
                failures.append(f"{user}: {error!r}")
        threads = [threading.Thread(target=one, args=(self.user(), seed)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assert_memory_bounded()

    def test_pipelined_commands_of_all_kinds(self):
        client = self.client(self.user())
        parts, expected = [], 0
        for number in range(30):
            text = f"Subject: {number}\r\n\r\n{'x' * (number * 997)}\r\n"
            parts.append(f"p{number} APPEND INBOX {{{len(text)}+}}\r\n{text}\r\n")
            parts.append(f"n{number} NOOP\r\n")
            parts.append(f"s{number} UID SEARCH ALL\r\n")
            expected += 1
        tags = [f"{kind}{n}" for n in range(30) for kind in "pns"]
        client.send("".join(parts))
        answers, _ = client.finish_all(tags)
        self.assertEqual(set(answers.values()), {"OK"})
        self.assertEqual(len(client.uids()), expected)

    def test_more_pipelined_commands_than_may_be_in_progress(self):
        client = self.client(self.user())
        for _ in range(10):
            tags = [client.tag() for _ in range(300)]
            client.send("".join(f"{t} NOOP\r\n" for t in tags))
            answers, _ = client.finish_all(tags)
            self.assertEqual(set(answers.values()), {"OK"})

    def test_more_pipelined_commands_than_fit_into_any_buffer(self):
        # In clear, because a TLS object of Python may not be read and written by two threads.
        client = self.client(self.user(), tls="plain")
        tags = [client.tag() for _ in range(30_000)]
        sender = threading.Thread(target=client.send, args=("".join(f"{t} NOOP\r\n" for t in tags),))
        sender.start()
        answers, _ = client.finish_all(tags)
        sender.join()
        self.assertEqual(set(answers.values()), {"OK"})
        self.assert_memory_bounded()

    def test_responses_of_odd_shapes_pass_as_they_are(self):
        """Escapes, empty parts, NIL: what Roost sends is what Dovecot sends."""
        user = self.user()
        direct = self.direct(user)
        direct.append("INBOX", b"Subject: =?utf-8?q?=C3=A4?= \"q\" \\ (x) {5}\r\nTo: \"a \\\" b\" <c@d>\r\n"
                               b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n"
                               b"Content-Type: text/html; charset=\"utf-8\"\r\n\r\n\xc3\xa4\r\n--b--\r\n")
        direct.append("INBOX", b"\r\n")
        direct.ok("NOOP")
        client = self.client(user)
        for what in ("ENVELOPE", "BODYSTRUCTURE", "BODY", "BODY.PEEK[HEADER.FIELDS (SUBJECT TO)]",
                     "BODY.PEEK[2]", "BODY.PEEK[9]", "BODY.PEEK[]<3.5>", "(RFC822.SIZE INTERNALDATE)", "ALL"):
            for number in (1, 2):
                # \\Recent belongs to whoever selected first.
                relayed, said = ([line.replace(rb"\Recent", b"") for line in c.ok(f"FETCH {number} {what}").untagged]
                                 for c in (client, direct))
                self.assertEqual(relayed, said)


@roost_only
class ManyClientsTest(RoostCase):
    """A crowd, briefly: as many as a small machine and a real store bear."""

    def test_two_hundred_idle_clients_of_twenty_users(self):
        users = [self.user() for _ in range(20)]
        clients = []
        for user in users:
            for _ in range(10):
                client = self.client(user)
                client.idle()
                clients.append(client)
        for user in users:
            self.assert_sessions(user, 1)
        for user in users:
            self.dovecot.deliver(user)
        for client in clients:
            client.wait_untagged(rb"^\* 1 EXISTS")
        for client in clients:
            client.close()
        wait_until(lambda: not self.dovecot.sessions(), "all sessions end with their clients")

    def test_clients_that_come_and_go_leave_nothing(self):
        user = self.user()
        descriptors = f"/proc/{self.front.process.pid}/fd"
        for _ in range(5):  # what is opened once
            self.client(user).logout()
        self.assert_sessions(user, 0)
        before = len(os.listdir(descriptors))
        for number in range(60):
            client = self.connect(("implicit", "starttls", "plain")[number % 3])
            if number % 4:
                client.login(user, PASSWORD)
            if number % 4 > 1:
                client.select()
            if number % 4 > 2:
                client.idle()
            client.close()
        self.assert_sessions(user, 0)
        wait_until(lambda: len(os.listdir(descriptors)) <= before, "all descriptors are closed")


if __name__ == "__main__":
    main()
