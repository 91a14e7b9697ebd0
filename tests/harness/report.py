"""Counts checks and prints them: one line each, a table where there is one, and a closing line that the test run sums up."""

import contextlib
import sys
import time
import traceback


class Report:
    """The checks of one script. A failed check does not end the script; `finish` does, with a fitting exit code."""

    def __init__(self, name):
        self.name = name
        self.passed = 0
        self.failed = []
        self.started = time.monotonic()

    def check(self, what, holds, detail=""):
        """One check. `detail` is shown where it does not hold. Returns whether it holds."""
        if holds:
            self.passed += 1
            print(f"ok      {what}", flush=True)
        else:
            self.failed.append(what)
            print(f"FAILED  {what}: {detail}", flush=True)
        return bool(holds)

    def equal(self, what, found, expected):
        return self.check(what, found == expected, f"expected {excerpt(expected)}, found {excerpt(found)}")

    @contextlib.contextmanager
    def part(self, what):
        """A group of checks: an exception in it is one failed check, and the script goes on with the next group."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it was, it is reported
            traceback.print_exc(file=sys.stdout)
            self.check(what, False, f"{type(error).__name__}: {error}")

    def table(self, header, rows):
        """A table for people."""
        cells = [[str(c) for c in row] for row in [header, *rows]]
        widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
        cells.insert(1, ["-" * w for w in widths])
        for row in cells:
            print("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |", flush=True)

    def finish(self):
        """Prints the closing line and ends the script."""
        for what in self.failed:
            print(f"FAILED  {what}")
        print(f"took {time.monotonic() - self.started:.1f} s")
        print(f"{self.name}: {self.passed} passed, {len(self.failed)} failed")
        sys.exit(1 if self.failed or not self.passed else 0)


def excerpt(value, most=300):
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"
