#!/bin/bash
# Every C file has the form of .clang-format (`make format` gives it to them). The lists (*.def) are formatted by hand.
set -euo pipefail

cd "${TIPOFF_SOURCE:?the root of the sources}"
find config schema store broker actors cli sim include examples tests -name '*.[ch]' 2>/dev/null |
    LC_ALL=C sort | xargs -r clang-format --dry-run -Werror
