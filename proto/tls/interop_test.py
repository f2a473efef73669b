#!/usr/bin/python3
"""tls_echo against other TLS implementations, on loopback: OpenSSL, GnuTLS and Python's ssl.

    interop_test.py path/to/tls_echo [unittest arguments]

Both roles, each suite of TLS 1.3 and 1.2, ECDSA and RSA keys, resumption, KeyUpdate, alerts, single bytes.
"""
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

TIMEOUT = 20 * float(os.environ.get("ROOST_TEST_SLOWNESS", "1"))
NAME = 'imap.example.org'
TLS13 = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']
TLS12 = {
    'ecdsa': ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384',
              'ECDHE-ECDSA-CHACHA20-POLY1305'],
    'rsa': ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-CHACHA20-POLY1305'],
}
KINDS = ['ecdsa', 'rsa']
# OpenSSL's options for each (version, suite, key kind) that exists.
CHOICES = ([(kind, ['-tls1_3', '-ciphersuites', suite]) for kind in KINDS for suite in TLS13] +
           [(kind, ['-tls1_2', '-cipher', suite]) for kind in KINDS for suite in TLS12[kind]])

TLS_ECHO = None


class Talk:
    """A program we type lines to, and whose output is awaited with a deadline."""

    def __init__(self, command):
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.output = b''
        self.ended = False
        self.changed = threading.Condition()
        self.position = 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while True:
            data = os.read(self.process.stdout.fileno(), 65536)
            with self.changed:
                self.output += data
                self.ended = not data
                self.changed.notify_all()
            if not data:
                return

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def expect(self, pattern):
        """Waits until the pattern shows up behind what was expected before."""
        deadline = time.monotonic() + TIMEOUT
        with self.changed:
            while True:
                found = re.compile(pattern.encode()).search(self.output, self.position)
                if found:
                    self.position = found.end()
                    return found.group(0).decode()
                left = deadline - time.monotonic()
                if self.ended or left <= 0:
                    raise AssertionError('%s: no %r in:\n%s' % (
                        ' '.join(self.command), pattern, self.output.decode(errors='replace')))
                self.changed.wait(left)

    def expect_end(self):
        self.process.wait(TIMEOUT)
        self.reader.join(TIMEOUT)
        return self.output.decode(errors='replace')

    def close(self):
        self.process.kill()
        self.process.wait()
        self.reader.join(TIMEOUT)
        for pipe in self.process.stdin, self.process.stdout:
            try:
                pipe.close()
            except BrokenPipeError:
                pass


def openssl(*arguments):
    return subprocess.run(['openssl', *arguments], check=True, capture_output=True, text=True).stdout


