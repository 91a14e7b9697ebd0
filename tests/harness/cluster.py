"""A project on a cluster: a copy of one whose `log:` names brokers, and the start of a real one for scripts that run on both."""

import shutil
from contextlib import contextmanager

from harness.instance import ECOMMERCE


def project_on(folder, bootstrap, more="", name="project"):
    """A copy of the shipped project with its log on a cluster; `more` stands beside `bootstrap`."""
    project = folder / name
    shutil.copytree(ECOMMERCE, project)
    settings = project / "sluice.yml"
    lines = [line for line in settings.read_text().splitlines() if not line.startswith("log:")]
    settings.write_text("\n".join(lines) + f"\nlog: {{kafka: {{bootstrap: '{bootstrap}'{more}}}}}\n")
    return project


@contextmanager
def log_of(options, folder):
    """The project that a script runs on, and the broker behind it, if it is to be a real Kafka."""
    if not options.cluster:
        yield ECOMMERCE, None
        return
    from services.kafka import Kafka

    (folder / "kafka").mkdir()
    with Kafka(folder / "kafka") as broker:
        broker.start()
        yield project_on(folder, broker.bootstrap), broker
