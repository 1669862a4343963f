#!/bin/bash
# Shell scripts parse; Python scripts compile, and import nothing that Debian's packages of config/packages.txt lack.
set -euo pipefail

cd "${TIPOFF_SOURCE:?the root of the sources}"
failed=0
while read -r file; do
    case $(head -c 64 "$file" | head -n 1) in
    '#!/bin/sh'*) sh -n "$file" || failed=1 ;;
    '#!/bin/bash'* | '#!/usr/bin/env bash'*) bash -n "$file" || failed=1 ;;
    *) ;;
    esac
done < <(find .ci config tests cli examples -type f \( -name '*.sh' -o -path '.ci/run' -o -path 'config/service/*' \))
while read -r file; do
    /usr/bin/python3 - "$file" <<'PYTHON' || failed=1
import ast, importlib.util, os, sys
path = sys.argv[1]
tree = ast.parse(open(path, encoding="utf-8").read(), path)
sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
names = {n.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for n in node.names}
names |= {node.module.split(".")[0] for node in ast.walk(tree)
          if isinstance(node, ast.ImportFrom) and node.module and node.level == 0}
sys.path += ["tests", "tests/drills", "tests/flow", "tests/fault"] # helpers of one kind of test serve the others too
missing = sorted(n for n in names if importlib.util.find_spec(n) is None)
if missing:
    sys.exit(f"{path}: imports what is not there: {', '.join(missing)}")
PYTHON
done < <(find tests examples sim -type f -name '*.py' 2>/dev/null)
exit $failed
