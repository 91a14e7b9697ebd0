#!/usr/bin/env python3
"""Bad input, each kind on each door: a Kafka producer and HTTP predict. Every record must end where the table says (a dead letter
that names field, code and reason and holds the bytes; a 4xx; or a decision), none may be lost, and the process stays up.
"""

import base64
import json
import sqlite3
import sys
from dataclasses import dataclass

from harness import api
from harness.instance import Instance, Workspace, arguments, until
from harness.payments import TOPIC, encode, payment, stamp
from harness.report import Report
from harness.topics import Sender, read_all

DECIDED = "decided"
REPEATED = "same decision again"


@dataclass
class Case:
    """One kind of input. `make` gets an id that is unique to the door and returns the bytes."""

    name: str
    make: object
    # The codes of the dead letter any of which is right, or DECIDED or REPEATED.
    ends: object
    field: str = None
    # What HTTP answers.
    status: tuple = (422,)


def with_field(name, json_text):
    """A payment where one field is exactly this JSON text."""

    def make(transaction_id):
        plain = payment(transaction_id)
        plain.pop(name, None)
        return encode(plain)[:-1] + f',"{name}":{json_text}}}'.encode()

    return make


def without(name):
    return lambda transaction_id: encode(payment(transaction_id, **{name: None}))


def at(**shift):
    return lambda transaction_id: encode(payment(transaction_id, event_time=stamp(**shift)))


def time_is(text):
    return with_field("event_time", json.dumps(text))


# A time that both doors send unchanged, so that a repeated payment has the same content.
FIXED = stamp()

CASES = [
    # not a JSON object
    Case("empty", lambda _: b"", ("not_json",), status=(400, 422)),
    Case("not JSON", lambda _: b"amount=5", ("not_json",), status=(400, 422)),
    Case("cut short", lambda i: encode(payment(i))[:-10], ("not_json",), status=(400, 422)),
    Case("two objects", lambda i: encode(payment(i)) * 2, ("not_json",), status=(400, 422)),
    Case("an array", lambda i: b"[" + encode(payment(i)) + b"]", ("not_json",), status=(400, 422)),
    Case("a text", lambda _: b'"payment"', ("not_json",), status=(400, 422)),
    Case("null", lambda _: b"null", ("not_json",), status=(400, 422)),
    Case("NaN", with_field("amount", "NaN"), ("not_json",), status=(400, 422)),
    Case("Infinity", with_field("amount", "-Infinity"), ("not_json",), status=(400, 422)),
    Case("invalid UTF-8", lambda i: encode(payment(i, city="X")).replace(b'"X"', b'"\xff\xfe"'), ("not_utf8",), status=(400, 422)),
    Case("UTF-16", lambda i: json.dumps(payment(i)).encode("utf-16"), ("not_utf8", "not_json"), status=(400, 422)),
    Case("random bytes", lambda _: bytes(range(256)), ("not_utf8", "not_json"), status=(400, 422)),
    Case("nested 100,000 deep", with_field("extra", "[" * 100_000 + "]" * 100_000), ("too_deep",), "extra"),
    Case("nested 1,000 deep", with_field("extra", '{"a":' * 1000 + "1" + "}" * 1000), ("too_deep",), "extra"),
    # a field that is wrong
    Case("no transaction id", without("transaction_id"), ("missing",), "transaction_id"),
    Case("no account", without("account_id"), ("missing",), "account_id"),
    Case("no amount", without("amount"), ("missing",), "amount"),
    Case("no event time", without("event_time"), ("missing",), "event_time"),
    Case("amount null", with_field("amount", "null"), ("missing",), "amount"),
    Case("amount is words", with_field("amount", '"a lot"'), ("wrong_type",), "amount"),
    Case("amount is true", with_field("amount", "true"), ("wrong_type",), "amount"),
    Case("amount is an object", with_field("amount", '{"value":5}'), ("wrong_type",), "amount"),
    Case("amount 1e400", with_field("amount", "1e400"), ("out_of_bounds",), "amount"),
    Case("amount 1e-400", with_field("amount", "1e-400"), ("too_precise", "out_of_bounds"), "amount"),
    Case("amount of 300 digits", with_field("amount", "9" * 300), ("out_of_bounds",), "amount"),
    Case("amount with 300 places", with_field("amount", "0." + "3" * 300), ("too_precise", "out_of_bounds"), "amount"),
    Case("amount with three places", with_field("amount", "1.005"), ("too_precise",), "amount"),
    Case("amount negative", with_field("amount", "-0.01"), ("out_of_bounds",), "amount"),
    Case("amount over the bound", with_field("amount", "10000000.01"), ("out_of_bounds",), "amount"),
    Case("latitude 1e400", with_field("latitude", "1e400"), ("out_of_bounds",), "latitude"),
    Case("latitude 90.5", with_field("latitude", "90.5"), ("out_of_bounds",), "latitude"),
    Case("id is a number", with_field("transaction_id", "17"), ("wrong_type",), "transaction_id"),
    Case("channel is not one of them", with_field("channel", '"carrier pigeon"'), ("not_in_enum",), "channel"),
    Case("currency too long", with_field("currency", '"DOLLARS"'), ("too_long",), "currency"),
    Case("a field twice", lambda i: encode(payment(i))[:-1] + b',"amount":1}', ("repeated",), "amount"),
    Case("a text of 10 MB", with_field("city", '"' + "x" * 10_000_000 + '"'), ("too_long",), "city", (413,)),
    # times
    Case("time is words", time_is("yesterday"), ("wrong_type",), "event_time"),
    Case("time is a number", with_field("event_time", "1700000000"), ("wrong_type",), "event_time"),
    Case("time in year 0", time_is("0000-01-01T00:00:00Z"), ("out_of_bounds", "wrong_type"), "event_time"),
    Case("30 February", time_is("2026-02-30T00:00:00Z"), ("wrong_type",), "event_time"),
    Case("time in year 9999", time_is("9999-12-31T23:59:59Z"), ("ahead_of_clock",), "event_time"),
    Case("time next week", at(days=7), ("ahead_of_clock",), "event_time"),
    Case("time in eleven minutes", at(minutes=11), ("ahead_of_clock",), "event_time"),
    Case("time in nine minutes", at(minutes=9), DECIDED, status=(200,)),
    Case("six days late", at(days=-6), DECIDED, status=(200,)),
    Case("too late: eight days", at(days=-8), DECIDED, status=(200,)),
    Case("too late: year 1", time_is("0001-01-01T00:00:00Z"), DECIDED, status=(200,)),
    # ids that come again
    Case("a first payment", lambda i: encode(payment(pair(i), event_time=FIXED)), DECIDED, status=(200,)),
    Case("the same id and content", lambda i: encode(payment(pair(i), event_time=FIXED)), REPEATED, status=(200,)),
    Case("the same id, other content", lambda i: encode(payment(pair(i), event_time=FIXED, amount=43)), ("id_conflict",), status=(409,)),
    # odd, and right
    Case("amount as text", with_field("amount", '"42.50"'), DECIDED, status=(200,)),
    Case("amount 4.25e1", with_field("amount", "4.25e1"), DECIDED, status=(200,)),
    Case("amount 0", with_field("amount", "0"), DECIDED, status=(200,)),
    Case("fields nobody declared", with_field("basket", '[{"sku":"a","n":2}]'), DECIDED, status=(200,)),
    Case("white space around", lambda i: b"\n " + encode(payment(i)) + b" \n", DECIDED, status=(200,)),
    Case("text of all kinds", lambda i: json.dumps(payment(i, city="Zürich \U0001f3d4 \x00 '; drop table x"), ensure_ascii=False).encode(), DECIDED, status=(200,)),
    Case("time with an offset", lambda i: encode(payment(i, event_time=stamp().replace("Z", "+00:00"))), DECIDED, status=(200,)),
]


