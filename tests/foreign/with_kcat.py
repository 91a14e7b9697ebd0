#!/usr/bin/env python3
"""kcat: lists, produces with keys, headers and codecs, reads by offset and by time, joins a group."""

import json
import subprocess

from say import bootstrap, say


def kcat(*arguments, stdin=""):
    command = ["timeout", "30", "kcat", "-q", "-b", bootstrap(), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def lines(done):
    return f"exit {done.returncode}\n" + "\n".join(sorted(done.stdout.splitlines()))


say("metadata of an unknown topic", lines(kcat("-L", "-J", "-t", "kcat-none", "-X", "allow.auto.create.topics=false")).count("topic"))
for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
    done = kcat("-P", "-t", "kcat", "-K:", "-H", f"codec={codec}", "-z", codec, "-X", "acks=all", stdin="".join(f"k{n}:{codec}{n}\n" for n in range(20)))
    say(f"produce {codec}", f"exit {done.returncode} {done.stderr.strip()[:200]}")
listing = json.loads(kcat("-L", "-J", "-t", "kcat").stdout)
say("list", [(t["topic"], len(t["partitions"])) for t in listing["topics"]])
say("read everything", lines(kcat("-C", "-t", "kcat", "-e", "-o", "beginning", "-f", "%p %o %k %s %h\n")))
say("read the last 2 of each partition", lines(kcat("-C", "-t", "kcat", "-e", "-o", "-2", "-f", "%p %o %k %s\n")))
for when, time in [("the end", -1), ("the start", -2), ("a time", 1)]:
    say(f"offset at {when}", lines(kcat("-Q", "-t", f"kcat:0:{time}")))
say("read as a group", lines(kcat("-G", "kcat-group", "-c", "100", "-X", "auto.offset.reset=earliest", "-f", "%k %s\n", "kcat")))
done = kcat("-C", "-t", "kcat", "-p", "99", "-e", "-c", "1")
say("read an unknown partition", f"exit {done.returncode} {done.stderr.strip()[:200]}")
