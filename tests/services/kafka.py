#!/usr/bin/env python3
"""A real Apache Kafka (KRaft, one node) for the tests: its jars come from Maven by name into target/, it listens on free loopback ports,
keeps its data in the folder it is given, and is stopped by its own pid. Run as a script it installs the jars and says where they are.
"""

import hashlib
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.instance import REPOSITORY, until

POM = Path(__file__).with_name("kafka.xml")
VERSION = re.search(r"<kafka.version>(.+)</kafka.version>", POM.read_text()).group(1)

LOG4J = """\
log4j.rootLogger={level}, A
log4j.appender.A=org.apache.log4j.ConsoleAppender
log4j.appender.A.target=System.err
log4j.appender.A.layout=org.apache.log4j.PatternLayout
log4j.appender.A.layout.ConversionPattern=%p %c{{1}} %m%n
"""

# One node that is everything, quick in what the tests would otherwise wait for.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
num.partitions=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
log.cleaner.backoff.ms=200
transaction.abort.timed.out.transaction.cleanup.interval.ms=200
"""


def install():
    """The folder with the jars; fetched once, and again when the versions change."""
    libs = REPOSITORY / "target" / "kafka" / "libs"
    marker = libs.parent / "installed"
    wanted = hashlib.sha256(POM.read_bytes()).hexdigest()
    if not marker.exists() or marker.read_text() != wanted:
        for tool in ["java", "mvn"]:
            if shutil.which(tool) is None:
                raise SystemExit(f"{tool} is missing; install a JDK (17 or newer) and Maven (Debian: apt-get install default-jdk-headless maven)")
        shutil.rmtree(libs, ignore_errors=True)
        libs.mkdir(parents=True)
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={libs}"]
        # The pom is copied, so that Maven writes nothing beside it.
        pom = shutil.copy(POM, libs.parent / "pom.xml")
        subprocess.run(["mvn", "-B", "-ntp", "-q", "-f", pom, *goal], check=True)
        marker.write_text(wanted)
    return libs


def java(libs, level="ERROR", memory="512m"):
    """The start of a command line with Kafka's classes and quiet logs."""
    config = libs.parent / f"log4j-{level.lower()}.properties"
    config.write_text(LOG4J.format(level=level))
    # A small, quickly starting virtual machine: the tests run one of them for a minute or two.
    return ["java", f"-Xmx{memory}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Dlog4j.configuration=file:{config}", "-cp", f"{libs}/*"]


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Kafka:
    """One broker with its data in `folder`."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.libs = install()
        self.log = self.folder / "kafka.log"
        self.process = None
        self.bootstrap = None

    def start(self, seconds=90):
        port, controller = free_ports(2)
        self.bootstrap = f"127.0.0.1:{port}"
        properties = self.folder / "server.properties"
        properties.write_text(PROPERTIES.format(port=port, controller=controller, data=self.folder / "kafka-data"))
        command = java(self.libs, "WARN", "1g")
        with self.log.open("ab") as log:
            tool = [*command, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", properties]
            subprocess.run(tool, stdout=log, stderr=log, check=True)
            self.process = subprocess.Popen([*command, "kafka.Kafka", properties], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until("Kafka's first answer", lambda: self._answers(port), seconds)
        return self

    def _answers(self, port):
        if self.process.poll() is not None:
            raise AssertionError(f"Kafka ended with {self.process.returncode}; its log ends:\n{self.log.read_text()[-3000:]}")
        listing = ["kcat", "-b", f"127.0.0.1:{port}", "-L", "-m", "1"]
        return subprocess.run(listing, capture_output=True, check=False).returncode == 0

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


if __name__ == "__main__":
    print(f"Apache Kafka {VERSION} in {install()}")
