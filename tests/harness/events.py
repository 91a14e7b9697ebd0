"""Server-sent events as a client reads them: one connection, block by block."""

import http.client
import json
import urllib.parse


class Events:
    """An open stream. Iterating gives (id, type, data); comments and blocks without data only move `last_id`."""

    def __init__(self, base, route, token=None, last_id=None, timeout=30):
        at = urllib.parse.urlsplit(base)
        self.connection = http.client.HTTPConnection(at.hostname, at.port, timeout=timeout)
        headers = {"Accept": "text/event-stream"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if last_id is not None:
            headers["Last-Event-ID"] = str(last_id)
        self.connection.request("GET", route, headers=headers)
        self.response = self.connection.getresponse()
        self.status = self.response.status
        self.last_id = None

    def __iter__(self):
        return self

    def __next__(self):
        kind, data = "message", []
        for raw in self.response:
            line = raw.decode().rstrip("\n")
            if line.startswith("id: "):
                self.last_id = int(line[4:])
            elif line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                data.append(line[6:])
            elif not line:
                if data:
                    return self.last_id, kind, json.loads("\n".join(data))
                kind = "message"
        raise StopIteration

    def take(self, count):
        return [next(self) for _ in range(count)]

    def close(self):
        self.connection.close()
