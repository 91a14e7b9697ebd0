#!/usr/bin/env python3
"""Everything that may go wrong around an instance, one fault at a time, each under load on data of its own: it stands still, the disk
is full, fails or is slow, the clock jumps, the network between it and its clients is cut, slow or loses connections, clients send twice
and in another order, files are damaged while it is down. Afterwards every
accepted payment must stand exactly once in the topic and in the store, or in the dead letters where its time was refused, and a replay
must find no difference. Writes the table of faults: what was injected, how often, and what was lost.
"""

import dataclasses
import json
import random
import shutil
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import crash
from confluent_kafka import KafkaException
from inject.proxy import Proxy
from inject.shim import Shim
from harness import api
from harness.instance import Instance, NotReady, Workspace, arguments, until
from harness.payments import TOPIC, Shoppers
from harness.report import Report
from harness.topics import Reader, Sender, read_all

RATE = 400
# Statuses that a fault may cause beside the ones that callers expect anyway (429, 503).
CLOCK_STATUSES = {401, 422}


@dataclasses.dataclass
class Fault:
    """One thing that goes wrong. `inject` begins it, `heal` ends it, with the shim or, where it goes wrong there, with the `network`; `ends`
    says whether the instance is to end by itself, with what words in its log; `met` whether it must have been met."""

    name: str
    what_it_does: str
    inject: callable
    heal: callable = lambda instance, shim: shim.clear()
    ends: str = ""
    met: bool = False
    statuses: frozenset = frozenset()
    double: bool = False
    network: bool = False


def network_fault(name, what, inject):
    return Fault(name, what, lambda _, network: inject(network), lambda _, network: network.heal(), met=True, network=True)


def shim_fault(name, what, met=True, ends="", **settings):
    return Fault(name, what, lambda instance, shim: shim.set(**settings), met=met, ends=ends)


def stand_still(instance, _):
    instance.process.send_signal(signal.SIGSTOP)


def go_on(instance, _):
    instance.process.send_signal(signal.SIGCONT)


FAULTS = [
    Fault("kill -9", "starts again where it was", lambda instance, _: instance.kill()),
    Fault("stands still (SIGSTOP)", "callers wait, then are answered", stand_still, go_on),
    shim_fault("disk full: log", "refuses produce until there is room, then goes on by itself", path="/log/", full=1),
    shim_fault("disk full: state", "goes on, and takes its snapshots later", path="/state/", full=1, met=False),
    shim_fault("disk full: store", "decisions go on, the store catches up", path="/store.db", full=1),
    shim_fault("disk full: everything", "refuses produce until there is room, then goes on by itself", path="/data/", full=1),
    shim_fault("sync fails: log", "acknowledges nothing more, ends and says why; a start goes on", path="/log/", sync_fails=1, ends="sync"),
    shim_fault("sync fails: store", "decisions go on, the store catches up", path="/store.db", sync_fails=1, met=False),
    shim_fault("slow disk: 100 ms more a sync", "is as slow as the disk", path="/data/", sync_ms=100),
    Fault("clock a day ahead", "decisions carry the clock's time, and its clock never goes back; logins of before end", lambda _, shim: shim.set(clock_seconds=86_400), statuses=frozenset(CLOCK_STATUSES)),
    Fault("clock an hour behind", "its clock waits until the true time comes again", lambda _, shim: shim.set(clock_seconds=-3_600), statuses=frozenset(CLOCK_STATUSES)),
    network_fault("network cut, every connection broken", "clients come back by themselves and send again", lambda network: network.cut()),
    network_fault("network slow: 100 ms, 500 KB a second", "is as slow as the network", lambda network: network.slow(0.1, 500_000)),
    network_fault("connections lost without a word (half open)", "serves new connections; clients give the old ones up", lambda network: network.lose()),
    Fault("every payment twice, in another order", "judges each once", lambda *_: None, double=True),
]


