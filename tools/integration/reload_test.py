#!/usr/bin/python3
"""What is read anew while roostd runs: certificates and ticket keys, all or nothing, and nobody is dropped."""

import json
import os
import signal
import socket
import ssl
import subprocess

from embedded_test import EmbeddedStoreCase
from harness.case import main
from harness.dovecot import PASSWORD
from harness.imap import trusting
from harness.process import DEADLINE
from harness.roost import BIN, RoostStore

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


class ReloadCase(EmbeddedStoreCase):

    @classmethod
    def start_front(cls):
        return None

    def start(self, name, settings=None, certificates=None):
        store = {"name": "store", "addresses": [f"{self.dovecot.host}:{self.dovecot.imap_port}"]}
        return self.roostd(name, [store], settings, certificates)

    def reload(self, front, status=0):
        answer = front.ctl("reload", status=status)
        for _ in range(2):
            front.figures()  # which each shard answers after it has taken what is new
        return answer.stderr

    def wrapped(self, front, context, session=None):
        """A connection that has been greeted and has a ticket."""
        sock = socket.create_connection((front.host, front.imaps_port), timeout=DEADLINE)
        self.addCleanup(sock.close)
        sock = context.wrap_socket(sock, server_hostname="localhost", session=session)
        self.addCleanup(sock.close)
        data = b""
        while not data.endswith(b"\r\n"):
            piece = sock.recv(4096)
            self.assertTrue(piece, data)
            data += piece
        return sock

    def context(self, version):
        context = trusting(self.authority.ca_file)
        context.minimum_version = context.maximum_version = version
        return context


class CertificatesTest(ReloadCase):

    def certificate_of(self, front):
        return self.wrapped(front, self.context(ssl.TLSVersion.TLSv1_3)).getpeercert(binary_form=True)

    def test_a_certificate_is_replaced_and_nobody_is_dropped(self):
        chain, key = self.authority.issue("replaced")
        front = self.start("replaced", certificates=[(chain, key)])
        clients = [self.client(self.user(), front=front) for _ in range(4)]
        for client in clients:
            client.idle()
        old = self.certificate_of(front)
        self.authority.issue("replaced")  # under the same names
        self.assertEqual(self.certificate_of(front), old)
        front.process.signal(signal.SIGHUP)
        self.eventually(lambda: self.certificate_of(front) != old, "the new certificate is shown")
        for client in clients:
            client.done()

    def test_one_that_cannot_be_used_changes_nothing(self):
        chain, key = self.authority.issue("broken")
        front = self.start("broken", certificates=[(chain, key)])
        old = self.certificate_of(front)
        self.authority.issue("other")
        os.replace(chain.with_name(chain.name.replace("broken", "other")), chain)
        front.config_path.write_text(json.dumps({**front.config, "parking": {"enabled": False}}))
        self.assertIn(str(chain), self.reload(front, 1))  # its key is another one's
        self.assertEqual(self.certificate_of(front), old)
        client = self.client(user := self.user(), front=front)
        client.idle()
        self.client(user, front=front).idle()
        self.assert_sessions(user, 1)  # parking is as it was

    def test_tickets_outlive_it(self):
        certificate = self.authority.issue("tickets")
        front = self.start("tickets", certificates=[certificate])
        contexts = [self.context(version) for version in VERSIONS]
        sessions = [self.wrapped(front, context).session for context in contexts]
        self.authority.issue("tickets")
        self.reload(front)
        for context, session in zip(contexts, sessions):
            self.assertTrue(self.wrapped(front, context, session).session_reused)


