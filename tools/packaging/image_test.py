#!/usr/bin/python3
"""The package in a clean Debian, and roostd in a container as k8s/ runs it: under its seccomp profile, without
capabilities, as nobody in particular, on a root that cannot be written.

Needs root, mmdebstrap and its mirror (once for a build directory: the bare Debian is kept there), and runc.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import unittest
import urllib.request
from pathlib import Path

from packages import BIN, BUILD, ROOT, build_packages, field, run

from harness.certificates import Authority
from harness.dovecot import PASSWORD
from harness.imap import Client, trusting
from harness.process import DEADLINE, Process, free_port, wait_until
from harness.roost import RoostStore

try:
    import yaml
except ImportError:
    yaml = None

PROFILE = json.loads((ROOT / "k8s/node/roostd.json").read_text(encoding="utf-8"))
USER = 10001  # as in k8s/base
COMMAND = ["/usr/bin/roostd", "--config", "/etc/roost/roost.yaml"]
RELEASE = "bookworm"


def why_not():
    """Why this machine cannot make a root file system; "" when it can."""
    if os.geteuid() != 0:
        return "making a root file system needs root"
    missing = [name for name in ("mmdebstrap", "dpkg-shlibdeps", "file") if not shutil.which(name)]
    missing += [] if yaml else ["python3-yaml"]
    return f"not installed: {' '.join(missing)}; tools/setup --test installs them" if missing else ""


def packages_of_the_image():
    """What the Containerfile's last stage installs beside the package itself."""
    stage = (ROOT / "k8s/Containerfile").read_text(encoding="utf-8").rpartition("FROM ")[2]
    names = re.search(r"apt-get install (.*?)&&", stage, re.S).group(1).split()
    return [name for name in names if not name.startswith(("-", "/", "\\"))]


def bare_debian(names):
    """An archive of a Debian with these packages and little else."""
    kept = BUILD / "packaging"
    kept.mkdir(exist_ok=True)
    names = sorted(names)
    archive = kept / f"debian-{hashlib.sha256(' '.join(names).encode()).hexdigest()[:16]}.tar"
    if not archive.exists():
        unfinished = archive.with_suffix(".new.tar")
        try:
            run("mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(names)}", RELEASE, unfinished,
                timeout=400)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            raise unittest.SkipTest(f"no bare Debian can be made here: {error}") from error
        unfinished.rename(archive)
    return archive


class Machine:
    """What all tests share: a clean root with the package in it."""
    directory = package = root = None


def setUpModule():
    reason = why_not()
    if reason:
        raise unittest.SkipTest(reason)
    directory = tempfile.TemporaryDirectory(prefix="roost-image-")
    unittest.addModuleCleanup(directory.cleanup)
    Machine.directory = Path(directory.name)
    Machine.package = build_packages(Machine.directory)["roost"]
    Machine.root = Machine.directory / "rootfs"
    Machine.root.mkdir()
    depends = [re.match(r"\S+", d.strip()).group(0) for d in field(Machine.package, "Depends").split(",")]
    run("tar", "--extract", "--numeric-owner", "--file", bare_debian(depends + packages_of_the_image()),
        "--directory", Machine.root)
    run("dpkg", f"--root={Machine.root}", "--install", Machine.package)


