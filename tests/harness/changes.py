"""Somebody who changes lists and deploys versions while payments are judged, one change after the other, and knows what must have come of
it: a change without an answer is made again until it has one.
"""

import csv
import json
import threading
from pathlib import Path

from . import api

LIST = "suspicious_merchants"
RULE = """description: a rule that comes and goes
when: amount > {limit}
action: review
severity: low
message: "{{amount}} is over {limit}"
"""


def project_files(folder):
    """A project folder as the API takes it."""
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(Path(folder).rglob("*")) if p.is_file() and p.suffix in (".yml", ".sql", ".csv")}


def versions(folder):
    """The project as it is; with one rule more, at two limits (above what any case of another rule pays, or the deploy would be refused); with another policy; and with a merchant in the file that others have not."""
    plain = project_files(folder)
    listed = plain[f"lists/{LIST}.csv"].rstrip("\n") + "\nm-7,fraud desk,in the file of one version,\n"
    return [
        plain,
        {**plain, "rules/comes_and_goes.yml": RULE.format(limit=6000)},
        {**plain, "rules/comes_and_goes.yml": RULE.format(limit=5000)},
        {**plain, "policy.yml": plain["policy.yml"].replace("review: 0.5", "review: 0.3")},
        {**plain, f"lists/{LIST}.csv": listed},
    ]


def file_keys(files):
    lines = files[f"lists/{LIST}.csv"].splitlines()
    rows = csv.DictReader(line for line in lines if line and not line.startswith("#"))
    return {row["merchant_id"] for row in rows}


class Changer:
    """What was changed. The same one goes on over many lives of an instance."""

    def __init__(self, folder, chance, merchants=50):
        self.versions = versions(folder)
        self.chance, self.merchants = chance, merchants
        self.version = 0
        # Merchant to the reason it was put on the list with, or None where it was taken off.
        self.changed = {}
        self.digests = {}
        self.open = None
        self.acknowledged = {"add": 0, "remove": 0, "deploy": 0}
        self.refused = []
        self.made = 0

    def next(self):
        """What is to be changed: (kind, which one, why)."""
        self.made += 1
        if self.made % 12 == 0:
            return "deploy", (self.version + self.chance.randrange(1, len(self.versions))) % len(self.versions), None
        on = sorted(self.listed())
        if on and self.chance.random() < 0.4:
            return "remove", self.chance.choice(on), f"change {self.made}"
        return "add", f"m-{self.chance.randrange(self.merchants)}", f"change {self.made}"

    def step(self, client):
        """Makes one change, or the one again that had no answer. Errors of the connection are raised, and leave it open."""
        again = self.open is not None
        kind, which, why = self.open = self.open or self.next()
        route = f"/api/v1/lists/{LIST}"
        if kind == "add":
            answer = client.post(route, {"entries": [{"key": [which], "why": why}], "replace": True})
        elif kind == "remove":
            answer = client.call("DELETE", f"{route}?key={which}&why={why.replace(' ', '%20')}")
        else:
            answer = client.post("/api/v1/deploy", {"files": self.versions[which]})
        if answer.status in (429, 503):
            return
        if answer.status != 200 and not (answer.status == 404 and kind == "remove" and again):
            self.refused.append((self.open, answer.status, answer.body[:300]))
            self.open = None
            return
        self.acknowledged[kind] += 1
        self.open = None
        if kind == "add":
            self.changed[which] = why
        elif kind == "remove":
            self.changed[which] = None
        else:
            # The later word on a merchant is the file's, where the files differ on it.
            for merchant in file_keys(self.versions[self.version]) ^ file_keys(self.versions[which]):
                self.changed.pop(merchant, None)
            self.version = which
            self.digests[answer.json["digest"]] = which

    def listed(self):
        """Who must be on the list."""
        on = file_keys(self.versions[self.version]) - {m for m, why in self.changed.items() if why is None}
        return on | {m for m, why in self.changed.items() if why is not None}

    def settle(self, client):
        """Makes the open change until it has an answer, then takes back nothing more."""
        while self.open:
            self.step(client)


class ChangeLoad(threading.Thread):
    """Changes until told to stop; the end of the process at the other side is expected."""

    def __init__(self, changer, base, token, pause):
        super().__init__(daemon=True)
        self.changer, self.pause = changer, pause
        self.client = api.Client(base, token, timeout=15)
        self.halt = threading.Event()

    def run(self):
        while not self.halt.wait(self.pause):
            try:
                self.changer.step(self.client)
            except (OSError, api.http.client.HTTPException, json.JSONDecodeError):
                return
            except Exception as error:  # noqa: BLE001 - a thread's end must not go unseen
                self.changer.refused.append((self.changer.open, "failed", repr(error)))
                return


def check(report, changer, client, decisions):
    """The final state of lists and versions is what was acknowledged."""
    report.check("no change is refused", not changer.refused, changer.refused[:2])
    rows = client.pages(f"/api/v1/lists/{LIST}", 1000)
    found = {row["key"][0]: row["why"] for row in rows}
    wanted = changer.listed()
    report.check(f"the list holds the {len(wanted)} entries that were acknowledged", found.keys() == wanted, f"{found.keys() ^ wanted}")
    reasons = {merchant: why for merchant, why in changer.changed.items() if why is not None}
    report.check("each with the reason that was given last", all(found.get(m) == why for m, why in reasons.items()), {m: found.get(m) for m in reasons})
    active = client.get("/api/v1/versions", limit=1).json["items"][0]["digest"]
    if changer.acknowledged["deploy"]:
        report.equal("the version that judges is the one that was acknowledged last", changer.digests.get(active), changer.version)
    made_by = {json.loads(bodies[0])["project"] for bodies in decisions.values()}
    report.check("several versions have judged", len(made_by) > 1, made_by)
    report.table(["entries added", "taken off", "versions deployed", "versions in decisions"], [[*changer.acknowledged.values(), len(made_by)]])
