"""The HTTP API as a client sees it: one keep-alive connection a client, JSON in and out, with or without a token."""

import contextlib
import http.client
import json
import urllib.parse
from dataclasses import dataclass, field


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes
    route: str = field(default="")

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def is_problem(self):
        """Whether it is an RFC 9457 problem document that fits its own status."""
        if not self.headers.get("content-type", "").startswith("application/problem+json"):
            return False
        problem = self.json
        return problem.get("status") == self.status and bool(problem.get("title"))


class Client:
    """Not for several threads at once: make one each."""

    def __init__(self, base, token=None, timeout=30):
        self.at = urllib.parse.urlsplit(base)
        self.token = token
        self.timeout = timeout
        self._connection = None
        self._fresh = True

    def call(self, method, route, body=None, headers=None):
        """Sends one request. `body` is bytes as they are, or anything else as JSON. Errors of the connection are raised."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        try:
            response, content = self._exchange(method, route, body, headers)
        except ConnectionResetError:
            # The server may close a connection that rests; only an exchange on a new one says something.
            if self._fresh:
                raise
            response, content = self._exchange(method, route, body, headers)
        if response.will_close:
            self.close()
        self._fresh = False
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, content, f"{method} {route}")

    def _exchange(self, method, route, body, headers):
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self.at.hostname, self.at.port, timeout=self.timeout)
            self._fresh = True
        try:
            if self._connection.sock is None:
                self._connection.connect()
            # A server that refuses a body may answer and close before it has read it all.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._connection.request(method, route, body=body, headers=headers)
            response = self._connection.getresponse()
            return response, response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def get(self, route, **query):
        query = {k: v for k, v in query.items() if v is not None}
        return self.call("GET", f"{route}?{urllib.parse.urlencode(query)}" if query else route)

    def post(self, route, body, headers=None):
        return self.call("POST", route, body, headers)

    def predict(self, transaction):
        return self.post("/api/v1/predict", transaction)

    def pages(self, route, limit, **query):
        """Every row of a paged list, following its cursor to the end."""
        rows, cursor = [], None
        while True:
            answer = self.get(route, limit=limit, cursor=cursor, **query)
            assert answer.status == 200, f"{answer.route}: {answer.status} {answer.body[:300]!r}"
            page = answer.json
            assert len(page["items"]) <= limit, f"{answer.route}: {len(page['items'])} items"
            rows += page["items"]
            cursor = page["next"]
            if not cursor:
                return rows

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def login(base, password, username="admin"):
    """A client with a token."""
    client = Client(base)
    answer = client.post("/api/v1/auth/login", {"username": username, "password": password})
    assert answer.status == 200, f"login: {answer.status} {answer.body[:300]!r}"
    client.token = answer.json["access_token"]
    return client
