#!/usr/bin/python3
"""TLS with clients: versions, suites, certificates, resumption, and records cut in every way."""

import os
import select
import shutil
import socket
import ssl
import subprocess
import time
import unittest

from harness.case import RoostCase, dovecot_store, main, roost_only
from harness.dovecot import PASSWORD
from harness.imap import Client, trusting
from harness.process import DEADLINE

SUITES_12 = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
             "ECDHE-ECDSA-CHACHA20-POLY1305")
SUITES_12_RSA = tuple(suite.replace("ECDSA", "RSA") for suite in SUITES_12)
SUITES_13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


class BioClient:
    """A TLS client whose bytes go through our hands, to be cut and glued."""

    def __init__(self, host, port, context, hostname="localhost"):
        self.socket = socket.create_connection((host, port), timeout=DEADLINE)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=hostname)
        self.chunk = None  # bytes per segment; None: all at once

    def flush(self):
        data = self.outgoing.read()
        step = self.chunk or max(1, len(data))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(data), step):
            self.socket.sendall(data[at:at + step])

    def _run(self, step):
        while True:
            try:
                result = step()
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                data = self.socket.recv(65536)
                if not data:
                    raise ConnectionError("closed") from None
                self.incoming.write(data)

    def handshake(self):
        self._run(self.tls.do_handshake)

    def write(self, data):
        self.tls.write(data)

    def read_until(self, mark):
        data = b""
        while mark not in data:
            data += self._run(lambda: self.tls.read(65536))
        return data

    def close(self):
        self.socket.close()