class CleanRootTest(unittest.TestCase):
    @property
    def root(self):
        return Machine.root

    def dpkg(self, *arguments):
        return run("dpkg", f"--root={self.root}", *arguments)

    def account(self):
        lines = (self.root / "etc/passwd").read_text(encoding="utf-8").splitlines()
        return next(line.split(":") for line in lines if line.startswith("roost:"))

    def test_nothing_that_it_needs_is_missing(self):
        self.assertEqual(self.dpkg("--audit"), "")
        self.assertIn("`listeners`", run("chroot", self.root, "/usr/bin/roostd", "--config-reference"))
        self.assertNotIn("not found", run("chroot", self.root, "/usr/bin/ldd", "/usr/bin/roostd"))

    def test_it_knows_whom_certificates_of_stores_may_be_signed_by(self):
        self.assertIn("ca-certificates", packages_of_the_image())
        self.assertTrue((self.root / "etc/ssl/certs/ca-certificates.crt").stat().st_size)

    def test_there_is_an_account_that_cannot_log_in_and_may_read_the_configuration(self):
        account = self.account()
        self.assertLess(int(account[2]), 1000)
        self.assertEqual(account[6], "/usr/sbin/nologin")
        place = (self.root / "etc/roost").stat()
        self.assertEqual((place.st_uid, place.st_gid, stat.S_IMODE(place.st_mode)), (0, int(account[3]), 0o750))

    def test_the_operators_configuration_outlives_an_upgrade_and_a_removal(self):
        config = self.root / "etc/roost/roost.yaml"
        config.write_text("# mine\n", encoding="utf-8")
        self.dpkg("--install", Machine.package)
        self.assertEqual(config.read_text(encoding="utf-8"), "# mine\n")
        self.dpkg("--remove", "roost")
        self.assertFalse((self.root / "usr/bin/roostd").exists())
        self.assertEqual(config.read_text(encoding="utf-8"), "# mine\n")
        key = config.with_name("key.pem")
        key.touch()
        logs = self.root / "var/log/roost"
        logs.mkdir(exist_ok=True)  # here systemd is not, which makes it
        (logs / "roostd.log").touch()
        self.dpkg("--purge", "roost")
        self.assertFalse(config.exists())
        self.assertFalse(logs.exists())
        self.assertTrue(key.exists())  # not the package's to throw away
        key.unlink()
        self.dpkg("--install", Machine.package)
        self.assertTrue(config.exists())


