#!/bin/sh
# Installs those packages of the list ("#" starts a comment) that are missing, and nothing else.
set -eu
list=${1:-$(dirname "$0")/packages.txt}
missing=
for package in $(sed 's/#.*//' "$list"); do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
echo "installing:$missing"
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
$sudo apt-get update -q
# shellcheck disable=SC2086 # a list of words on purpose
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
