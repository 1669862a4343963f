#!/bin/bash
# Rooms: who may include whom, and where each library lives. Every include of ours names its room; none points up;
# no actor includes another actor's header. `rooms.sh ROOT` checks a tree; without it the project's, after proving on a
# made-up tree that each rule can fail.
set -euo pipefail

check() { # check ROOT: one line per broken rule, "file:line: include: rule"
    (cd "$1" && find config schema store broker actors cli sim include examples tests -name '*.[ch]' -o -name '*.def' 2>/dev/null |
        LC_ALL=C sort | xargs -r grep -nHE '^[[:space:]]*#[[:space:]]*include') | awk -F: '
    BEGIN {
        knows["config"]   = "config"
        knows["schema"]   = "config schema"
        knows["store"]    = "config schema store"
        knows["broker"]   = "config schema store broker"
        knows["actors"]   = "config schema store broker actors"
        knows["include"]  = ""   # what is published names <tipoff/...> only
        knows["examples"] = ""   # ... and so do actors by others, beside what stands in their own folder
        knows["cli"]      = "config schema store broker actors cli"
        knows["sim"]      = "config schema sim"
        knows["tests"]    = "config schema store broker actors cli sim tests"
        # library header (a pattern) -> where it may be included (a pattern of paths)
        lives["^yaml\\.h$"]            = "^config/"
        lives["^microhttpd\\.h$"]      = "^config/httpd\\.c$"
        lives["^msgpack"]              = "^schema/"
        lives["^jansson\\.h$"]         = "^schema/"
        lives["^openssl/"]             = "^schema/"
        lives["^isa-l"]                = "^(schema|store|broker)/"
        lives["^lmdb\\.h$"]            = "^(store/|broker/log_lmdb[a-z_]*\\.[ch]$)"
        lives["^(zmq|zmq_utils)\\.h$"] = "^broker/"
        lives["^czmq"]                 = "^broker/"
        lives["^curl/"]                = "^actors/(poller|watchdog|scoreboard)/"
        lives["^xgboost/"]             = "^actors/predictor/"
        lives["^zlib\\.h$"]            = "^(cli|sim)/"
        # not everything of a room below is meant for those above it (link: the client; log: reading a log that is there)
        only["actors broker"]   = "broker/(link|log).h"
    }
    function bad(rule) { print $1 ":" $2 ": " target ": " rule; broken = 1 }
    {
        file = $1; line = $0
        match(file, "^[a-z]+"); room = substr(file, 1, RLENGTH)
        if (match(line, "\"[^\"]*\"")) {
            target = substr(line, RSTART + 1, RLENGTH - 2)
            if (target == "version_code.h" && file == "config/version.c") next  # made at build time
            if (room == "examples" && target !~ "/") next
            if (target !~ "^[a-z]+/") { bad("names no room"); next }
            split(target, part, "/"); there = part[1]
            if (!(there in knows)) { bad("no such room"); next }
            if (index(" " knows[room] " ", " " there " ") == 0) { bad(room " must not know " there); next }
            if ((room " " there) in only && target !~ "^" only[room " " there] "$")
                bad(room " knows " there " only through " only[room " " there])
            if (room == "actors" && target ~ "^actors/[^/]+/") {
                split(file, mine, "/")
                if (mine[2] != part[2]) bad("an actor must not include what belongs to another")
            }
        } else if (match(line, "<[^>]*>")) {
            target = substr(line, RSTART + 1, RLENGTH - 2)
            for (library in lives)
                if (room != "tests" && room != "examples" && target ~ library && file !~ lives[library])
                    bad("this library lives in " lives[library])
        } else {
            target = line; bad("not an include of a plain file")
        }
    }
    END { exit broken }'
}

# Every rule fails where it should, and only there.
prove() {
    local tree said expected
    tree=$(mktemp -d)
    trap 'rm -rf "$tree"' RETURN
    mkdir -p "$tree"/{config,schema,store,broker,actors/poller,actors/grader,cli,sim,include/tipoff,examples,tests/unit}
    put() { printf '#include %s\n' "${@:2}" >"$tree/$1"; }
    put config/a.c '"config/a.h"' '<yaml.h>' '<microhttpd.h>'
    put config/httpd.c '<microhttpd.h>' '"schema/json.h"'
    put config/version.c '"version_code.h"'
    put schema/a.c '"config/a.h"' '<msgpack.h>' '<jansson.h>' '"store/store.h"' '<lmdb.h>' '"a.h"'
    put store/a.c '<lmdb.h>' '"broker/link.h"' '<jansson.h>' '"elsewhere/x.h"'
    put broker/log_lmdb.c '<lmdb.h>' '<zmq.h>'
    put broker/log_lmdb_read.c '<lmdb.h>'
    put broker/log_memory.c '<lmdb.h>'
    put broker/core.c '<lmdb.h>' '<msgpack/pack.h>'
    put actors/actor.c '"broker/link.h"' '"broker/core.h"' '<zmq.h>' '"actors/poller/fetch.h"'
    put actors/poller/main.c '"actors/actor.h"' '"actors/poller/fetch.h"' '"actors/grader/rules.h"' '<curl/curl.h>'
    put actors/grader/main.c '<curl/curl.h>' '"cli/command.h"' '"sim/league.h"'
    put cli/a.c '"actors/actor.h"' '<zlib.h>' '"sim/league.h"'
    put sim/a.c '<zlib.h>' '"store/store.h"'
    put include/tipoff/a.h '<tipoff/api.h>' '"actors/actor.h"' '"api.h"' '<zmq.h>'
    put examples/a.c '<tipoff/actor.h>' '"a.def"' '<curl/curl.h>' '"actors/actor.h"' HEADER
    put tests/unit/a.c '<zlib.h>' '"sim/league.h"' '"actors/poller/fetch.h"'
    expected='actors/actor.c:2 actors/actor.c:3 actors/actor.c:4 actors/grader/main.c:1 actors/grader/main.c:2
        actors/grader/main.c:3 actors/poller/main.c:3 broker/core.c:1 broker/core.c:2 broker/log_memory.c:1 cli/a.c:3 config/a.c:3
        config/httpd.c:2 examples/a.c:4 examples/a.c:5 include/tipoff/a.h:2 include/tipoff/a.h:3 include/tipoff/a.h:4 schema/a.c:4 schema/a.c:5 schema/a.c:6 sim/a.c:2 store/a.c:2
        store/a.c:3 store/a.c:4'
    said=$(check "$tree" | cut -d: -f1,2 | tr '\n' ' ' || true)
    if [ "$(echo $said)" != "$(echo $expected)" ]; then
        printf 'rooms.sh does not find what it should\nexpected: %s\nfound:    %s\n' "$(echo $expected)" "$said"
        return 1
    fi
}

if [ $# -gt 0 ]; then
    check "$1"
else
    prove
    check "${TIPOFF_SOURCE:-$(dirname "$0")/..}"
fi
