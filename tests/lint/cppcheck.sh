#!/bin/bash
# cppcheck's warnings, performance and portability over the compilation database; its notes are kept in the build
# folder, so that only what changed is looked at again. What is wrongly reported: tests/lint/cppcheck.txt.
# ctest: timeout=600
set -euo pipefail

source=${TIPOFF_SOURCE:?the root of the sources} build=${TIPOFF_BUILD:?the build folder}
mkdir -p "$build/cppcheck"
cppcheck --project="$build/compile_commands.json" --cppcheck-build-dir="$build/cppcheck" -j 2 --quiet \
    --enable=warning,performance,portability --std=c11 --inline-suppr --error-exitcode=1 \
    --suppressions-list="$source/tests/lint/cppcheck.txt" --template='{file}:{line}: {severity} ({id}): {message}'
