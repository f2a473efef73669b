#!/usr/bin/python3
"""What is installed and packed: files in their places, a unit that systemd takes, packages that need what they need."""

import re
import shutil
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from packages import PACKAGING, ROOT, build_packages, field, install, run

from harness.certificates import Authority
from harness.process import accepts
from harness.roost import Roostd

# systemd's own measure, 0 is best; what the unit has now, rounded up.
WORST_EXPOSURE = 1.7


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="roost-packaging-")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = Path(directory.name)


class InstallTest(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.prefix = cls.directory / "opt"
        install(cls.prefix)
        cls.unit = cls.prefix / "lib/systemd/system/roostd.service"

    def settings(self):
        """{key: [values]} of the unit."""
        found = {}
        for key, value in re.findall(r"^(\w+)=(.*)$", self.unit.read_text(encoding="utf-8"), re.M):
            found.setdefault(key, []).append(value)
        return found

    def test_nothing_is_missing_and_nothing_is_written_elsewhere(self):
        installed = {str(p.relative_to(self.prefix)) for p in self.prefix.rglob("*") if p.is_file()}
        self.assertEqual(installed, {
            "bin/roostd", "bin/roostctl", "lib/systemd/system/roostd.service", "lib/sysusers.d/roost.conf",
            "lib/tmpfiles.d/roost.conf", "share/doc/roost/README.md", "share/doc/roost/copyright", "share/doc/roost/examples/roost.yaml",
            "share/doc/roost/examples/fail2ban/filter.d/roostd.conf", "share/doc/roost/examples/logrotate/roostd"})

    def test_an_installed_roostd_finds_its_libraries(self):
        # Those of the build's own directories too would be found; of them nothing may be left.
        self.assertIn("`listeners`", run(self.prefix / "bin/roostd", "--config-reference"))
        self.assertNotIn(str(ROOT), run("ldd", self.prefix / "bin/roostd"))

    def test_a_command_line_that_is_not_understood_is_told_what_is_wrong(self):
        for arguments, says in ((["--confg", "x"], "--confg is not understood"), (["--config"], "--config needs a file name"),
                                (["--check-config"], "--config FILE is missing")):
            done = subprocess.run([self.prefix / "bin/roostd", *arguments], capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertTrue(done.stderr.startswith(f"roostd: {says}\nroostd: push connection concentrator"), done.stderr)

    def test_the_example_configuration_is_right_once_its_files_are_there(self):
        text = (self.prefix / "share/doc/roost/examples/roost.yaml").read_text(encoding="utf-8")
        chain, key = Authority(self.directory / "ca").issue("roost")
        text = text.replace("/etc/roost/chain.pem", str(chain)).replace("/etc/roost/key.pem", str(key))
        example = self.directory / "roost.yaml"
        example.write_text(text.replace("/run/roost/", f"{self.directory}/"), encoding="utf-8")
        self.assertEqual(run(self.prefix / "bin/roostd", "--config", example, "--check-config"),
                         f"{example}: ok\n")
        socket_path = re.search(r"^control_socket: (\S+)", text, re.M).group(1)
        self.assertIn(f"--socket {socket_path} ", self.settings()["ExecReload"][0])

    def test_the_unit_names_the_programs_where_they_are(self):
        for key in ("ExecStart", "ExecReload"):
            program = Path(self.settings()[key][0].split()[0])
            self.assertTrue(program.is_relative_to(self.prefix) and program.is_file(), program)

    def test_the_journal_keeps_all_that_roostd_logs(self):
        self.assertEqual(self.settings()["LogRateLimitIntervalSec"], ["0"])

    def test_systemd_waits_longer_for_a_reload_than_roostctl_does(self):
        source = (ROOT / "tools/ctl/answer.cc").read_text(encoding="utf-8")
        patience = max(map(int, re.search(r"return may_take_long \? (\d+) : (\d+);", source).groups()))
        self.assertGreater(int(self.settings()["TimeoutStartSec"][0]), patience)

    def test_the_readme_says_of_upgrades_what_the_unit_does(self):
        chapter = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Upgrading\n")[2].partition("\n## ")[0]
        for key, said in (("TimeoutStopSec", "waits** for {} seconds"), ("Restart", "`Restart={}`")):
            self.assertIn(said.format(self.settings()[key][0]), chapter)
        longer = re.search(r"^TimeoutStopSec=(\d+)$", chapter, re.M).group(1)
        unit = self.unit.read_text(encoding="utf-8")
        self.assertIn(f"# More than drain.on_stop_s and timeouts.stop_s; with a drain of an hour put TimeoutStopSec={longer}", unit)

    def test_what_a_configuration_may_name_is_there_before_the_service_is(self):
        made = (self.prefix / "lib/tmpfiles.d/roost.conf").read_text(encoding="utf-8").splitlines()
        unit = {key: values[-1] for key, values in self.settings().items()}
        for key, place in (("RuntimeDirectory", "/run"), ("LogsDirectory", "/var/log")):
            self.assertIn(f"d {place}/{unit[key]} {unit[f'{key}Mode']} {unit['User']} {unit['Group']} -", made)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze here")
    def test_systemd_understands_all_of_the_unit(self):
        # What it says of other units of this machine, or of an account that is not there yet, is not about this one.
        said = subprocess.run(["systemd-analyze", "verify", "--man=no", str(self.unit)],
                              capture_output=True, text=True, check=False)
        about = [line for line in (said.stdout + said.stderr).splitlines() if "roostd.service" in line]
        self.assertEqual(about, [])
        self.assertEqual(said.returncode, 0, said.stderr)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze here")
    def test_systemd_finds_the_unit_well_locked_up(self):
        said = run("systemd-analyze", "security", "--offline=yes", "--no-pager", self.unit)
        exposure = float(re.search(r"exposure level for roostd.service: ([\d.]+)", said).group(1))
        self.assertLessEqual(exposure, WORST_EXPOSURE, said)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze here")
    def test_the_units_system_calls_include_io_uring(self):
        allowed = set()
        for value in self.settings()["SystemCallFilter"]:
            names = system_calls(value.lstrip("~").split())
            allowed = allowed - names if value.startswith("~") else allowed | names
        self.assertLessEqual({"io_uring_setup", "io_uring_enter", "io_uring_register", "prlimit64", "bind", "clone3"},
                             allowed)
        self.assertTrue({"mount", "ptrace", "bpf", "reboot", "setuid"}.isdisjoint(allowed))


def system_calls(names):
    """The names with systemd's @groups put in their place."""
    found = set()
    for name in names:
        if name.startswith("@"):
            lines = run("systemd-analyze", "syscall-filter", name).splitlines()[1:]
            found |= system_calls(re.sub(r"#.*", "", line).strip() for line in lines if re.sub(r"#.*", "", line).strip())
        else:
            found.add(name)
    return found


class Unawaited(Roostd):
    def start(self):
        self.launch()


class ServiceManagerTest(Case):
    def test_it_is_told_once_clients_can_connect(self):
        path = self.directory / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(path))
            manager.settimeout(30)
            store = [{"name": "none", "addresses": ["127.0.0.1:1"]}]
            roostd = Unawaited(self.directory / "roostd", Authority(self.directory / "ca"), store,
                               {"shards": 1}, environment={"NOTIFY_SOCKET": str(path)})
            self.addCleanup(roostd.stop)
            said = manager.recv(1024).decode().split("\n")
            self.assertTrue(accepts(roostd.host, roostd.imaps_port))
            self.assertEqual(said[0], "READY=1")
            self.assertRegex(said[1], r"^STATUS=version \S+, 1 shards on io_uring")


@unittest.skipUnless(shutil.which("dpkg-shlibdeps") and shutil.which("file"),
                     "Debian packages need dpkg-dev and file; tools/setup installs them")
class DebianTest(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.packages = build_packages(cls.directory)

    def contents(self, package):
        """{path: mode} of its files."""
        lines = run("dpkg-deb", "--contents", self.packages[package]).splitlines()
        return {line.split()[5][1:]: line.split()[0] for line in lines if not line.startswith("d")}

    def test_there_are_two_and_each_holds_its_programs(self):
        self.assertEqual(set(self.packages), {"roost", "roost-tools"})
        main, tools = self.contents("roost"), self.contents("roost-tools")
        for program in ("/usr/bin/roostd", "/usr/bin/roostctl"):
            self.assertEqual(main[program], "-rwxr-xr-x")
        for program in ("/usr/bin/roost-load", "/usr/bin/roost-store"):
            self.assertEqual(tools[program], "-rwxr-xr-x")
        self.assertEqual(set(main) & set(tools), set())
        self.assertLessEqual({"/etc/roost/roost.yaml", "/usr/lib/systemd/system/roostd.service",
                              "/usr/lib/sysusers.d/roost.conf"}, set(main))

    def test_the_configuration_is_the_operators(self):
        control = self.directory / "control"
        run("dpkg-deb", "--control", self.packages["roost"], control)
        self.assertEqual((control / "conffiles").read_text(encoding="utf-8"), "/etc/roost/roost.yaml\n")
        for script in ("postinst", "prerm", "postrm"):
            self.assertEqual((control / script).read_bytes(), (PACKAGING / "debian" / script).read_bytes())
            self.assertEqual((control / script).stat().st_mode & 0o777, 0o755)

    def test_it_depends_on_what_its_programs_link(self):
        depends = field(self.packages["roost"], "Depends")
        for library in ("libc6", "liburing2", "libjemalloc2", "libyaml-cpp0.7", "sysusers"):
            self.assertIn(library, depends)
        self.assertNotRegex(depends, r"\blibssl|\blibgtest|-dev\b")

    def test_the_unit_in_it_starts_what_is_in_it(self):
        unpacked = self.directory / "unpacked"
        run("dpkg-deb", "--extract", self.packages["roost"], unpacked)
        unit = (unpacked / "usr/lib/systemd/system/roostd.service").read_text(encoding="utf-8")
        self.assertIn("ExecStart=/usr/bin/roostd --config /etc/roost/roost.yaml\n", unit)
        self.assertNotIn("@", re.sub(r"^SystemCallFilter=.*|^#.*", "", unit, flags=re.M))
        self.assertNotIn(".debug_info", run("readelf", "--sections", "--wide", unpacked / "usr/bin/roostd"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
