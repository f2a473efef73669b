#!/usr/bin/python3
"""TLS between Roost and the store: spoken, verified, and refused where it must be."""

import socket
import ssl
import threading

from harness.case import RoostCase, dovecot_store, main, roost_only
from harness.certificates import Authority
from harness.dovecot import PASSWORD
from harness.fake_store import FakeStore


@roost_only
class StoreTlsTest(RoostCase):
    @classmethod
    def start_front(cls):
        return None  # each test has its own

    def front_for(self, name, **store):
        entry = dovecot_store(self.dovecot, **store)
        if store.get("tls") == "implicit" and "addresses" not in store:
            entry["addresses"] = [f"localhost:{self.dovecot.imaps_port}"]
        elif "addresses" not in store:
            entry["addresses"] = [f"localhost:{self.dovecot.imap_port}"]
        return self.roostd(name, [entry])

    def assert_works(self, front):
        """Login, idle, delivery, wake: everything over sessions of that kind."""
        user = self.user()
        clients = [self.client(user, front=front) for _ in range(3)]
        for client in clients:
            client.idle()
        self.assert_sessions(user, 1)
        self.dovecot.deliver(user, body="x" * 70_000 + "\r\n")
        for client in clients:
            client.wait_untagged(rb"^\* 1 EXISTS")
            client.done()
            client.ok("FETCH 1 BODY.PEEK[TEXT]").find(rb"x{70000}")
        return user

    def assert_refused(self, front):
        user = self.user()
        client = self.connect(front=front)
        client.no(f"LOGIN {user} {PASSWORD}", "UNAVAILABLE")
        self.assertEqual(self.dovecot.logins(user), 0)

    def test_implicit_and_starttls_with_a_pinned_authority(self):
        for tls in ("implicit", "starttls"):
            with self.subTest(tls=tls):
                front = self.front_for(f"good-{tls}", tls=tls, ca_file=str(self.authority.ca_file))
                user = self.assert_works(front)
                logins = [line for line in self.dovecot.log().splitlines() if f"Login: user=<{user}>" in line]
                self.assertTrue(all(", TLS," in line for line in logins), logins)

    def test_in_proxy_mode_too(self):
        self.assert_works(self.front_for("proxy", tls="starttls", login="proxy-authzid",
                                         ca_file=str(self.authority.ca_file)))

    def test_another_authority_is_refused(self):
        other = Authority(self.directory / "other", "other")
        for tls in ("implicit", "starttls"):
            self.assert_refused(self.front_for(f"other-{tls}", tls=tls, ca_file=str(other.ca_file)))

    def test_the_systems_authorities_do_not_know_ours(self):
        self.assert_refused(self.front_for("system", tls="implicit"))

    def test_without_verification_anything_goes(self):
        for tls in ("implicit", "starttls"):
            self.assert_works(self.front_for(f"unverified-{tls}", tls=tls, verify=False))

    def test_another_name_is_refused(self):
        self.assert_refused(self.front_for("name", tls="implicit", ca_file=str(self.authority.ca_file),
                                           server_name="imap.example.org"))

    def test_an_address_is_checked_as_an_address(self):
        addresses = [f"127.0.0.1:{self.dovecot.imaps_port}"]
        self.assert_works(self.front_for("address", tls="implicit", addresses=addresses,
                                         ca_file=str(self.authority.ca_file)))

    def test_the_configured_name_is_what_is_checked(self):
        addresses = [f"127.0.0.1:{self.dovecot.imaps_port}"]
        self.assert_works(self.front_for("named", tls="implicit", addresses=addresses,
                                         server_name="localhost", ca_file=str(self.authority.ca_file)))

    def test_ipv6(self):
        self.assert_works(self.front_for("ipv6", tls="starttls", ca_file=str(self.authority.ca_file),
                                         addresses=[f"[::1]:{self.dovecot.imap_port}"]))

    def fake_tls_front(self, certificate, name):
        """A roostd before a TLS server that has this certificate and would accept any login."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, certificate))
        self.heard = []
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def serve():
            while True:
                try:
                    sock, _ = listener.accept()
                    with context.wrap_socket(sock, server_side=True) as tls:
                        tls.sendall(b"* OK fake\r\n")
                        self.heard.append(tls.recv(1000))
                except OSError:
                    if listener.fileno() < 0:
                        return
        threading.Thread(target=serve, daemon=True).start()
        return self.front_for(name, tls="implicit", ca_file=str(self.authority.ca_file),
                              addresses=[f"localhost:{listener.getsockname()[1]}"], server_name="localhost")

    def test_an_expired_certificate_is_refused_before_anything_is_said(self):
        expired = self.authority.issue("expired", days=-1)
        self.assert_refused(self.fake_tls_front(expired, "expired"))
        self.assertEqual([h for h in self.heard if h], [])

    def test_a_certificate_for_another_host_is_refused_before_anything_is_said(self):
        other = self.authority.issue("elsewhere", hosts=("imap.example.org",))
        self.assert_refused(self.fake_tls_front(other, "elsewhere"))
        self.assertEqual([h for h in self.heard if h], [])

    def test_an_rsa_certificate_is_accepted(self):
        front = self.fake_tls_front(self.authority.issue("rsa", rsa=True), "rsa")
        client = self.connect(front=front)
        client.no("LOGIN user password", "UNAVAILABLE")  # it hangs up, but was spoken to
        self.assertTrue([h for h in self.heard if h])

    def test_a_store_that_refuses_starttls_gets_no_password(self):
        def script(connection):
            connection.greet()
            connection.serve({"STARTTLS": "{tag} NO not today\r\n"})
        self.refuses_to_go_on_in_clear(script, "refuses")

    def test_a_store_that_does_not_offer_starttls_gets_no_password(self):
        def script(connection):
            connection.greet()
            connection.serve({"STARTTLS": "{tag} BAD what?\r\n"})
        self.refuses_to_go_on_in_clear(script, "ignorant")

    def test_a_store_that_claims_to_be_logged_in_before_tls_gets_nothing(self):
        def script(connection):
            connection.send("* PREAUTH you are in\r\n")
            connection.serve()
        self.refuses_to_go_on_in_clear(script, "preauth")

    def test_answers_sent_in_clear_behind_starttls_are_not_believed(self):
        def script(connection):
            connection.greet()
            tag, _, _ = connection.serve(until="STARTTLS")
            connection.send(f"{tag} OK begin\r\n* CAPABILITY IMAP4rev1 INJECTED\r\n")
            connection.line()
        self.refuses_to_go_on_in_clear(script, "injected")

    def refuses_to_go_on_in_clear(self, script, name):
        store = FakeStore(script)
        self.addCleanup(store.close)
        front = self.front_for(name, tls="starttls", ca_file=str(self.authority.ca_file),
                               addresses=[f"localhost:{store.port}"])
        client = self.connect(front=front)
        client.no("LOGIN user top-secret", "UNAVAILABLE")
        said = b"\n".join(line for c in store.connections for line in c.received)
        self.assertNotIn(b"top-secret", said)
        self.assertNotIn(b"AUTHENTICATE", said.upper())


if __name__ == "__main__":
    main()
