#!/usr/bin/env bash
# Foreign clients for the tests: a Python environment under target/ with pinned packages, kcat, openssl and a browser. Does nothing when they are
# there already; says what it installs.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${SLUICE_TEST_VENV:-$PWD/target/test-venv}
wanted=$(sha256sum tests/requirements.txt | cut -d' ' -f1)
if [ "$(cat "$venv/.installed" 2> /dev/null)" != "$wanted" ]; then
    command -v python3 > /dev/null || { echo "python3 is missing; install Python 3.11 or newer with its venv module" >&2; exit 1; }
    echo "installing tests/requirements.txt into $venv"
    python3 -m venv "$venv" || { echo "python's venv module is missing (Debian: apt-get install python3-venv)" >&2; exit 1; }
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
    echo "$wanted" > "$venv/.installed"
fi

# Programs that are no Python packages: by their package names, where we may install.
missing=()
command -v kcat > /dev/null || missing+=(kcat)
command -v chromium > /dev/null || command -v chromium-browser > /dev/null || command -v google-chrome > /dev/null || missing+=(chromium)
command -v openssl > /dev/null || missing+=(openssl)
# What the Kafka client is built with.
pkg-config --exists openssl 2> /dev/null || missing+=(pkg-config libssl-dev)
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
        echo "installing ${missing[*]} by apt-get"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
    else
        echo "missing: ${missing[*]}; install (Debian: apt-get install ${missing[*]}, macOS: brew install ${missing[*]}) and run again" >&2
        exit 1
    fi
fi
echo "clients: $("$venv/bin/python" --version), $(kcat -V 2>&1 | sed -n 's/^Version //p')"
