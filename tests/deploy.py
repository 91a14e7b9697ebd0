#!/usr/bin/env python3
"""Lists and the project itself change while payments are judged: each change counts from its place in the sequence on, is refused with every
mistake named if it is wrong, lasts over kill -9, can be taken back, and a replay follows it.
"""

import json
import shutil
import sqlite3
import sys
import threading
import time

from harness import api
from harness.instance import ECOMMERCE, Instance, Workspace, arguments, until
from harness.payments import Shoppers, payment, stamp
from harness.report import Report

LIST = "suspicious_merchants"
RULE = """description: too much of one city at once
when: city = 'Ulm' and amount > {limit}
action: review
severity: low
message: "{{amount}} in Ulm"
"""


def files(project):
    """A project folder as the API takes it."""
    return {str(p.relative_to(project)): p.read_text() for p in sorted(project.rglob("*")) if p.is_file() and p.name != "README.md"}


class Judged:
    """Payments one after the other, and what became of each."""

    def __init__(self, instance):
        self.client = api.login(instance.http, instance.password)
        self.made = 0

    def __call__(self, **fields):
        self.made += 1
        answer = self.client.predict(payment(f"judged-{id(self)}-{self.made}", **fields))
        assert answer.status == 200, f"{answer.status} {answer.body!r}"
        return answer.json

    def on_list(self, merchant, **fields):
        return any(reason["code"] == LIST for reason in self(merchant_id=merchant, **fields)["reasons"])


def sluice(instance, *command, data=None):
    done = instance.run(*command, "--data", data or instance.data, "--output", "json", seconds=120)
    try:
        said = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        said = None
    return done, said


def list_changes(report, instance):
    judged, client = Judged(instance), api.login(instance.http, instance.password)
    route = f"/api/v1/lists/{LIST}"
    add = lambda *entries, **more: client.post(route, {"entries": list(entries), **more})  # noqa: E731
    entry = lambda key, why="ships empty parcels", **more: {"key": [key], "why": why, **more}  # noqa: E731

    report.check("a merchant on no list is let pass", not judged.on_list("m-new"))
    answer = add(entry("m-new"))
    report.equal("an entry is added", (answer.status, answer.json["changed"]), (200, 1))
    decision = judged(merchant_id="m-new")
    report.check("the next payment there is blocked", decision["decision"] == "block" and decision["sequence"] > answer.json["sequence"], decision)
    report.check("with the reason that was given", "ships empty parcels" in decision["reasons"][0]["message"], decision["reasons"])
    report.equal("the same again changes nothing", add(entry("m-new")).json, {"changed": 0, "unchanged": 1, "sequence": None})
    report.equal("in other words it is a conflict", add(entry("m-new", "other")).status, 409)
    report.equal("unless it is to be replaced", add(entry("m-new", "other"), replace=True).status, 200)
    report.check("an entry of the file blocks", judged.on_list("m-fraud-001"))
    answer = client.call("DELETE", f"{route}?key=m-fraud-001&why=cleared")
    report.equal("it is taken off", answer.status, 200)
    report.check("and no longer blocks", not judged.on_list("m-fraud-001"))
    add(entry("m-soon", until=stamp(hours=1)))
    add(entry("m-past", until=stamp(hours=-1)))
    report.equal("an entry counts until its end, by event time", (judged.on_list("m-soon"), judged.on_list("m-past")), (True, False))

    wrong = [
        ("an unknown list", client.post("/api/v1/lists/suspicious_merchant", {"entries": [entry("x")]}), 404, LIST),
        ("a key of two values", add({"key": ["a", "b"], "why": "w"}), 422, "merchant_id"),
        ("an end that is no date", add(entry("x", until="tomorrow")), 422, "2026-12-31"),
        ("no reason", add(entry("x", " ")), 422, "why"),
        ("the same entry twice", add(entry("x"), entry("x")), 422, "twice"),
        ("taking off what is not there", client.call("DELETE", f"{route}?key=m-fruad-002&why=w"), 404, "m-fraud-002"),
    ]
    for what, answer, status, hint in wrong:
        report.check(f"{what} is refused, with what to do", answer.status == status and hint in answer.body.decode(), f"{answer.status} {answer.body!r}")
    report.check("and nothing of it is on the list", not judged.on_list("x"))

    history = client.get(f"{route}/history", key="m-new").json["items"]
    report.equal("the history says who and why, the latest first", [(e["action"], e["who"], e["why"]) for e in history],
                 [("add", "admin", "other"), ("add", "admin", "ships empty parcels")])
    store = sqlite3.connect(f"file:{instance.data / 'store.db'}?mode=ro", uri=True, timeout=30)
    audit = lambda: store.execute("SELECT actor, action, detail FROM audit WHERE subject = ? ORDER BY id", (f"{LIST}/m-fraud-001",)).fetchall()  # noqa: E731
    until("the audit trail", audit)
    report.equal("so does the audit trail", audit(), [("admin", "list_remove", "cleared")])
    store.close()


