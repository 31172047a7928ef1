#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Install what `make bench` needs: packages in .venv, and .venv-peers with fer and deepface. Can be repeated.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
log=log/set_up_bench.log
mkdir -p log

# run STEP COMMAND...: the output goes to the log; a failure ends with one line that says what and where.
run() {
  local step=$1; shift
  printf 'set-up: %s\n' "$step"
  "$@" >>"$log" 2>&1 || { printf 'set-up: %s failed; see %s: %s\n' "$step" "$log" "$(tail -n 1 "$log")" >&2; exit 1; }
}

if ! .venv/bin/python -c 'import matplotlib, psutil, tabulate' 2>/dev/null; then
  run 'installing matplotlib, psutil and tabulate' .venv/bin/python -m pip install -c .venv/constraints.txt -r benchmarks/requirements.txt
fi
wanted=$(cat benchmarks/set_up.sh benchmarks/requirements-peers*.txt | sha256sum | cut -d' ' -f1)
if [ "$(cat .venv-peers/have 2>/dev/null || true)" != "$wanted" ]; then
  run 'making .venv-peers' .venv/bin/python -m venv --clear .venv-peers
  run 'installing fer and deepface, to compare with' .venv-peers/bin/python -m pip install -r benchmarks/requirements-peers.txt
  run 'installing fer and deepface themselves' .venv-peers/bin/python -m pip install --no-deps -r benchmarks/requirements-peers-alone.txt
  echo "$wanted" >.venv-peers/have
fi
