#!/bin/bash
# library.sh exports                     the symbols that the headers publish (TIP_API), one a line
# library.sh object OUT ARCHIVE...       everything behind them, as one object that shows nothing else
# library.sh script OUT MAJOR            the shared library's version script
#
# A published function is one of the rooms' own with tip_ before its name: the table of exports is the headers.
set -euo pipefail

headers=$(dirname "$0")/tipoff

exports() {
    sed -E 's|/\*([^*]\|\*[^/])*\*/||g' "$headers"/*.h "$headers"/version.h.in | tr '\n' ' ' |
        grep -oE 'TIP_API [^;(]*[ *]tip_[a-z0-9_]+\(' | grep -oE 'tip_[a-z0-9_]+\($' | tr -d '(' | LC_ALL=C sort -u
}

case $1 in
exports)
    exports
    ;;
object)
    out=$2
    shift 2
    exports >"$out.exports"
    sed 's/^tip_\(.*\)/\1 tip_\1/' "$out.exports" >"$out.renamed"
    sed 's/^tip_\(.*\)/&\n\1/' "$out.exports" >"$out.kept" # GNU's tool asks by the new name, LLVM's by the old one
    # The link names what is wanted by its own name; only those members of the rooms come along.
    sed 's/^tip_/-Wl,-u,/' "$out.exports" | xargs ${CC:-cc} -r -nostdlib -o "$out.whole" -Wl,--start-group "$@" -Wl,--end-group
    ${OBJCOPY:-objcopy} --redefine-syms="$out.renamed" --keep-global-symbols="$out.kept" "$out.whole" "$out"
    rm "$out.whole"
    ;;
script)
    {
        echo "TIPOFF_$3 {"
        echo "global:"
        exports | sed 's/.*/    &;/'
        echo "local: *;"
        echo "};"
    } >"$2"
    ;;
*)
    sed -n 's/^# //p' "$0" | head -3 >&2
    exit 64
    ;;
esac
