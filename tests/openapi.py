#!/usr/bin/env python3
"""schemathesis over the OpenAPI document of a running instance: whatever is sent, no answer is a 5xx, and every answer is one that
the document says, in status, type and shape.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from harness import api
from harness.instance import Instance, Workspace, arguments
from harness.payments import payment
from harness.report import Report

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance"


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=int(os.environ.get("SLUICE_OPENAPI_EXAMPLES", "50")), help="random requests an operation")
    options = parser.parse_args()
    report = Report("openapi")
    with Workspace("openapi", options.keep) as folder, Instance(options.sluice, folder) as instance:
        instance.start()
        client = api.login(instance.http, instance.password)
        # Pages and lookups should find something.
        for n in range(20):
            client.predict(payment(f"seen-{n}", channel="online", amount=1000 + 5000 * n))
        document = client.get("/api/openapi.json").json
        report.check("the document is OpenAPI 3", document["openapi"].startswith("3."), document.get("openapi"))
        # A stream has no end to wait for; tests/doors.py reads it.
        streams = [path for path, verbs in document["paths"].items() if "text/event-stream" in verbs.get("get", {}).get("responses", {}).get("200", {}).get("content", {})]
        operations = sum(1 for path, verbs in document["paths"].items() for verb in verbs if path not in streams and verb in ("get", "post", "put", "delete", "patch"))
        command = [
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{instance.http}/api/openapi.json",
            "--header", f"Authorization: Bearer {client.token}",
            # One worker: several threads upset the depth that Python 3.11 keeps of its syntax trees, which schemathesis then reports.
            "--checks", CHECKS, "--max-examples", str(options.examples), "--seed", "1",
            "--generation-database", "none", "--request-timeout", "30", "--continue-on-failure", "--no-color",
            *(word for path in streams for word in ("--exclude-path", path)),
        ]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=1200, check=False)
        print(done.stdout)
        print(done.stderr)
        tried = re.search(r"Tested: (\d+)", done.stdout)
        report.check(f"every answer to requests of {operations} operations is documented, none is a 5xx", done.returncode == 0, f"exit code {done.returncode}, see above")
        report.equal("every operation was tried", tried and int(tried[1]), operations)
        report.check("the process stays up", instance.is_running() and api.Client(instance.http).get("/ready").status == 200, instance.log_end())
    report.finish()


if __name__ == "__main__":
    sys.exit(main())
