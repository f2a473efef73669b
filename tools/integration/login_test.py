#!/usr/bin/python3
"""From the greeting to the login: what is offered, what is accepted, what reaches the store."""

import base64
import re

from harness.case import RoostCase, dovecot_store, main, roost_only
from harness.dovecot import (MASTER_PASSWORD, MASTER_USER, PASSWORD, SPECIAL_PASSWORD,
                             SPECIAL_USER)
from harness.imap import quoted


def capabilities(client):
    return set(client.ok("CAPABILITY").find(rb"^\* CAPABILITY (.*)").group(1).decode().split())


class LoginBehaviour:
    """Whatever the way of logging in to the store."""

    def logged_in(self, client, user):
        """The session works and is the user's own."""
        client.select()
        self.dovecot.deliver(user, subject=f"for {user}")
        self.eventually(lambda: client.uids(), "the mail arrives")
        client.ok("FETCH 1 BODY.PEEK[HEADER]").find(rb"Subject: for " + user.encode())

    def test_login_quoted(self):
        user = self.user()
        client = self.connect()
        client.login(user, PASSWORD)
        self.logged_in(client, user)

    def test_login_atoms(self):
        user = self.user()
        client = self.connect()
        client.ok(f"login {user} {PASSWORD}")
        self.logged_in(client, user)

    def test_login_literals(self):
        user = self.user()
        client = self.connect()
        tag = client.start(f"LOGIN {{{len(user)}}}")
        client.continuation()
        client.send(f"{user} {{{len(PASSWORD)}}}\r\n")
        client.continuation()
        client.send(f"{PASSWORD}\r\n")
        self.assertEqual(client.finish(tag).status, "OK")
        self.logged_in(client, user)

    def test_login_literals_without_waiting(self):
        user = self.user()
        client = self.connect()
        client.ok(f"LOGIN {{{len(user)}+}}\r\n{user} {{{len(PASSWORD)}+}}\r\n{PASSWORD}")
        self.logged_in(client, user)

    def test_odd_names_and_passwords_arrive_as_they_are(self):
        client = self.connect()
        client.login(SPECIAL_USER, SPECIAL_PASSWORD)
        client.select()
        client = self.connect()
        tag = client.start(f"LOGIN {{{len(SPECIAL_USER)}}}")
        client.continuation()
        client.send(f"{SPECIAL_USER} {quoted(SPECIAL_PASSWORD)}\r\n")
        self.assertEqual(client.finish(tag).status, "OK")
        client = self.connect()
        self.assertEqual(client.authenticate_plain(SPECIAL_USER, SPECIAL_PASSWORD).status, "OK")
        client.select()

    def test_odd_names_idle_and_wake(self):
        clients = []
        for _ in range(3):
            client = self.connect()
            client.login(SPECIAL_USER, SPECIAL_PASSWORD)
            client.select()
            client.idle()
            clients.append(client)
        for client in clients:
            client.done()
            client.ok("UID SEARCH ALL")

    def test_authenticate_plain_with_and_without_initial_response(self):
        for initial in (True, False):
            user = self.user()
            client = self.connect()
            self.assertEqual(client.authenticate_plain(user, PASSWORD, initial=initial).status, "OK")
            self.logged_in(client, user)

    def test_authenticate_plain_with_the_users_own_name_as_authzid(self):
        user = self.user()
        client = self.connect()
        self.assertEqual(client.authenticate_plain(user, PASSWORD, authzid=user).status, "OK")
        self.logged_in(client, user)

    def test_authenticate_login(self):
        user = self.user()
        client = self.connect()
        tag = client.start("AUTHENTICATE LOGIN")
        for word in (user, PASSWORD):
            client.continuation()
            client.send(base64.b64encode(word.encode()) + b"\r\n")
        self.assertEqual(client.finish(tag).status, "OK")
        self.logged_in(client, user)

    def test_authenticate_can_be_cancelled(self):
        user = self.user()
        client = self.connect()
        for mechanism in ("PLAIN", "LOGIN"):
            tag = client.start(f"AUTHENTICATE {mechanism}")
            client.continuation()
            client.send(b"*\r\n")
            self.assertEqual(client.finish(tag).status, "BAD")
        client.login(user, PASSWORD)

    def test_a_wrong_password_is_refused_with_the_stores_code_and_another_try_works(self):
        user = self.user()
        client = self.connect()
        client.no(f"LOGIN {user} wrong", "AUTHENTICATIONFAILED")
        answer = client.authenticate_plain(user, "wrong")
        self.assertEqual(answer.status, "NO")
        self.assertIn("[AUTHENTICATIONFAILED]", answer.text)
        client.login(user, PASSWORD)
        self.logged_in(client, user)

    def test_an_unknown_user_is_refused_like_a_wrong_password(self):
        self.connect().no("LOGIN nobody-of-that-name x", "AUTHENTICATIONFAILED")

    def test_commands_pipelined_behind_login_are_executed(self):
        user = self.user()
        client = self.connect()
        client.send(f"x1 LOGIN {user} {PASSWORD}\r\nx2 SELECT INBOX\r\nx3 NOOP\r\n")
        for tag in ("x1", "x2", "x3"):
            self.assertEqual(client.finish(tag).status, "OK")

    def test_every_way_in(self):
        for tls in ("implicit", "starttls", "plain"):
            with self.subTest(tls=tls):
                user = self.user()
                client = self.connect(tls)
                client.login(user, PASSWORD)
                self.logged_in(client, user)
                client.idle()
                self.dovecot.deliver(user)
                client.wait_untagged(rb"^\* 2 EXISTS")
                client.done()

    def test_ipv6(self):
        for tls in ("implicit", "starttls", "plain"):
            user = self.user()
            client = self.connect(tls, host="::1")
            client.login(user, PASSWORD)
            self.logged_in(client, user)

    def test_a_second_login_is_refused(self):
        user = self.user()
        client = self.client(user)
        self.assertIn(client.command(f"LOGIN {user} {PASSWORD}").status, ("NO", "BAD"))
        self.assertIn(client.command("AUTHENTICATE PLAIN AGEAYQ==").status, ("NO", "BAD"))
        self.logged_in(client, user)


