#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every manual page is clean, installed and found from hvgpu(1); every command has one.
set -eu
cd docs/man

failed=0
say() {
    echo "$1"
    failed=1
}

for page in *.[1-9]; do
    name=${page%.*}
    section=${page##*.}
    target=$(sed -n "s,^\.so man[1-9]/,,p" "$page")
    if [ -z "$target" ]; then
        mandoc -T lint -W warning "$page" || failed=1
    elif [ ! -e "$target" ] || ! grep -q "^\.Nm $name\b" "$target"; then
        say "$page: $target does not name $name"
    fi
    grep -q "'$page'" meson.build || say "$page is not installed"
    [ "$page" = hvgpu.1 ] || grep -qE "^\.Xr $name $section( [,.])?$" hvgpu.1 ||
        say "$page is not in hvgpu.1"
done

# A command's name stands in the first lines of its table.
commands=$(grep -h -A3 '^const struct command cmd_' ../../src/cli/cmd-*.c |
    sed -n 's/^ *\.name = "\(.*\)",$/\1/p' | tr ' ' -)
[ -n "$commands" ] || say 'no commands found in src/cli'
for name in $commands; do
    [ -e "hvgpu-$name.1" ] || say "hvgpu-$name.1 is missing"
done
exit $failed
