#!/usr/bin/python3
"""Clients that people use, through Roost: imaplib, curl, mbsync."""

import imaplib
import mailbox
import subprocess
import unittest

from harness.case import DIRECT, RoostCase, main
from harness.dovecot import PASSWORD
from harness.process import DEADLINE

MESSAGE = b"From: a@example.org\r\nTo: b@example.org\r\nSubject: %s\r\nMessage-ID: <%s@test>\r\n\r\n%s\r\n"


def message(subject, body=b"Hello."):
    subject = subject.encode()
    return MESSAGE % (subject, subject, body)


class ImaplibTest(RoostCase):
    def open(self, user):
        client = imaplib.IMAP4_SSL("localhost", self.front.imaps_port, ssl_context=self.front.context)
        client.login(user, PASSWORD)
        self.addCleanup(client.sock.close)
        return client

    def test_a_mailbox_is_filled_searched_changed_and_emptied(self):
        client = self.open(self.user())
        for subject in ("one", "two", "three"):
            self.assertEqual(client.append("INBOX", "(\\Seen)", None, message(subject))[0], "OK")
        self.assertEqual(client.select()[1], [b"3"])
        self.assertEqual(client.search(None, "SUBJECT", "two")[1], [b"2"])
        self.assertEqual(client.fetch("2", "(RFC822)")[1][0][1], message("two"))
        client.store("2", "+FLAGS", "\\Deleted")
        self.assertEqual(client.expunge()[1], [b"2"])
        self.assertEqual(client.uid("SEARCH", "ALL")[1], [b"1 3"])
        client.create("Folder")
        client.copy("1:2", "Folder")
        self.assertIn(b'"/" Folder', b" ".join(client.list()[1]))
        self.assertIn(b"MESSAGES 2", client.status("Folder", "(MESSAGES)")[1][0])
        client.close()
        self.assertEqual(client.logout()[0], "BYE")

    def test_starttls(self):
        client = imaplib.IMAP4("localhost", self.front.imap_port)
        self.assertEqual(client.starttls(self.front.context)[0], "OK")
        self.addCleanup(client.sock.close)
        self.assertEqual(client.login(self.user(), PASSWORD)[0], "OK")
        self.assertEqual(client.select()[1], [b"0"])

    def test_authenticate_plain(self):
        client = imaplib.IMAP4_SSL("localhost", self.front.imaps_port, ssl_context=self.front.context)
        self.addCleanup(client.sock.close)
        user = self.user()
        client.authenticate("PLAIN", lambda _: f"\0{user}\0{PASSWORD}".encode())
        self.assertEqual(client.select()[0], "OK")

    def test_a_wrong_password_is_an_error(self):
        client = imaplib.IMAP4_SSL("localhost", self.front.imaps_port, ssl_context=self.front.context)
        self.addCleanup(client.sock.close)
        with self.assertRaisesRegex(imaplib.IMAP4.error, "AUTHENTICATIONFAILED"):
            client.login(self.user(), "wrong")


class CurlTest(RoostCase):
    def curl(self, user, url, *arguments):
        run = subprocess.run(
            ["curl", "--silent", "--show-error", "--max-time", "60", "--cacert",
             str(self.authority.ca_file), "--user", f"{user}:{PASSWORD}", url, *arguments],
            capture_output=True, check=False)
        self.assertEqual(run.returncode, 0, run.stderr.decode())
        return run.stdout

    def test_upload_and_download_are_the_same_bytes(self):
        user = self.user()
        body = bytes(range(1, 256)).replace(b"\r", b"").replace(b"\n", b"") * 200
        sent = message("curl", body)
        file = self.directory / "upload"
        file.write_bytes(sent)
        for number, base in enumerate((f"imaps://localhost:{self.front.imaps_port}",
                                       f"imap://localhost:{self.front.imap_port}"), start=1):
            self.curl(user, f"{base}/INBOX", "--ssl-reqd", "-T", str(file))
            got = self.curl(user, f"{base}/INBOX;MAILINDEX={number}", "--ssl-reqd")
            self.assertEqual(got, sent)

    def test_a_command_of_its_own(self):
        user = self.user()
        self.dovecot.deliver(user, count=2)
        out = self.curl(user, f"imaps://localhost:{self.front.imaps_port}/INBOX", "-X", "UID SEARCH ALL")
        self.assertEqual(out, b"* SEARCH 1 2\r\n")

    def test_the_list_of_mailboxes(self):
        out = self.curl(self.user(), f"imaps://localhost:{self.front.imaps_port}/")
        self.assertIn(b"INBOX", out)