class LoginAsClient(LoginBehaviour, RoostCase):
    login = "client"


@roost_only
class LoginAsProxyByAuthzid(LoginBehaviour, RoostCase):
    login = "proxy-authzid"


@roost_only
class LoginAsProxyBySeparator(LoginBehaviour, RoostCase):
    login = "proxy-separator"


@roost_only
class ProxyNamesTest(RoostCase):
    """In proxy mode nobody may choose whom Roost logs in as."""

    login = "proxy-separator"

    def test_names_with_the_master_separator_are_refused(self):
        victim = self.user()
        client = self.connect()
        client.no(f'LOGIN "{victim}*{MASTER_USER}" "{MASTER_PASSWORD}"')
        client.no(f'LOGIN "{victim}*x" {PASSWORD}')
        self.assert_sessions(victim, 0)

    def test_another_name_as_authzid_is_refused(self):
        victim, user = self.user(), self.user()
        client = self.connect()
        self.assertEqual(client.authenticate_plain(user, PASSWORD, authzid=victim).status, "NO")
        answer = client.authenticate_plain(MASTER_USER, MASTER_PASSWORD, authzid=victim)
        self.assertEqual(answer.status, "NO")
        self.assert_sessions(victim, 0)

    def test_names_with_line_ends_or_nul_are_refused(self):
        for name in ("a\rb", "a\nb", "a\r\nx1 NOOP"):
            client = self.connect()
            tag = client.start(f"LOGIN {{{len(name)}}}")
            client.continuation()
            client.send(f"{name} {PASSWORD}\r\n")
            self.assertIn(client.finish(tag).status, ("NO", "BAD"))
        client = self.connect()
        token = base64.b64encode(b"\0u\0p\0q").decode()
        self.assertIn(client.command(f"AUTHENTICATE PLAIN {token}").status, ("NO", "BAD"))