class Fixture:
    """A CA and a leaf of each kind, made once."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix='roost-tls-')
        self.ca = self.path('ca.pem')
        openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
                '-subj', '/CN=Roost interop CA', '-keyout', self.path('ca.key'), '-out', self.ca)
        self.leaf('ecdsa', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'])
        self.leaf('rsa', ['-newkey', 'rsa:2048'])

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def cert(self, kind):
        return self.path(kind + '.pem')

    def key(self, kind):
        return self.path(kind + '.key')

    def leaf(self, kind, key_options):
        request, extensions = self.path(kind + '.csr'), self.path(kind + '.ext')
        with open(extensions, 'w') as out:
            out.write('subjectAltName=DNS:%s,DNS:localhost,IP:127.0.0.1\n' % NAME)
        openssl('req', '-new', *key_options, '-nodes', '-subj', '/CN=' + NAME, '-keyout', self.key(kind),
                '-out', request)
        openssl('x509', '-req', '-in', request, '-CA', self.ca, '-CAkey', self.path('ca.key'), '-CAcreateserial',
                '-days', '2', '-extfile', extensions, '-out', self.cert(kind))


FIXTURE = None


class ServerCase(unittest.TestCase):
    """Starts a tls_echo server for each kind of key and checks after each test that it lives."""
    server_flags = []

    @classmethod
    def setUpClass(cls):
        cls.servers = {}
        cls.ports = {}
        for kind in KINDS:
            talk = Talk([TLS_ECHO, 'server', '--cert', FIXTURE.cert(kind), '--key', FIXTURE.key(kind),
                         *cls.server_flags])
            cls.addClassCleanup(talk.close)
            cls.servers[kind] = talk
            cls.ports[kind] = int(talk.expect(r'listening \d+').split()[1])

    def tearDown(self):
        for kind in KINDS:
            self.assertIsNone(self.servers[kind].process.poll(), 'the server has died')

    def talk(self, command):
        talk = Talk(command)
        self.addCleanup(talk.close)
        return talk

    def s_client(self, kind, options=()):
        return self.talk(['openssl', 's_client', '-connect', '127.0.0.1:%d' % self.ports[kind], '-servername', NAME,
                          '-CAfile', FIXTURE.ca, '-verify_return_error', '-verify_hostname', NAME, *options])


class OpensslClientTest(ServerCase):
    def test_each_suite_and_key(self):
        for kind, options in CHOICES:
            with self.subTest(kind=kind, options=options):
                client = self.s_client(kind, options)
                client.expect('Verify return code: 0')
                client.send('hello\n')
                client.expect('echo: hello')
                client.send('INFO\n')
                suite = options[2] if '-tls1_3' in options else 'TLS_ECDHE'
                client.expect('info: TLSv1.. %s.* full sni=%s' % (suite, NAME))
                client.send('BULK 100000\n')
                client.expect('b{1000}\n')
                client.send('Q\n')
                client.expect_end()
                self.servers[kind].expect('ended (close_notify|without close_notify)')

    def test_resumption(self):
        for kind, options in CHOICES:
            with self.subTest(kind=kind, options=options):
                session = FIXTURE.path('session.pem')
                if os.path.exists(session):
                    os.unlink(session)
                client = self.s_client(kind, options + ['-sess_out', session])
                client.send('hello\n')
                client.expect('echo: hello')
                client.send('Q\n')
                client.expect_end()
                self.assertTrue(os.path.exists(session), 'no ticket came')
                client = self.s_client(kind, options + ['-sess_in', session])
                client.expect('Reused, TLSv1')
                client.send('INFO\n')
                client.expect('info: .* resumed sni=')
                client.send('Q\n')
                client.expect_end()

    def test_key_update_both_ways(self):
        for suite in TLS13:
            with self.subTest(suite=suite):
                client = self.s_client('ecdsa', ['-tls1_3', '-ciphersuites', suite])
                for line in ['k', 'K', 'k', 'K', 'K']:
                    client.expect('|'.join(['Verify return code', 'echo: after']))
                    client.send(line + '\n')
                    client.expect('KEYUPDATE')
                    client.send('after\n')
                client.expect('echo: after')
                client.send('UPDATE\n')
                client.expect('updated')
                client.send('UPDATE-REQUEST\n')
                client.expect('requested')
                client.send('again\n')
                client.expect('echo: again')
                client.send('Q\n')
                client.expect_end()
                self.servers['ecdsa'].expect('ended (close_notify|without)')

    def test_renegotiation_is_refused(self):
        client = self.s_client('rsa', ['-tls1_2', '-legacy_renegotiation'])
        client.send('hello\n')
        client.expect('echo: hello')
        client.send('R\n')
        client.expect_end()
        self.servers['rsa'].expect('ended sent alert 100')

    def test_alpn(self):
        client = self.s_client('ecdsa', ['-alpn', 'h2,imap'])
        client.expect('ALPN protocol: imap')
        client.send('Q\n')
        client = self.s_client('ecdsa', ['-alpn', 'h2'])
        self.assertIn('no application protocol', client.expect_end())
        self.servers['ecdsa'].expect('ended handshake: .*ALPN')

    def test_old_versions_and_suites_are_refused(self):
        for options in (['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'],
                        ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA']):
            with self.subTest(options=options):
                self.assertIn('alert', self.s_client('ecdsa', options).expect_end())

    def test_other_groups(self):
        for group in ('P-256', 'X25519', 'P-384'):
            with self.subTest(group=group):
                client = self.s_client('ecdsa', ['-groups', group])
                client.send('hello\n')
                client.expect('echo: hello')
                client.send('Q\n')
        # The client guesses a group we do not have: HelloRetryRequest.
        client = self.s_client('ecdsa', ['-groups', 'X448:P-256'])
        client.send('hello\n')
        client.expect('echo: hello')

    def test_close_from_our_side(self):
        for options in (['-tls1_3'], ['-tls1_2']):
            client = self.s_client('ecdsa', options)
            client.send('BYE\n')
            client.expect('closed')
            client.expect_end()
            self.servers['ecdsa'].expect('ended by us')


class SingleByteServerTest(OpensslClientTest):
    """The same, when every send and receive of ours carries one byte."""
    server_flags = ['--write', '1', '--read', '1']


class PythonClientTest(ServerCase):
    def context(self, version):
        context = ssl.create_default_context(cafile=FIXTURE.ca)
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(['imap'])
        return context

    def test_echo_and_resumption(self):
        for kind in KINDS:
            for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
                with self.subTest(kind=kind, version=version):
                    context = self.context(version)
                    session = None
                    for resumed in (False, True):
                        raw = socket.create_connection(('127.0.0.1', self.ports[kind]), TIMEOUT)
                        with context.wrap_socket(raw, server_hostname=NAME, session=session) as client:
                            self.assertEqual(client.selected_alpn_protocol(), 'imap')
                            with client.makefile('rwb') as file:
                                file.write(b'hello\r\n')
                                file.flush()
                                self.assertEqual(file.readline(), b'echo: hello\n')
                                session = client.session
                                self.assertEqual(client.session_reused, resumed)
                                file.write(b'BYE\r\n')
                                file.flush()
                                self.assertEqual(file.read(), b'')

    def converse_in_memory(self, kind, version, chunk):
        """Carries the bytes by hand, so many in each segment."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self.context(version).wrap_bio(incoming, outgoing, server_hostname=NAME)
        with socket.create_connection(('127.0.0.1', self.ports[kind]), TIMEOUT) as raw:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def flush():
                data = outgoing.read()
                for at in range(0, len(data), chunk):
                    raw.sendall(data[at:at + chunk])

            def run(step):
                while True:
                    try:
                        result = step()
                        flush()
                        return result
                    except ssl.SSLWantReadError:
                        flush()
                        data = raw.recv(chunk)
                        if not data:
                            raise AssertionError('closed')
                        incoming.write(data)

            run(client.do_handshake)
            # Lines written at once go out in one segment, as several records.
            client.write(b'one\n')
            client.write(b'two\n')
            client.write(b'thr')
            client.write(b'ee\n')
            flush()
            answer = b''
            while answer.count(b'\n') < 3:
                answer += run(lambda: client.read(4096))
            self.assertEqual(answer, b'echo: one\necho: two\necho: three\n')

    def test_fragments_and_coalesced_records(self):
        for kind in KINDS:
            for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
                for chunk in (1, 2, 7, 100, 65536):
                    with self.subTest(kind=kind, version=version, chunk=chunk):
                        self.converse_in_memory(kind, version, chunk)

    def test_what_is_not_tls(self):
        for garbage in (b'a1 LOGIN joe secret\r\n', b'GET / HTTP/1.1\r\n\r\n',
                        b'\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00',
                        b'\x16\x03\x01\xff\xff', b'\x80\x2e\x01\x03\x01', bytes(range(256)) * 8):
            with self.subTest(garbage=garbage[:12]):
                with socket.create_connection(('127.0.0.1', self.ports['ecdsa']), TIMEOUT) as raw:
                    raw.sendall(garbage)
                    raw.shutdown(socket.SHUT_WR)
                    while True:
                        try:
                            if not raw.recv(4096):
                                break
                        except ConnectionResetError:
                            break
                self.servers['ecdsa'].expect('ended (handshake: |the peer went away)')

    def test_tampered_record(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self.context(ssl.TLSVersion.TLSv1_3).wrap_bio(incoming, outgoing, server_hostname=NAME)
        with socket.create_connection(('127.0.0.1', self.ports['ecdsa']), TIMEOUT) as raw:
            while True:
                try:
                    client.do_handshake()
                    raw.sendall(outgoing.read())
                    break
                except ssl.SSLWantReadError:
                    raw.sendall(outgoing.read())
                    incoming.write(raw.recv(65536))
            client.write(b'hello\n')
            record = bytearray(outgoing.read())
            record[-1] ^= 1
            raw.sendall(record)
            with self.assertRaisesRegex(ssl.SSLError, 'BAD_RECORD_MAC'):
                while True:
                    try:
                        client.read(100)
                    except ssl.SSLWantReadError:
                        data = raw.recv(65536)
                        self.assertTrue(data, 'no alert came')
                        incoming.write(data)
        self.servers['ecdsa'].expect('ended sent alert 20')


@unittest.skipUnless(shutil.which('gnutls-cli'), 'gnutls-bin is not installed')
class GnutlsClientTest(ServerCase):
    PRIORITIES = (
        ['NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+' + cipher
         for cipher in ('AES-128-GCM', 'AES-256-GCM', 'CHACHA20-POLY1305')] +
        ['NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+' + cipher
         for cipher in ('AES-128-GCM', 'AES-256-GCM', 'CHACHA20-POLY1305')])

    def gnutls(self, kind, *options):
        return self.talk(['gnutls-cli', '--x509cafile', FIXTURE.ca, '-p', str(self.ports[kind]),
                          '--sni-hostname', NAME, '--verify-hostname', NAME, *options, '127.0.0.1'])

    def test_each_suite_and_key(self):
        for kind in KINDS:
            for priority in self.PRIORITIES:
                with self.subTest(kind=kind, priority=priority):
                    client = self.gnutls(kind, '--priority', priority, '--alpn', 'imap')
                    client.expect('The certificate is trusted')
                    client.expect('Simple Client Mode')
                    client.send('hello\n')
                    client.expect('echo: hello')
                    client.send('INFO\n')
                    client.expect('info: .*alpn=imap')
                    client.send('BULK 40000\n')
                    client.expect('b{1000}\n')
                    client.close()

    def test_resumption(self):
        for kind in KINDS:
            for priority in self.PRIORITIES[0], self.PRIORITIES[1], self.PRIORITIES[3]:
                with self.subTest(kind=kind, priority=priority):
                    client = self.gnutls(kind, '--priority', priority, '--resume', '--waitresumption')
                    client.expect('This is a resumed session')
                    client.send('INFO\n')
                    client.expect('info: .* resumed ')
                    client.close()

    def test_key_update(self):
        for priority in self.PRIORITIES[:3]:
            with self.subTest(priority=priority):
                client = self.gnutls('ecdsa', '--priority', priority, '--inline-commands')
                client.expect('Simple Client Mode')
                client.send('one\n')
                client.expect('echo: one')
                client.send('^rekey^\n')
                client.send('two\n')
                client.expect('echo: two')
                client.send('UPDATE-REQUEST\n')
                client.expect('requested')
                client.send('three\n')
                client.expect('echo: three')
                client.close()


class ClientCase(unittest.TestCase):
    def talk(self, command):
        talk = Talk(command)
        self.addCleanup(talk.close)
        return talk

    def echo_client(self, port, name=NAME, *options):
        return self.talk([TLS_ECHO, 'client', '--port', str(port), '--name', name, '--ca', FIXTURE.ca, *options])


class OpensslServerTest(ClientCase):
    def s_server(self, kind, options):
        server = self.talk(['openssl', 's_server', '-accept', '127.0.0.1:0', '-cert', FIXTURE.cert(kind),
                            '-key', FIXTURE.key(kind), *options])
        return server, int(server.expect(r'ACCEPT 127\.0\.0\.1:\d+').split(':')[1])

    def test_each_suite_and_key(self):
        for write in ('1', '16384'):
            for kind, options in CHOICES:
                with self.subTest(kind=kind, options=options, write=write):
                    server, port = self.s_server(kind, options)
                    client = self.echo_client(port, NAME, '--write', write, '--read', write)
                    client.expect('connected TLSv1.. .* full sni=' + NAME)
                    client.send('from us\n')
                    server.expect('from us')
                    server.send('from them\n')
                    client.expect('from them')
                    server.send('Q\n')
                    client.expect('ended (close_notify|without close_notify)')
                    client.close()
                    server.close()

    def test_key_update(self):
        for suite in TLS13:
            with self.subTest(suite=suite):
                server, port = self.s_server('ecdsa', ['-tls1_3', '-ciphersuites', suite])
                client = self.echo_client(port)
                client.expect('connected')
                for i, command in enumerate(['k', 'K', 'K']):
                    server.send(command + '\n')
                    # It looks at its terminal first, so this line shows that the command was read.
                    client.send('seen %d\n' % i)
                    server.expect('seen %d' % i)
                    server.send('from them %d\n' % i)
                    client.expect('from them %d' % i)
                    client.send('from us %d\n' % i)
                    server.expect('from us %d' % i)

    def test_hello_request_is_declined(self):
        server, port = self.s_server('rsa', ['-tls1_2'])
        client = self.echo_client(port)
        client.expect('connected')
        server.send('r\n')
        client.expect('ended (without close_notify|received alert)')

    def test_many_tickets(self):
        server, port = self.s_server('ecdsa', ['-tls1_3', '-num_tickets', '50', '-rev'])
        client = self.echo_client(port)
        client.expect('connected')
        client.send('abc\n')
        client.expect('cba')

    def test_trust(self):
        server, port = self.s_server('ecdsa', [])
        self.echo_client(port, 'other.example.org').expect(
            'ended handshake: the certificate of other.example.org is not accepted')
        client = self.talk([TLS_ECHO, 'client', '--port', str(port), '--name', NAME])
        client.expect('ended handshake: the certificate of .* is not accepted')
        client = self.echo_client(port, '127.0.0.1')
        client.expect('connected TLSv1.3 .* sni= ')
        client.close()
        self.talk([TLS_ECHO, 'client', '--port', str(port), '--name', 'x', '--no-verify']).expect('connected')


def main():
    global TLS_ECHO, FIXTURE
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    TLS_ECHO = sys.argv.pop(1)
    FIXTURE = Fixture()
    unittest.main(verbosity=2)


if __name__ == '__main__':
    main()
