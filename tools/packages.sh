#!/bin/sh
# Installs the Debian packages named in the given lists when run as root; otherwise says
# the exact line to run.  Silent when nothing is missing.
set -eu

names=$(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$@" | awk '{ print $1 }')

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This is not Debian. Please install what provides: $(echo "$names" | tr '\n' ' ')" >&2
    exit 0
fi

missing=
for name in $names; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $name"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "Some packages are missing. Please run:" >&2
    echo "    sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
