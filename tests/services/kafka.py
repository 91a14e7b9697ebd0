#!/usr/bin/env python3
"""A real Apache Kafka (KRaft, one node) for the tests: its jars come from Maven by name into target/, it listens on free loopback ports,
keeps its data in the folder it is given over many lives, and is stopped or killed by its own pid. It can have a secured listener beside
the plain one. Run as a script it installs the jars and says where they are, or runs a command beside a Kafka that runs as it is shipped.
"""

import argparse
import hashlib
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

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

# Of those, what only makes tests quick.
QUICK = ("group.initial.rebalance.delay.ms=", "log.cleaner.backoff.ms=", "transaction.abort.timed.out.transaction.cleanup.interval.ms=")


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


def as_shipped(libs):
    """The start of a command line with the settings of Kafka's own start scripts, for measurements."""
    collector = ["-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"]
    _, *_, log4j, flag, path = java(libs, "WARN")
    return ["java", "-server", "-Xmx1G", "-Xms1G", *collector, log4j, flag, path]


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


# Beside the plain listener: TLS with SCRAM, and TLS with certificates of clients.
SECURED = """\
listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{scram},SSL://127.0.0.1:{tls},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{scram},SSL://127.0.0.1:{tls}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,PLAIN
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
ssl.keystore.type=PEM
ssl.keystore.location={folder}/server.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.crt
listener.name.ssl.ssl.client.auth=required
"""


def certificates(folder):
    """An authority (ca.crt), a server's key and certificate (server.pem), a client's (client.key, client.crt), and a stranger's authority."""

    def openssl(*words):
        subprocess.run(["openssl", *map(str, words)], cwd=folder, capture_output=True, check=True)

    for name in ["ca", "stranger"]:
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt")
    for name in ["server", "client"]:
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (folder / f"{name}.ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", 2, "-extfile", f"{name}.ext"]
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.crt")
    (folder / "server.pem").write_text((folder / "server.key").read_text() + (folder / "server.crt").read_text())


class Kafka:
    """One broker with its data in `folder`. With `secured` it has users: name and password. `shipped` takes virtual machine and settings as
    Kafka's own scripts have them, where the tests have what starts quickly."""

    def __init__(self, folder, secured=None, shipped=False):
        self.folder = Path(folder)
        self.shipped = shipped
        self.libs = install()
        self.log = self.folder / "kafka.log"
        self.process = None
        self.port, self.scram, self.tls, self.controller = free_ports(4)
        self.bootstrap = self.address = f"127.0.0.1:{self.port}"
        self.secured = secured
        self.properties = self.folder / "server.properties"

    def start(self, seconds=90, answering=None):
        """Starts it, on the same data and ports as before, and waits until it answers."""
        command = as_shipped(self.libs) if self.shipped else java(self.libs, "WARN", "1g")
        if not self.properties.exists():
            self._format(command)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*command, "kafka.Kafka", self.properties], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until("Kafka's first answer", lambda: (answering or self._answers)(self.port), seconds)
        if self.secured is not None:
            self._add_user(*self.secured)
        return self

    def _add_user(self, name, password):
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        # One request for one mechanism: a user may stand in each only once.
        for kind in [ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512]:
            wanted = UserScramCredentialUpsertion(name, ScramCredentialInfo(kind, 4096), password.encode())
            for done in admin.alter_user_scram_credentials([wanted]).values():
                done.result(30)

    def _format(self, command):
        text = PROPERTIES.format(port=self.port, controller=self.controller, data=self.folder / "kafka-data")
        if self.secured is not None:
            user, password = self.secured
            certificates(self.folder)
            ours = ("listeners=", "advertised.listeners=", "listener.security.protocol.map=")
            text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(ours))
            ports = {"port": self.port, "scram": self.scram, "tls": self.tls, "controller": self.controller}
            text += SECURED.format(**ports, user=user, password=password, folder=self.folder)
        if self.shipped:
            text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(QUICK))
        self.properties.write_text(text)
        tool = [*command, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", self.properties]
        with self.log.open("ab") as log:
            subprocess.run(tool, stdout=log, stderr=log, check=True)

    def _answers(self, port):
        if self.process.poll() is not None:
            raise AssertionError(f"Kafka ended with {self.process.returncode}; its log ends:\n{self.log.read_text()[-3000:]}")
        listing = ["kcat", "-b", f"127.0.0.1:{port}", "-L", "-m", "1"]
        return subprocess.run(listing, capture_output=True, check=False).returncode == 0

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()
        self.process = None

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


def answers(port):
    """Whether a broker tells which versions of the protocol it serves."""
    request = struct.pack(">hhih", 18, 0, 1, -1)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            return len(connection.recv(4)) > 0
    except OSError:
        return False


def beside(command):
    """Runs a command beside a Kafka as it is shipped, which SLUICE_BENCH_KAFKA names to it."""
    with tempfile.TemporaryDirectory(prefix="sluice-kafka-") as folder, Kafka(folder, shipped=True) as kafka:
        kafka.start()
        kafka.stop()
        # Again, as its folder is there now.
        begun = time.monotonic()
        kafka.start(answering=answers)
        seconds = time.monotonic() - begun
        said = f"{kafka.bootstrap},pid={kafka.process.pid},data={kafka.folder / 'kafka-data'},start={seconds:.2f}"
        return subprocess.run(command, env={**os.environ, "SLUICE_BENCH_KAFKA": said}, check=False).returncode


def main():
    parser = argparse.ArgumentParser(description="installs Apache Kafka; with a command, starts one, runs the command beside it and stops it")
    parser.add_argument("command", nargs="*", help="what to run beside it")
    options = parser.parse_args()
    if options.command:
        sys.exit(beside(options.command))
    print(f"Apache Kafka {VERSION} in {install()}")


if __name__ == "__main__":
    main()
