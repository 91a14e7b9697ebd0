#!/usr/bin/env python3
"""A real PostgreSQL for the tests: installed from Debian's packages where it is missing, with its data in a temporary folder, on a free
loopback port, run as the user `postgres` where the tests are root (the server refuses root), stopped by its own pid. Run as a script it
starts one, prints its address, and stops it when it is told to end: `postgres.py [--data FOLDER]`; with a command behind `--` it runs
that, with the address in SLUICE_BENCH_POSTGRES, and ends with it.
"""

import argparse
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.instance import until
from services.kafka import free_ports

USER = "sluice"
PASSWORD = "p@ss/w%rd"  # noqa: S105 - of a server that lives for a test, with the characters that break addresses

# Everything is on disk before it is answered, as in production; small, because the tests share the machine.
SETTINGS = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{sockets}'
fsync = on
synchronous_commit = on
full_page_writes = on
shared_buffers = 256MB
max_wal_size = 2GB
max_connections = 60
log_min_messages = warning
log_lock_waits = on
password_encryption = scram-sha-256
ssl = on
"""

# An authority, and a certificate of it that names `localhost` and not 127.0.0.1.
CERTIFICATES = """\
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout authority.key -out authority.pem
openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr
printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE\\n' > server.ext
openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 -extfile server.ext -out server.crt
chmod 600 server.key
"""

# Passwords for everybody who comes over the network, none for the tests' own administrator on the socket.
RULES = """\
local all postgres trust
host all all 127.0.0.1/32 scram-sha-256
"""


def install():
    """The folder with the server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[4]))
    if not found:
        if os.geteuid() != 0:
            raise SystemExit("PostgreSQL is missing; install it (Debian: apt-get install postgresql)")
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet, stdout=subprocess.DEVNULL)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "postgresql", "postgresql-client"]
        subprocess.run(command, check=True, env=quiet, stdout=subprocess.DEVNULL)
        return install()
    return found[-1].parent


class Postgres:
    """One server with its data in `folder`, a database `sluice`, and a user `sluice` who owns it."""

    def __init__(self, folder=None, settings=""):
        self.programs = install()
        self.temporary = folder is None
        self.folder = Path(folder or tempfile.mkdtemp(prefix="sluice-postgres-"))
        self.data = self.folder / "data"
        self.log = self.folder / "postgres.log"
        self.settings = settings
        self.owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.process = None
        (self.port,) = free_ports(1)

    def _as_owner(self):
        return {"user": self.owner.pw_uid, "group": self.owner.pw_gid, "extra_groups": []} if self.owner else {}

    def create(self):
        """Makes the files; once."""
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        if self.owner:
            os.chown(self.folder, self.owner.pw_uid, self.owner.pw_gid)
        command = [self.programs / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **self._as_owner())
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write(SETTINGS.format(port=self.port, sockets=self.folder) + self.settings)
        (self.data / "pg_hba.conf").write_text(RULES)
        subprocess.run(["sh", "-ec", CERTIFICATES], check=True, cwd=self.data, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._as_owner())
        self.authority = self.folder / "authority.pem"
        shutil.copy(self.data / "authority.pem", self.authority)
        self.start()
        quoted = PASSWORD.replace("'", "''")
        self.sql(f"CREATE ROLE {USER} LOGIN PASSWORD '{quoted}'")
        self.sql(f"CREATE DATABASE sluice OWNER {USER}")
        return self

    def start(self, seconds=60):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.data],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True, **self._as_owner(),
            )
        until("PostgreSQL's first answer", self._answers, seconds)
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"PostgreSQL ended with {self.process.returncode}; its log ends:\n{self.log.read_text()[-3000:]}")
        return subprocess.run(self._psql("SELECT 1", "postgres"), capture_output=True, check=False).returncode == 0

    def _psql(self, sql, database, *options):
        words = ["psql", "-X", "-q", "-h", self.folder, "-p", self.port, "-U", "postgres", "-d", database, "-v", "ON_ERROR_STOP=1"]
        return [str(w) for w in [*words, *options, "-c", sql]]

    def sql(self, sql, database="postgres", given=None):
        """What psql prints of it without decoration, as the administrator. `given` is what `copy ... from stdin` reads."""
        done = subprocess.run(self._psql(sql, database, "-A", "-t", "-F", "|"), input=given, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()

    def psql(self, command, database="sluice"):
        """What psql prints as a person sees it, over the network as the user `sluice`."""
        words = ["psql", "-X", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", database, "-c", command]
        done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "PGPASSWORD": PASSWORD})
        if done.returncode != 0:
            raise AssertionError(f"psql: {done.stderr.strip()}")
        return done.stdout

    def url(self, database="sluice", password="p%40ss%2Fw%25rd", port=None, options=""):
        return f"postgres://{USER}:{password}@127.0.0.1:{port or self.port}/{database}{options}"

    def children(self, name=""):
        """Pids of the server's processes whose title has `name`."""
        found = []
        for path in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            try:
                title = Path(f"/proc/{path}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except FileNotFoundError:
                continue
            if name in title:
                found.append(int(path))
        return found

    def kill(self):
        """kill -9 of the postmaster and of all its processes."""
        pids = [self.process.pid, *self.children()]
        for pid in pids:
            signal_if_there(pid, signal.SIGKILL)
        self.process.wait()
        until("the end of PostgreSQL's processes", lambda: not any(alive(pid) for pid in pids[1:]), 30)
        self.process = None

    def stop(self, how=signal.SIGINT):
        """A fast shutdown: sessions are ended, nothing is lost."""
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def __enter__(self):
        return self.create()

    def __exit__(self, *_):
        self.stop(signal.SIGQUIT)
        if self.temporary:
            shutil.rmtree(self.folder, ignore_errors=True)


def signal_if_there(pid, what):
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        pass


def alive(pid):
    """Neither gone nor only waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def main():
    parser = argparse.ArgumentParser(description="starts a PostgreSQL and prints its address; ends with it")
    parser.add_argument("--data", type=Path, help="a folder for its data, which is kept (default: a temporary one)")
    parser.add_argument("command", nargs="*", help="what to run beside it")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Postgres(args.data) as server:
        url = server.url(options="?sslmode=disable")
        if args.command:
            sys.exit(subprocess.run(args.command, env={**os.environ, "SLUICE_BENCH_POSTGRES": url}, check=False).returncode)
        print(url, flush=True)
        while server.process.poll() is None:
            time.sleep(0.2)


if __name__ == "__main__":
    main()
