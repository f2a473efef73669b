#!/usr/bin/python3
"""roost-store as a program: imaplib, smtplib's LMTP, several threads, TLS, signals, the control connection."""

import imaplib
import os
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
from email.message import EmailMessage
from pathlib import Path

BINARY = Path(os.environ.get("ROOST_BIN", "build/bin")) / "roost-store"
DEADLINE_S = 20 * float(os.environ.get("ROOST_TEST_SLOWNESS", "1"))  # of the programs of a sanitized build


def parse_endpoint(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


class Store:
    """A running roost-store on ports that the kernel chose."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [BINARY, "--print-ready", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        words = self.process.stdout.readline().split()
        if not words or words[0] != "ready":
            raise RuntimeError(self.process.stderr.read())
        self.endpoints = {}
        for kind, endpoint in zip(words[1::2], words[2::2]):
            self.endpoints.setdefault(kind, []).append(parse_endpoint(endpoint))

    def endpoint(self, kind, number=0):
        return self.endpoints[kind][number]

    def imap(self, user="alice", password="secret", number=0):
        client = imaplib.IMAP4(*self.endpoint("imap", number), timeout=DEADLINE_S)
        client.login(user, password)
        return client

    def deliver(self, to, subject="hello"):
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "ann@example.org", to, subject
        message.set_content("Hi there.\n")
        with smtplib.LMTP(*self.endpoint("lmtp")) as lmtp:
            refused = lmtp.send_message(message, "ann@example.org", to)
            for _ in to[1:]:  # smtplib reads one answer only
                code, text = lmtp.getreply()
                assert code == 250, text
            return refused

    def counts(self):
        with socket.create_connection(self.endpoint("control"), DEADLINE_S) as control:
            control.sendall(b"counts\n")
            text = b""
            while not text.endswith(b"\n\n"):
                text += control.recv(65536)
        return dict(line.rsplit(" ", 1) for line in text.decode().split("\n") if line)

    def wait_counts(self, condition):
        deadline = time.monotonic() + DEADLINE_S
        while not condition(counts := self.counts()):
            if time.monotonic() > deadline:
                raise AssertionError(counts)
        return counts

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        _, errors = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, errors


class Idler:
    """A client that idles, read line by line."""

    def __init__(self, store, user="alice", number=0, before=()):
        self.socket = socket.create_connection(store.endpoint("imap", number), DEADLINE_S)
        self.file = self.socket.makefile("rwb")
        self.line()
        for command in (f"LOGIN {user} secret", *before, "SELECT INBOX"):
            self.command(command)
        self.send("i IDLE")
        assert self.line().startswith("+"), "no +"

    def send(self, text):
        self.file.write(text.encode() + b"\r\n")
        self.file.flush()

    def line(self):
        return self.file.readline().decode().rstrip("\r\n")

    def command(self, text):
        self.send("c " + text)
        lines = []
        while True:
            lines.append(self.line())
            if lines[-1].startswith("c "):
                assert lines[-1].startswith("c OK"), lines
                return lines

    def done(self):
        self.send("DONE")
        line = self.line()
        assert line.startswith("i OK"), line

    def close(self):
        self.file.close()
        self.socket.close()


class OneStore(unittest.TestCase):
    ARGUMENTS = ()

    @classmethod
    def setUpClass(cls):
        local = "127.0.0.1:0"
        cls.store = Store("--listen", local, "--listen", "tls:" + local, "--listen", "starttls:" + local,
                          "--listen", "[::1]:0", "--lmtp", local, "--control", local,
                          "--password", "secret", "--master-user", "boss", "--master-password", "key",
                          *cls.ARGUMENTS)

    @classmethod
    def tearDownClass(cls):
        code, errors = cls.store.stop()
        if code != 0:
            raise AssertionError(f"ended with {code}: {errors}")

    def test_who_uses_notify_hears_without_idle(self):
        client = Idler(self.store, "notified", before=[
            "CREATE Work", "NOTIFY SET (SELECTED (MessageNew (UID) MessageExpunge)) "
                           "(MAILBOXES Work (MessageNew MessageExpunge))"])
        client.done()
        self.store.deliver(["notified"])
        self.assertEqual([client.line() for _ in range(3)], ["* 1 EXISTS", "* 1 FETCH (UID 1)", "* 1 RECENT"])
        other = self.store.imap("notified")
        other.append("Work", None, None, b"Subject: hello\r\n\r\nHi.\r\n")
        self.assertRegex(client.line(), r"^\* STATUS Work \(MESSAGES 1 UIDNEXT 2 UIDVALIDITY \d+\)$")
        other.logout()
        client.command("NOTIFY NONE")
        client.close()

    def test_a_mail_client_lives_its_life(self):
        client = self.store.imap("life")
        self.assertEqual(client.select()[1], [b"0"])
        date = imaplib.Time2Internaldate(time.time())
        self.assertEqual(client.append("INBOX", r"(\Seen)", date, b"Subject: one\r\n\r\nbody\r\n")[0], "OK")
        self.assertEqual(client.append("INBOX", None, date, b"Subject: two\r\n\r\n" + b"x" * 200_000)[0], "OK")
        self.assertEqual(client.search(None, "UNSEEN")[1], [b"2"])
        flags, data = client.fetch("1:2", "(UID FLAGS RFC822.SIZE BODY.PEEK[TEXT])")
        self.assertEqual(flags, "OK")
        self.assertEqual(len(data[2][1]), 200_000)
        self.assertEqual(client.create("Old")[0], "OK")
        self.assertEqual(client.copy("1", "Old")[0], "OK")
        self.assertIn(b"Deleted", client.store("1", "+FLAGS", r"(\Deleted)")[1][0])
        self.assertEqual(client.expunge()[1], [b"1"])
        self.assertEqual(client.status("Old", "(MESSAGES)")[1], [b"Old (MESSAGES 1)"])
        self.assertEqual(client.close()[0], "OK")
        self.assertEqual(client.logout()[0], "BYE")

    def test_lmtp_wakes_every_idle_session_of_the_user_and_of_nobody_else(self):
        idlers = [Idler(self.store, "wake") for _ in range(4)]
        other = Idler(self.store, "sleep")
        self.assertEqual(self.store.deliver(["wake@example.org"]), {})
        for idler in idlers:
            self.assertEqual(idler.line(), "* 1 EXISTS")
            self.assertRegex(idler.line(), r"\* [01] RECENT")
            idler.done()
        self.assertIn("* 1 FETCH (UID 1)", idlers[0].command("FETCH 1 UID"))
        other.done()
        self.assertEqual(other.command("NOOP"), ["c OK Done"])
        for client in (*idlers, other):
            client.close()

    def test_changes_of_one_session_reach_the_others(self):
        self.store.deliver(["both", "nobody+tag@example.org"])
        idler = Idler(self.store, "both", before=["ENABLE QRESYNC"])
        client = self.store.imap("both")
        self.assertEqual(client.select()[1], [b"1"])
        client.store("1", "+FLAGS", r"(\Flagged)")
        self.assertRegex(idler.line(), r"\* 1 FETCH \(UID 1 FLAGS \(\\Flagged( \\Recent)?\) MODSEQ \(\d+\)\)")
        client.store("1", "+FLAGS.SILENT", r"(\Deleted)")
        idler.line()
        client.expunge()
        self.assertEqual(idler.line(), "* VANISHED 1")
        client.append("INBOX", None, None, b"x: y\r\n\r\nz")
        self.assertEqual(idler.line(), "* 1 EXISTS")
        client.logout()
        idler.close()

    def test_counts_tell_who_is_there(self):
        idler = Idler(self.store, "counted")
        counts = self.store.counts()
        self.assertEqual(counts["user counted sessions 1 selected 1 idling 1 logins"], "1")
        idler.close()
        self.store.wait_counts(lambda c: "user counted sessions 0 selected 0 idling 0 logins" in c)

    def test_tls_from_the_first_byte_and_by_starttls(self):
        context = ssl._create_unverified_context()
        implicit = imaplib.IMAP4_SSL(*self.store.endpoint("imap", 1), ssl_context=context, timeout=DEADLINE_S)
        implicit.login("tls", "secret")
        self.assertEqual(implicit.select()[0], "OK")
        implicit.append("INBOX", None, None, b"Subject: big\r\n\r\n" + b"0123456789\r\n" * 50_000)
        body = implicit.fetch("1", "(BODY[])")[1][0][1]
        self.assertEqual(len(body), 16 + 12 * 50_000)
        implicit.logout()
        starttls = imaplib.IMAP4(*self.store.endpoint("imap", 2), timeout=DEADLINE_S)
        starttls.starttls(context)
        starttls.login("tls", "secret")
        self.assertEqual(starttls.select()[1], [b"1"])
        starttls.logout()

    def test_ipv6(self):
        client = self.store.imap("six", number=3)
        self.assertEqual(client.noop()[0], "OK")
        client.logout()

    def test_the_master_user_acts_for_others(self):
        client = self.store.imap('"led*boss"', "key")
        client.append("INBOX", None, None, b"x: y\r\n\r\nz")
        client.logout()
        client = imaplib.IMAP4(*self.store.endpoint("imap"), timeout=DEADLINE_S)
        client.authenticate("PLAIN", lambda _: b"led\0boss\0key")
        self.assertEqual(client.select()[1], [b"1"])
        client.logout()
        with self.assertRaisesRegex(imaplib.IMAP4.error, "AUTHENTICATIONFAILED"):
            self.store.imap("led", "key")

    def test_mbsync_syncs_both_ways(self):
        if not shutil.which("mbsync"):
            self.skipTest("mbsync is not installed")
        self.store.deliver(["sync"], "from the store")
        host, port = self.store.endpoint("imap")
        with tempfile.TemporaryDirectory() as directory:
            local = Path(directory)
            (local / "rc").write_text(
                f"IMAPAccount a\nHost {host}\nPort {port}\nUser sync\nPass secret\nSSLType None\nAuthMechs PLAIN\n\n"
                f"IMAPStore far\nAccount a\n\nMaildirStore near\nPath {local}/\nInbox {local}/INBOX\nSubFolders Verbatim\n\n"
                "Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSync All\nSyncState *\n")

            def sync():
                done = subprocess.run(["mbsync", "-c", local / "rc", "-a"], capture_output=True, text=True,
                                      timeout=DEADLINE_S, check=False)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

            def local_mail(folder):
                return [p for sub in ("new", "cur") for p in (local / folder / sub).iterdir()]

            sync()
            self.assertEqual(len(local_mail("INBOX")), 1)
            self.assertIn("from the store", local_mail("INBOX")[0].read_text())
            (local / "INBOX" / "new" / "1.x.y").write_text("Subject: from here\n\nHi\n")
            client = self.store.imap("sync")
            client.create("Other")
            client.select()
            client.store("1", "+FLAGS", r"(\Seen \Flagged)")
            sync()
            self.assertEqual(client.noop()[0], "OK")
            self.assertEqual(client.search(None, "SUBJECT", "here")[1], [b"2"])
            self.assertTrue((local / "Other").is_dir())
            self.assertTrue(any(p.name.endswith("FS") for p in local_mail("INBOX")))
            client.store("1", "+FLAGS", r"(\Deleted)")
            client.expunge()
            client.logout()
            sync()
            self.assertEqual(len(local_mail("INBOX")), 1)

    def test_curl_reads_searches_and_uploads(self):
        if not shutil.which("curl"):
            self.skipTest("curl is not installed")

        def curl(*arguments):
            done = subprocess.run(["curl", "--silent", "--show-error", "--insecure", "--max-time", str(DEADLINE_S),
                                   "--user", "curl:secret", *arguments],
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout

        host, port = self.store.endpoint("imap", 1)
        url = f"imaps://{host}:{port}"
        with tempfile.NamedTemporaryFile("w") as mail:
            mail.write("Subject: up\r\n\r\nload\r\n")
            mail.flush()
            curl("--upload-file", mail.name, f"{url}/INBOX")
        self.assertEqual(curl(f"{url}/INBOX;UID=1"), "Subject: up\n\nload\n")
        self.assertIn("* SEARCH 1", curl(f"{url}/INBOX?SUBJECT%20up"))
        self.assertIn("INBOX", curl(f"{url}/"))
        host, port = self.store.endpoint("imap", 2)
        self.assertIn("load", curl("--ssl-reqd", f"imap://{host}:{port}/INBOX;UID=1;SECTION=TEXT"))

    def test_a_flood_of_pipelined_commands_and_a_slow_reader(self):
        client = self.store.imap("flood")
        for _ in range(20):
            client.append("INBOX", None, None, b"Subject: big\r\n\r\n" + b"y" * 100_000)
        client.logout()
        with socket.create_connection(self.store.endpoint("imap"), DEADLINE_S) as slow:
            slow.sendall(b"a LOGIN flood secret\r\nb SELECT INBOX\r\n")
            slow.sendall(b"".join(b"f%d FETCH 1:* BODY.PEEK[]\r\n" % i for i in range(10)))
            slow.sendall(b"z LOGOUT\r\n")
            received = b""
            tail = b""
            while chunk := slow.recv(1 << 20):
                tail = (tail + chunk)[-200:]
                received = received or chunk
                self.total = getattr(self, "total", 0) + len(chunk)
        self.assertIn(b"z OK", tail)
        self.assertGreater(self.total, 10 * 20 * 100_000)

    def test_garbage_costs_only_its_own_connection(self):
        for number, garbage in ((0, b"\0\xff\r\n" * 3), (1, b"not a ClientHello" * 10), (0, b"x" * 100_000),
                                (0, b"a LOGIN {99999999999999999999}\r\n"), (0, b"a LOGIN {2+}\r\n\0\0 b\r\n")):
            with socket.create_connection(self.store.endpoint("imap", number), DEADLINE_S) as client:
                client.sendall(garbage)
                client.shutdown(socket.SHUT_WR)
                try:
                    while client.recv(65536):
                        pass
                except ConnectionResetError:
                    pass
        self.store.imap("after").logout()


class OneStoreOfManyThreads(OneStore):
    """The same with users on four threads: connections move at login."""
    ARGUMENTS = ("--threads", "4")

    def test_users_of_all_threads_hear_of_their_mail(self):
        users = [f"user{n}" for n in range(16)]
        idlers = {user: Idler(self.store, user) for user in users}
        self.assertEqual(self.store.deliver([f"{user}@example.org" for user in users]), {})
        for idler in idlers.values():
            self.assertEqual(idler.line(), "* 1 EXISTS")
        counts = self.store.counts()
        for user in users:
            self.assertIn(f"user {user} sessions 1 selected 1 idling 1 logins", counts)
        for idler in idlers.values():
            idler.close()

    def test_what_is_pipelined_behind_login_moves_along(self):
        for n in range(8):
            with socket.create_connection(self.store.endpoint("imap"), DEADLINE_S) as client:
                client.sendall(b"a CAPABILITY\r\nb LOGIN {5+}\r\nmove%d {6+}\r\nsecret\r\n" % n +
                               b"c SELECT INBOX\r\nd LOGOUT\r\n")
                text = b""
                while chunk := client.recv(65536):
                    text += chunk
            self.assertEqual(re.findall(rb"^([a-d]) OK", text, re.M), [b"a", b"b", b"c", b"d"], text)


class OrdinaryDescriptors(OneStoreOfManyThreads):
    ARGUMENTS = ("--threads", "3", "--descriptors", "ordinary")


class TheProgram(unittest.TestCase):
    def test_help_says_what_it_is(self):
        text = subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=True).stdout
        self.assertIn("not a place for\nmail", text)

    def test_mistakes_are_explained(self):
        for arguments, words in ((["--listen", "nonsense"], "address to listen on"),
                                 (["--frobnicate=1"], "unknown option"),
                                 (["--listen", "127.0.0.1:0", "--capability-off", "FLY"], "switched off"),
                                 (["--listen", "127.0.0.1:0", "--users-from", "/nowhere"], "cannot read"),
                                 ([], "nothing to listen on")):
            done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=DEADLINE_S)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn(words, done.stderr)

    def test_an_address_in_use_is_told(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = subprocess.run([BINARY, "--listen", f"127.0.0.1:{port}"], capture_output=True, text=True,
                                  timeout=DEADLINE_S)
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(port), done.stderr)

    def test_signals_end_it_with_a_goodbye_and_print_counts(self):
        for how in (signal.SIGTERM, signal.SIGINT):
            store = Store("--listen", "127.0.0.1:0", "--threads", "2", "--preload", "pre:7")
            idler = Idler(store, "pre")
            store.process.send_signal(signal.SIGUSR1)
            self.assertEqual(store.process.stderr.readline(), "sessions 1\n")
            code, errors = store.stop(how)
            self.assertEqual(code, 0, errors)
            self.assertIn("BYE", idler.line())
            idler.close()

    def test_capabilities_can_be_switched_off(self):
        store = Store("--listen", "127.0.0.1:0", "--capability-off", "IDLE,qresync")
        client = store.imap()
        self.assertNotIn("IDLE", client.capabilities)
        self.assertNotIn("QRESYNC", client.capabilities)
        client.logout()
        self.assertEqual(store.stop()[0], 0)

    def test_sessions_hear_later_with_a_delay(self):
        store = Store("--listen", "127.0.0.1:0", "--lmtp", "127.0.0.1:0", "--notify-delay-ms", "300")
        idler = Idler(store, "late")
        begin = time.monotonic()
        store.deliver(["late"])
        self.assertEqual(idler.line(), "* 1 EXISTS")
        self.assertGreaterEqual(time.monotonic() - begin, 0.29)
        idler.close()
        self.assertEqual(store.stop()[0], 0)

    def test_users_come_from_a_file(self):
        path = Path(os.environ.get("TMPDIR", "/tmp")) / f"roost-store-users-{os.getpid()}"
        path.write_text("# who may\nann:pa:ss\n")
        try:
            store = Store("--listen", "127.0.0.1:0", "--lmtp", "127.0.0.1:0", "--users-from", str(path))
            store.imap("ann", "pa:ss").logout()
            with self.assertRaises(imaplib.IMAP4.error):
                store.imap("ben", "pa:ss")
            with self.assertRaises(smtplib.SMTPRecipientsRefused):
                store.deliver(["ben@example.org"])
            self.assertEqual(store.stop()[0], 0)
        finally:
            path.unlink()


if __name__ == "__main__":
    if len(sys.argv) > 1 and Path(sys.argv[1]).is_file():
        BINARY = Path(sys.argv.pop(1))
    unittest.main()
