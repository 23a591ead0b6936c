#!/bin/sh
# Fuzzes every parser for SECONDS each, from the seeds in tests/corpus.  Findings stay in
# build-fuzz/findings.
set -eu

seconds=${1:-60}
tree=build-fuzz
[ -e $tree/build.ninja ] || CC=clang meson setup $tree -Dfuzz=true -Db_lundef=false \
    -Db_sanitize=address,undefined >/dev/null
ninja -C $tree fuzzers >/dev/null
mkdir -p $tree/findings

count=0
for target in "$tree"/tests/fuzz/fuzz-*; do
    [ -f "$target" ] && [ -x "$target" ] || continue
    name=$(basename "$target")
    corpus=$tree/corpus/$name
    mkdir -p "$corpus"
    seeds=tests/corpus/$name
    [ -d "$seeds" ] || seeds=
    echo "$name: $seconds s"
    # shellcheck disable=SC2086
    "$target" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 -print_final_stats=0 \
        -verbosity=0 -artifact_prefix="$tree/findings/$name-" "$corpus" $seeds
    count=$((count + 1))
done
echo "$count parsers fuzzed"
[ "$count" -gt 0 ]