def pair(transaction_id):
    """One id for the cases that repeat a payment, on each door."""
    return transaction_id.split("-")[0] + "-pair"


def letters_at(bootstrap):
    """Dead letters by (topic, partition, offset)."""
    letters = {}
    for message in read_all(bootstrap, "dead-letters"):
        letter = json.loads(message.value())
        place = (letter["topic"], letter["partition"], letter["offset"])
        assert place not in letters, f"two dead letters for {place}"
        letters[place] = letter
    return letters


def raw(letter):
    return base64.b64decode(letter["raw_base64"]) if "raw_base64" in letter else letter["raw"].encode()


def judge_letter(case, sent, letter):
    """What is wrong with where a record ended, or none."""
    if letter is None:
        return "no dead letter"
    fits = [e for e in letter["errors"] if e["code"] in case.ends and e.get("field") == case.field]
    if not fits and "id_conflict" in case.ends:
        fits = [e for e in letter["errors"] if e["code"] in case.ends]
    if not fits:
        return f"errors are {letter['errors']}"
    if not fits[0].get("reason"):
        return "no reason"
    if raw(letter) != sent:
        return "the bytes kept are not those sent"
    return None


def through_kafka(report, instance, rows):
    """Every case as a raw record in one partition; returns how many decisions and dead letters there must be."""
    places = {}
    sender = Sender(instance.kafka, lambda mark, message: places.update({mark: (message.topic(), message.partition(), message.offset())}))
    sent = {n: case.make(f"kafka-{n}") for n, case in enumerate(CASES)}
    for n, content in sent.items():
        sender.send(TOPIC, n, content, key="bad", partition=0)
        # One after the other: the cases that repeat an id rely on the order, and a big one may not overtake.
        assert sender.flush(30) == 0, f"{CASES[n].name} was not acknowledged"
    sender.send(TOPIC, "last", encode(payment("kafka-last")), partition=0)
    sender.flush(30)

    def read():
        found = {}
        for message in read_all(instance.kafka, "decisions"):
            decision = json.loads(message.value())
            found.setdefault((decision["topic"], decision["partition"], decision["offset"]), []).append(decision)
        return found if places["last"] in found else None

    decisions = until("the decision of the last payment", read)
    letters = letters_at(instance.kafka)
    report.check("kafka: every record is acknowledged", len(places) == len(CASES) + 1, f"{len(places)} of {len(CASES) + 1}")
    for n, case in enumerate(CASES):
        decision, letter = decisions.get(places[n]), letters.get(places[n])
        if case.ends == DECIDED:
            wrong = None if decision and len(decision) == 1 and not letter else f"decisions {decision}, dead letter {letter and letter['errors']}"
            if not wrong and "too late" in case.name and decision[0]["judged"] != "too_late":
                wrong = f"judged is {decision[0]['judged']}"
            ended = f"decided: {decision[0]['decision']}" + (", too_late" if decision[0]["judged"] == "too_late" else "") if not wrong else "?"
        elif case.ends == REPEATED:
            wrong = None if not decision and not letter else f"decisions {decision}, dead letter {letter and letter['errors']}"
            ended = "judged once"
        else:
            wrong = judge_letter(case, sent[n], letter) or (f"and was decided: {decision}" if decision else None)
            ended = f"dead letter: {letter['errors'][0]['code']}" if letter else "?"
        report.check(f"kafka: {case.name}", not wrong, wrong)
        rows[n][1] = ended
    expected = sum(1 for case in CASES if isinstance(case.ends, tuple))
    report.equal("kafka: as many dead letters as wrong records", len(letters), expected)
    return letters


