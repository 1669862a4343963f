#!/bin/bash
# The protocol against its model: a slice of `make model`; what was found once, replayed; and a broker that lies in one thing
# at a time, which must be found out and shrunk to a handful of steps.
# ctest: timeout=120
set -euo pipefail

model=$TIPOFF_BUILD/tests/protocol-model
for script in "$TIPOFF_SOURCE"/tests/protocol/found/*.txt; do
    "$model" --replay "$script" >/dev/null || { echo "$script"; "$model" --replay "$script"; exit 1; }
done
for lie in ${LIES:-1 4 7 8 9}; do
    said=$("$model" --lie "$lie" --steps 3000 --seed "${SEED:-1}") || { echo "lie $lie is not found out"; echo "$said"; exit 1; }
done
"$model" --steps "${STEPS:-25000}" --seed "${SEED:-1}"
"$model" --steps "${STEPS:-20000}" --seed "${SEED:-2}" --lmdb 1
