#!/usr/bin/env python3
"""The doors through which an instance is watched, tried from outside: the stream of alerts, signed webhooks with receivers that fail, the
live page in a real browser, and the commands of an operator. A kill -9 stands in the middle.
"""

import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

from kafka import KafkaConsumer
from playwright.sync_api import expect, sync_playwright
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from harness import api
from harness.events import Events
from harness.instance import ECOMMERCE, Instance, Workspace, arguments, until
from harness.payments import TOPIC, payment
from harness.receiver import Receiver
from harness.report import Report
from harness.topics import read_all

STREAM = "/api/v1/alerts/stream"
RULE = "large_online_payment"
# A payment may hit other rules, too.
FOLLOW = f"{STREAM}?alert_type={RULE}"
KEYS = {"SHOP_KEY": "whsec_" + "c2hv" * 8, "OLD_KEY": "whsec_" + "b2xk" * 8, "DESK_KEY": "whsec_" + "ZGVz" * 8}


def large(name):
    """A payment that raises an alert of high severity."""
    return payment(name, channel="online", amount=45_000)


def raise_alerts(client, names):
    for name in names:
        answer = client.predict(large(name))
        assert answer.status == 200 and answer.json["decision"] != "allow", f"{answer.status} {answer.body[:300]!r}"


def alerts_in_topic(instance):
    return [json.loads(m.value()) for m in read_all(instance.kafka, "alerts")]


def certificate(folder):
    """A key and a certificate for this machine's own name, signed by itself."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-addext", "basicConstraints=critical,CA:FALSE",
         "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    return cert, tls


def stuck():
    """A receiver that accepts connections and never answers."""
    server = socket.create_server(("127.0.0.1", 0))
    held = []

    def accept():
        while True:
            held.append(server.accept()[0])

    threading.Thread(target=accept, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}/"


def project(folder, shop, desk, stuck_url):
    """The shipped project with three webhooks."""
    copy = folder / "project"
    shutil.copytree(ECOMMERCE, copy)
    with (copy / "sluice.yml").open("a") as settings:
        settings.write(f"""
webhooks:
  - name: shop
    url: {shop.url}
    secret: ["${{SHOP_KEY}}", "${{OLD_KEY}}"]
  - name: desk
    url: {desk.url}
    secret: ${{DESK_KEY}}
    min_severity: high
    rules: {RULE}
    attempts: 2
  - name: stuck
    url: {stuck_url}
    secret: ${{DESK_KEY}}
    timeout: 60s
""")
    return copy


def stream(report, instance, client):
    live = Events(instance.http, FOLLOW, client.token)
    report.equal("the stream opens", (live.status, live.response.headers["content-type"]), (200, "text/event-stream"))
    raise_alerts(client, [f"live-{n}" for n in range(20)])
    seen = live.take(20)
    report.equal("alerts come live, in order, each once", [a["transaction_id"] for _, kind, a in seen if kind == "alert"], [f"live-{n}" for n in range(20)])
    ids = [i for i, _, _ in seen]
    report.check("ids are positions that rise", ids == sorted(set(ids)), ids)
    live.close()
    raise_alerts(client, ["while-away"])
    again = Events(instance.http, FOLLOW, client.token, last_id=ids[9])
    report.equal("Last-Event-ID goes on behind it", [a["transaction_id"] for _, _, a in again.take(11)], [f"live-{n}" for n in range(10, 20)] + ["while-away"])
    again.close()
    ticket = client.post("/api/v1/auth/ticket", None).json["ticket"]
    by_ticket = Events(instance.http, f"{FOLLOW}&ticket={ticket}&last_event_id={ids[18]}&min_severity=high&decision={seen[0][2]['decision']}")
    report.equal("a ticket in the address opens it, filters included", [a["transaction_id"] for _, _, a in by_ticket.take(2)], ["live-19", "while-away"])
    by_ticket.close()
    report.equal("without a token it stays closed", Events(instance.http, STREAM).status, 401)
    report.check("no ticket and no token stands in the log", ticket not in instance.log.read_text() and client.token not in instance.log.read_text())
    return ids[-1]


def verified(messages, key):
    """Every message, read by the standard's own library, with the body it vouches for."""
    return [Webhook(key).verify(m.body, m.headers) for m in messages]


