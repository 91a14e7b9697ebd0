#!/usr/bin/env python3
"""The newcomer's path of the README, walked as it is written there, in one life of the instance: start and watch, send a payment with
curl, write a rule with a typing mistake and read the error, mend it, see it hit in shadow, make it decide, and take one account out.
"""

import json
import os
import re
import subprocess
import sys

from harness.instance import REPOSITORY, Workspace, arguments, until
from harness.report import Report

README = REPOSITORY / "README.md"


def section():
    """The section's blocks of shell, the rule's file, and what the README says comes out."""
    text = README.read_text().split("## From nothing to a rule of your own", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"```(\w*)\n(.*?)```", text, re.S)
    return [code for kind, code in blocks if kind == "sh"], [code for kind, code in blocks if kind == "text"], next(code for kind, code in blocks if kind == "yaml")


class Shell:
    """One bash in a folder of its own, that runs what the README says, block by block, on free ports."""

    def __init__(self, sluice, folder):
        bin = folder / "bin"
        bin.mkdir()
        (bin / "sluice").symlink_to(sluice.resolve())
        self.folder, self.printed = folder, folder / "printed"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("SLUICE_")}
        self.environment = {**kept, "PATH": f"{bin}:{os.environ['PATH']}", "SLUICE_HTTP": "127.0.0.1:0", "SLUICE_KAFKA": "127.0.0.1:0"}
        self.up = None
        self.http = None

    def start(self, command):
        """The command that goes on, as in a terminal of its own."""
        with self.printed.open("wb") as out, (self.folder / "log").open("wb") as log:
            # noqa: S602 - the README's own words
            self.up = subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.environment, stdout=out, stderr=log, stdin=subprocess.DEVNULL)
        self.http = re.search(r"http://([0-9.:]+)", self.wait(r"ready in"))[1]

    def wait(self, pattern, after=0):
        """What was printed behind a place, once the pattern is in it."""
        def found():
            assert self.up.poll() is None, f"it ended:\n{(self.folder / 'log').read_text()[-2000:]}"
            text = self.printed.read_text()[after:]
            return text if re.search(pattern, text) else None

        return until(f"`{pattern}` on the terminal", found)

    def so_far(self):
        return len(self.printed.read_text())

    def run(self, code):
        """A block in the folder; its ports are those that were free."""
        code = code.replace("localhost:8080", self.http or "")
        done = subprocess.run(["bash", "-euc", code], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"
        return done.stdout

    def stop(self):
        self.up.terminate()
        return self.up.wait(30)


def last_line(text):
    return json.loads(text.strip().splitlines()[-1])


def main():
    options = arguments(__doc__.splitlines()[0]).parse_args()
    report = Report("newcomer")
    shell_blocks, said, rule = section()
    begin, pay, mend, decide, trust = shell_blocks
    with Workspace("newcomer", options.keep) as folder:
        shell = Shell(options.sluice, folder)
        with report.part("the newcomer's path"):
            init, up = [line for line in begin.strip().splitlines() if line]
            shell.run(init)
            shell.start(up)
            password = re.search(r"password (\S+)", shell.wait("password"))[1]

            # What a person pastes into the README's dots.
            pay = pay.replace("PASSWORD", password)
            again = lambda n: last_line(shell.run(pay.replace("tx-1", f"tx-{n}")))  # noqa: E731
            first = again(1)
            report.equal("a payment by curl is allowed", (first["decision"], first["hits"]), ("allow", []))

            at = shell.so_far()
            (folder / "shop" / "rules" / "ulm_online.yml").write_text(rule)
            text = shell.wait("goes on", at)
            report.check("the typing mistake is told as the README shows it", all(line in text for line in said[0].strip().splitlines()[:4]), text)
            report.equal("and the version before goes on", again(2)["project"], first["project"])

            at = shell.so_far()
            shell.run(mend)
            shell.wait("judges from", at)
            watched = again(3)
            report.equal("mended, it hits in shadow", [(h["rule"], h["mode"]) for h in watched["hits"]], [("ulm_online", "shadow")])
            report.equal("and decides nothing", watched["decision"], "allow")

            at = shell.so_far()
            shell.run(decide)
            shell.wait("judges from", at)
            live = again(4)
            report.equal("then it decides", (live["decision"], live["reasons"][0]["message"]), ("review", "900.00 USD online in Ulm"))
            report.equal("three versions have judged", len({first["project"], watched["project"], live["project"]}), 3)

            text = shell.run(trust)
            report.check("an account is put on a list", "acc-1 is on trusted_accounts from" in text, text)
            trusted = again(5)
            report.equal("and is let pass, whatever rules say", (trusted["decision"], trusted["reasons"][0]["code"]), ("allow", "trusted_accounts"))
            report.check("all in one life of the process", shell.up.poll() is None)
            report.equal("Ctrl-C stops it", shell.stop(), 0)
        if shell.up and shell.up.poll() is None:
            shell.up.kill()
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
