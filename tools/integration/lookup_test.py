#!/usr/bin/python3
"""Routes that a look-up service tells, as nginx's mail proxy is told them: with a service that verifies and with one that does not."""

import json
import time
import unittest

from embedded_test import EmbeddedStoreCase
from harness.case import RoostCase, dovecot_store, main, roost_only
from harness.dovecot import PASSWORD, SPECIAL_PASSWORD, SPECIAL_USER
from harness.imap import quoted
from harness.lookup_service import LookupService
from harness.process import free_port

UNAVAILABLE = "UNAVAILABLE"


class LookupBehaviour:
    """Whoever checks the password."""

    verifies = False

    @classmethod
    def start_front(cls):
        cls.service = LookupService(cls.dovecot, PASSWORD)
        cls.addClassCleanup(cls.service.stop)
        cls.headers = cls.directory / "lookup-headers"
        cls.headers.write_text("# a key\nX-Auth-Key: k e y\n")
        return cls.lookup_front("front", [f"127.0.0.1:{free_port()}", cls.service.address])  # nobody listens on the first

    @classmethod
    def lookup_front(cls, name, servers, **more):
        lookup = {"servers": servers, "path": "/auth?a%20b", "verifies": cls.verifies, "timeout_s": 1,
                  "header_file": str(cls.headers), **more}
        return cls.roostd(name, [dovecot_store(cls.dovecot, cls.login, send_id_originating_ip=True)],
                          {"route": {"kind": "http"}, "lookup": lookup})

    def log_of(self, user, front=None):
        return "\n".join(line for line in (front or self.front).log().splitlines() if f"user={user} " in line)

    def test_the_service_is_told_what_nginx_would_tell_it(self):
        user = self.user()
        self.client(user)
        (asked,) = self.service.of(user)
        expected = {"path": "/auth?a%20b", "Auth-Method": "plain", "Auth-User": user, "Auth-Pass": PASSWORD,
                    "Auth-Protocol": "imap", "Auth-Login-Attempt": "1", "Client-IP": "127.0.0.1", "Auth-SSL": "on",
                    "Auth-SSL-Protocol": "TLSv1.3", "Host": self.service.address, "X-Auth-Key": "k e y"}
        self.assertEqual({name: asked.get(name) for name in expected}, expected)
        self.client(other := self.user(), tls="plain")
        self.assertNotIn("Auth-SSL", self.service.of(other)[0])

    def test_odd_names_and_passwords_arrive_as_they_are(self):
        self.service.rules[SPECIAL_USER] = lambda asked: self.service.ok()
        client = self.connect()
        client.login(SPECIAL_USER, SPECIAL_PASSWORD)
        self.assertEqual(self.service.of(SPECIAL_USER)[0]["Auth-Pass"], SPECIAL_PASSWORD)
        client.select()
        for name, password in (("per%20cent", "a%b c%25"), ("a  b", "%")):
            self.connect().no(f"LOGIN {quoted(name)} {quoted(password)}", "AUTHENTICATIONFAILED")
            self.assertEqual(self.service.of(name)[0]["Auth-Pass"], password)

    def test_a_client_idles_and_wakes_and_nobody_is_asked_again(self):
        user = self.user()
        clients = [self.client(user) for _ in range(3)]
        for client in clients:
            client.idle()
        self.assert_sessions(user, 1)
        self.dovecot.deliver(user)
        for client in clients:
            client.wait_untagged(rb"^\* 1 EXISTS")
            client.done()
        for client in clients:
            client.ok("FETCH 1 (UID)").find(rb"^\* 1 FETCH")
        self.assertEqual(len(self.service.of(user)), 3)

    def test_a_wrong_password_is_refused_in_the_services_words(self):
        user = self.user()
        client = self.connect()
        answer = client.no(f"LOGIN {user} wrong", "AUTHENTICATIONFAILED")
        self.assertIn("Invalid login or password", answer.text)
        self.assertEqual(self.dovecot.logins(user), 0)
        client.login(user, PASSWORD)
        self.assertEqual([asked["Auth-Login-Attempt"] for asked in self.service.of(user)], ["1", "2"])
        self.assertIn("result=refused", self.log_of(user))
        self.assertNotIn("wrong", self.log_of(user).replace("wrong name", ""))

    def test_a_refusal_waits_as_long_as_the_service_says(self):
        user = self.user()
        self.service.rules[user] = lambda asked: {"Auth-Status": "[EXPIRED] Too old", "Auth-Wait": "2"}
        client = self.connect()
        since = time.monotonic()
        client.no(f"LOGIN {user} {PASSWORD}", "EXPIRED")
        self.assertGreaterEqual(time.monotonic() - since, 1.9)

    def test_the_service_may_ask_for_time(self):
        user = self.user()
        self.service.rules[user] = lambda asked: (
            {"Auth-Status": "WAIT", "Auth-Wait": "1"} if len(self.service.of(user)) < 2 else self.service.ok())
        self.client(user)
        self.assertEqual(len(self.service.of(user)), 2)

    def test_what_is_no_answer_is_none(self):
        good = b"".join(f"{name}: {value}\r\n".encode() for name, value in self.service.ok().items())
        for answer in (b"", b"garbage\r\n\r\n", b"\x00" * 100_000,
                       b"HTTP/1.1 200 OK\r\n" + good + b"X: " + b"x" * 20_000 + b"\r\n\r\n",
                       b"HTTP/1.1 500 Oops\r\n" + good + b"\r\n", b"HTTP/1.1 200 OK\r\n" + good,
                       b"HTTP/1.1 200 OK\r\n" + good + b"auth-user: x\r\nAuth-User: y\r\n\r\n",
                       b"HTTP/1.1 200 OK\r\nAuth-Server: 127.0.0.1\r\nAuth-Port: 143\r\n\r\n"):
            user = self.user()
            self.service.rules[user] = lambda asked, answer=answer: answer
            with self.subTest(answer=answer[:200]):
                self.connect().no(f"LOGIN {user} {PASSWORD}", UNAVAILABLE)
                self.assertEqual(self.dovecot.logins(user), 0)
                self.assertIn("result=unavailable", self.log_of(user))

    def test_an_address_that_is_no_stores_is_not_gone_to(self):
        port = str(self.dovecot.imap_port)
        for server, at in (("127.0.0.2", port), ("127.0.0.1", "1"), ("::1", port), ("localhost", port)):
            user = self.user()
            self.service.rules[user] = lambda asked, server=server, at=at: {
                "Auth-Status": "OK", "Auth-Server": server, "Auth-Port": at}
            self.connect().no(f"LOGIN {user} {PASSWORD}", UNAVAILABLE)
            self.assertIn(server, self.log_of(user))

    def test_a_slow_service_holds_up_nobody_else(self):
        slow = self.user()
        self.service.rules[slow] = lambda asked: (self.service.released.wait(5), self.service.ok())[1]
        clients = [self.connect() for _ in range(4)]
        tags = [client.start(f"LOGIN {slow} {PASSWORD}") for client in clients]
        self.eventually(lambda: len(self.service.of(slow)) == 4, "all are being asked about")
        for _ in range(4):
            self.client(self.user())
        for client, tag in zip(clients, tags):
            self.assertIn("[UNAVAILABLE]", client.finish(tag).text)
        self.assertIn("did not answer in time", self.log_of(slow))

    def test_no_service_at_all_is_told_as_such(self):
        front = self.lookup_front("nobody", [f"127.0.0.1:{free_port()}"])
        client = self.connect(front=front)
        client.no(f"LOGIN {self.user()} {PASSWORD}", UNAVAILABLE)
        self.assertRegex(front.log(), r"(?s) lookup_failed server=\S+ session=(\w{13}) reason=\"?Connection refused"
                                      r".* login_failed \S.* session=\1 ")
        front.config["lookup"]["servers"] = [self.service.address]
        front.config_path.write_text(json.dumps(front.config))
        front.ctl("reload", status=0)
        client.login(self.user(), PASSWORD)

    def test_another_name_is_the_stores(self):
        user, alias = self.user(), f"alias-of-{self.user()}"
        self.service.rules[alias] = lambda asked: self.service.ok(auth_user=user)
        self.service.rules[f"{alias}2"] = self.service.rules[alias]
        self.service.rules[stranger := f"{alias}3"] = lambda asked: self.service.ok(auth_user=self.other)
        self.other = self.user()
        clients = [self.client(name) for name in (user, alias, f"{alias}2")]
        other = self.client(stranger)
        for client in (*clients, other):
            client.idle()
        self.dovecot.deliver(user)
        for client in clients:
            client.wait_untagged(rb"^\* 1 EXISTS")
        other.silent_for(0.5)
        for client in (*clients, other):
            client.done()
        self.assertEqual([client.uids() for client in (*clients, other)], [[1]] * 3 + [[]])
        self.assertEqual(self.dovecot.logins(alias), 0)

    def test_connections_are_used_again(self):
        front = self.lookup_front("kept", [self.service.address])
        before = self.service.connections
        for _ in range(20):
            self.connect(front=front).no(f"LOGIN {self.user()} wrong")
        self.assertLess(self.service.connections - before, 10)  # two shards, and pauses when the machine is busy