class Network:
    """Between the clients and both doors of an instance."""

    def __init__(self, stack):
        self.kafka, self.http = (stack.enter_context(Proxy()) for _ in range(2))

    def lead_to(self, instance):
        for proxy, address in [(self.kafka, instance.kafka), (self.http, instance.http.removeprefix("http://"))]:
            host, port = address.rsplit(":", 1)
            proxy.target = host, int(port)

    def cut(self):
        self.kafka.cut()
        self.http.cut()

    def slow(self, delay, rate):
        self.kafka.slow(delay, rate)
        self.http.slow(delay, rate)

    def lose(self):
        self.kafka.lose()
        self.http.lose()

    def hits(self):
        return min(self.kafka.hits, self.http.hits)

    def heal(self):
        self.kafka.heal()
        self.http.heal()


class FarSender(crash.KafkaLoad):
    """Over a network: does not wait a minute for a connection that says nothing."""

    def __init__(self, ledger, shoppers, again, bootstrap, rate):
        super().__init__(ledger, shoppers, again, bootstrap, rate)
        self.sender = Sender(bootstrap, ledger.ack, **{"socket.timeout.ms": 3000})


class FarCaller(crash.HttpLoad):
    """Over a network: asks the same again until there is an answer."""

    def __init__(self, *options):
        super().__init__(*options)
        self.client.timeout = 3

    def run(self):
        while not self.halt.is_set():
            transaction_id, _, content = self.next()
            while not self.halt.is_set():
                try:
                    answer = self.client.predict(content)
                except (OSError, api.http.client.HTTPException):
                    self.halt.wait(0.05)
                    continue
                if answer.status == 200:
                    self.ledger.answer(transaction_id, answer.body)
                    break
                if answer.status not in (429, 503):
                    self.ledger.refuse(answer.status, answer.body)
                    break


class Twice(crash.KafkaLoad):
    """Sends each payment again, later and in another order."""

    def __init__(self, *options):
        super().__init__(*options)
        self.chance, self.later = random.Random(7), []

    def next(self):
        if self.later and self.chance.random() < 0.5:
            return self.later.pop(self.chance.randrange(len(self.later)))
        payment = super().next()
        self.later.append(payment)
        return payment


def loads(ledger, instance, fault, network, name):
    client = api.login(instance.http, instance.password)
    kafka, http = (network.kafka.address, f"http://{network.http.address}") if network else (instance.kafka, instance.http)
    by_kafka = Twice if fault.double else FarSender if network else crash.KafkaLoad
    by_http = FarCaller if network else crash.HttpLoad
    return [
        by_kafka(ledger, Shoppers(1, f"k-{name}"), [], kafka, RATE),
        *(by_http(ledger, Shoppers(n + 2, f"h{n}-{name}"), [], http, client.token) for n in range(2)),
    ]


def one(report, folder, binary, fault, hold):
    """Load, fault, healing, and what came of it. Returns the row of the table."""
    folder.mkdir()
    shim, ledger = Shim(folder), crash.Ledger()
    with ExitStack() as stack:
        network = Network(stack) if fault.network else None
        tool = network or shim
        options = ["--kafka-advertise", network.kafka.address] if network else []
        environment = {**shim.environment, "SLUICE_SNAPSHOT_SECONDS": "0.2"}
        instance = stack.enter_context(Instance(binary, folder, options=options, environment=environment))
        instance.start()
        if network:
            network.lead_to(instance)
        running = loads(ledger, instance, fault, network, "before")
        for load in running:
            load.start()
        until("the first payments", lambda: len(ledger.accepted()) > 200)
        hits = tool.hits()
        fault.inject(instance, tool)
        time.sleep(hold)
        met = tool.hits() - hits
        accepted_before = len(ledger.accepted())
        if fault.met:
            report.check(f"{fault.name}: it was met", met > 0)
        if fault.ends:
            until(f"{fault.name}: the instance ends", lambda: not instance.is_running(), 30)
            code = instance.process.wait()
            instance.process = None
            report.check(f"{fault.name}: it ends with an error that says why", code != 0 and fault.ends in instance.log_end(), f"exit code {code}; {instance.log_end(5)}")
        elif instance.process is not None:
            report.check(f"{fault.name}: it runs on", instance.is_running(), instance.log_end())
        fault.heal(instance, tool)
        if instance.process is None:
            instance.start()
        else:
            # By itself, with the clients that were there all along.
            until(f"{fault.name}: payments are accepted again", lambda: len(ledger.accepted()) > accepted_before + 100, 60)
        time.sleep(0.5)
        for load in running:
            load.halt.set()
        for load in running:
            load.join(30)
        ledger.refused = {status: body for status, body in ledger.refused.items() if status not in fault.statuses}
        last = crash.settle(instance, ledger, report)
        decisions = crash.decided(instance, last)
        refused = refused_times(report, fault, instance, ledger, decisions)
        accepted, before = len(ledger.accepted()), len(report.failed)
        crash.compare(report, ledger, decisions, crash.read_store(instance, last))
        lost = len(ledger.accepted() - decisions.keys())
        code, _ = instance.stop()
        report.equal(f"{fault.name}: it stops by itself", code, 0)
        replayed(report, instance, fault.name, len(decisions))
        kept = "yes" if len(report.failed) == before else "NO"
        return [fault.name, f"{hold:.0f} s", accepted, refused, lost, kept, fault.what_it_does]


