#!/bin/bash
# Builds hvgpu.exe twice, in folders of different names and depths, and compares the bytes.
# Takes two whole builds: not part of CI, to be run before a release.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$work/a" "$work/somewhere/else/b"
git -C "$here/.." archive HEAD | tar -x -C "$work/a"
cp -r "$work/a" "$work/somewhere/else/b/sources"
export CCACHE_DISABLE=1
"$work/a/tools/windows-package.sh" "$work/a/build" https://hvgpu.example
sleep 2 # what holds a time differs now
"$work/somewhere/else/b/sources/tools/windows-package.sh" "$work/somewhere/else/b/out" https://hvgpu.example
diff -r "$work/a/build/dist" "$work/somewhere/else/b/out/dist"
echo 'The same bytes, twice.'
