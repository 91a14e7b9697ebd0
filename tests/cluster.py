#!/usr/bin/env python3
"""An instance whose log is a Kafka cluster: here a broker of ours in a process of its own, reached through its socket. It judges what
comes by Kafka and by HTTP, goes on by itself when the cluster was away, catches up after kill -9, and a replay finds no difference.
"""

import json
import socket
import subprocess
import sys
import time

from harness import api
from harness.cluster import project_on
from harness.instance import Instance, Workspace, arguments, until
from harness.payments import TOPIC, Shoppers, payment
from harness.report import Report
from harness.topics import Sender, read_all

# An answer there takes some ten milliseconds; what asks each partition in turn took two and three seconds.
PREDICT_SECONDS = 0.25


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Cluster:
    """The broker alone, on one folder and port over many lives."""

    def __init__(self, binary, folder):
        self.command = [str(binary), str(folder / "cluster"), f"127.0.0.1:{free_port()}"]
        self.address = self.command[2]
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        said = self.process.stdout.readline().strip()
        assert said == self.address, f"the broker said {said!r}"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.kill()


def decided(cluster):
    """Transaction id to its decision; each once."""
    found = {}
    for message in read_all(cluster.address, "decisions"):
        decision = json.loads(message.value())
        assert decision["transaction_id"] not in found, f"{decision['transaction_id']} is decided twice"
        found[decision["transaction_id"]] = decision
    return found


def load(cluster, prefix, count):
    """Payments by Kafka; returns the acknowledged ids once all are."""
    acknowledged = set()
    sender, shoppers = Sender(cluster.address, lambda mark, _: acknowledged.add(mark)), Shoppers(5, prefix)
    for _ in range(count):
        transaction_id, account, content = shoppers.next()
        sender.send(TOPIC, transaction_id, content, key=account)
    assert sender.flush(60) == 0, "not everything was acknowledged"
    return acknowledged


def predicted(report, instance, what, count=20):
    """Answers by HTTP, and how long the quicker half of them took at most."""
    client, took = api.login(instance.http, instance.password), []
    for n in range(count):
        at = time.monotonic()
        answer = client.predict(payment(f"http-{what}-{n}"))
        took.append(time.monotonic() - at)
        if not report.check(f"{what} {n}: predict answers", answer.status == 200, f"{answer.status} {answer.body!r}"):
            return set()
    took.sort()
    median = took[len(took) // 2]
    print(f"        {what}: predict took {median * 1e3:.1f} ms at the median, {took[-1] * 1e3:.1f} ms at most")
    report.check(f"{what}: predict is answered in time", median < PREDICT_SECONDS, took)
    return {f"http-{what}-{n}" for n in range(count)}


def retries(instance):
    text = api.Client(instance.http).get("/metrics").body.decode()
    return sum(float(line.split()[1]) for line in text.splitlines() if line.startswith("sluice_log_retries_total "))


def on_a_cluster(report, folder, binary):
    with Cluster(binary.parent / "examples" / "serve", folder) as cluster:
        project = project_on(folder, cluster.address)
        with Instance(binary, folder, project, environment={"SLUICE_SNAPSHOT_SECONDS": "1"}) as instance:
            instance.start()
            wanted = load(cluster, "first", 2000)
            until("the first decisions", lambda: wanted <= decided(cluster).keys())
            wanted |= predicted(report, instance, "first")

            # Away for longer than one attempt, with transactions under way.
            before = retries(instance)
            cluster.kill()
            until("a retry", lambda: retries(instance) > before)
            time.sleep(3)
            report.check("the cluster is away: the instance waits", instance.is_running(), instance.log_end())
            cluster.start()
            wanted |= load(cluster, "second", 2000)
            until("decisions after the cluster came back", lambda: wanted <= decided(cluster).keys())
            wanted |= predicted(report, instance, "second")

            wanted |= load(cluster, "third", 3000)
            instance.kill()
            said = instance.start()
            print(f"        after kill -9: ready in {said['seconds']:.1f} s, {said['caught_up']} records scored again")
            until("decisions after kill -9", lambda: wanted <= decided(cluster).keys())
            wanted |= predicted(report, instance, "third")
            found = decided(cluster)
            report.equal("every payment is decided once, and nothing else", found.keys() ^ wanted, set())
            client = api.login(instance.http, instance.password)
            stored = lambda: {i for i in list(wanted)[:50] if client.get(f"/api/v1/transactions/{i}").status != 200}  # noqa: E731
            until("the store", lambda: not stored())
            report.check("the store has them", not stored())
            code, seconds = instance.stop()
            report.check("it stops within 5 s", code == 0 and seconds < 5, f"exit code {code} after {seconds:.1f} s")
            done = instance.run("replay", "--data", instance.data, "--project", project, "--output", "json")
            if report.check("replay runs", done.returncode == 0, done.stdout[-500:] + done.stderr[-1000:]):
                said = json.loads(done.stdout.strip().splitlines()[-1])
                report.equal("replay finds no difference", said["differences"], 0)
                report.equal("replay scores every decision again", said["decisions"], len(found))


def main():
    options = arguments(__doc__.splitlines()[0]).parse_args()
    report = Report("cluster")
    with report.part("on_a_cluster"), Workspace("cluster", options.keep) as folder:
        on_a_cluster(report, folder, options.sluice.resolve())
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
