#!/bin/sh
# What must not be in the tree: absolute paths of somebody's machine, unfinished business,
# files that hold more than one idea.
set -eu

fail=0
say() {
    echo "$1"
    fail=1
}
git grep -nIE '(^|[^.a-zA-Z])/(home|work)/[a-z]' -- '*.c' '*.h' '*.py' '*.sh' '*.md' '*.build' &&
    say 'these lines name a folder of one machine'
git grep -nIwE 'TODO|FIXME|XXX' -- '*.c' '*.h' '*.py' '*.sh' ':!tools/check-tree.sh' &&
    say 'these lines are unfinished'
git ls-files | grep -iE '(^|/)utils?\.[ch]$' && say 'a file named utils holds no idea'
exit $fail
