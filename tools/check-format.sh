#!/bin/sh
# The formatter's opinion is the layout: no file may differ from it.
set -eu
git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror
