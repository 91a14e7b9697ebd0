#!/usr/bin/env bash
# The whole test run, stage by stage: one line a stage with its seconds, full output in target/test-logs, stops at the first stage
# that fails and shows why. `tests/run.sh` runs everything; `tests/run.sh build crash --rounds 100` runs some stages.
set -uo pipefail
cd "$(dirname "$0")/.."

all=(setup lint build unit projects world e2e bad_input openapi doors online_retail foreign restarts cluster real_kafka e2e_kafka postgres deploy newcomer lake models dbt faults security broker_crash crash)
rounds=${ROUNDS:-25}
stages=()
while [ $# -gt 0 ]; do
    case $1 in
        --rounds) rounds=$2; shift 2 ;;
        -h | --help) sed -n '2,3s/^# //p' "$0"; echo "stages: ${all[*]}"; exit 0 ;;
        *) stages+=("$1"); shift ;;
    esac
done
[ ${#stages[@]} -gt 0 ] || stages=("${all[@]}")

logs=$PWD/target/test-logs
mkdir -p "$logs"
export SLUICE_TEST_VENV=${SLUICE_TEST_VENV:-$PWD/target/test-venv}
export SLUICE_TEST_PYTHON=$SLUICE_TEST_VENV/bin/python
# A missing client is a failure here, not a skipped test.
export SLUICE_REQUIRE_CLIENTS=1
export CARGO_TERM_COLOR=never PYTHONDONTWRITEBYTECODE=1
sluice=$PWD/target/debug/sluice

stage_setup() { tests/setup.sh; }
stage_lint() { tests/lint.sh; }
# All targets at once, so that binary, tests and examples share one build of everything below them.
stage_build() { cargo build --workspace --all-targets --locked; }
stage_unit() { cargo test --workspace --locked --no-fail-fast; }
stage_projects() { "$SLUICE_TEST_PYTHON" tests/projects.py --sluice "$sluice"; }
stage_world() { "$SLUICE_TEST_PYTHON" tests/world.py --sluice "$sluice"; }
stage_e2e() { "$SLUICE_TEST_PYTHON" tests/e2e.py --sluice "$sluice"; }
stage_bad_input() { "$SLUICE_TEST_PYTHON" tests/bad_input.py --sluice "$sluice"; }
stage_openapi() { "$SLUICE_TEST_PYTHON" tests/openapi.py --sluice "$sluice"; }
stage_doors() { "$SLUICE_TEST_PYTHON" tests/doors.py --sluice "$sluice"; }
stage_online_retail() { "$SLUICE_TEST_PYTHON" tests/online_retail.py --sluice "$sluice"; }
stage_foreign() { "$SLUICE_TEST_PYTHON" tests/foreign/run.py --sluice "$sluice"; }
stage_restarts() { "$SLUICE_TEST_PYTHON" tests/restarts.py --sluice "$sluice"; }
stage_deploy() { "$SLUICE_TEST_PYTHON" tests/deploy.py --sluice "$sluice"; }
stage_newcomer() { "$SLUICE_TEST_PYTHON" tests/newcomer.py --sluice "$sluice"; }
stage_lake() { "$SLUICE_TEST_PYTHON" tests/lake.py --sluice "$sluice" --rounds "${LAKE_ROUNDS:-12}"; }
stage_cluster() { "$SLUICE_TEST_PYTHON" tests/cluster.py --sluice "$sluice"; }
stage_models() { "$SLUICE_TEST_PYTHON" tests/models.py --sluice "$sluice"; }
stage_dbt() { "$SLUICE_TEST_PYTHON" tests/dbt_compare.py --sluice "$sluice"; }
stage_faults() { "$SLUICE_TEST_PYTHON" tests/faults.py --sluice "$sluice"; }
stage_real_kafka() { "$SLUICE_TEST_PYTHON" tests/real_kafka.py --sluice "$sluice"; }
stage_e2e_kafka() { "$SLUICE_TEST_PYTHON" tests/e2e.py --cluster --sluice "$sluice"; }
stage_crash_kafka() { "$SLUICE_TEST_PYTHON" tests/crash.py --cluster --seconds 8 --sluice "$sluice" --rounds "${KAFKA_ROUNDS:-4}"; }
stage_postgres() { "$SLUICE_TEST_PYTHON" tests/postgres.py --sluice "$sluice"; }
stage_security() { "$SLUICE_TEST_PYTHON" tests/security.py --sluice "$sluice"; }
stage_broker_crash() { "$SLUICE_TEST_PYTHON" tests/broker_crash.py --sluice "$sluice"; }
stage_crash() { "$SLUICE_TEST_PYTHON" tests/crash.py --sluice "$sluice" --rounds "$rounds"; }

what_setup="foreign clients"
what_lint="formatting, clippy, the repository's own checks"
what_build="everything, once"
what_unit="unit, property and shared suites of all crates"
what_projects="check, test and show on every project"
what_world="a simulated world: totals to the cent, fraud that no field gives away"
what_e2e="end to end with kcat, Python clients, HTTP and SQL"
what_bad_input="bad input, each kind on each door"
what_openapi="schemathesis over the OpenAPI document"
what_doors="stream, webhooks, live page in a browser, operator's commands"
what_online_retail="541,909 real order lines through the second project"
what_foreign="foreign Kafka programs, here and on Apache Kafka"
what_restarts="changed projects on the same data, imports that are killed"
what_deploy="lists and versions changed while payments are judged"
what_newcomer="the README's path for a newcomer"
what_lake="every record once in the lake's tables, over kills"
what_cluster="the log on a cluster that goes away and comes back"
what_models="SQL models: silver and gold as DuckDB makes them, tests that fail"
what_dbt="the same models by dbt on PostgreSQL, row by row"
what_faults="faults around an instance, one at a time"
what_real_kafka="what can go wrong with the log on a real Kafka"
what_e2e_kafka="end to end with the log on a real Kafka"
what_crash_kafka="kill -9 of Sluice and of a real Kafka under load"
what_postgres="the store in a PostgreSQL that is away, slow and killed"
what_security="TLS, passwords and rights of Kafka clients"
what_broker_crash="kill -9 of the broker under its producers"
what_crash="kill -9 under load, $rounds rounds"

passed=0
failed=0
# Sums what cargo test and the scripts count: "test result: ok. 5 passed; 0 failed" and "e2e: 5 passed, 0 failed".
count() {
    local sums
    sums=$(sed -nE 's/^(test result: [A-Za-z]+\.|[a-z0-9_]+:) ([0-9]+) passed[;,] ([0-9]+) failed.*/\2 \3/p' "$1" | awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
    passed=$((passed + ${sums% *}))
    failed=$((failed + ${sums#* }))
}

started=$SECONDS
for name in "${stages[@]}"; do
    declare -F "stage_$name" > /dev/null || { echo "unknown stage $name; there are: ${all[*]} crash_kafka" >&2; exit 2; }
done
for name in "${stages[@]}"; do
    log=$logs/$name.log
    what=what_$name
    printf '%-10s %-58s' "$name" "${!what}"
    at=$SECONDS
    if "stage_$name" > "$log" 2>&1 < /dev/null; then
        count "$log"
        printf '%5d s  ok\n' $((SECONDS - at))
        # The tables that a stage made for people.
        sed -n 's/^| /  | /p' "$log"
    else
        count "$log"
        [ "$failed" -gt 0 ] || failed=1
        printf '%5d s  FAILED\n' $((SECONDS - at))
        grep -E '^(error|test .* FAILED|FAILED|failures:)' "$log" | head -40
        # What the failing tests themselves printed.
        awk '/^---- .* stdout ----$/ { left = 15 } left-- > 0' "$log" | head -120
        echo "--- the end of $log:"
        tail -n 60 "$log"
        echo "$passed passed, $failed failed"
        exit 1
    fi
done
echo "all stages in $((SECONDS - started)) s"
echo "$passed passed, $failed failed"
