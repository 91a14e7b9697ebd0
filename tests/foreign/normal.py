"""What differs between two brokers without meaning anything: addresses, ids, times, speeds, and each broker's own defaults."""

import re

# Patterns and what stands for them, in order.
RULES = [
    (r"127\.0\.0\.1:\d+|localhost:\d+", "ADDRESS"),
    (r"/127\.0\.0\.1", "/HOST"),
    (r"TopicId: ?\S+", "TopicId: ID"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UUID"),
    (r"adminclient-\d+", "adminclient"),
    # What an error is called is compared, not how it is explained.
    (r"(errors\.\w+): .*", r"\1"),
    (r"(Error while executing topic command :).*", r"\1"),
    # Defaults: Kafka's and ours differ, and both say so.
    (r"(DEFAULT_CONFIG|STATIC_BROKER_CONFIG):([a-z.]+)=[^,}\s]*", r"DEFAULT:\2"),
    # What is said of replicas that could take over.
    (r"Elr:.*", ""),
    (r"min\.insync\.replicas=1,?", ""),
    (r"[ \t]+", " "),
]

# What the end of a tool that does not end its virtual machine leaves behind, and stack traces. (The tools also complain of their own
# logging, as "Reconfiguration failed".)
NOISE = ("at ", "... ", "Caused by:", "WARNING:", "ended", "Tools$Ended")


def normal(text):
    """The text with those things replaced, without empty lines and stack traces."""
    for pattern, replacement in RULES:
        text = re.sub(pattern, replacement, text)
    lines = [settings_in_order(line.strip()) for line in text.splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith(NOISE) and "Reconfiguration failed" not in line)


def settings_in_order(line):
    """A topic's settings come in any order."""
    before, found, settings = line.partition("Configs: ")
    return before + found + ",".join(sorted(settings.split(","))) if found else line