def damaged(report, folder, binary, trials):
    """A bit is turned over in one file of each kind while nothing runs. The instance then refuses to start or to read, and says so, or what it
    gives is what was there before: damage is never served as data. Returns the row of the table."""
    chance, ledger, outcomes = random.Random(11), crash.Ledger(), []
    folder.mkdir()
    with Instance(binary, folder, environment={"SLUICE_SNAPSHOT_SECONDS": "0.2"}) as instance:
        instance.start()
        load = crash.KafkaLoad(ledger, Shoppers(1, "d"), [], instance.kafka, RATE)
        load.start()
        until("some payments", lambda: len(ledger.accepted()) > 500)
        load.halt.set()
        load.join(30)
        before = crash.decided(instance, crash.settle(instance, ledger, report))
        instance.stop()
        healthy = folder / "healthy"
        instance.data.rename(healthy)
        for kind, files in sorted(kinds_of(healthy).items()):
            for file in chance.sample(files, min(trials, len(files))):
                shutil.rmtree(instance.data, ignore_errors=True)
                shutil.copytree(healthy, instance.data)
                victim, content = instance.data / file, bytearray((healthy / file).read_bytes())
                at = chance.randrange(len(content))
                content[at] ^= 1 << chance.randrange(8)
                victim.write_bytes(content)
                outcomes.append((given(instance, before), kind, str(file), at))
    wrong = [o for o in outcomes if o[0] not in ("refused", "as before")]
    report.check(f"{len(outcomes)} bits turned over in files of {len({o[1] for o in outcomes})} kinds, and no damage is served as data", not wrong, wrong)
    refused = sum(o[0] == "refused" for o in outcomes)
    words = f"refuses, and says what is damaged ({refused}), or gives what was there before ({len(outcomes) - refused - len(wrong)})"
    return ["a bit turned over in a file", f"{len(outcomes)} times", len(ledger.accepted()), 0, 0, "NO" if wrong else "yes", words]


def kinds_of(data):
    """The files of log and state, by what they are. The store keeps no checksums: SQLite leaves them to the disk, and it is filled from the topics."""
    kinds = {}
    for file in sorted(data.rglob("*")):
        inside = file.relative_to(data)
        if file.is_file() and file.stat().st_size and inside.parts[0] in ("log", "state"):
            topic = inside.parts[2] if inside.parts[1] == "topics" and len(inside.parts) > 3 else ""
            kinds.setdefault((inside.parts[0], topic if topic in ("decisions", "sequence") else "", file.suffix or file.name), []).append(inside)
    return kinds


