#!/bin/sh
# Fuzzes every parser for SECONDS each, from the seeds in tests/corpus, as many at a time as there
# are processors.  Findings stay in TREE/findings.
#
#   tools/fuzz.sh [SECONDS [TREE]]     TREE: a build with -Dfuzz=true; build-fuzz is made for it
set -eu

export seconds="${1:-60}" tree="${2:-build-fuzz}"
[ -e "$tree/build.ninja" ] || CC=clang meson setup "$tree" -Dfuzz=true -Db_lundef=false \
    -Db_sanitize=address,undefined >/dev/null
ninja -C "$tree" fuzzers >/dev/null
mkdir -p "$tree/findings" "$tree/corpus"

targets() {
    find "$tree/tests/fuzz" -maxdepth 1 -type f -perm -u+x -name 'fuzz-*' | sort
}

# What a target says comes in one piece when it is done.
# shellcheck disable=SC2016
targets | xargs -P "$(nproc)" -n 1 sh -c '
    name=$(basename "$1")
    corpus=$tree/corpus/$name
    seeds=tests/corpus/$name
    mkdir -p "$corpus"
    [ -d "$seeds" ] || seeds=
    echo "$name: $seconds s" >"$corpus.log"
    status=0
    "$1" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 -print_final_stats=0 \
        -verbosity=0 -artifact_prefix="$tree/findings/$name-" "$corpus" $seeds \
        >>"$corpus.log" 2>&1 || status=1
    cat "$corpus.log"
    exit "$status"' sh
count=$(targets | wc -l)
echo "$count parsers fuzzed"
[ "$count" -gt 0 ]