@unittest.skipUnless(shutil.which("runc"), "not installed: runc; tools/setup --test installs it")
class ContainerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = Machine.directory
        cls.authority = Authority(cls.directory / "ca")
        cls.store = RoostStore(cls.directory / "store")
        cls.addClassCleanup(cls.store.stop)
        cls.port = free_port()
        cls.etc, cls.run_directory = cls.directory / "etc", cls.directory / "run"
        cls.etc.mkdir()
        cls.run_directory.mkdir()
        os.chown(cls.run_directory, USER, USER)
        for name, file in zip(("chain.pem", "key.pem"), cls.authority.issue("roost")):
            shutil.copy(file, cls.etc / name)
            os.chown(cls.etc / name, 0, USER)
            os.chmod(cls.etc / name, 0o440)
        run(BIN / "roostctl", "ticket-keys", cls.etc / "ticket-keys")
        os.chown(cls.etc / "ticket-keys", 0, USER)
        os.chmod(cls.etc / "ticket-keys", 0o440)
        (cls.etc / "roost.yaml").write_text(json.dumps(cls.configuration()), encoding="utf-8")
        (cls.directory / "hosts").write_text("127.0.0.1 localhost\n", encoding="utf-8")
        tried = subprocess.run(cls.runc("run", "--bundle", cls.bundle(PROFILE, ["/bin/true"]), cls.name("try")),
                               capture_output=True, text=True, check=False)
        if tried.returncode != 0:
            raise unittest.SkipTest(f"runc cannot run a container on this machine: {tried.stderr.strip()}")

    @classmethod
    def configuration(cls):
        """The one of k8s/base, with this machine's places in it."""
        cls.admin_port = free_port()
        config = yaml.safe_load((ROOT / "k8s/base/roost.yaml").read_text(encoding="utf-8"))
        config["listeners"] = [{"address": f"127.0.0.1:{cls.port}", "tls": "implicit"}]
        config["certificates"] = [{"chain_file": "chain.pem", "key_file": "key.pem"}]
        config["stores"] = [{"name": "main", "addresses": [f"localhost:{cls.store.imap_port}"]}]
        config["tls"]["ticket_key_file"] = "ticket-keys"
        config["admin"]["address"] = f"127.0.0.1:{cls.admin_port}"
        config["drain"] = {"on_stop_s": 2, "accept_s": 0}
        return config

    @classmethod
    def runc(cls, *arguments):
        return ["runc", "--root", str(cls.directory / "runc"), *map(str, arguments)]

    @staticmethod
    def name(what):
        return f"roost-{what}-{os.getpid()}"

    @classmethod
    def bundle(cls, profile, command):
        """A directory with the container's config.json: what k8s/base/deployment.yaml asks of a runtime.

        The network is the machine's, so that clients and store are on loopback.
        """
        def mount(kind, destination, source, *options):
            return {"type": kind, "destination": destination, "source": str(source), "options": list(options)}
        bundle = Path(tempfile.mkdtemp(dir=cls.directory))
        config = {
            "ociVersion": "1.0.2",
            "root": {"path": str(Machine.root), "readonly": True},
            "process": {
                "cwd": "/", "args": command, "user": {"uid": USER, "gid": USER}, "noNewPrivileges": True,
                "env": ["PATH=/usr/bin:/bin"], "capabilities": {},
                "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 4096}],
            },
            "mounts": [
                mount("proc", "/proc", "proc"),
                mount("tmpfs", "/dev", "tmpfs", "nosuid", "mode=755"),
                mount("bind", "/etc/hosts", cls.directory / "hosts", "rbind", "ro"),  # as runtimes do
                mount("bind", "/etc/roost", cls.etc, "rbind", "ro"),
                mount("bind", "/run/roost", cls.run_directory, "rbind", "rw"),
            ],
            "linux": {
                "namespaces": [{"type": t} for t in ("pid", "ipc", "uts", "mount")],
                "seccomp": profile,
                "maskedPaths": ["/proc/kcore", "/proc/keys"],
                "readonlyPaths": ["/proc/sys"],
            },
        }
        (bundle / "config.json").write_text(json.dumps(config), encoding="utf-8")
        return bundle

    def start(self, what, profile):
        name = self.name(what)
        bundle = self.bundle(profile, COMMAND)
        container = Process(name, self.runc("run", "--bundle", bundle, name), self.directory / f"{what}.log")
        # A test that fails must leave nothing behind.
        self.addCleanup(subprocess.run, self.runc("delete", "--force", name), capture_output=True, check=False)
        self.addCleanup(container.stop)
        return container

    def serve(self, what, profile):
        """All that roostd does in a day: handshake, login, parking, news, waking, questions, the end."""
        container = self.start(what, profile)
        container.wait_ready(lambda: "roostd: ready" in container.log())
        client = Client("127.0.0.1", self.port, "implicit", trusting(self.authority.ca_file))
        self.addCleanup(client.close)
        client.login(what, PASSWORD)
        client.select()
        client.idle()
        wait_until(lambda: self.status(what)["parked"] == 1, "the client parked")
        self.store.deliver(what)
        client.wait_untagged(rb"^\* 1 EXISTS")
        client.done()
        client.ok("FETCH 1 BODY.PEEK[TEXT]").find(rb"Hello")
        self.roostctl(what, "reload")
        # Whoever looks around in it: Debian's shell starts commands by vfork.
        self.assertIn("roost.yaml\n", self.execute(what, "/bin/sh", "-c", "/bin/ls /etc/roost; :"))
        for page, says in (("readyz", ""), ("healthz", ""), ("metrics", 'roost_clients{state="attached"} 1\n')):
            self.assertIn(says, self.asked(page))
        client.idle()
        container.signal(signal.SIGTERM)
        client.wait_untagged(rb"^\* BYE")
        self.assertEqual(container.popen.wait(DEADLINE), 0, container.log())
        self.assertIn("roostd: stopped", container.log())
        return container.log()

    def asked(self, page):
        """What a probe, or Prometheus, is told; an answer other than 200 is an error."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/{page}", timeout=DEADLINE) as answer:
            return answer.read().decode()

    def roostctl(self, what, *arguments):
        return self.execute(what, "/usr/bin/roostctl", "--socket", "/run/roost/control", *arguments)

    def execute(self, what, *command):
        return run(*self.runc("exec", self.name(what), *command))

    def status(self, what):
        return json.loads(self.roostctl(what, "status", "--json"))["total"]

    def test_the_profile_lets_roostd_do_its_work(self):
        self.serve("shipped", PROFILE)

    def test_the_profile_lacks_nothing_that_roostd_merely_does_without(self):
        # Whatever the profile does not name ends the process, instead of an error that may go unnoticed.
        self.serve("deadly", {**PROFILE, "defaultAction": "SCMP_ACT_KILL_PROCESS"})

    def test_where_io_uring_is_forbidden_roostd_says_so_and_what_to_allow(self):
        # As the default profiles of Docker and containerd forbid it.
        calls = [c for c in PROFILE["syscalls"] if "io_uring_setup" not in c["names"]]
        self.assertEqual(len(calls), len(PROFILE["syscalls"]) - 1)
        container = self.start("forbidden", {**PROFILE, "syscalls": calls})
        status = container.popen.wait(DEADLINE)
        self.assertEqual(status, 1, container.log())
        self.assertRegex(container.log(), r"^roostd: .*io_uring_setup: Operation not permitted: .*seccomp")


if __name__ == "__main__":
    unittest.main(verbosity=2)