def given(instance, before):
    """What comes of a start on these files: "refused", "as before", or what else."""
    try:
        instance.start()
    except NotReady as refused:
        return "refused" if "hint" in str(refused) else f"refused without a hint: {refused}"
    found, reader = {}, None
    try:
        reader = Reader(instance.kafka, "decisions")
        for message in reader.to_end(seconds=5):
            found.setdefault(json.loads(message.value())["transaction_id"], []).append(message.value())
    except (AssertionError, KafkaException):
        return "refused"
    finally:
        if reader:
            reader.close()
        instance.kill() if instance.is_running() else None
        instance.process = None
    return "as before" if found == before else f"{len(before.keys() - found.keys())} decisions are gone, {sum(found.get(i) != b for i, b in before.items())} differ"


def refused_times(report, fault, instance, ledger, decisions):
    """Payments that were acknowledged and then refused for their time: told in the dead letters, one each, and no longer counted as accepted."""
    letters = {}
    for message in read_all(instance.kafka, "dead-letters"):
        letter = json.loads(message.value())
        letters.setdefault(json.loads(letter["raw"])["transaction_id"], []).append({error["code"] for error in letter["errors"]})
    if not fault.statuses:
        return report.equal(f"{fault.name}: nothing is refused", len(letters), 0) and 0
    wrong = {i: codes for i, codes in letters.items() if codes[0] != {"ahead_of_clock"}}
    report.check(f"{fault.name}: what is refused is refused for its time", not wrong, list(wrong.items())[:3])
    for transaction_id in letters.keys() - decisions.keys():
        ledger.acknowledged.discard(transaction_id)
    return len(letters)


def replayed(report, instance, name, decisions):
    done = instance.run("replay", "--data", instance.data, "--output", "json", seconds=300)
    if report.check(f"{name}: replay runs", done.returncode == 0, done.stdout[-300:] + done.stderr[-500:]):
        said = json.loads(done.stdout.strip().splitlines()[-1])
        report.equal(f"{name}: replay scores all again, and finds no difference", (said["decisions"], said["differences"]), (decisions, 0))


def markdown(header, rows):
    line = lambda cells: "| " + " | ".join(str(c) for c in cells) + " |"  # noqa: E731
    return "\n".join([line(header), line(["---"] * len(header)), *map(line, rows)])


PAGE = """# Faults

What goes wrong around an instance, injected one fault at a time under load (some 400 payments a second by Kafka and two callers over HTTP), each on data of its own. Written by
`tests/faults.py --write docs/faults.md`; the test run injects the same, for a shorter time.

*Accepted*: acknowledged to a Kafka producer, or answered over HTTP. *Lost*: accepted, and without a decision. *Each once*: one decision in the topic, one row in the store with the same
decision, every answer equal to the topic's, and a replay of the whole log without a difference.

{table}

Disk faults and the clock are laid over the C library's calls (`tests/inject/shim.c`), for the files named; network faults lie in a proxy between all clients and both doors
(`tests/inject/proxy.py`), whose address `--kafka-advertise` tells to Kafka clients. Kills at random moments, under load and while starting, are in `tests/crash.py`
(`make crash`), a cluster and a PostgreSQL that go away in `tests/cluster.py` and `tests/postgres.py`.
"""


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--hold", type=float, default=2.0, help="seconds that a fault lasts")
    parser.add_argument("--only", help="part of the names of the faults to inject")
    parser.add_argument("--trials", type=int, default=1, help="bits that are turned over in files of each kind")
    parser.add_argument("--write", type=Path, help="a Markdown file to write the table to")
    options = parser.parse_args()
    report, rows = Report("faults"), []
    with Workspace("faults", options.keep) as folder:
        for n, fault in enumerate(f for f in FAULTS if not options.only or options.only in f.name):
            with report.part(fault.name):
                rows.append(one(report, folder / f"{n}", options.sluice, fault, options.hold))
            if not options.keep and not report.failed:
                shutil.rmtree(folder / f"{n}", ignore_errors=True)
        if not options.only or options.only in "damaged":
            with report.part("damaged"):
                rows.append(damaged(report, folder / "damaged", options.sluice, options.trials))
    header = ["fault", "lasted", "accepted", "refused with reason", "lost", "each once, replay without a difference", "what the instance does"]
    report.table(header, rows)
    if options.write and not report.failed:
        options.write.write_text(PAGE.format(table=markdown(header, rows)))
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
