#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every text for people is in every translation: none missing, none fuzzy, formats alike.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# xgettext reads the files of po/POTFILES; tr.h only explains the macros.
git grep -lE '\b(_|N_)\("' -- 'src/*.c' 'src/*.h' ':!src/base/tr.h' | sort >"$work/have"
sort po/POTFILES >"$work/listed"
diff "$work/listed" "$work/have" | sed -n 's/^> \(.*\)/po\/POTFILES lacks \1/p; s/^< \(.*\)/po\/POTFILES names \1, which has no text/p' >"$work/differ"
if [ -s "$work/differ" ]; then
    cat "$work/differ"
    failed=1
fi

xgettext --from-code=UTF-8 --keyword=_ --keyword=N_ --files-from="$work/have" -o "$work/all.pot"
while read -r language; do
    msgfmt --check -o /dev/null "po/$language.po" || failed=1
    msgmerge --quiet --no-fuzzy-matching "po/$language.po" "$work/all.pot" -o "$work/$language.po"
    for kind in untranslated only-fuzzy; do
        msgattrib --$kind --no-obsolete "$work/$language.po" >"$work/open"
        if grep -q '^msgid ' "$work/open"; then
            echo "$language has $kind texts:"
            grep -A2 '^#:' "$work/open"
            failed=1
        fi
    done
done <<END
$(grep -v '^#' po/LINGUAS)
END
exit $failed
