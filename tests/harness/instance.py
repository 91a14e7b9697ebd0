"""A `sluice up` as a child process on free ports: start it, wait until it says it is ready, stop it or kill it, and run the other
commands on its data.
"""

import argparse
import json
import os
import queue
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ECOMMERCE = REPOSITORY / "projects" / "ecommerce"
ONLINE_RETAIL = REPOSITORY / "examples" / "online-retail"


def arguments(description, on_both=False):
    """The options that all scripts share. The data folder is temporary and goes with the script unless `--keep`. Scripts that run `on_both`
    kinds of log can be told to have it on a cluster."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--sluice", default=REPOSITORY / "target" / "debug" / "sluice", type=Path, help="the binary to test")
    parser.add_argument("--keep", action="store_true", help="keep the data folder, and say where it is")
    if on_both:
        parser.add_argument("--cluster", action="store_true", help="with the log on a real Apache Kafka")
    return parser


class Workspace:
    """A temporary folder for data and logs."""

    def __init__(self, name, keep):
        self.path = Path(tempfile.mkdtemp(prefix=f"sluice-{name}-"))
        self.keep = keep

    def __enter__(self):
        return self.path

    def __exit__(self, kind, *_):
        if self.keep or (kind is not None and kind is not SystemExit):
            print(f"kept {self.path}")
        else:
            shutil.rmtree(self.path, ignore_errors=True)


class NotReady(Exception):
    """The process ended, or said nothing, before it was ready. Holds the end of its log."""


class Instance:
    """One data folder and the process that serves it, if one runs."""

    def __init__(self, binary, folder, project=ECOMMERCE, options=(), environment=None):
        self.binary = Path(binary).resolve()
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.project = Path(project)
        self.options = [str(o) for o in options]
        self.password = secrets.token_urlsafe(12)
        self.environment = {**os.environ, "SLUICE_ADMIN_PASSWORD": self.password, **(environment or {})}
        self.log = self.folder / "sluice.log"
        self.process = None
        self.http = self.kafka = None
        # Where Kafka clients are served; a free port, if nobody says which.
        self.listen = "127.0.0.1:0"
        self.printed = []
        self._lines = None

    def spawn(self):
        """Starts the process and does not wait."""
        assert self.process is None, "it runs already"
        command = [self.binary, "up", "--project", self.project, "--data", self.data, "--http", "127.0.0.1:0", "--kafka", self.listen]
        command += ["--output", "json", *self.options]
        self._lines = queue.Queue()
        with self.log.open("ab") as log:
            log.write(f"--- start {time.time():.3f}\n".encode())
            log.flush()
            self.process = subprocess.Popen(
                [str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=self.environment
            )
        threading.Thread(target=self._read, args=(self.process.stdout, self._lines), daemon=True).start()

    def _read(self, stdout, lines):
        for line in stdout:
            self.printed.append(line.decode(errors="replace").rstrip("\n"))
            lines.put(self.printed[-1])
        lines.put(None)

    def wait_ready(self, seconds=60):
        """Waits for the line that says ready, and returns it."""
        until = time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise NotReady(f"not ready within {seconds} s; its log ends:\n{self.log_end()}") from None
            if line is None:
                code = self.process.wait()
                self.process = None
                raise NotReady(f"ended with exit code {code} before it was ready; its log ends:\n{self.log_end()}")
            if line.startswith("{"):
                said = json.loads(line)
                if said.get("ready"):
                    self.http, self.kafka = f"http://{said['http']}", said["kafka"]
                    return said

    def start(self, seconds=60):
        """Starts the process; returns what it said when ready, with the seconds it took."""
        at = time.monotonic()
        self.spawn()
        said = self.wait_ready(seconds)
        return {**said, "seconds": time.monotonic() - at}

    def kill(self):
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self, seconds=60):
        """Asks it to stop and waits. Returns (exit code, seconds taken)."""
        at = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not stop within {seconds} s; its log ends:\n{self.log_end()}") from None
        self.process = None
        return code, time.monotonic() - at

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def run(self, *command, seconds=300):
        """Another command of the binary; returns the completed process with text output."""
        words = [str(self.binary), *(str(c) for c in command)]
        return subprocess.run(
            words, capture_output=True, text=True, timeout=seconds, env=self.environment, stdin=subprocess.DEVNULL, errors="replace", check=False
        )

    def log_end(self, lines=30):
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.is_running():
            self.kill()
        if kind is not None and kind is not SystemExit:
            print(f"--- the end of its log:\n{self.log_end()}")


def until(what, condition, seconds=60):
    """Polls `condition` until it gives something true, which is returned; fails by naming what was waited for."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come about within {seconds} s")
        time.sleep(0.02)
