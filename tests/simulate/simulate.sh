#!/bin/bash
# Broker and kit in the deterministic world: a slice of `make simulate`; and a shard that is no function of its input must be
# found out by it.
# ctest: timeout=240 processors=2
set -euo pipefail

simulate=$TIPOFF_BUILD/tests/simulate
"$simulate" --seed "${SEED:-1}" --every "${EVERY:-37}" --rounds "${ROUNDS:-12}"
"$simulate" --seed "${SEED:-1}" --every 211 --rounds 4 --lmdb 1
"$simulate" --lie 1 --every 500 --rounds 0 >/dev/null || { echo "the lie is not found out"; exit 1; }