def webhooks_after_kill(report, instance, shop, desk, client, before):
    """`before` alerts were raised before the kill; more come now."""
    raise_alerts(client, [f"dead-{n}" for n in range(3)] + [f"after-{n}" for n in range(20)])
    topic = alerts_in_topic(instance)
    report.check("alerts were raised before and after the kill", len(topic) >= before + 23, len(topic))
    expected = [a["alert_id"] for a in topic]
    until("all alerts at the shop", lambda: len(shop.taken()) >= len(topic))
    taken = [json.loads(m.body)["data"]["alert_id"] for m in shop.taken()]
    report.equal("every alert reached the shop, in the order of the topic, over 500s and kill -9", taken, expected)
    failed = sum(m.status >= 300 for m in shop.messages)
    report.check("the shop refused some at first", failed >= 3, failed)
    for key in ["SHOP_KEY", "OLD_KEY"]:
        report.equal(f"signatures verify with {key}", [m["type"] for m in verified(shop.taken(), KEYS[key])], ["alert.created"] * len(topic))
    message = shop.taken()[0]
    for what, body, headers in [
        ("another body", message.body.replace(b"45000", b"45001"), message.headers),
        ("another id", message.body, {**message.headers, "webhook-id": "msg_other"}),
        ("another key", message.body, message.headers),
    ]:
        key = KEYS["DESK_KEY" if what == "another key" else "SHOP_KEY"]
        try:
            Webhook(key).verify(body, headers)
            report.check(f"a signature does not cover {what}", False)
        except WebhookVerificationError:
            report.check(f"a signature does not cover {what}", True)
    by_id = {}
    for m in shop.messages:
        by_id.setdefault(m.id, set()).add(m.body)
    report.check("an id always carries the same body", all(len(bodies) == 1 for bodies in by_id.values()))

    letters = until("three dead letters", lambda: (found := read_all(instance.kafka, "webhook-dead-letters")) and len(found) >= 3 and found)
    letters = [json.loads(m.value()) for m in letters]
    report.equal(
        "what the desk never took is put aside, with its reason",
        [(w["webhook"], w["alert"]["transaction_id"], w["attempts"], w["reason"]) for w in letters],
        [("desk", f"dead-{n}", 2, "the receiver answered 500") for n in range(3)],
    )
    wanted = [a["alert_id"] for a in topic if a["alert_type"] == RULE and not a["transaction_id"].startswith("dead-")]
    until("all others at the desk", lambda: len(desk.taken()) >= len(wanted))
    report.equal("the desk has the others, over https, in order", [json.loads(m.body)["data"]["alert_id"] for m in desk.taken()], wanted)
    metrics = client.get("/metrics").body.decode()
    for line in ['sluice_webhook_dead_letters_total{webhook="desk"} 3', 'sluice_webhook_lag_records{webhook="shop"} 0']:
        report.check(f"the metrics say {line}", until(line, lambda line=line: line in client.get("/metrics").body.decode().splitlines()), metrics)
    readers = {r["name"]: r for r in client.get("/status").json["readers"]}
    report.check("a receiver that never answers only lags", readers["webhook stuck"]["lag"] == len(topic), readers)
    report.check("no secret stands in the log", not any(key in instance.log.read_text() for key in KEYS.values()))


def page(report, instance, client, folder):
    with sync_playwright() as playwright:
        program = next(p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name)))
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 1400, "height": 900})
        problems = []
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("console", lambda message: problems.append(message.text) if message.type == "error" and "401" not in message.text else None)
        answer = tab.goto(instance.http + "/")
        policy = answer.headers["content-security-policy"]
        report.check("the page forbids what is not its own", "default-src 'none'" in policy and "unsafe" not in policy, policy)
        tab.fill("#password", "wrong")
        tab.click("#login button")
        expect(tab.locator("#wrong")).to_have_text("the name or the password is wrong")
        tab.fill("#password", instance.password)
        tab.click("#login button")
        expect(tab.locator("#following")).to_have_text("live")
        expect(tab.locator("#alerts li").first).to_contain_text("large online payment")
        expect(tab.locator("#state")).to_have_text("judging")
        report.check("logged in, it shows decisions and alerts", tab.locator("#decisions li").count() > 5 and tab.locator("#alerts li").count() > 5)
        strange = '<img src=x onerror="window.caught=1">'
        raise_alerts(client, [strange])
        answer = client.predict({**large("strange-account"), "account_id": strange})
        report.equal("strange names are taken", answer.status, 200)
        expect(tab.locator("#alerts li.new").first).to_be_visible()
        expect(tab.locator("#alerts")).to_contain_text(strange)
        expect(tab.locator("#decisions")).to_contain_text(strange)
        report.check("what strangers write is text", tab.evaluate("window.caught === undefined && !document.querySelector('li img')"))
        raise_alerts(client, ["counted"])
        expect(tab.locator("#decisions li").first).to_contain_text("acc-counted")
        counts = client.get("/status").json["counts"]
        expect(tab.locator("#total")).to_have_text(f"{counts['allow'] + counts['review'] + counts['block']:,}")
        report.check("decisions arrive and are counted", True)
        for width in (360, 768, 1400):
            for scheme in ("light", "dark"):
                tab.set_viewport_size({"width": width, "height": 800})
                tab.emulate_media(color_scheme=scheme)
                wide = tab.evaluate("document.documentElement.scrollWidth")
                report.check(f"it fits {width} pixels, {scheme}", wide <= width, wide)
                tab.screenshot(path=folder / f"live-{width}-{scheme}.png")
        tab.reload()
        expect(tab.locator("#following")).to_have_text("live")
        tab.click("#leave")
        expect(tab.locator("#password")).to_be_visible()
        report.check("logged out, nothing is kept", tab.evaluate("sessionStorage.length") == 0)
        report.equal("the browser has nothing to complain of", problems, [])
        browser.close()


