#!/usr/bin/python3
"""roostctl trace: what happens to the clients of one user, told while it happens, and nothing that is secret."""

import json
import subprocess

from embedded_test import EmbeddedStoreCase
from harness.case import dovecot_store, main, roost_only
from harness.dovecot import PASSWORD
from harness.process import DEADLINE, wait_until


@roost_only
class TraceTest(EmbeddedStoreCase):
    login = "proxy-authzid"

    @classmethod
    def start_front(cls):
        return cls.roostd("front", [dovecot_store(cls.dovecot, cls.login)])

    def follow(self, user, *options):
        """Lines of a roostctl that follows the user, as they are written to a file; it has begun."""
        path = self.directory / f"trace-{user}-{len(list(self.directory.iterdir()))}"
        with path.open("w", encoding="utf-8") as out:
            run = subprocess.Popen(self.front.ctl_command("trace", user, *options), stdout=out,
                                   stderr=subprocess.STDOUT)
        self.addCleanup(self.end, run)
        wait_until(lambda: "following" in path.read_text(encoding="utf-8"), "it follows")
        return run, lambda: path.read_text(encoding="utf-8").splitlines()

    @staticmethod
    def end(run):
        run.terminate()
        run.wait(DEADLINE)

    def test_the_life_of_a_client(self):
        user = self.user()
        self.dovecot.deliver(user)
        _, lines = self.follow(user, "--json")

        def events():
            return [json.loads(line) for line in lines()]

        def await_event(name, **fields):
            def found():
                return [e for e in events() if e["event"] == name and fields.items() <= e.items()]
            return wait_until(found, lambda: f"{name} {fields} among {events()}")[0]

        client = self.connect()
        client.no(f"LOGIN {user} wrong-secret")
        failed = await_event("login_failed", result="refused", address="127.0.0.1")
        client.login(user, PASSWORD)
        session = failed["session"]
        await_event("login", session=session, result="ok", tls="1.3")
        client.select()
        await_event("selected", session=session, mailbox="INBOX", good=True)
        client.idle()
        await_event("parked", session=session, mailbox="INBOX", cause="idle")
        self.dovecot.deliver(user, subject="a secret subject")
        client.wait_untagged(rb"^\* 2 EXISTS")
        self.assertGreaterEqual(await_event("told", session=session, mailbox="INBOX")["events"], 1)
        client.done()
        client.ok("FETCH 1:* BODY.PEEK[]")
        await_event("woken", session=session, command="FETCH")
        await_event("session_opening", store="dovecot")
        other = self.client(self.user())
        other.close()
        client.logout()
        await_event("disconnected", session=session)
        await_event("session_closed", store="dovecot")
        self.assertLessEqual({e.get("session", session) for e in events()}, {session})
        text = "\n".join(lines())
        for secret in (PASSWORD, "wrong-secret", "secret subject", "Hello."):
            self.assertNotIn(secret, text)

    def test_as_text_to_several_and_others_are_answered_meanwhile(self):
        user = self.user()
        followers = [self.follow(user) for _ in range(4)]
        client = self.client(user)
        for _, lines in followers:
            wait_until(lambda lines=lines: any(" selected session=" in line for line in lines()),
                       lambda lines=lines: str(lines()))
        self.assertIn("follow somebody already", self.front.ctl("trace", user, status=1).stderr)
        self.assertGreaterEqual(self.front.figures()["clients"], 1)
        self.end(followers[0][0])
        # roostd notices within a second or two, and another may follow.
        wait_until(lambda: self.another_follows(user), "there is room again")
        client.close()

    def another_follows(self, user):
        path = self.directory / "another"
        with path.open("w", encoding="utf-8") as out:
            run = subprocess.Popen(self.front.ctl_command("trace", user), stdout=out, stderr=subprocess.STDOUT)
        self.addCleanup(self.end, run)
        said = wait_until(lambda: path.read_text(encoding="utf-8"), "it is answered")
        return "following" in said

    def test_ends_with_roostd(self):
        front = self.roostd("ending", [dovecot_store(self.dovecot, self.login)])
        with subprocess.Popen(front.ctl_command("trace", "ann"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as run:
            self.addCleanup(run.kill)
            self.assertIn("following user=ann", run.stdout.readline())
            self.assertEqual(front.stop(), 0)
            self.assertIn("roostd has ended", run.stderr.read())
            self.assertEqual(run.wait(DEADLINE), 0)
        front.start()


if __name__ == "__main__":
    main()