@roost_only
class OfferTest(RoostCase):
    """Capabilities, and what is refused before TLS."""

    STRIPPED = ("COMPRESS=DEFLATE", "NOTIFY", "UNAUTHENTICATE", "CONTEXT=SEARCH", "CONTEXT=SORT",
                "UIDONLY", "LOGIN-REFERRALS", "MAILBOX-REFERRALS", "URLAUTH", "URL-PARTIAL")

    def test_before_login_over_tls(self):
        client = self.connect()
        offered = capabilities(client)
        self.assertLessEqual({"IMAP4rev1", "AUTH=PLAIN", "AUTH=LOGIN", "SASL-IR", "ID", "LITERAL+", "IDLE"},
                             offered)
        self.assertFalse({"STARTTLS", "LOGINDISABLED"} & offered)
        self.assertFalse(set(self.STRIPPED) & offered)

    def test_the_greeting_says_the_same_as_capability(self):
        for tls in ("implicit", "none", "plain"):
            client = self.connect(tls)
            greeted = re.match(rb"^\* OK \[CAPABILITY ([^\]]*)\]", client.greeting)
            self.assertIsNotNone(greeted, client.greeting)
            self.assertEqual(set(greeted.group(1).decode().split()), capabilities(client))

    def test_before_tls_only_starttls_is_offered(self):
        client = self.connect("none")
        offered = capabilities(client)
        self.assertLessEqual({"STARTTLS", "LOGINDISABLED", "IMAP4rev1"}, offered)
        self.assertFalse([c for c in offered if c.startswith("AUTH=")])

    def test_passwords_in_clear_are_refused(self):
        user = self.user()
        client = self.connect("none")
        client.no(f"LOGIN {user} {PASSWORD}", "PRIVACYREQUIRED")
        answer = client.authenticate_plain(user, PASSWORD)
        self.assertEqual(answer.status, "NO")
        self.assertIn("[PRIVACYREQUIRED]", answer.text)
        self.assertEqual(self.dovecot.logins(user), 0)

    def test_a_password_in_clear_as_a_literal_is_refused_before_it_is_sent(self):
        client = self.connect("none")
        tag = client.start("LOGIN {4}")
        response = client.read()
        if response.startswith(b"+"):
            client.send(b"name x\r\n")
            response = client.finish(tag).tagged
        self.assertIn(b"PRIVACYREQUIRED", response)

    def test_after_login_the_stores_capabilities_without_what_cannot_be_carried(self):
        user = self.user()
        client = self.connect()
        answer = client.login(user, PASSWORD)
        told = re.search(r"\[CAPABILITY ([^\]]*)\]", answer.text)
        offered = capabilities(client)
        if told:
            self.assertEqual(set(told.group(1).split()), offered)
        direct = capabilities(self.direct(user, mailbox=None))
        missing = direct - offered
        self.assertLessEqual(missing, set(self.STRIPPED), "nothing else may be stripped")
        self.assertFalse(set(self.STRIPPED) & offered)
        self.assertLessEqual({"IDLE", "CONDSTORE", "QRESYNC", "ESEARCH", "UIDPLUS", "MOVE"}, offered)

    def test_what_cannot_be_carried_is_refused_after_login(self):
        client = self.client(self.user())
        for command in ("COMPRESS DEFLATE", "UNAUTHENTICATE", "STARTTLS",
                        "NOTIFY SET (SELECTED (MessageNew MessageExpunge))"):
            self.assertIn(client.command(command).status, ("NO", "BAD"), command)
        client.ok("NOOP")

    def test_commands_before_starttls_are_not_executed_after_it(self):
        client = self.connect("none")
        client.send(b"x1 STARTTLS\r\nx2 CAPABILITY\r\n")
        # Whatever the answer to STARTTLS: nothing that came in clear is answered under TLS.
        responses = client.read_closed()
        self.assertFalse([r for r in responses if r.startswith(b"x2 OK")], responses)

    def test_starttls_twice_is_refused(self):
        client = self.connect("starttls")
        client.bad("STARTTLS")
        client.ok("NOOP")

    def test_capabilities_may_be_configured(self):
        roostd = self.roostd("configured", [dovecot_store(self.dovecot)],
                             {"capabilities_before_login": ["IMAP4rev1", "SASL-IR", "AUTH=PLAIN"]})
        client = self.connect(front=roostd)
        self.assertEqual(capabilities(client), {"IMAP4rev1", "SASL-IR", "AUTH=PLAIN"})

    def test_id_is_answered_before_and_after_login(self):
        client = self.connect()
        client.ok("ID NIL").find(rb"^\* ID ")
        client.ok('ID ("name" "test" "x-originating-ip" "6.6.6.6")').find(rb"^\* ID ")
        client.login(self.user(), PASSWORD)
        client.ok('ID ("name" "test")').find(rb"^\* ID ")

    def test_commands_that_need_a_login_are_refused_without(self):
        client = self.connect()
        for command in ("SELECT INBOX", "IDLE"):
            self.assertIn(client.command(command).status, ("NO", "BAD"), command)

    def test_logout_before_login(self):
        client = self.connect()
        answer = client.command("LOGOUT")
        self.assertEqual(answer.status, "OK")
        answer.find(rb"^\* BYE")
        self.assertEqual(client.read_closed(), [])