def owner(report, instance):
    """The folder's owner needs no password; an instance elsewhere wants a token."""
    judged = Judged(instance)
    done, said = sluice(instance, "lists", "add", LIST, "m-cli", "--why", "seen by the owner", "--who", "ann")
    report.check("the owner adds by the command line", done.returncode == 0 and said["changed"] == 1, done.stdout + done.stderr)
    report.check("which counts at once", judged.on_list("m-cli"))
    done, said = sluice(instance, "lists", "show", LIST, "--key", "m-cli", "--history")
    report.equal("in the name given", said and [(e["action"], e["who"]) for e in said], [("add", "ann")])
    done, _ = sluice(instance, "lists", "add", "suspicius_merchants", "m", "--why", "w")
    report.check("an unknown list names the nearest", done.returncode == 1 and LIST in done.stdout, done.stdout + done.stderr)
    token = api.login(instance.http, instance.password).token
    done = instance.run("lists", "remove", LIST, "m-cli", "--why", "cleared", "--http", instance.http, "--token", token)
    report.check("and removes with a token", done.returncode == 0 and not judged.on_list("m-cli"), done.stdout + done.stderr)

    big = instance.folder / "big.csv"
    rows = 100_000
    big.write_text("merchant_id,why,until\n" + "".join(f"bulk-{n},terminated by the scheme,\n" for n in range(rows)))
    at = time.monotonic()
    slowest, stop = [0.0], threading.Event()

    def callers():
        other = Judged(instance)
        while not stop.is_set():
            begun = time.monotonic()
            other()
            slowest[0] = max(slowest[0], time.monotonic() - begun)

    thread = threading.Thread(target=callers)
    thread.start()
    done, said = sluice(instance, "lists", "import", LIST, big)
    took = time.monotonic() - at
    stop.set()
    thread.join()
    print(f"        {rows} entries in {took:.1f} s; the slowest of the payments meanwhile took {slowest[0] * 1000:.0f} ms")
    report.check("100,000 entries are imported", done.returncode == 0 and said["changed"] == rows, done.stdout[-300:] + done.stderr[-300:])
    report.check("the last of them counts", judged.on_list(f"bulk-{rows - 1}"))
    report.check("in bounded time, while payments are judged", took < 60 and slowest[0] < 2, f"{took:.1f} s, {slowest[0]:.2f} s")
    done, said = sluice(instance, "lists", "import", LIST, big)
    report.equal("the same file again changes nothing", said and (said["changed"], said["unchanged"]), (0, rows))
    broken = instance.folder / "broken.csv"
    broken.write_text("merchant_id,why,until\na,w,\nb,w,soon\na,w,\nc,,\nd,w\n")
    done, said = sluice(instance, "lists", "import", LIST, broken)
    places = [f"{m['place']['file']}:{m['place']['line']}" for m in said["mistakes"]] if said else done.stderr
    report.equal("a file with mistakes is refused with all of them", places, ["broken.csv:3", "broken.csv:4", "broken.csv:6"])
    report.check("and nothing of it is on the list", not judged.on_list("b"))


