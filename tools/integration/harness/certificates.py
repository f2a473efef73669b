"""A certificate authority of the test's own, by the openssl command."""

import subprocess
from pathlib import Path


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """Signs certificates for loopback servers. `ca_file` is what clients trust."""

    def __init__(self, directory, name="ca"):
        self._directory = Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._name = name
        self.ca_file = self._directory / f"{name}.pem"
        self._key = self._directory / f"{name}.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", self._key, "-out", self.ca_file, "-days", "2",
                 "-subj", f"/CN=Test authority {name}")

    def issue(self, name, hosts=("localhost", "127.0.0.1", "::1"), rsa=False, days=2):
        """Returns (chain file, key file) of a new certificate."""
        base = self._directory / f"{self._name}-{name}"
        key, request, chain = (base.with_suffix(s) for s in (".key", ".csr", ".pem"))
        algorithm = ["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        _openssl("req", "-new", "-newkey", *algorithm, "-nodes", "-keyout", key, "-out", request,
                 "-subj", f"/CN={hosts[0]}")
        names = ",".join(("IP:" if _is_address(h) else "DNS:") + h for h in hosts)
        extensions = base.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\n")
        _openssl("x509", "-req", "-in", request, "-CA", self.ca_file, "-CAkey", self._key,
                 "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", chain)
        return chain, key


def _is_address(host):
    return ":" in host or host.replace(".", "").isdigit()