class Verifying(LookupBehaviour):
    """The service's word opens the mailbox: the store never sees the client's password."""

    verifies = True
    login = "proxy-authzid"

    def test_the_store_is_not_asked_about_the_password(self):
        user = self.user()
        self.service.rules[user] = lambda asked: (
            self.service.ok() if asked["Auth-Pass"] == "the service's own" else {"Auth-Status": "no"})
        client = self.connect()
        client.no(f"LOGIN {user} {PASSWORD}")
        client.login(user, "the service's own")
        client.select()
        client.idle()
        self.dovecot.deliver(user)
        client.wait_untagged(rb"^\* 1 EXISTS")
        client.done()
        client.ok("FETCH 1 (UID)")

    def test_it_may_give_the_stores_password(self):
        user = self.user()
        self.service.rules[user] = lambda asked: self.service.ok(auth_pass=PASSWORD)
        client = self.connect()
        client.login(user, "anything")
        client.select()
        self.service.rules[user] = lambda asked: self.service.ok(auth_pass="not the store's")
        self.connect().no(f"LOGIN {user} anything", "UNAVAILABLE")


class Routing(LookupBehaviour):
    """The store checks the client's own password, whatever the service says."""

    login = "client"

    def test_the_service_opens_nothing(self):
        user, victim = self.user(), self.user()
        self.service.rules[user] = lambda asked: self.service.ok()
        self.connect().no(f"LOGIN {user} wrong", "AUTHENTICATIONFAILED")
        self.service.rules[user] = lambda asked: self.service.ok(auth_user=victim)
        self.connect().no(f"LOGIN {user} wrong", "AUTHENTICATIONFAILED")
        self.service.rules[user] = lambda asked: self.service.ok(auth_pass=PASSWORD)
        self.connect().no(f"LOGIN {user} wrong", UNAVAILABLE)
        self.assertEqual((self.dovecot.logins(user), self.dovecot.logins(victim)), (0, 0))
        self.client(user)  # it may give back what it was told

    def test_it_need_not_know_the_password(self):
        front = self.lookup_front("silent", [self.service.address], send_password=False)
        user = self.user()
        self.service.rules[user] = lambda asked: self.service.ok()
        self.client(user, front=front)
        self.assertEqual(self.service.of(user)[0]["Auth-Pass"], "")


@roost_only
class VerifyingOnDovecot(Verifying, RoostCase):
    pass


@roost_only
class RoutingOnDovecot(Routing, RoostCase):
    pass


class VerifyingOnRoostStore(Verifying, EmbeddedStoreCase):
    @unittest.skip("roost-store has one password")
    def test_odd_names_and_passwords_arrive_as_they_are(self):
        pass


class RoutingOnRoostStore(Routing, EmbeddedStoreCase):
    @unittest.skip("roost-store has one password")
    def test_odd_names_and_passwords_arrive_as_they_are(self):
        pass


if __name__ == "__main__":
    main()