def deploys(report, folder, instance, project):
    judged, client = Judged(instance), api.login(instance.http, instance.password)
    city = lambda amount: any(hit["rule"] == "city_ulm" for hit in judged(city="Ulm", amount=amount)["hits"])  # noqa: E731
    first = judged()["project"]
    rule = project / "rules" / "city_ulm.yml"
    rule.write_text(RULE.format(limit=100))
    _, said = sluice(instance, "deploy", "--project", project, "--dry-run")
    report.check("a dry run changes nothing", said["dry_run"] and judged()["project"] == first and not city(200), said)
    done, said = sluice(instance, "deploy", "--project", project, "--why", "much of Ulm")
    report.check("a new rule is deployed", done.returncode == 0 and said["changed"] == ["rules/city_ulm.yml"], done.stdout + done.stderr)
    second = said["digest"]
    decision = judged(city="Ulm", amount=200)
    report.check("it hits at once", any(hit["rule"] == "city_ulm" for hit in decision["hits"]), decision)
    report.equal("decisions carry the digest that made them", decision["project"], second)
    report.check("from the place in the sequence that was told", decision["sequence"] > said["sequence"], (decision["sequence"], said))
    metrics = client.get("/metrics").body.decode()
    report.check("metrics name the version", f'sluice_project{{name="ecommerce",digest="{second}"}} 1' in metrics and first not in metrics)

    rule.write_text(RULE.format(limit=100).replace("amount >", "amuont >"))
    done, said = sluice(instance, "deploy", "--project", project)
    report.check("a mistake is refused with its place and the nearest name", done.returncode == 1 and said["mistakes"][0]["place"]["line"] == 2 and "`amount`" in done.stdout, done.stdout)
    answer = client.post("/api/v1/deploy", {"files": files(project)})
    report.check("over HTTP as well", answer.status == 422 and answer.json["errors"][0]["field"].startswith("rules/city_ulm.yml:2:"), answer.body)
    report.check("and the version before goes on", judged()["project"] == second and city(200))
    rule.write_text(RULE.format(limit=300) + "cases:\n  - name: two hundred\n    events: [{transactions: {city: Ulm, amount: 200}}]\n    expect: hit\n")
    done, said = sluice(instance, "deploy", "--project", project)
    wrong = said["mistakes"][0] if done.returncode == 1 else {}
    report.check("so is a rule that fails its own case", "`two hundred`" in wrong.get("message", "") and wrong["place"]["line"] > 5, done.stdout)
    report.check("and the version before goes on again", judged()["project"] == second and city(200))

    rule.write_text(RULE.format(limit=100))
    feature = project / "features" / "city_new.sql"
    feature.write_text("select city, count(*) over w1h as city_new_1h from transactions window w1h as (partition by city order by event_time range interval '1 hour' preceding)\n")
    answer = client.post("/api/v1/deploy", {"files": files(project)})
    report.check("a new feature needs a restart, and is named", answer.status == 409 and "city_new_1h" in answer.json["detail"], answer.body)
    feature.unlink()

    # What a deploy says of an entry overrules what was changed while it ran; of others it says nothing.
    add = lambda key: client.post(f"/api/v1/lists/{LIST}", {"entries": [{"key": [key], "why": "emergency"}]})  # noqa: E731
    add("m-both"), add("m-only")
    csv = project / "lists" / f"{LIST}.csv"
    csv.write_text(csv.read_text() + "m-both,fraud desk,now in the file,\n")
    _, said = sluice(instance, "deploy", "--project", project)
    report.equal("a deploy names the changes of lists that its files overrule", said["overruled"], [{"list": LIST, "key": ["m-both"]}])
    report.equal("entries of file and changes both count", (judged.on_list("m-both"), judged.on_list("m-only")), (True, True))
    csv.write_text("\n".join(line for line in csv.read_text().splitlines() if not line.startswith("m-both")) + "\n")
    sluice(instance, "deploy", "--project", project)
    report.equal("off the file is off the list; the other change stays", (judged.on_list("m-both"), judged.on_list("m-only")), (False, True))

    done, said = sluice(instance, "deploy", "--version", first[:12])
    report.check("back to the first version by its digest", done.returncode == 0 and judged()["project"] == first and not city(200), done.stdout + done.stderr)
    report.check("which leaves the change of the list alone", judged.on_list("m-only"))
    done, _ = sluice(instance, "deploy", "--version", "0123456789")
    report.check("a digest that never was is refused with those that were", done.returncode == 1 and second in done.stdout, done.stdout)
    _, said = sluice(instance, "versions")
    report.equal("the versions, the latest first", said and [(v["digest"], v["active"]) for v in said][0], (first, True))

    # Neither a kill nor a start undoes what was deployed; a folder that has changed since has its word.
    sluice(instance, "deploy", "--version", second)
    instance.kill()
    instance.start()
    judged = Judged(instance)
    report.check("after kill -9 the deployed version judges", judged()["project"] == second)
    report.check("and lists are as they were", judged.on_list("m-only") and not judged.on_list("m-fraud-001") and judged.on_list("bulk-7"))
    return second