@roost_only
class OriginTest(RoostCase):
    """The store learns the client's address."""

    def login_from(self, front, address):
        user = self.user()
        client = self.connect(front=front, source=address)
        client.login(user, PASSWORD)
        line = f"Login: user=<{user}>, method=PLAIN, rip={address},"
        self.eventually(lambda: line in self.dovecot.log(), f"{line} in Dovecot's log")
        return client

    def test_by_id(self):
        self.login_from(self.front, "127.0.0.7")

    def test_by_proxy_protocol(self):
        address = f"{self.dovecot.host}:{self.dovecot.proxy_port}"
        store = dovecot_store(self.dovecot, addresses=[address], send_proxy_v2=True,
                              send_id_originating_ip=False)
        self.login_from(self.roostd("proxied", [store]), "127.0.0.8")

    def test_through_a_listener_that_takes_any_address(self):
        """It has none that a store could be told, least of all in place of the client's."""
        proxied = dovecot_store(self.dovecot, addresses=[f"{self.dovecot.host}:{self.dovecot.proxy_port}"],
                                send_proxy_v2=True, send_id_originating_ip=False)
        for told_by, store in (("id", dovecot_store(self.dovecot)), ("header", proxied)):
            front = self.roostd(f"any-{told_by}", [store], hosts=["*"])
            for source, host in (("127.0.0.7", "127.0.0.1"), ("::1", "::1")):
                with self.subTest(told_by=told_by, source=source):
                    user = self.user()
                    self.connect("plain", front, host=host, source=source).login(user, PASSWORD)
                    line = re.compile(f"Login: user=<{user}>, method=PLAIN, rip={source}, lip=([^,]+),")
                    self.eventually(lambda line=line: line.search(self.dovecot.log()), f"{line} in Dovecot's log")
                    if told_by == "id":
                        self.assertEqual(line.search(self.dovecot.log())[1], self.dovecot.host)

    def test_sessions_come_from_all_addresses_that_are_configured(self):
        sources = {"127.3.0.1", "127.3.0.2"}
        front = self.roostd("sources", [dovecot_store(self.dovecot, send_id_originating_ip=False,
                                                      source_addresses=sorted(sources))])
        users = [self.user() for _ in range(20)]
        for user in users:
            self.connect(front=front).login(user, PASSWORD)

        def seen():
            return [re.findall(f"Login: user=<{user}>, method=PLAIN, rip=([^,]+),", self.dovecot.log()) for user in users]
        self.eventually(lambda: all(seen()), "all in Dovecot's log")
        self.assertEqual({address for of_one in seen() for address in of_one}, sources)

    def test_a_client_cannot_claim_another_address(self):
        user = self.user()
        client = self.connect(source="127.0.0.9")
        client.ok('ID ("x-originating-ip" "6.6.6.6" "x-connected-ip" "6.6.6.6")')
        client.login(user, PASSWORD)
        self.eventually(lambda: f"user=<{user}>, method=PLAIN, rip=127.0.0.9" in self.dovecot.log(),
                        "the true address")
        self.assertNotIn("6.6.6.6", self.dovecot.log())


@roost_only
class RouteTest(RoostCase):
    def test_a_map_sends_each_user_to_the_named_store(self):
        good, unknown = self.user(), self.user()
        bad = self.user()
        (self.directory / "users.map").write_text(
            f"{good} dovecot\n{bad} nowhere # nobody listens there\n")
        nowhere = dovecot_store(self.dovecot, name="nowhere", addresses=["127.0.0.1:1"])
        roostd = self.roostd("map", [nowhere, dovecot_store(self.dovecot)],
                             {"route": {"kind": "map", "map_file": str(self.directory / "users.map")}})
        self.connect(front=roostd).login(good, PASSWORD)
        self.connect(front=roostd).no(f"LOGIN {bad} {PASSWORD}", "UNAVAILABLE")
        self.connect(front=roostd).no(f"LOGIN {unknown} {PASSWORD}", "AUTHENTICATIONFAILED")

    def test_a_hash_sends_everybody_somewhere(self):
        stores = [dovecot_store(self.dovecot, name=name) for name in ("a", "b", "c")]
        roostd = self.roostd("hash", stores, {"route": {"kind": "hash"}})
        for _ in range(8):
            client = self.client(self.user(), front=roostd)
            client.idle()
            client.done()

    def test_a_store_with_several_addresses_is_reached_while_one_is_down(self):
        store = dovecot_store(self.dovecot, addresses=["127.0.0.1:1", f"localhost:{self.dovecot.imap_port}"])
        roostd = self.roostd("addresses", [store])
        for _ in range(4):
            self.client(self.user(), front=roostd)


if __name__ == "__main__":
    main()
