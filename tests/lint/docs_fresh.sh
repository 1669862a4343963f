#!/bin/bash
# The printed pages say what the lists say. `docs_fresh.sh --bless` prints them anew.
set -euo pipefail

source=${TIPOFF_SOURCE:?the root of the sources}
print=${TIPOFF_BUILD:?the build folder}/tests/print_docs
declare -A pages=([messages]=docs/MESSAGES.md [settings]=docs/SETTINGS.md [sample]=config/tipoff.yaml [features]=docs/FEATURES.md)
stale=0
for page in "${!pages[@]}"; do
    file=${pages[$page]}
    if [ "${1:-}" = --bless ]; then
        "$print" "$page" >"$source/$file"
    elif ! diff -u --label "$file" --label "as printed" <(cat "$source/$file" 2>&1) <("$print" "$page"); then
        stale=1
    fi
done
if [ $stale = 1 ]; then
    echo "stale; print them with: TIPOFF_SOURCE=. TIPOFF_BUILD=build tests/lint/docs_fresh.sh --bless"
fi
exit $stale