def pause(report, instance, project):
    """Deploys under load: how long the scorer is held up by them."""
    judged, waits, stop = Judged(instance), [], threading.Event()
    rule = project / "rules" / "city_ulm.yml"

    def load():
        client = api.login(instance.http, instance.password)
        shoppers = Shoppers(5, f"pause-{time.time()}")
        while not stop.is_set():
            begun = time.monotonic()
            assert client.predict(shoppers.next()[2]).status == 200
            waits.append(time.monotonic() - begun)

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    client = api.login(instance.http, instance.password)
    digests = set()
    for n in range(10):
        rule.write_text(RULE.format(limit=1000 + n))
        answer = client.post("/api/v1/deploy", {"files": files(project)})
        assert answer.status == 200, answer.body
        digests.add(answer.json["digest"])
    stop.set()
    for thread in threads:
        thread.join()
    waits.sort()
    print(f"        {len(digests)} deploys while {len(waits)} payments were judged: median {waits[len(waits) // 2] * 1000:.1f} ms, longest {waits[-1] * 1000:.0f} ms")
    report.check("ten versions are deployed while payments are judged", len(digests) == 10 and judged()["project"] in digests)
    report.check("no payment waits long for it", waits[-1] < 2, f"{waits[-1]:.2f} s")


def offline(report, instance):
    """Nothing runs: what is written takes effect at the next start."""
    done, said = sluice(instance, "lists", "add", LIST, "m-offline", "--why", "while it was down")
    report.check("a list changes while nothing runs", done.returncode == 0 and said["changed"] == 1, done.stdout + done.stderr)
    instance.start()
    report.check("which counts from the next start on", Judged(instance).on_list("m-offline"))
    instance.stop()


def main():
    options = arguments(__doc__.splitlines()[0]).parse_args()
    report = Report("deploy")
    with Workspace("deploy", options.keep) as folder:
        project = folder / "project"
        shutil.copytree(ECOMMERCE, project)
        # The instance starts on a copy of its own, so that what is deployed and what stands in its folder differ.
        started = folder / "started"
        shutil.copytree(ECOMMERCE, started)
        with Instance(options.sluice, folder, started, environment={"SLUICE_SNAPSHOT_SECONDS": "0.5"}) as instance:
            instance.start()
            with report.part("changes of lists"):
                list_changes(report, instance)
            with report.part("the command line"):
                owner(report, instance)
            with report.part("deploys"):
                deploys(report, folder, instance, project)
            with report.part("the pause"):
                pause(report, instance, project)
            report.equal("it stops", instance.stop()[0], 0)
            with report.part("offline"):
                offline(report, instance)
            done = instance.run("replay", "--data", instance.data, "--output", "json")
            if report.check("replay runs over all changes", done.returncode == 0, done.stdout[-500:] + done.stderr[-1000:]):
                report.equal("replay finds no difference", json.loads(done.stdout.strip().splitlines()[-1])["differences"], 0)
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