def operators(report, instance, client, folder):
    data = ("--data", instance.data)
    said = instance.run("status", *data)
    report.check("status tells of a running instance", said.returncode == 0 and "judging" in said.stdout and "webhook shop" in said.stdout, said)
    status = json.loads(instance.run("status", *data, "--output", "json").stdout)
    report.equal("status is the same as the address gives", status["project"], client.get("/status").json["project"])
    report.check("decisions are counted and timed", status["counts"]["alerts"] > 0 and status["latency"]["predict"]["p99_ms"] > 0, status)
    by_address = instance.run("status", "--http", instance.http, "--output", "json")
    report.equal("status by address", (by_address.returncode, json.loads(by_address.stdout)["pid"]), (0, status["pid"]))

    here = ("--project", instance.project, *data)
    ports = ("--http", instance.http.removeprefix("http://"), "--kafka", instance.kafka)
    said = instance.run("doctor", *here, *ports, "--output", "json")
    findings = json.loads(said.stdout)
    wrong = [f for f in findings if f["level"] == "wrong"]
    report.check("doctor finds nothing wrong", said.returncode == 0 and not wrong, wrong or said)
    report.check("doctor looks at everything", {"project", "HTTP port", "Kafka port", "disk", "disk sync", "clock", "open files", "permissions", "memory", "webhook shop"} <= {f["what"] for f in findings}, findings)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = instance.run("doctor", *here, "--http", f"127.0.0.1:{taken.getsockname()[1]}", "--kafka", instance.kafka)
        report.check("doctor names who holds a port, and what to do", said.returncode == 1 and "python" in said.stdout and "--http" in said.stdout, said)
    broken = folder / "broken"
    shutil.copytree(ECOMMERCE, broken)
    (broken / "rules" / "typo.yml").write_text("description: x\nwhen: amuont > 1\nmessage: x\n")
    said = instance.run("doctor", "--project", broken, *data, *ports)
    report.check("doctor finds a broken project", said.returncode == 1 and "amuont" in said.stdout and "sluice check" in said.stdout, said)

    for shell in ("bash", "zsh", "fish", "powershell"):
        said = instance.run("completions", shell)
        report.check(f"completions for {shell}", said.returncode == 0 and "topics" in said.stdout, said.stderr)
    loaded = subprocess.run(["bash", "-c", f"source <('{instance.binary}' completions bash) && complete -p sluice"], capture_output=True, text=True, check=False)
    report.check("bash loads its completions", loaded.returncode == 0 and "sluice" in loaded.stdout, loaded)

    listed = json.loads(instance.run("topics", "list", *data, "--output", "json").stdout)
    records = {t["topic"]: t["records"] for t in listed}
    report.check("topics list", records["alerts"] == len(alerts_in_topic(instance)) and TOPIC in records, records)
    report.check("topics list for people", "decisions" in instance.run("topics", "list", "--kafka", instance.kafka).stdout)
    described = json.loads(instance.run("topics", "describe", TOPIC, *data, "--output", "json").stdout)
    report.check("topics describe", len(described["partitions"]) > 1 and any(c["name"] == "retention.ms" for c in described["config"]), described)
    said = instance.run("topics", "describe", "decisons", *data)
    report.check("a topic with a typo is named", said.returncode == 1 and "did you mean `decisions`?" in said.stderr, said.stderr)
    said = instance.run("topics", "tail", "decisions", "--from-beginning", "--count", 5, *data, "--output", "json")
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    report.equal("topics tail from the beginning", [(line["offset"], line["value"]["transaction_id"]) for line in lines], [(n, f"live-{n}") for n in range(5)])
    following = subprocess.Popen([instance.binary, "topics", "tail", "alerts", "--last", "1", "--count", "3", *map(str, data)], stdout=subprocess.PIPE, text=True)
    following.stdout.readline()
    raise_alerts(client, ["tailed-1", "tailed-2"])
    report.equal("topics tail follows", ["tailed-1" in following.stdout.readline(), "tailed-2" in following.stdout.readline(), following.wait(30)], [True, True, 0])

    for verb in ("delete", "reset"):
        said = instance.run("topics", verb, "sequence", "--yes", *data)
        report.check(f"topics {verb} leaves Sluice's own alone", said.returncode == 1 and "written by Sluice itself" in said.stderr, said)

    consumer = KafkaConsumer("decisions", bootstrap_servers=instance.kafka, group_id="billing", auto_offset_reset="earliest", client_id="till")
    until("records for the group", lambda: consumer.poll(200))
    consumer.commit()
    groups = {g["group"]: g for g in json.loads(instance.run("groups", "list", *data, "--output", "json").stdout)}
    report.equal("groups list", (groups["billing"]["state"], groups["billing"]["members"]), ("Stable", 1))
    group = json.loads(instance.run("groups", "describe", "billing", *data, "--output", "json").stdout)
    place = group["partitions"][0]
    report.check("groups describe", place["topic"] == "decisions" and place["committed"] > 0 and place["lag"] == place["end"] - place["committed"] and place["client"] == "till", group)
    report.check("groups describe for people", "till" in instance.run("groups", "describe", "billing", *data).stdout)
    consumer.close()
    said = instance.run("groups", "describe", "biling", *data)
    report.check("a group with a typo is named", said.returncode == 1 and "`billing`" in said.stderr, said.stderr)


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--screenshots", type=Path, help="where pictures of the live page are kept")
    options = parser.parse_args()
    report = Report("doors")
    with Workspace("doors", options.keep) as folder:
        cert, tls = certificate(folder)
        refused = set()

        def fail_some(number, headers, _):
            """Every seventh message is not taken at first."""
            if number % 7 == 3 and headers["webhook-id"] not in refused:
                refused.add(headers["webhook-id"])
                return 500
            return 204

        shop = Receiver(fail_some)
        desk = Receiver(lambda _, __, body: 500 if json.loads(body)["data"]["transaction_id"].startswith("dead-") else 200, tls=tls)
        environment = {**KEYS, "SSL_CERT_FILE": str(cert)}
        with Instance(options.sluice, folder, project(folder, shop, desk, stuck()), environment=environment) as instance:
            instance.start()
            client = api.login(instance.http, instance.password)
            last = None
            with report.part("the stream of alerts"):
                last = stream(report, instance, client)
            with report.part("a kill in the middle of deliveries"):
                raise_alerts(client, [f"before-{n}" for n in range(20)])
                before = len(alerts_in_topic(instance))
                instance.kill()
                instance.start()
                client = api.login(instance.http, instance.password)
                report.check("deliveries were under way when it was killed", len(shop.taken()) < before, f"{len(shop.taken())} of {before}")
                again = Events(instance.http, FOLLOW, client.token, last_id=last)
                names = [a["transaction_id"] for _, _, a in again.take(21)]
                report.equal("the stream goes on over kill -9", names, ["while-away", *(f"before-{n}" for n in range(20))])
                again.close()
                webhooks_after_kill(report, instance, shop, desk, client, before)
            pictures = options.screenshots or folder
            pictures.mkdir(parents=True, exist_ok=True)
            with report.part("the live page in a browser"):
                page(report, instance, client, pictures)
            with report.part("the commands of an operator"):
                operators(report, instance, client, folder)
            with report.part("a stop"):
                open_stream = Events(instance.http, STREAM, client.token)
                code, seconds = instance.stop()
                _, kind, said = next(open_stream)
                report.equal("the stream says that the server stops", (kind, said["reason"]), ("close", "stopping"))
                report.check("a stop waits for no follower and no receiver", code == 0 and seconds < 5, f"{code} after {seconds:.1f} s")
                said = instance.run("status", "--data", instance.data, "--output", "json")
                report.equal("status of what does not run", (said.returncode, json.loads(said.stdout)["ready"]), (1, False))
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
