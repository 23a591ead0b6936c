#!/bin/sh
# Compiles every portable folder for Windows.  The libraries hvgpu uses are not in Debian
# for mingw-w64; their headers are the same on every system, so those of this machine do
# for compiling (not for linking: see docs/building.md).
set -eu

cc=x86_64-w64-mingw32-gcc
out=${1:?usage: check-mingw.sh FOLDER}
mkdir -p "$out/include" "$out/obj"

link() {
    for place in /usr/include "/usr/include/$(gcc -print-multiarch)"; do
        [ -e "$place/$1" ] && ln -sfn "$place/$1" "$out/include/$1" && return
    done
    echo "header $1 is missing" >&2
    exit 1
}
for header in curl libxml2 jansson.h jansson_config.h sqlite3.h nettle yaml.h; do
    link "$header"
done
# libxml2 was built here with ICU, and with iconv, whose headers end in those of this system.
mkdir -p "$out/include/unicode"
printf '#pragma once\ntypedef struct UConverter UConverter;\ntypedef unsigned short UChar;\n' >"$out/include/unicode/ucnv.h"
printf '#pragma once\ntypedef void *iconv_t;\n' >"$out/include/iconv.h"

includes=
for folder in src/*/; do
    # The simulator has a windows.h of its own, which must not come before the system's.
    case $folder in
    src/sim/) includes="$includes -idirafter $folder" ;;
    *) includes="$includes -I$folder" ;;
    esac
done

failed=0
count=0
for folder in base os cim wmi wsman hyperv plan driver share vmx cli; do
    for file in src/$folder/*.c; do
        case $file in
        */test-*.c | */*-posix.c | */*-linux.c) continue ;;
        esac
        [ -e "$file" ] || continue
        count=$((count + 1))
        # shellcheck disable=SC2086
        $cc -std=gnu17 -D_WIN32_WINNT=0x0A00 -DHVGPU_VERSION='"check"' -DCURL_STATICLIB \
            -DLIBXML_STATIC -Wall -Wextra -Wno-missing-field-initializers \
            -Wno-unused-parameter -Werror -O1 $includes -I"$out/generated" \
            -isystem "$out/include" -isystem "$out/include/libxml2" \
            -c "$file" -o "$out/obj/$(echo "$file" | tr / -).o" || {
            echo "does not compile for Windows: $file"
            failed=$((failed + 1))
        }
    done
done
echo "$count files compiled for Windows, $failed failed"
[ "$failed" -eq 0 ] && [ "$count" -gt 0 ]
