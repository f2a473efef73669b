"""A look-up service as platforms have them for nginx's mail proxy (auth_http), a real small HTTP server."""

import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .process import DEADLINE


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # whoever asked has left
            super().handle_error(request, client_address)


class LookupService:
    """Answers each login by `rules`: user -> function of the fields asked with, decoded as nginx's are.

    A rule returns the fields of the answer, or bytes that are sent as they are (the connection is closed behind them),
    or waits on `released` before it does. Who has no rule is sent to `store` if the password is `password`.
    """

    def __init__(self, store, password):
        self.store, self.password = store, password
        self.rules = {}
        self.asked = []  # what of each question, in order
        self.connections = 0
        self.released = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = DEADLINE

            def setup(self):
                super().setup()
                service.connections += 1

            def do_GET(self):
                service._answer(self)

            def log_message(self, *_):
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def ok(self, **more):
        """The fields that send a user to the store; more as auth_user="..."."""
        names = {name.replace("_", "-").title(): value for name, value in more.items()}
        return {"Auth-Status": "OK", "Auth-Server": self.store.host, "Auth-Port": str(self.store.imap_port), **names}

    def _answer(self, handler):
        fields = dict(handler.headers.items())
        for name in ("Auth-User", "Auth-Pass"):
            raw = fields.get(name, "").encode("latin-1")
            fields[name] = urllib.parse.unquote_to_bytes(raw).decode()
        fields["path"] = handler.path
        self.asked.append(fields)
        rule = self.rules.get(fields["Auth-User"])
        if rule is not None:
            answer = rule(fields)
        elif fields["Auth-Pass"] == self.password:
            answer = self.ok()
        else:
            answer = {"Auth-Status": "Invalid login or password"}
        if isinstance(answer, bytes):
            handler.wfile.write(answer)
            handler.close_connection = True
            return
        handler.send_response(200)
        for name, value in answer.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def of(self, user):
        """What was asked about a user."""
        return [fields for fields in self.asked if fields["Auth-User"] == user]

    def stop(self):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
