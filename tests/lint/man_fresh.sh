#!/bin/bash
# docs/man/tipoff.1 says what the table of subcommands says. `man_fresh.sh --bless` prints it anew.
set -euo pipefail

page=${TIPOFF_SOURCE:?the root of the sources}/docs/man/tipoff.1
tipoff=${TIPOFF_BIN:?the folder of the executables}/tipoff
if [ "${1:-}" = --bless ]; then
    "$tipoff" --man >"$page"
elif ! diff -u --label docs/man/tipoff.1 --label "as printed" "$page" <("$tipoff" --man); then
    echo "stale; print it with: TIPOFF_SOURCE=. TIPOFF_BIN=build/bin tests/lint/man_fresh.sh --bless"
    exit 1
fi
