#!/bin/sh
# Makes the Windows that a build tree's tests run in: FOLDER becomes a Wine prefix, once.
# Prints nothing; a second run returns at once.
set -eu

folder=${1:?usage: wine-prefix.sh FOLDER}
[ ! -e "$folder/complete" ] || exit 0
rm -rf "$folder"
mkdir -p "$folder"
unset DISPLAY
fixed=$(dirname "$0")/fixed-addresses.sh
export WINEPREFIX="$folder" WINEDEBUG=-all LC_ALL=C.UTF-8
"$fixed" wine wineboot --init >"$folder/log" 2>&1 || {
    cat "$folder/log" >&2
    exit 1
}
# Windows 7 otherwise.
"$fixed" wine reg add 'HKCU\Software\Wine' /v Version /d win10 /f >"$folder/log" 2>&1
wineserver --wait
touch "$folder/complete"
