#!/bin/bash
# The printed pages under docs/ say what the lists say. `docs_fresh.sh --bless` prints them anew.
set -euo pipefail

source=${TIPOFF_SOURCE:?the root of the sources}
print=${TIPOFF_BUILD:?the build folder}/tests/print_docs
stale=0
for page in messages settings; do
    file=$source/docs/${page^^}.md
    if [ "${1:-}" = --bless ]; then
        "$print" $page >"$file"
    elif ! diff -u --label "docs/${page^^}.md" --label "as printed" <(cat "$file" 2>&1) <("$print" $page); then
        stale=1
    fi
done
if [ $stale = 1 ]; then
    echo "stale; print them with: TIPOFF_SOURCE=. TIPOFF_BUILD=build tests/lint/docs_fresh.sh --bless"
fi
exit $stale