class MbsyncTest(RoostCase):
    def setUp(self):
        self.name = self.user()
        self.home = self.directory / f"mbsync-{self.name}"
        (self.home / "mail").mkdir(parents=True)
        (self.home / "config").write_text(f"""
IMAPAccount roost
Host localhost
Port {self.front.imaps_port}
User {self.name}
Pass {PASSWORD}
SSLType IMAPS
CertificateFile {self.authority.ca_file}

IMAPStore far
Account roost

MaildirStore near
Path {self.home}/mail/
Inbox {self.home}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState {self.home}/state-
""")

    def sync(self):
        run = subprocess.run(["mbsync", "-c", self.home / "config", "-a", "-V"],
                             capture_output=True, text=True, check=False, timeout=4 * DEADLINE)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def near(self, folder="INBOX"):
        return mailbox.Maildir(self.home / "mail" / folder, create=False)

    def near_subjects(self, folder="INBOX"):
        return sorted(m["Subject"] for m in self.near(folder))

    def far_subjects(self, folder="INBOX"):
        client = self.direct(self.name, mailbox=folder)
        if not client.uids():
            return []
        answer = client.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
        return sorted(line.split(b"Subject: ")[1].split(b"\r\n")[0].decode()
                      for line in answer.untagged if b"Subject: " in line)

    def test_both_sides_end_up_equal_after_changes_on_both(self):
        for number in range(20):
            self.dovecot.deliver(self.name, subject=f"far {number:02d}", body="x" * 1000 * number + "\r\n")
        self.sync()
        expected = [f"far {number:02d}" for number in range(20)]
        self.assertEqual(self.near_subjects(), expected)

        # Now each side gets mail, loses mail and changes a flag.
        far, near = self.direct(self.name), self.near()
        far.ok("STORE 1,5 +FLAGS (\\Deleted)")
        far.ok("EXPUNGE")
        far.ok("UID STORE 10 +FLAGS (\\Flagged)")
        self.dovecot.deliver(self.name, subject="far new")
        for key, item in list(near.items()):
            if item["Subject"] == "far 07":
                near.remove(key)
            if item["Subject"] == "far 08":
                item.set_flags("RS")
                item.set_subdir("cur")
                near[key] = item
        added = mailbox.MaildirMessage(message("near new"))
        added.set_subdir("cur")
        near.add(added)
        self.sync()

        expected = sorted(set(expected) - {"far 00", "far 04", "far 07"} | {"far new", "near new"})
        self.assertEqual(self.near_subjects(), expected)
        self.assertEqual(self.far_subjects(), expected)
        flags = {m["Subject"]: m.get_flags() for m in self.near()}
        self.assertEqual(flags["far 09"], "F")
        self.assertEqual(self.direct(self.name).ok("SEARCH ANSWERED SEEN SUBJECT \"far 08\"")
                         .search_result(), [6])
        self.sync()  # nothing is left to do
        self.assertEqual(self.far_subjects(), expected)

    def test_new_folders_travel_both_ways(self):
        far = self.direct(self.name)
        far.ok("CREATE Work")
        far.append("Work", message("from far"))
        mailbox.Maildir(self.home / "mail" / "Home").add(mailbox.MaildirMessage(message("from near")))
        self.sync()
        self.assertEqual(self.near_subjects("Work"), ["from far"])
        self.assertEqual(self.far_subjects("Home"), ["from near"])

    @unittest.skipIf(DIRECT, "about what Roost leaves behind")
    def test_no_session_is_left_behind(self):
        self.sync()
        self.assert_sessions(self.name, 0)


if __name__ == "__main__":
    main()
