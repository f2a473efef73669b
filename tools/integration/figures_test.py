#!/usr/bin/python3
"""What operators look at, moved by what was really done: each family of metrics has something happen that it must tell.

Limits are exceeded one by one in limits_test.py.
"""

import socket
import ssl
import threading

from embedded_test import EmbeddedStoreCase
from harness.case import dovecot_store, main, roost_only
from harness.certificates import Authority
from harness.dovecot import PASSWORD
from harness.fake_store import FakeStore
from harness.gate import GateThread
from harness.process import DEADLINE, free_port
from harness.roost import RoostStore
from metrics_test import Scraping

BULK = 200_000  # bytes
FEW = 20_000
LINES = ("y" * 78 + "\r\n") * (BULK // 80)
PARKING = {"pool_keep_s": 0, "quiet_park_s": 0, "reconnect_min_ms": 50, "reconnect_max_ms": 500, "audit_s": 0}


class FiguresCase(Scraping, EmbeddedStoreCase):
    """A front with one store, nobody at either when a test begins, and a gate in between."""

    login = "proxy-authzid"

    @classmethod
    def start_front(cls):
        cls.gate = GateThread("127.0.0.1", free_port(), cls.dovecot.host, cls.dovecot.imap_port)
        cls.addClassCleanup(cls.gate.end)
        front, cls.admin_port = cls.front_with("front", addresses=[f"{cls.gate.host}:{cls.gate.port}"])
        return front

    @classmethod
    def front_with(cls, name, settings=None, **store):
        """(another front, the port of its pages)"""
        port = free_port()
        entry = dovecot_store(cls.dovecot, cls.login, **{"check_s": 0, **store})
        return cls.roostd(name, [entry], {"admin": {"address": f"127.0.0.1:{port}"}, "parking": PARKING,
                                          **(settings or {})}), port

    def use(self, name, settings=None, **store):
        """The same for this test alone: self.value() asks it."""
        front, self.admin_port = self.front_with(name, settings, **store)
        self.nobody(front)
        return front

    def setUp(self):
        self.nobody(self.front)

    def nobody(self, front):
        figures = {}

        def gone():
            figures.update(front.figures())
            return not any(figures[name] for name in ("clients", "feeds", "sessions_open", "sessions_logging_in"))
        self.eventually(gone, lambda: f"nobody is there: {figures}")

    def fake_store(self, script):
        store = FakeStore(script)
        self.addCleanup(store.close)
        return store

    def parked(self, user, front=None):
        client = self.client(user, front=front)
        parked = self.grows(1, "roost_parks_total", cause="idle")
        client.idle()
        parked()
        return client

    def states(self, **expected):
        for state in ("entering", "attached", "parked"):
            self.await_value(expected.get(state, 0), "roost_clients", state=state)


@roost_only
class ClientFiguresTest(FiguresCase):
    def test_connections_by_what_they_do(self):
        accepted = self.grows(1, "roost_connections_accepted_total")
        before = self.value("roost_connections_closed_total") - self.value("roost_connections_moved_total")
        client = self.connect()
        accepted()
        self.states(entering=1)
        client.login(self.user(), PASSWORD)
        client.select()
        self.states(attached=1)
        self.await_value(1, "roost_users")
        client.idle()
        self.states(parked=1)
        self.await_value(1, "roost_clients_idling")
        self.await_value(1, "roost_clients_asleep")
        self.assertEqual(sum(self.value("roost_shard_clients", shard=str(shard)) for shard in range(2)), 1)
        client.done()
        self.await_value(0, "roost_clients_idling")
        self.states(parked=1)
        client.ok("UID FETCH 1:* FLAGS")
        self.states(attached=1)
        client.logout()
        self.states()
        self.eventually(lambda: self.value("roost_connections_closed_total")
                        - self.value("roost_connections_moved_total") == before + 1, "it is counted as closed")

    def test_parks_and_how_they_meet_their_feed(self):
        user = self.user()
        for how, enabled in (("first", None), ("joined", None), ("raised", "QRESYNC")):
            client = self.connect()
            client.login(user, PASSWORD)
            if enabled:
                client.ok(f"ENABLE {enabled}")
            client.select()
            checks = [self.grows(1, "roost_parks_total", cause="idle"), self.grows(1, "roost_park_feeds_total", how=how)]
            client.idle()
            for check in checks:
                check()
        self.await_value(1, "roost_feeds", driver="idle")
        self.assertEqual(self.value("roost_parks_total", cause="quiet"), 0)

    def test_parks_of_who_is_silent_and_idles_that_are_passed_on(self):
        front = self.use("quiet", {"parking": {**PARKING, "quiet_park_s": 1}})
        self.client(self.user(), front=front)
        self.await_value(1, "roost_parks_total", cause="quiet")
        front = self.use("unparked", {"parking": {**PARKING, "enabled": False}})
        self.client(self.user(), front=front).idle()
        self.await_value(1, "roost_kept_idle_total")
        self.assertEqual(self.value("roost_parks_total", cause="idle"), 0)

    def test_wakes_by_command_and_where_their_session_is_from(self):
        user = self.user()
        self.dovecot.deliver(user)
        one, other = self.parked(user), self.parked(user)

        def wakes(client, source, command, status="OK"):
            woken = int(source != "none")
            checks = [self.grows(woken, "roost_wakes_total", command=command.split()[0].lower()),
                      self.grows(woken, "roost_wake_seconds_count"),
                      self.grows(1, "roost_wake_sessions_total", **{"from": source})]
            client.done()
            self.assertEqual(client.command(command).status, status)
            for check in checks:
                check()
        self.gate.refuse()
        try:
            wakes(one, "none", "FETCH 1 FLAGS", "NO")
        finally:
            self.gate.open()
        one.idle()
        wakes(one, "store", "STORE 1 +FLAGS (\\Seen)")
        one.close()
        self.states(parked=1)
        wakes(other, "feed", "SEARCH ALL")
        self.assertGreater(self.value("roost_wake_seconds_sum"), 0)

    def test_logins_by_their_result(self):
        def login(result, act):
            check = self.grows(1, "roost_logins_total", result=result)
            act()
            check()
        user = self.user()
        login("ok", lambda: self.client(user))
        login("refused", lambda: self.connect().no(f"LOGIN {user} wrong", "AUTHENTICATIONFAILED"))
        login("not-allowed", lambda: self.connect("none").no(f"LOGIN {user} {PASSWORD}", "PRIVACYREQUIRED"))
        front = self.use("deserted", addresses=[f"127.0.0.1:{free_port()}"])
        login("unavailable", lambda: self.connect(front=front).no(f"LOGIN {user} {PASSWORD}", "UNAVAILABLE"))
        self.assertGreater(self.value("roost_sessions_lost_total", store="dovecot", reason="unreachable"), 0)

        def hold(connection):
            connection.greet()
            connection.serve(until="AUTHENTICATE")
            connection.line()  # never
        front = self.use("held", {"timeouts": {"handshake_s": 3, "login_s": 3}},
                         addresses=[f"127.0.0.1:{self.fake_store(hold).port}"])

        def take_too_long():
            client = self.connect(front=front)
            client.start(f"LOGIN {user} {PASSWORD}")
            self.await_value(1, "roost_sessions", store="dovecot", state="logging_in")
            client.read_closed()
        login("abandoned", take_too_long)

    def test_who_is_sent_away(self):
        user = self.user()
        client = self.parked(user)
        check = self.grows(1, "roost_sent_away_total", cause="kick")
        self.front.ctl("kick", user, status=0)
        self.assertTrue(client.read_closed()[-1].startswith(b"* BYE "))
        check()

    def test_handshakes_by_how_they_end(self):
        check = self.grows(1, "roost_tls_handshake_failures_total", peer="client", reason="mismatch")
        outdated = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        outdated.check_hostname, outdated.verify_mode = False, ssl.CERT_NONE
        outdated.maximum_version = ssl.TLSVersion.TLSv1_2
        outdated.set_ciphers("ECDHE-ECDSA-AES128-SHA")
        with socket.create_connection((self.front.host, self.front.imaps_port), timeout=DEADLINE) as plain:
            with self.assertRaises(OSError):
                outdated.wrap_socket(plain)
        check()
        front = self.use("impatient", {"timeouts": {"handshake_s": 1}})
        check = self.grows(1, "roost_tls_handshake_failures_total", peer="client", reason="given_up")
        with socket.create_connection((front.host, front.imaps_port), timeout=DEADLINE) as plain:
            self.await_value(1, "roost_tls_handshakes_in_progress")
            self.assertEqual(plain.recv(100), b"")
        check()
        self.await_value(0, "roost_tls_handshakes_in_progress")
        self.assertEqual(self.value("roost_tls_handshakes_total", peer="store", kind="full"), 0)


@roost_only
class StoreFiguresTest(FiguresCase):
    def test_feeds_by_driver_and_health(self):
        self.await_value(0, "roost_feeds", driver="idle")
        self.parked(self.user())
        self.await_value(1, "roost_feeds", driver="idle")
        self.await_value(1, "roost_sessions", store="dovecot", state="open")
        lost = self.grows(1, "roost_sessions_lost_total", store="dovecot", reason="closed")
        recovered = self.grows(1, "roost_feeds_recovered_total")
        opened = self.value("roost_sessions_opened_total", store="dovecot")
        self.gate.refuse()
        try:
            self.gate.cut()
            self.await_value(1, "roost_feeds", driver="none")
            self.await_value(1, "roost_feeds_recovering")
            self.await_value(0, "roost_feeds", driver="idle")
            lost()
        finally:
            self.gate.open()
        recovered()
        self.await_value(1, "roost_feeds", driver="idle")
        self.await_value(0, "roost_feeds_recovering")
        self.assertGreater(self.value("roost_sessions_opened_total", store="dovecot"), opened)

    def test_feeds_of_a_store_that_must_be_asked(self):
        mute = RoostStore(self.directory / "mute-store", ["--capability-off", "IDLE"])
        self.addCleanup(mute.stop)
        front = self.use("polls", {"parking": {**PARKING, "poll_s": 5, "audit_s": 1}},
                         addresses=[f"{mute.host}:{mute.imap_port}"])
        self.parked(self.user(), front)
        self.await_value(1, "roost_feeds", driver="polling")
        self.eventually(lambda: self.value("roost_feed_polls_total") > 0, "the store is asked")
        self.eventually(lambda: self.value("roost_audits_total", result="equal") > 0, "the feed is audited")

    def test_events_by_kind_and_how_late_they_are_told(self):
        user = self.user()
        self.dovecot.deliver(user, count=3)
        clients = [self.parked(user) for _ in range(2)]
        direct = self.direct(user)

        def happens(kind, news, act):
            checks = [self.grows(1, "roost_feed_events_total", kind=kind), self.grows(2, "roost_notifications_total"),
                      self.grows(1, "roost_fan_out_seconds_count")]
            act()
            for client in clients:
                client.wait_untagged(news)
            for check in checks:
                check()
        happens("exists", rb"^\* 4 EXISTS", lambda: self.dovecot.deliver(user))
        happens("flags", rb"^\* 2 FETCH .*\\Deleted", lambda: direct.ok("STORE 2 +FLAGS.SILENT (\\Deleted)"))
        happens("expunge", rb"^\* 2 EXPUNGE", lambda: direct.ok("EXPUNGE"))
        _, samples = self.scrape()
        buckets = sorted((float(dict(labels)["le"]), value) for (name, labels), value in samples.items()
                         if name == "roost_fan_out_seconds_bucket")
        self.assertEqual([value for _, value in buckets], sorted(value for _, value in buckets))
        self.assertEqual(buckets[-1], (float("inf"), self.value("roost_fan_out_seconds_count")))
        self.assertGreater(self.value("roost_fan_out_seconds_sum"), 0)

    def test_what_a_store_says_to_all(self):
        idling, speak = threading.Event(), threading.Event()

        def alert(connection):
            connection.greet()
            connection.serve(until="IDLE")
            connection.send("+ idling\r\n")
            idling.set()
            speak.wait(DEADLINE)
            connection.send("* OK [ALERT] The cellar is under water\r\n")
            connection.serve()
        front = self.use("alerted", addresses=[f"127.0.0.1:{self.fake_store(alert).port}"])
        client = self.client(self.user(), front=front)
        client.idle()
        self.assertTrue(idling.wait(DEADLINE))
        self.await_value(1, "roost_clients", state="parked")
        check = self.grows(1, "roost_feed_events_total", kind="line")
        speak.set()
        client.wait_untagged(rb"^\* OK \[ALERT\] The cellar")
        check()

    def test_sessions_by_state_and_why_they_ended(self):
        release = threading.Event()

        def slow(connection):
            connection.greet()
            tag, _, _ = connection.serve(until="AUTHENTICATE")
            release.wait(DEADLINE)
            connection.send(f"{tag} OK in\r\n")
            connection.serve()
        store = self.fake_store(slow)
        front = self.use("slow", {"shards": 1}, addresses=[f"127.0.0.1:{store.port}"], max_logins_in_progress=1,
                         queue_s=1)
        first, second = self.connect(front=front), self.connect(front=front)
        tag = first.start(f"LOGIN {self.user()} {PASSWORD}")
        self.await_value(1, "roost_sessions", store="dovecot", state="logging_in")
        refused = self.grows(1, "roost_sessions_refused_total", store="dovecot")
        lost = self.grows(1, "roost_sessions_lost_total", store="dovecot", reason="no_place")
        waiting = second.start(f"LOGIN {self.user()} {PASSWORD}")
        self.await_value(1, "roost_sessions", store="dovecot", state="waiting")
        self.assertIn("[LIMIT]", second.finish(waiting).text)
        refused()
        lost()
        self.await_value(0, "roost_sessions", store="dovecot", state="waiting")
        release.set()
        self.assertEqual(first.finish(tag).status, "OK")
        self.await_value(1, "roost_sessions", store="dovecot", state="open")
        for reason, script in (("bye", lambda c: c.send("* BYE closing time\r\n")),
                               ("protocol", lambda c: c.send("* 1 FETCH (BODY[] {99999999999999999999}\r\n"))):
            def serve(connection, script=script):
                connection.greet()
                connection.serve(until="NOOP")
                script(connection)
                connection.line()
            store.script = serve
            client = self.client(self.user(), front=front)
            lost = self.grows(1, "roost_sessions_lost_total", store="dovecot", reason=reason)
            client.start("NOOP")
            client.read_closed()
            lost()

    def test_refused_sessions(self):
        lost = self.grows(1, "roost_sessions_lost_total", store="dovecot", reason="refused")
        self.connect().no(f"LOGIN {self.user()} wrong")
        lost()

    def test_bytes_by_peer(self):
        user = self.user()
        self.dovecot.deliver(user, body=LINES)
        client = self.client(user)

        def moved(act):
            """The ways on which many bytes went, of (received, sent) × (client, store)."""
            ways = [(way, peer) for way in ("received", "sent") for peer in ("client", "store")]
            before = [self.value(f"roost_{way}_bytes_total", peer=peer) for way, peer in ways]
            act()
            grown = {}
            for (way, peer), old in zip(ways, before):
                grown[way, peer] = self.value(f"roost_{way}_bytes_total", peer=peer) - old
                self.assertTrue(0 < grown[way, peer] < FEW or BULK < grown[way, peer] < BULK * 2, grown)
            return {way for way, bytes_ in grown.items() if bytes_ > BULK}
        self.assertEqual(moved(lambda: client.ok("FETCH 1 BODY.PEEK[]")), {("received", "store"), ("sent", "client")})
        self.assertEqual(moved(lambda: client.append("INBOX", "Subject: bulk\r\n\r\n" + "z" * BULK)),
                         {("received", "client"), ("sent", "store")})

    def test_handshakes_with_stores(self):
        certificate, key = self.authority.issue("tls-store")
        port = free_port()
        store = RoostStore(self.directory / "tls-store", ["--listen", f"tls:127.0.0.1:{port}", "--tls-cert", certificate,
                                                          "--tls-key", key])
        self.addCleanup(store.stop)

        def failures():
            _, samples = self.scrape()
            return {dict(labels)["reason"] for (name, labels), value in samples.items()
                    if name == "roost_tls_handshake_failures_total" and dict(labels)["peer"] == "store" and value}
        front = self.use("trusting", addresses=[f"localhost:{port}"], tls="implicit", ca_file=str(self.authority.ca_file))
        before = self.value("roost_tls_handshakes_total", peer="store", kind="full")
        self.client(self.user(), front=front)
        self.await_value(before + 1, "roost_tls_handshakes_total", peer="store", kind="full")
        self.assertEqual(failures(), set())
        other = Authority(self.directory / "other", "other")
        for reason, at, authority in (("trust", port, other), ("peer", store.imap_port, self.authority)):
            front = self.use(reason, addresses=[f"localhost:{at}"], tls="implicit", ca_file=str(authority.ca_file))
            self.connect(front=front).no(f"LOGIN {self.user()} {PASSWORD}", "UNAVAILABLE")
            self.assertEqual(failures(), {reason})

    def test_memory_of_parked_clients_and_what_is_owed_to_them(self):
        count = 24

        def memory():
            return {kind: self.value("roost_memory_bytes", kind=kind)
                    for kind in ("cells", "users", "feeds", "sessions", "views", "logs")}
        before = memory()
        users = [self.user() for _ in range(count // 2)]
        clients = [self.client(user) for user in users * 2]
        for client in clients:
            client.idle()
        self.states(parked=count)
        self.await_value(count, "roost_clients_asleep")
        during = memory()
        self.assertGreaterEqual(during["cells"], 256 * count)
        for kind in ("users", "feeds", "sessions"):
            self.assertGreater(during[kind], before[kind] + 50 * len(users), kind)
        each = sum(during[kind] - before[kind] for kind in ("users", "feeds", "sessions", "views")) / count
        self.assertLess(each, 4096)
        self.assertEqual(during["logs"], 0)
        for client in clients[0], clients[count // 2]:
            client.done()  # parked, and told nothing until it speaks
        self.dovecot.deliver(users[0])
        self.await_value(1, "roost_feed_log_events")
        self.assertGreater(memory()["logs"], 0)
        for client in clients:
            client.close()
        self.states()
        self.await_value(0, "roost_feed_log_events")
        after = memory()
        self.assertEqual(after["sessions"], 0)
        for kind in ("users", "feeds"):  # tables are kept
            self.assertLess(after[kind], during[kind] / 4, kind)

    def test_rings_and_buffers(self):
        user = self.user()
        self.dovecot.deliver(user, body=LINES, count=40)
        client = self.client(user)
        self.await_value(2, "roost_sockets", state="open")  # it and its session
        turns, blocked = self.value("roost_turns_total"), self.value("roost_blocked_sends_total")
        tag = client.start("FETCH 1:* BODY.PEEK[]")
        self.eventually(lambda: self.value("roost_blocked_sends_total") > blocked, "its socket is full")
        self.assertGreater(self.value("roost_receive_buffer_bytes"), 0)
        self.assertEqual(client.finish(tag).status, "OK")
        self.assertGreater(self.value("roost_turns_total"), turns)
        self.assertEqual(self.value("roost_completion_queue_overflows_total"), 0)
        client.close()
        self.await_value(0, "roost_sockets", state="open")
        self.await_value(0, "roost_sockets", state="closing")


if __name__ == "__main__":
    main()
