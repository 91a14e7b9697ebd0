"""Kafka's own command-line classes against one bootstrap address, in one virtual machine (see Tools.java)."""

import struct
import subprocess
from pathlib import Path

from services.kafka import install, java

PACKAGE = "org.apache.kafka.tools."
#: The scripts of Kafka's bin/ folder, and the classes behind them.
CLASSES = {
    "kafka-topics": PACKAGE + "TopicCommand",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-producer": PACKAGE + "ConsoleProducer",
    "kafka-console-consumer": PACKAGE + "consumer.ConsoleConsumer",
    "kafka-consumer-groups": PACKAGE + "consumer.group.ConsumerGroupCommand",
    "kafka-groups": PACKAGE + "GroupsCommand",
    "kafka-delete-records": PACKAGE + "DeleteRecordsCommand",
    "kafka-get-offsets": PACKAGE + "GetOffsetShell",
    "kafka-producer-perf-test": PACKAGE + "ProducerPerformance",
    "kafka-consumer-perf-test": PACKAGE + "ConsumerPerformance",
    "kafka-transactions": PACKAGE + "TransactionsCommand",
    "kafka-verifiable-producer": PACKAGE + "VerifiableProducer",
    "kafka-cluster": PACKAGE + "ClusterTool",
}


class Tools:
    """Runs one command after the other."""

    def __init__(self):
        source = Path(__file__).with_name("Tools.java")
        self.process = subprocess.Popen([*java(install()), source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def run(self, script, *arguments, stdin="", seconds=60):
        """Exit code, output and errors of one of Kafka's scripts."""
        words = [CLASSES[script], *(str(a) for a in arguments)]
        request = struct.pack(">ii", len(words), seconds)
        for text in [stdin, *words]:
            encoded = text.encode()
            request += struct.pack(">i", len(encoded)) + encoded
        self.process.stdin.write(request)
        self.process.stdin.flush()
        code = self._number()
        return code, self._text(), self._text()

    def _exactly(self, count):
        found = self.process.stdout.read(count)
        if len(found) < count:
            raise AssertionError(f"the virtual machine ended with {self.process.wait()}")
        return found

    def _number(self):
        return struct.unpack(">i", self._exactly(4))[0]

    def _text(self):
        return self._exactly(self._number()).decode(errors="replace")

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