class TlsTest(RoostCase):
    def bio(self, context=None):
        client = BioClient(self.front.host, self.front.imaps_port, context or self.front.context)
        self.addCleanup(client.close)
        return client

    def context(self, minimum=None, maximum=None, ciphers=None):
        context = trusting(self.authority.ca_file)
        if minimum:
            context.minimum_version = minimum
        if maximum:
            context.maximum_version = maximum
        if ciphers:
            context.set_ciphers(ciphers)
        return context

    def session_works(self, context, front=None, hostname="localhost"):
        """Greeting to IDLE and a large fetch, so that more than one record goes each way."""
        front = front or self.front
        user = self.user()
        client = Client(front.host, front.imaps_port, "implicit", context, server_hostname=hostname)
        self.addCleanup(client.close)
        client.login(user, PASSWORD)
        client.select()
        client.append("INBOX", "Subject: x\r\n\r\n" + "y" * 50_000 + "\r\n")
        client.ok("FETCH 1 BODY.PEEK[TEXT]").find(rb"y{50000}")
        client.idle()
        self.dovecot.deliver(user)
        client.wait_untagged(rb"^\* 2 EXISTS")
        client.done()
        return client

    def test_each_version(self):
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            client = self.session_works(self.context(version, version))
            self.assertEqual(client.socket.version(), name)

    def test_each_suite_of_tls_1_2(self):
        for suite in SUITES_12:
            client = self.session_works(self.context(maximum=ssl.TLSVersion.TLSv1_2, ciphers=suite))
            self.assertEqual(client.socket.cipher()[0], suite)

    @roost_only
    def test_older_versions_and_suites_are_refused(self):
        context = self.context(maximum=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
        with self.assertRaises(OSError):
            Client(self.front.host, self.front.imaps_port, "implicit", context)
        if ssl.HAS_TLSv1_1:
            context = self.context(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0")
            with self.assertRaises(OSError):
                Client(self.front.host, self.front.imaps_port, "implicit", context)

    def test_bytes_one_by_one_through_handshake_and_session(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            client = self.bio(self.context(version, version))
            client.chunk = 1
            client.handshake()
            client.read_until(b"\r\n")
            client.write(b"a1 LOGIN %s %s\r\n" % (self.user().encode(), PASSWORD.encode()))
            client.read_until(b"a1 OK")
            client.write(b"a2 SELECT INBOX\r\n")
            client.read_until(b"a2 OK")
            client.write(b"a3 IDLE\r\n")
            client.read_until(b"+ ")
            client.write(b"DONE\r\n")
            client.read_until(b"a3 OK")

    def test_the_first_command_in_the_same_segment_as_finished(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            client = self.bio(self.context(version, version))
            # Without flushing: what the handshake leaves to be sent goes out with the first commands.
            flush, client.flush = client.flush, lambda: None
            while True:
                try:
                    client.tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    flush()
                    client.incoming.write(client.socket.recv(65536))
            client.write(b"a1 NOOP\r\n")
            client.write(b"a2 CAPABILITY\r\na3 NO")
            flush()
            client.flush = flush
            client.write(b"OP\r\n")
            flush()
            self.assertIn(b"a3 OK", client.read_until(b"a3 OK"))

    def test_one_command_in_many_records_and_many_in_one(self):
        client = self.bio()
        client.handshake()
        client.read_until(b"\r\n")
        for byte in b"a1 NOOP\r\n":
            client.write(bytes([byte]))
        client.write(b"a2 NOOP\r\na3 NOOP\r\na4 NOOP\r\n")
        client.flush()
        client.read_until(b"a4 OK")

    def test_resumption(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.context(version, version)
            first = self.session_works(context)
            session = first.socket.session
            first.logout()
            sock = socket.create_connection((self.front.host, self.front.imaps_port), timeout=DEADLINE)
            self.addCleanup(sock.close)
            second = context.wrap_socket(sock, server_hostname="localhost", session=session)
            self.addCleanup(second.close)
            self.assertTrue(second.session_reused, version)
            second.sendall(b"a1 LOGIN %s %s\r\n" % (self.user().encode(), PASSWORD.encode()))
            data = b""
            while b"a1 OK" not in data:
                piece = second.recv(65536)
                self.assertTrue(piece, data)
                data += piece

    def test_logout_ends_with_close_notify(self):
        context = self.context()
        client = Client(self.front.host, self.front.imaps_port, "implicit", context)
        self.addCleanup(client.close)
        client.start("LOGOUT")
        while True:  # a missing close_notify would raise
            if not client.socket.recv(65536):
                break

    @roost_only
    def test_an_rsa_certificate_and_others_by_name(self):
        certificates = [self.authority.issue("first"),
                        self.authority.issue("rsa", hosts=("rsa.example.org",), rsa=True),
                        self.authority.issue("wild", hosts=("*.wild.example.org",))]
        front = self.roostd("names", [dovecot_store(self.dovecot)], certificates=certificates)
        self.session_works(self.context(), front)
        self.session_works(self.context(), front, "rsa.example.org")
        self.session_works(self.context(), front, "imap.wild.example.org")
        for suite in SUITES_12_RSA:
            context = self.context(maximum=ssl.TLSVersion.TLSv1_2, ciphers=suite)
            client = self.session_works(context, front, "rsa.example.org")
            self.assertEqual(client.socket.cipher()[0], suite)

    @roost_only
    def test_the_minimum_version_can_be_raised(self):
        front = self.roostd("only13", [dovecot_store(self.dovecot)], {"tls": {"minimum_version": "1.3"}})
        self.session_works(self.context(), front)
        with self.assertRaises(OSError):
            Client(front.host, front.imaps_port, "implicit", self.context(maximum=ssl.TLSVersion.TLSv1_2))

    @roost_only
    def test_alpn(self):
        context = self.context()
        context.set_alpn_protocols(["imap"])
        client = self.session_works(context)
        self.assertEqual(client.socket.selected_alpn_protocol(), "imap")
        context = self.context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        with self.assertRaises(OSError):
            Client(self.front.host, self.front.imaps_port, "implicit", context)


class Talk:
    """A program that carries lines to a server and back."""

    def __init__(self, command):
        self._command = command
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT)
        self._seen = b""

    def say(self, line):
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def wait(self, mark):
        """Reads on until the mark; what is before the mark's end is not looked at again."""
        end = time.monotonic() + DEADLINE
        while mark not in self._seen:
            readable, _, _ = select.select([self._process.stdout], [], [], max(0, end - time.monotonic()))
            data = os.read(self._process.stdout.fileno(), 65536) if readable else b""
            if not data:
                seen = self._seen.decode(errors="replace")
                raise AssertionError(f"no {mark!r} from {' '.join(self._command)}:\n{seen}")
            self._seen += data
        self._seen = self._seen.split(mark, 1)[1]

    def end(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


class CommandLineClientsTest(RoostCase):
    """openssl s_client and gnutls-cli, in each version and suite."""

    def converse(self, command):
        """Logs in and idles; `command` reads lines and writes the session. Returns its Talk."""
        user = self.user()
        talk = Talk([str(part) for part in command])
        self.addCleanup(talk.end)
        talk.wait(b"* OK")
        talk.say(f"x1 LOGIN {user} {PASSWORD}")
        talk.wait(b"x1 OK")
        talk.say("x2 SELECT INBOX")
        talk.wait(b"x2 OK")
        talk.say("x3 IDLE")
        talk.wait(b"+ ")
        self.dovecot.deliver(user)
        talk.wait(b"* 1 EXISTS")
        talk.say("DONE")
        talk.wait(b"x3 OK")
        return talk

    def finish(self, talk):
        talk.say("x9 LOGOUT")
        talk.wait(b"x9 OK")

    def openssl(self, *options):
        return ["openssl", "s_client", "-connect", f"127.0.0.1:{self.front.imaps_port}", "-servername",
                "localhost", "-CAfile", self.authority.ca_file, "-verify_return_error", "-crlf", "-nocommands",
                "-ign_eof", *options]

    def test_openssl_in_each_suite(self):
        for suite in SUITES_13:
            self.finish(self.converse(self.openssl("-tls1_3", "-ciphersuites", suite)))
        for suite in SUITES_12:
            self.finish(self.converse(self.openssl("-tls1_2", "-cipher", suite)))

    def test_openssl_with_key_updates(self):
        command = [part for part in self.openssl("-tls1_3") if part not in ("-nocommands", "-ign_eof")]
        talk = self.converse(command)
        for number in range(5):
            talk.say("K" if number % 2 else "k")  # with and without asking the server for one
            talk.wait(b"KEYUPDATE")
            talk.say(f"y{number} NOOP")
            talk.wait(b"y%d OK" % number)
        self.finish(talk)

    @unittest.skipUnless(shutil.which("gnutls-cli"), "gnutls-cli is not installed; tools/setup --test installs it")
    def test_gnutls_in_each_suite(self):
        for suite in ("TLS1.3:-CIPHER-ALL:+AES-128-GCM", "TLS1.3:-CIPHER-ALL:+AES-256-GCM",
                      "TLS1.3:-CIPHER-ALL:+CHACHA20-POLY1305", "TLS1.2:-CIPHER-ALL:+AES-128-GCM",
                      "TLS1.2:-CIPHER-ALL:+AES-256-GCM", "TLS1.2:-CIPHER-ALL:+CHACHA20-POLY1305"):
            self.finish(self.converse([
                "gnutls-cli", "--x509cafile", self.authority.ca_file, "--port", self.front.imaps_port,
                "--crlf", "--priority", f"NORMAL:-VERS-ALL:+VERS-{suite}", "localhost"]))


if __name__ == "__main__":
    main()
