#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The completion for bash, asked as bash asks it; in TAP.
#
#     test-completion.sh FOLDER_OF_HVGPU COMPLETION

PATH=$1:$PATH
# shellcheck source=/dev/null
source "$2"
number=0
failed=0

# suggests EXPECTED WORD...: what is suggested for the last word.
suggests() {
    local expected=$1
    shift
    COMP_LINE="hvgpu $*"
    COMP_POINT=${#COMP_LINE}
    _hvgpu
    number=$((number + 1))
    if [ "$(printf '%s\n' "${COMPREPLY[@]}" | sort | xargs)" = "$expected" ]; then
        echo "ok $number - $*"
    else
        failed=1
        echo "not ok $number - $*"
        printf '%s\n' "# expected: $expected" "# found: ${COMPREPLY[*]}"
    fi
}

suggests 'attach' att
suggests 'gpu' g
suggests 'list show' gpu ''
suggests 'inf inject' driver in
suggests 'enable-3d show undo' vmx ''
suggests 'enable-3d' vmx en
suggests '--allow-blocklisted' vmx enable-3d a.vmx --allow
suggests '--dry-run' attach --dr
suggests '--low-mmio' -H sim:laptop attach games --low
suggests '' status --dry
suggests '--json' --js
suggests 'attach' -H sim:laptop att
suggests '' nonsense ''
echo "1..$number"
exit $failed
