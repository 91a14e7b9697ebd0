#!/usr/bin/env bash
# What must hold of the sources before anything is run: formatting, no clippy warnings, the repository's own checks, and scripts
# that parse.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --all -- --check
cargo clippy --workspace --all-targets --locked -- -D warnings
cargo test --quiet --locked -p house
written() { find . \( -name target -o -name .git -o -name node_modules -o -path ./data \) -prune -o -type f -name "$1" -print0; }
written '*.sh' | xargs -0 -r -n1 bash -n
bash -n .ci/run
written '*.py' | xargs -0 -r python3 -c 'import ast, sys; [ast.parse(open(f, encoding="utf-8").read(), f) for f in sys.argv[1:]]'
