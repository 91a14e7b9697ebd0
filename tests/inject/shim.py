"""The other side of shim.c: builds it with the C compiler that the project needs anyway, and switches its faults on and off."""

import mmap
import struct
import subprocess
from pathlib import Path

# The struct of shim.c: three flags, the count of hits, the clock, the path.
FLAGS = struct.Struct("iii")
HITS, CLOCK, PATH = 12, 16, 24


class Shim:
    """Faults of one process and its successors. `environment` is what they are started with."""

    def __init__(self, folder):
        library, control = Path(folder) / "shim.so", Path(folder) / "shim.control"
        if not library.exists():
            source = Path(__file__).with_name("shim.c")
            subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
        control.write_bytes(bytes(4096))
        with control.open("r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 4096)
        self.environment = {"LD_PRELOAD": str(library), "FAULTS_CONTROL": str(control)}
        self.clear()

    def set(self, path="", full=0, sync_fails=0, sync_ms=0, clock_seconds=0):
        """What is wrong from now on, for files whose path holds `path`."""
        FLAGS.pack_into(self.memory, 0, 0, 0, 0)
        # A thread may still be between looking at a flag and at the path: the path of before stays until there is another.
        if path:
            self.memory[PATH : PATH + 256] = path.encode().ljust(256, b"\0")
        struct.pack_into("l", self.memory, CLOCK, clock_seconds)
        FLAGS.pack_into(self.memory, 0, full, sync_fails, sync_ms)

    def clear(self):
        """Nothing is wrong any more."""
        self.set()

    def hits(self):
        """How often the process met a fault of the disk."""
        return struct.unpack_from("i", self.memory, HITS)[0]