def through_http(report, instance, rows):
    client = api.login(instance.http, instance.password)
    first = None
    for n, case in enumerate(CASES):
        try:
            answer = client.predict(case.make(f"http-{n}"))
        except (OSError, api.http.client.HTTPException) as error:
            # A server may close on a body that is too large before all of it is sent.
            refused = 413 in case.status
            report.check(f"http: {case.name}", refused, error)
            rows[n][2] = "413, closed" if refused else str(error)
            continue
        wrong = None
        if answer.status not in case.status:
            wrong = f"{answer.status} {answer.body[:300]!r}"
        elif answer.status >= 400 and not answer.is_problem:
            wrong = f"not a problem document: {answer.headers.get('content-type')} {answer.body[:300]!r}"
        elif answer.status == 422 and case.field and case.field not in [e.get("field") for e in answer.json["errors"]]:
            wrong = f"does not name {case.field}: {answer.body[:300]!r}"
        elif case.name == "a first payment":
            first = answer.body
        elif case.ends == REPEATED and answer.body != first:
            wrong = f"{answer.body!r} instead of {first!r}"
        report.check(f"http: {case.name}", not wrong, wrong)
        code = answer.json["errors"][0]["code"] if answer.status == 422 and answer.json.get("errors") else ""
        rows[n][2] = f"{answer.status} {code}".strip()


def main():
    options = arguments(__doc__.splitlines()[0]).parse_args()
    report = Report("bad_input")
    with Workspace("bad-input", options.keep) as folder, Instance(options.sluice, folder) as instance:
        instance.start()
        pid = instance.process.pid
        rows = [[case.name, "?", "?"] for case in CASES]
        # The newest event is of now, so that late is late.
        client = api.login(instance.http, instance.password)
        report.equal("a plain payment is answered", client.predict(payment("first")).status, 200)
        letters = {}
        with report.part("kafka"):
            letters = through_kafka(report, instance, rows)
        with report.part("http"):
            through_http(report, instance, rows)
        with report.part("the store"):
            store = sqlite3.connect(f"file:{instance.data / 'store.db'}?mode=ro", uri=True, timeout=30)
            count = lambda: store.execute("SELECT count(*) FROM dead_letters WHERE topic = ?", [TOPIC]).fetchone()[0]  # noqa: E731
            until("the dead letters in the store", lambda: count() >= len(letters))
            report.equal("the store holds every dead letter once", count(), len(letters))
            store.close()
        with report.part("afterwards"):
            report.check("the process stays up", instance.is_running() and instance.process.pid == pid)
            report.equal("a plain payment is answered afterwards", client.predict(payment("afterwards")).status, 200)
            code, _ = instance.stop()
            report.equal("it stops by itself", code, 0)
            instance.start()
            client = api.login(instance.http, instance.password)
            report.equal("it starts on what it was given", client.predict(payment("restarted")).status, 200)
            instance.stop()
        report.table(["input", "by Kafka", "by HTTP"], rows)
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
