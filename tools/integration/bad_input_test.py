#!/usr/bin/python3
"""What strangers send, and what a broken store answers: refused clearly, in time, at nobody else's cost."""

import base64
import os
import random
import socket
import ssl
import time

from harness.case import RoostCase, dovecot_store, main, roost_only
from harness.dovecot import PASSWORD
from harness.fake_store import FakeStore
from harness.imap import Client, Closed
from harness.process import DEADLINE, SLOWNESS, Timeout, wait_until

# How long a stranger, and a store, may keep silent.
HANDSHAKE_S = 5 + int(SLOWNESS)
STORE_S = 4 + int(SLOWNESS)


def read_all(sock, deadline=DEADLINE):
    """Everything until the other side closes or resets; fails when it does not in time."""
    sock.settimeout(deadline)
    data = b""
    try:
        while True:
            piece = sock.recv(65536)
            if not piece:
                return data
            data += piece
    except ConnectionError:
        return data
    except TimeoutError as error:
        raise AssertionError(f"not closed within {deadline} s; got {data!r}") from error


@roost_only
class StrangersTest(RoostCase):
    """Before a login. Afterwards roostd must still serve, which tearDown checks each time."""

    settings = {"timeouts": {"handshake_s": HANDSHAKE_S, "login_s": HANDSHAKE_S + 2}}

    def tearDown(self):
        client = self.client(self.user())
        client.idle()
        client.done()
        client.logout()

    def raw(self, port):
        sock = socket.create_connection((self.front.host, port), timeout=DEADLINE)
        self.addCleanup(sock.close)
        return sock

    def half_a_handshake(self, sock):
        """A ClientHello without its last bytes."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.front.context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        hello = outgoing.read()
        sock.sendall(hello[:-20])

    # --- instead of TLS ---

    def test_garbage_instead_of_tls_is_closed_at_once(self):
        for garbage in (b"\x00" * 64, b"\xff" * 64, random.Random(1).randbytes(4096), b"\x16\x03\x01\xff\xff" + b"x" * 70000,
                        b"\x17\x03\x03\x00\x10" + b"x" * 16, b"\x80\x2e\x01\x00\x02" + b"x" * 60):
            sock = self.raw(self.front.imaps_port)
            start = time.monotonic()
            try:
                sock.sendall(garbage)
            except ConnectionError:
                pass
            read_all(sock)
            if garbage[:1] != b"\x16":
                self.assertLess(time.monotonic() - start, HANDSHAKE_S - 0.1, "not only at the deadline")

    def test_plaintext_to_the_tls_port_is_closed(self):
        for text in (b"a1 LOGIN x y\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\r\n"):
            sock = self.raw(self.front.imaps_port)
            sock.sendall(text)
            read_all(sock)

    def test_half_a_handshake_and_silence_is_closed_at_the_deadline(self):
        sock = self.raw(self.front.imaps_port)
        start = time.monotonic()
        self.half_a_handshake(sock)
        read_all(sock)
        self.assertGreaterEqual(time.monotonic() - start, HANDSHAKE_S - 0.5)

    def test_silence_is_closed_at_the_deadline_on_every_port(self):
        socks = [self.raw(port) for port in (self.front.imaps_port, self.front.imap_port,
                                             self.front.plain_port)]
        for sock in socks:
            read_all(sock)

    def test_a_client_that_never_logs_in_is_told_and_closed(self):
        client = self.connect()
        responses = client.read_closed()
        self.assertTrue(any(r.startswith(b"* BYE") for r in responses), responses)

    def test_a_handshake_in_starttls_that_never_ends_is_closed(self):
        client = self.connect("none")
        client.ok("STARTTLS")
        self.half_a_handshake(client.socket)
        read_all(client.socket)

    def test_garbage_under_tls_is_closed(self):
        """After the handshake a record that does not open ends the connection."""
        sock = self.raw(self.front.imaps_port)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.front.context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65536))
        sock.sendall(outgoing.read())
        tls.write(b"a1 NOOP\r\n")
        record = bytearray(outgoing.read())
        record[-1] ^= 1
        sock.sendall(record)
        read_all(sock)

    def test_records_that_are_too_long_are_closed(self):
        sock = self.raw(self.front.imaps_port)
        tls = self.front.context.wrap_socket(sock, server_hostname="localhost")
        raw = socket.socket(fileno=os.dup(tls.fileno()))
        self.addCleanup(raw.close)
        raw.sendall(b"\x17\x03\x03\x41\x01")  # one more than 2^14 + 256
        read_all(raw)

    def test_a_hundred_connections_that_say_nothing_keep_nobody_out(self):
        for _ in range(100):
            self.raw(self.front.imaps_port)
        self.client(self.user())

    # --- IMAP before login ---

    def test_an_unknown_command_is_bad_and_three_close(self):
        client = self.connect()
        answer = client.bad("FROBNICATE")
        self.assertEqual(answer.untagged, [])
        client.bad("GET / HTTP/1.1")
        client.start("XYZZY")
        responses = client.read_closed()
        self.assertTrue(any(r.startswith(b"* BYE") for r in responses), responses)

    def test_a_line_too_long_is_refused(self):
        for tls in ("implicit", "plain"):
            client = self.connect(tls)
            try:
                client.send(b"a1 LOGIN x " + b"y" * 300_000)
                client.send(b"\r\n")
            except OSError:
                pass
            try:
                responses = client.read_closed()
            except Timeout:
                self.fail("a line of 300,000 bytes before login was waited for")
            self.assertTrue(any(b"BYE" in r or b" BAD" in r for r in responses) or not responses)

    def test_a_literal_too_long_is_refused_before_it_is_sent(self):
        client = self.connect()
        tag = client.start("LOGIN {1000000}")
        response = client.read()
        self.assertFalse(response.startswith(b"+"), response)
        self.assertTrue(response.startswith((tag.encode() + b" NO", tag.encode() + b" BAD", b"* BYE")),
                        response)

    def test_a_literal_too_long_that_is_sent_without_waiting_is_not_executed(self):
        client = self.connect()
        text = b"x9 NOOP\r\n" * 20_000
        try:
            client.send(b"a1 LOGIN {%d+}\r\n" % len(text) + text + b" y\r\n")
        except OSError:
            pass
        try:
            responses = client.read_closed()
        except Timeout:
            responses = []
        self.assertFalse([r for r in responses if r.startswith(b"x9")], responses[:3])

    def test_numbers_of_literals_that_overflow_are_refused(self):
        for size in ("4294967296", "18446744073709551617", "99999999999999999999999999", "-1", "", "1 "):
            client = self.connect()
            client.send(f"a1 LOGIN {{{size}}}\r\n")
            self.assertFalse(client.read().startswith(b"+"), size)

    def test_nul_bytes_are_refused(self):
        for line in (b"a1 LOGIN a\0b c\r\n", b"\0\0\0\r\n", b"a\0 NOOP\r\n", b'a1 LOGIN "a\0" "b"\r\n'):
            client = self.connect()
            client.send(line)
            response = client.read()
            self.assertTrue(b"BAD" in response or b"NO" in response or b"BYE" in response, response)

    def test_bad_tags_are_refused(self):
        for line in (b"\r\n", b" NOOP\r\n", b"* NOOP\r\n", b"+ NOOP\r\n", b"a(b NOOP\r\n", b"a1\r\n", b"a1 \r\n"):
            client = self.connect()
            client.send(line)
            response = client.read()
            self.assertTrue(b"BAD" in response or b"BYE" in response, (line, response))

    def test_bad_base64_is_refused(self):
        for token in ("!!!!", "AGE", "AGEA====", "AGEAYg==x", "=", "A" * 5):
            client = self.connect()
            self.assertIn(client.command(f"AUTHENTICATE PLAIN {token}").status, ("BAD", "NO"), token)
            client = self.connect()
            tag = client.start("AUTHENTICATE PLAIN")
            client.continuation()
            client.send(token + "\r\n")
            self.assertIn(client.finish(tag).status, ("BAD", "NO"), token)

    def test_plain_tokens_of_the_wrong_shape_are_refused(self):
        for token in (b"", b"a", b"a\0b", b"\0\0", b"\0a\0", b"\0\0p", b"\0a\0b\0c"):
            client = self.connect()
            encoded = base64.b64encode(token).decode() or "="
            self.assertIn(client.command(f"AUTHENTICATE PLAIN {encoded}").status, ("BAD", "NO"), token)

    def test_an_unknown_mechanism_is_refused(self):
        client = self.connect()
        self.assertIn(client.command("AUTHENTICATE FROB").status, ("NO", "BAD"))
        client.login(self.user(), PASSWORD)

    def test_wrong_passwords_end_the_connection_after_some(self):
        user = self.user()
        client = self.connect()
        with self.assertRaises(Closed):
            for _ in range(10):
                client.no(f"LOGIN {user} wrong")

    def test_commands_in_single_bytes_and_with_bare_line_feeds(self):
        client = self.connect()
        for byte in b"a9 CAPABILITY\r\n":
            client.send(bytes([byte]))
        self.assertEqual(client.finish("a9").status, "OK")


@roost_only
class InsidersTest(RoostCase):
    """After a login the store decides most of it; Roost must not break, and must know what is what."""

    def test_unknown_commands_get_the_stores_answer(self):
        client = self.client(self.user())
        client.bad("FROBNICATE")
        client.ok("NOOP")

    def test_an_unknown_command_with_a_literal_runs_nothing(self):
        user = self.user()
        client = self.client(user)
        text = "x9 CREATE injected\r\n"
        client.send(f"a1 FROBNICATE {{{len(text)}+}}\r\n{text}\r\n")
        try:
            client.read_closed(1)
        except Timeout:
            pass
        self.assertNotIn(b"injected", b"".join(self.direct(user).ok('LIST "" *').untagged))

    def test_a_line_too_long_is_refused(self):
        client = self.client(self.user())
        try:
            client.send(b"a1 SEARCH SUBJECT " + b"y" * 3_000_000 + b"\r\n")
        except OSError:
            pass
        try:
            responses = client.read_closed()
        except Timeout:
            self.fail("a line of 3 MB was neither answered nor closed")
        self.assertTrue(any(b"BAD" in r or b"BYE" in r for r in responses), responses[:3])

    def test_bad_tags_get_an_answer_and_the_connection_goes_on(self):
        for line in (b"\r\n", b"* NOOP\r\n", b"+ NOOP\r\n"):
            client = self.client(self.user())
            client.send(line)
            response = client.read()
            self.assertTrue(b"BAD" in response or b"BYE" in response, (line, response))

    def test_garbage_to_a_parked_client_ends_idle_and_no_more(self):
        user = self.user()
        clients = [self.client(user) for _ in range(3)]
        for client in clients:
            client.idle()
        clients[0].send(b"\x01\x02\xff garbage\r\n")
        self.assertEqual(clients[0].finish(clients[0]._idle_tag).status, "BAD")
        clients[0].ok("NOOP")
        clients[1].send(b"x" * 200_000 + b"\r\n")
        clients[1].read()
        self.dovecot.deliver(user)
        clients[2].wait_untagged(rb"^\* 1 EXISTS")

    def test_random_bytes_after_login_break_nothing(self):
        user = self.user()
        watcher = self.client(user)
        watcher.idle()
        for seed in range(20):
            client = self.client(user)
            data = bytes((seed * 7919 + n * n * 31 + n) % 256 for n in range(3000))
            try:
                client.send(data + b"\r\nz NOOP\r\n")
            except OSError:
                pass
            client.close()
        self.dovecot.deliver(user)
        watcher.wait_untagged(rb"^\* 1 EXISTS")


@roost_only
class BrokenStoreTest(RoostCase):
    """A store that does not keep to the protocol costs its own session, never the process."""

    def broken(self, script, **settings):
        """(front, store): a roostd in front of a fake store that runs the script."""
        store = FakeStore(script)
        self.addCleanup(store.close)
        entry = {"name": "fake", "addresses": [f"{store.host}:{store.port}"], "connect_timeout_s": STORE_S,
                 "command_timeout_s": STORE_S}
        front = self.roostd(f"broken-{store.port}", [entry], {
            "capabilities_before_login": ["IMAP4rev1", "AUTH=PLAIN", "SASL-IR", "LITERAL+", "ID"], **settings})
        return front, store

    def refused(self, script, code="UNAVAILABLE"):
        front, _ = self.broken(script)
        client = self.connect(front=front)
        client.no("LOGIN user password", code)
        client.ok("NOOP")  # the client's own connection is well

    def test_a_store_that_is_down(self):
        front = self.roostd("down", [dovecot_store(self.dovecot, addresses=["127.0.0.1:1"])])
        client = self.connect(front=front)
        client.no(f"LOGIN {self.user()} {PASSWORD}", "UNAVAILABLE")
        answer = client.authenticate_plain(self.user(), PASSWORD)
        self.assertIn("[UNAVAILABLE]", answer.text)

    def test_a_store_that_accepts_and_is_silent(self):
        self.refused(lambda c: c.line())

    def test_a_store_that_closes_at_once(self):
        self.refused(lambda c: None)

    def test_a_store_that_greets_with_bye(self):
        self.refused(lambda c: c.send("* BYE too busy\r\n"))

    def test_a_store_that_is_no_imap_server(self):
        self.refused(lambda c: (c.send("220 mail.example.org ESMTP\r\n"), c.line()))

    def test_a_store_that_greets_with_garbage(self):
        self.refused(lambda c: (c.send(bytes(range(256)) * 64), c.line()))

    def test_a_store_with_an_endless_greeting(self):
        def script(connection):
            while True:
                connection.send("x" * 65536)
        self.refused(script)

    def test_a_store_that_dies_at_the_login(self):
        self.refused(lambda c: (c.greet(), c.serve(until="AUTHENTICATE")))

    def test_a_refusal_reaches_the_client_with_its_code(self):
        def script(connection):
            connection.greet()
            answer = "{tag} NO [EXPIRED] Your password is too old\r\n"
            connection.serve({"LOGIN": answer, "AUTHENTICATE": answer})
        front, _ = self.broken(script)
        self.assertIn("Your password is too old",
                      self.connect(front=front).no("LOGIN user password", "EXPIRED").text)

    def after_login(self, bad):
        """A client whose store answers NOOP with `bad`; returns what the client hears."""
        def script(connection):
            connection.greet()
            connection.serve({"NOOP": bad})
        front, _ = self.broken(script)
        client = self.connect(front=front)
        client.ok("LOGIN user password")
        client.ok("SELECT INBOX")
        client.start("NOOP")
        responses = client.read_closed()
        self.connect(front=front).ok("LOGIN user password")
        return responses

    def test_tagged_answers_nobody_awaits_end_session_and_client(self):
        responses = self.after_login("nobodys-tag OK done\r\n")
        self.assertFalse([r for r in responses if r.startswith(b"nobodys-tag")])

    def test_garbage_in_the_relay_ends_session_and_client(self):
        self.after_login("\0\0\0 garbage \r\n")

    def test_an_endless_line_in_the_relay_takes_no_memory(self):
        """A line of the store may be long (a list of UIDs is), so it passes in pieces."""
        def script(connection):
            connection.greet()
            connection.serve(until="NOOP")
            connection.send("* OK ")
            while True:
                connection.send("x" * 65536)
        front, _ = self.broken(script)
        client = self.connect(front=front)
        client.ok("LOGIN user password")
        client.start("NOOP")
        client.socket.recv(10)
        before = front.process.memory_kb()
        try:
            for _ in range(2000):
                if not client.socket.recv(65536):
                    break
        except ConnectionError:
            pass  # to be cut off is an answer too
        self.assertLess(front.process.memory_kb() - before, 20_000)
        self.connect(front=front).ok("LOGIN user password")

    def test_a_store_that_dies_in_a_literal_aborts_the_client(self):
        def script(connection):
            connection.greet()
            tag, _, _ = connection.serve(until="FETCH")
            connection.send("* 1 FETCH (BODY[] {1000}\r\nonly this" if tag else "")
        front, _ = self.broken(script)
        client = self.connect(front=front)
        client.ok("LOGIN user password")
        client.ok("SELECT INBOX")
        client.start("FETCH 1 BODY[]")
        with self.assertRaises(Closed) as closed:
            while True:
                client.read()
        # What stands in the literal is what the store sent; nothing was padded.
        self.assertNotIn("BYE", str(closed.exception))

    def test_a_driver_that_talks_nonsense_is_replaced_and_idle_clients_stay(self):
        nonsense = ["* 99 EXPUNGE\r\n", "* 0 EXPUNGE\r\n", "+ what?\r\n", "x1 OK\r\n",
                    "* 1 FETCH (BODY[] {99999999999999999999}\r\n", "no IMAP at all\r\n"]
        left = list(nonsense)

        def script(connection):
            connection.greet()
            tag, _, _ = connection.serve(until="IDLE")
            connection.send("+ idling\r\n")
            if left:
                connection.send(left.pop(0))
                connection.line()
                return
            connection.store.sane = True
            if connection.line().upper() == b"DONE":
                connection.send(f"{tag} OK done\r\n")
            connection.serve()
        front, store = self.broken(script, parking={"reconnect_min_ms": 10, "reconnect_max_ms": 50})
        store.sane = False
        client = self.connect(front=front)
        client.ok("LOGIN user password")
        client.ok("SELECT INBOX")
        client.idle()
        wait_until(lambda: store.sane, lambda: f"a session without nonsense; not told yet: {left}")
        client.done()
        client.ok("NOOP")


class ProbeTest(RoostCase):
    """The tests' own tools, which work without Roost too."""

    def test_the_fake_store_speaks_enough_imap(self):
        def script(connection):
            connection.greet()
            connection.serve()
        store = FakeStore(script)
        self.addCleanup(store.close)
        client = Client(store.host, store.port)
        self.addCleanup(client.close)
        client.login("x", "y")
        client.select()
        self.assertEqual(client.uids(), [])
        client.idle()
        client.done()
        client.logout()


if __name__ == "__main__":
    main()
