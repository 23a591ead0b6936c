#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Everything that can be measured here.  What needs root or programs that are missing is left
# out; see bench/README.md for the rest.
#
# usage: bench/run.sh BUILD-FOLDER
set -eu
build=${1:?usage: run.sh BUILD-FOLDER}
here=$(dirname "$0")

ninja -C "$build" bench-programs >/dev/null
sides='copy inject sync'
if [ "$(id -u)" -eq 0 ] && command -v mkfs.xfs >/dev/null; then
    sides="$sides share"
fi
if [ "$(id -u)" -eq 0 ] && [ -w /dev/fuse ] && command -v qemu-storage-daemon >/dev/null &&
    command -v ntfs-3g >/dev/null; then
    sides="$sides fuse"
fi
# shellcheck disable=SC2086
"$here/disks.py" "$build" $sides
"$here/fleet.py" "$build"
"$here/start.py" "$build"