class RoutesTest(ReloadCase):
    """Two stores; who comes after a change goes where it says, and who is elsewhere must come again."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = RoostStore(cls.directory / "other-store")
        cls.addClassCleanup(cls.other.stop)

    def start_with_map(self, name, text, **settings):
        stores = [{"name": name, "addresses": [f"{store.host}:{store.imap_port}"]}
                  for name, store in (("one", self.dovecot), ("two", self.other))]
        path = self.directory / f"{name}-map"
        path.write_text(text)
        return self.roostd(name, stores, {"route": {"kind": "map", "map_file": str(path)}, **settings}), path

    def replace(self, path, text):
        new = path.with_name("new-map")
        new.write_text(text)
        os.replace(new, path)

    def test_a_changed_map_counts_for_whoever_comes(self):
        user, late = self.user(), self.user()
        front, path = self.start_with_map("map", f"{user} one\n")
        parked = self.client(user, front=front)
        parked.idle()
        self.connect(front=front).no(f"LOGIN {late} {PASSWORD}", "AUTHENTICATIONFAILED")
        self.replace(path, f"{user} one\n{late} two\n")
        self.eventually(lambda: "map_read" in front.log(), "the map is read again")
        self.eventually(lambda: self.logs_in(front, late), "it counts")
        self.assertEqual((self.dovecot.logins(late), self.other.logins(late)), (0, 1))
        self.dovecot.deliver(user)
        parked.wait_untagged(rb"\* 1 EXISTS")
        parked.done()
        parked.ok("FETCH 1 FLAGS")  # awake again

    def test_users_who_moved_come_again_and_others_notice_nothing(self):
        users = [self.user() for _ in range(40)]
        stay, move = users[::2], users[1::2]
        front, path = self.start_with_map("moved", "".join(f"{user} one\n" for user in users),
                                          timeouts={"bye_spread_s": 2, "heartbeat_s": 0})
        # Parked in IDLE, in IDLE as well and fetching now and then, and silent with a mailbox selected.
        clients = {user: [self.client(user, front=front) for _ in range(3)] for user in users}
        for one, other, _ in clients.values():
            one.idle()
            other.idle()
        self.eventually(lambda: front.figures()["parked"] >= 2 * len(users), "they are parked")
        closed = front.figures()["closed"]
        self.replace(path, "".join(f"{user} {'two' if user in move else 'one'}\n" for user in users))
        for user in move:
            for client in clients[user]:
                self.assertIn(b"* BYE [UNAVAILABLE] Your mailboxes are on another server now; please connect again",
                              client.read_closed()[-1])
        self.eventually(lambda: front.figures()["closed"] >= closed + 3 * len(move), "all of them are gone")
        figures = front.figures()
        self.assertEqual(figures["rerouted"], 3 * len(move))
        self.assertEqual(figures["closed"], closed + 3 * len(move))
        again = {user: self.client(user, front=front) for user in move}
        for client in again.values():
            client.idle()
        self.assertTrue(all(self.other.logins(user) == 1 for user in move))
        for user in users:
            (self.other if user in move else self.dovecot).deliver(user)
        for client in [again[user] for user in move] + [client for user in stay for client in clients[user][:2]]:
            self.assertEqual(client.read_untagged(), b"* 1 EXISTS")
            self.assertNotIn(b"EXISTS", b"".join(client.done().untagged))  # told once
            self.assertEqual(client.ok("UID SEARCH ALL").search_result(), [1])
        for user in stay:
            self.assertEqual(self.other.logins(user), 0)
            clients[user][2].ok("NOOP").find(rb"\* 1 EXISTS")

    def test_a_reload_of_the_route_moves_users_too(self):
        user, token = self.user(), self.user()
        front, _ = self.start_with_map("rerouted", f"{user} one\n{token} two\n", timeouts={"bye_spread_s": 0})
        parked, attached, other = (self.client(name, front=front) for name in (user, user, token))
        parked.idle()
        other.idle()
        front.config_path.write_text(json.dumps({**front.config, "route": {"kind": "static", "store": "two"}}))
        self.reload(front)
        for client in (parked, attached):
            self.assertIn(b"* BYE", client.read_closed()[-1])
        self.eventually(lambda: "clients_rerouted clients=2" in front.log(), "it is logged")
        other.done()

    def logs_in(self, front, user):
        client = self.connect(front=front)
        return client.command(f"LOGIN {user} {PASSWORD}").status == "OK"

    def test_a_wrong_map_changes_nothing_and_says_where(self):
        user = self.user()
        front, path = self.start_with_map("wrong", f"{user} one\n")
        self.replace(path, f"{user} two\nbob three\n")
        self.eventually(lambda: "map_refused" in front.log(), "it is refused")
        self.assertIn(f"{path}:2: there is no store 'three'", front.log())
        self.assertIn(f"{path}:2: there is no store 'three'", self.reload(front, 1))
        self.client(user, front=front)
        self.assertEqual((self.dovecot.logins(user), self.other.logins(user)), (1, 0))
        self.assertEqual(front.log().count("map_refused"), 1)

    def test_a_route_of_another_kind_is_taken_by_reload(self):
        user = self.user()
        front, path = self.start_with_map("kind", f"{user} one\n")
        for route, logins in (({"kind": "static", "store": "two"}, (0, 1)),
                              ({"kind": "hash", "stores": ["one"]}, (1, 1)),
                              ({"kind": "map", "map_file": str(path)}, (2, 1))):
            front.config_path.write_text(json.dumps({**front.config, "route": route}))
            self.reload(front)
            self.client(user, front=front)
            self.assertEqual((self.dovecot.logins(user), self.other.logins(user)), logins)
        front.config_path.write_text(json.dumps({**front.config, "route": {"kind": "static", "store": "none"}}))
        self.assertIn("there is no store 'none'", self.reload(front, 1))
        self.assertNotIn("reload_in_part", front.log())
        self.client(user, front=front)
        self.assertEqual((self.dovecot.logins(user), self.other.logins(user)), (3, 1))


class TicketKeysTest(ReloadCase):

    def keys(self, name):
        path = self.directory / name
        self.rotate(path)
        return path

    def rotate(self, path):
        subprocess.run([BIN / "roostctl", "ticket-keys", path], check=True, timeout=DEADLINE)

    def pair(self, name, key_files, **tls):
        return [self.start(f"{name}{i}", {"tls": {"ticket_key_file": str(path), **tls}})
                for i, path in enumerate(key_files)]

    def resumes(self, first, second):
        """Whether sessions that one has begun go on at the other, with both versions of TLS."""
        results = set()
        for version in VERSIONS:
            context = self.context(version)
            session = self.wrapped(first, context).session
            results.add(self.wrapped(second, context, session).session_reused)
        self.assertEqual(len(results), 1)
        return results.pop()

    def test_two_processes_resume_each_others_sessions(self):
        one, two = self.pair("shared", [self.keys("shared-keys")] * 2)
        self.assertTrue(self.resumes(one, two))
        self.assertTrue(self.resumes(two, one))
        (other,) = self.pair("other", [self.keys("other-keys")])
        self.assertFalse(self.resumes(one, other))

    def test_keys_are_rotated_without_a_gap(self):
        path, late = self.keys("early"), self.directory / "late"
        late.write_text(path.read_text())
        one, two = self.pair("rotated", [path, late])
        context = self.context(ssl.TLSVersion.TLSv1_3)
        old = self.wrapped(one, context).session
        self.rotate(path)
        self.reload(one)
        self.assertTrue(self.resumes(one, two))  # one encrypts with what is still the next key of the other
        self.assertTrue(self.resumes(two, one))
        self.assertTrue(self.wrapped(one, context, old).session_reused)
        late.write_text(path.read_text())
        self.reload(two)
        self.assertTrue(self.resumes(one, two))
        for _ in range(2):
            self.rotate(path)
            self.reload(one)
        self.assertFalse(self.wrapped(one, context, old).session_reused)  # its key is gone

    def test_one_process_rotates_its_own(self):
        front = self.start("own", {"tls": {"ticket_rotation_s": 10}})
        context = self.context(ssl.TLSVersion.TLSv1_3)
        session = self.wrapped(front, context).session
        before = front.log().count("ticket_keys_rotated")
        for rotations in (1, 2):
            self.eventually(lambda: front.log().count("ticket_keys_rotated") >= before + rotations, "rotated")
            front.figures()
            front.figures()
            self.assertEqual(self.wrapped(front, context, session).session_reused, rotations < 2)

    def test_a_bad_file_changes_nothing(self):
        path = self.keys("bad")
        one, two = self.pair("bad", [path] * 2)
        path.write_text("current AAAA\n")
        self.assertIn("does not hold 48 bytes", self.reload(one, 1))
        self.assertTrue(self.resumes(one, two))

    def test_the_file_is_read_again_by_itself(self):
        path = self.keys("again")
        (one,) = self.pair("again", [path], ticket_rotation_s=10)
        old = path.read_text()
        self.rotate(path)
        self.eventually(lambda: "ticket_keys_read" in one.log(), "it was read again")
        late = self.directory / "again-late"
        late.write_text(old)
        (two,) = self.pair("again-late", [late])
        self.assertTrue(self.resumes(two, one))


if __name__ == "__main__":
    main()
