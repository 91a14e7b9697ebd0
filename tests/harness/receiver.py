"""A receiver of webhooks: an HTTP or HTTPS server that keeps what came and answers as it is told."""

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Message:
    headers: dict
    body: bytes
    status: int

    @property
    def id(self):
        return self.headers["webhook-id"]


class Receiver:
    """`answer(message number, headers, body)` gives the status; without it all is taken."""

    def __init__(self, answer=None, tls=None):
        self.messages = []
        self.lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {k.lower(): v for k, v in self.headers.items()}
                with receiver.lock:
                    status = answer(len(receiver.messages), headers, body) if answer else 204
                    receiver.messages.append(Message(headers, body, status))
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", f"http://127.0.0.1:{receiver.server.server_port}/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://localhost:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def taken(self):
        """The messages that were answered with success, each id once, in the order in which they first came."""
        with self.lock:
            first = {}
            for message in self.messages:
                if message.status < 300:
                    first.setdefault(message.id, message)
            return list(first.values())

    def close(self):
        self.server.shutdown()
        self.server.server_close()
