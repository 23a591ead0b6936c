#!/bin/bash
# Builds what hvgpu.exe is linked with: static libraries for mingw-w64, from Debian's source
# packages (tools/windows/sources.txt pins each by its hash), with Debian's patches.
#
#   tools/windows-deps.sh [FOLDER]     prints the prefix; FOLDER: where to build and keep it
#
# A prefix is named by the hash of everything that decides what is in it: the second run
# only prints it.  HVGPU_DEBIAN_MIRROR: another mirror than apt's, HVGPU_JOBS: how many at a time.
# Exit status 75: a source cannot be had from the mirror.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/hvgpu}
# The mirror that this system's apt is set to.
# shellcheck disable=SC2016
mirror=${HVGPU_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    sed -n 's,/debian/*$,/debian,p' | head -n 1 || true)}
jobs=${HVGPU_JOBS:-$(nproc)}
target=x86_64-w64-mingw32

fail() {
    echo "windows-deps: $*" >&2
    exit 1
}

# Not a fault of the tree: 75, "try again later" (sysexits.h).
unavailable() {
    echo "windows-deps: $*" >&2
    exit 75
}

for tool in $target-gcc $target-gcc-ar cmake curl patch tclsh cc make sha256sum xz; do
    command -v "$tool" >/dev/null || fail "$tool is missing: see tools/packages-windows.txt"
done

# What decides the result: this script, the files beside it, the compiler.
key=$({
    cat "$here/windows-deps.sh" "$here"/windows/*
    $target-gcc --version
} | sha256sum | cut -c1-16)
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
prefix=$cache/windows-$key
if [ -e "$prefix/complete" ]; then
    echo "$prefix"
    exit 0
fi

# Another one may be at it.
exec 9>"$cache/windows.lock"
flock 9
if [ -e "$prefix/complete" ]; then
    echo "$prefix"
    exit 0
fi

work=$cache/work-$key
rm -rf "$work" "$prefix"
mkdir -p "$work" "$cache/sources" "$prefix/include" "$prefix/lib/pkgconfig" "$prefix/licenses"
trap 'rm -rf "$work"' EXIT

# ---- sources ----

fetch() {
    local sum=$1 path=$2 name file
    name=${path##*/}
    file=$cache/sources/$name
    if ! echo "$sum  $file" | sha256sum --check --status 2>/dev/null; then
        [ -n "$mirror" ] || unavailable "apt names no Debian mirror here: name one in HVGPU_DEBIAN_MIRROR"
        # A + in a path is a space to some servers.
        curl --fail --silent --show-error --location --retry 3 --output "$file.part" \
            "$mirror/${path//+/%2b}" ||
            unavailable "cannot get $mirror/$path (Debian replaces a package's patches now and then: then sources.txt needs the new name and hash)"
        echo "$sum  $file.part" | sha256sum --check --status ||
            fail "$name is not what tools/windows/sources.txt expects: $(sha256sum <"$file.part" | cut -c1-64)"
        mv "$file.part" "$file"
    fi
}

unpack() {
    local name=$1 folder series
    folder=$work/$name
    mkdir -p "$folder"
    tar -xf "$cache"/sources/"$name"_*.orig.tar.* -C "$folder" --strip-components=1
    for series in "$cache"/sources/"$name"_*.debian.tar.xz; do
        [ -e "$series" ] || continue
        tar -xf "$series" -C "$folder"
        sed -e 's/[[:space:]]*#.*//' -e '/^$/d' "$folder/debian/patches/series" | while read -r patch; do
            patch --directory="$folder" --strip=1 --force --silent <"$folder/debian/patches/$patch" >/dev/null ||
                fail "$name: $patch does not apply"
        done
    done
}

while read -r sum path; do
    case $sum in '#'* | '') continue ;; esac
    fetch "$sum" "$path"
    # Only what is pinned now may lie there: unpack() takes what it finds.
    keep="${keep:-} ${path##*/}"
done <"$here/windows/sources.txt"
for file in "$cache"/sources/*; do
    case "$keep " in *" ${file##*/} "*) ;; *) rm -f "$file" ;; esac
done

# ---- building ----

# Paths of this machine stay out of the libraries: the same bytes wherever they are built.
flags="-O2 -std=gnu17 -D_WIN32_WINNT=0x0A00 -D__USE_MINGW_ANSI_STDIO=1 -ffunction-sections -fdata-sections
    -ffile-prefix-map=$work=. -ffile-prefix-map=$prefix=. -w"

# Compiles the files given on standard input, in $work/$1, into libNAME.a.
archive() {
    local name=$1 folder=$work/$2
    shift 2
    (
        cd "$folder"
        mkdir -p hvgpu-objects
        # shellcheck disable=SC2086
        tr ' ' '\n' | sed '/^$/d' | xargs -P "$jobs" -I{} sh -c '
            source=$1; shift
            "$@" -c "$source" -o "hvgpu-objects/$(echo "$source" | tr / -).o"' \
            compile {} $target-gcc $flags "$@"
        rm -f "$prefix/lib/lib$name.a"
        # D: no times and owners in it.
        find hvgpu-objects -name '*.o' | LC_ALL=C sort | xargs $target-gcc-ar rcsD "$prefix/lib/lib$name.a"
    )
}

with_cmake() {
    local name=$1
    shift
    cat >"$work/$name.cmake" <<EOF
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER $target-gcc)
set(CMAKE_RC_COMPILER $target-windres)
set(CMAKE_FIND_ROOT_PATH $prefix)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_TRY_COMPILE_TARGET_TYPE EXECUTABLE)
EOF
    cmake -S "$work/$name" -B "$work/$name-build" -DCMAKE_TOOLCHAIN_FILE="$work/$name.cmake" \
        -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_BUILD_TYPE=None \
        -DCMAKE_C_FLAGS="$(echo $flags)" -DBUILD_SHARED_LIBS=OFF "$@"
    make -C "$work/$name-build" -j"$jobs" install
}

# What Meson reads: $1 as pkg-config knows it, version, libraries, flags.
describe() {
    cat >"$prefix/lib/pkgconfig/$1.pc" <<EOF
prefix=\${pcfiledir}/../..
Name: $1
Description: static, for hvgpu.exe
Version: $2
Libs: -L\${prefix}/lib $3
Cflags: -I\${prefix}/include ${4:-}
EOF
}

license() {
    local name=$1
    shift
    (cd "$work/$name" && cat "$@") >"$prefix/licenses/$name.txt"
}

build_jansson() {
    unpack jansson
    # Its config for Android, which is as old as the variables it lacks.
    sed '$i #define JSON_HAVE_ATOMIC_BUILTINS 1\n#define JSON_HAVE_SYNC_BUILTINS 1' \
        "$work/jansson/android/jansson_config.h" >"$work/jansson/src/jansson_config.h"
    : >"$work/jansson/src/jansson_private_config.h" # all of it is on the command line
    ls "$work/jansson/src" | sed -n 's/\.c$/&/p' |
        archive jansson jansson/src -DHAVE_STDINT_H -DHAVE_FCNTL_H -DHAVE_SYS_TYPES_H -DHAVE_UNISTD_H \
            -DHAVE_OPEN -DHAVE_READ -DHAVE_CLOSE -DHAVE_GETPID -DHAVE_SYS_TIME_H -DHAVE_GETTIMEOFDAY \
            -DHAVE_LONG_LONG_INT -DHAVE_ATOMIC_BUILTINS -DUSE_WINDOWS_CRYPTOAPI \
            -DINITIAL_HASHTABLE_ORDER=3 -I.
    cp "$work"/jansson/src/jansson{,_config}.h "$prefix/include"
    describe jansson 2.14 -ljansson
    license jansson LICENSE
}

build_libxml2() {
    unpack libxml2
    local off=
    for part in C14N CATALOG DEBUG DOCB FTP HTML HTTP ICONV ISO8859X LEGACY LZMA MODULES PATTERN \
        PROGRAMS PYTHON REGEXPS SCHEMAS SCHEMATRON TESTS VALID WRITER READER XINCLUDE XPATH XPTR \
        ZLIB OUTPUT; do
        off="$off -DLIBXML2_WITH_$part=OFF"
    done
    # shellcheck disable=SC2086
    with_cmake libxml2 $off -DHAVE_PTHREAD_H=0
    rm -f "$prefix/lib/pkgconfig/libxml-2.0.pc"
    describe libxml-2.0 2.9.14 '-lxml2 -lws2_32' '-I${prefix}/include/libxml2 -DLIBXML_STATIC'
    license libxml2 Copyright
}

build_curl() {
    unpack curl
    with_cmake curl -DCURL_USE_SCHANNEL=ON -DCURL_WINDOWS_SSPI=ON -DHTTP_ONLY=ON \
        -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF -DCURL_ZLIB=OFF -DCURL_USE_LIBSSH2=OFF \
        -DCURL_USE_LIBPSL=OFF -DUSE_LIBIDN2=OFF -DCURL_DISABLE_HSTS=ON -DCURL_DISABLE_ALTSVC=ON \
        -DCURL_DISABLE_COOKIES=ON -DENABLE_MANUAL=OFF -DENABLE_UNIX_SOCKETS=OFF
    describe libcurl 7.88.1 '-lcurl -lcrypt32 -lbcrypt -lsecur32 -ladvapi32 -lws2_32' -DCURL_STATICLIB
    license curl COPYING
}

build_sqlite3() {
    unpack sqlite3
    # The one big file is made by SQLite's own scripts, natively.
    (
        cd "$work/sqlite3"
        ./configure --disable-tcl --disable-load-extension --disable-shared
        make -j"$jobs" sqlite3.c
    )
    echo sqlite3.c | archive sqlite3 sqlite3 -DSQLITE_THREADSAFE=1 -DSQLITE_OMIT_LOAD_EXTENSION \
        -DSQLITE_DEFAULT_MEMSTATUS=0 -DSQLITE_OMIT_DEPRECATED
    cp "$work/sqlite3/sqlite3.h" "$prefix/include"
    describe sqlite3 3.40.1 -lsqlite3
    license sqlite3 LICENSE.md
}

build_libyaml() {
    unpack libyaml
    ls "$work/libyaml/src" | sed -n 's/\.c$/&/p' |
        archive yaml libyaml/src -DYAML_DECLARE_STATIC -I../include -DYAML_VERSION_MAJOR=0 \
            -DYAML_VERSION_MINOR=2 -DYAML_VERSION_PATCH=5 '-DYAML_VERSION_STRING="0.2.5"'
    cp "$work/libyaml/include/yaml.h" "$prefix/include"
    describe yaml-0.1 0.2.5 -lyaml -DYAML_DECLARE_STATIC
    license libyaml License
}

# Digests and base64 only: the ciphers and big numbers have no use here.
build_nettle() {
    unpack nettle
    echo '#define NETTLE_INTERNAL' >"$work/nettle/config.h"
    echo base64-decode.c base64-encode.c md5.c md5-compress.c sha1.c sha1-compress.c \
        sha256.c sha256-compress.c sha512.c sha512-compress.c write-be32.c write-le32.c |
        archive nettle nettle -I. -DHAVE_CONFIG_H
    mkdir -p "$prefix/include/nettle"
    (cd "$work/nettle" && cp base64.h md5.h nettle-types.h sha1.h sha2.h sha.h "$prefix/include/nettle")
    describe nettle 3.8.1 -lnettle
    license nettle COPYING.LESSERv3
}

# The library alone, without its own access to devices: hvgpu brings that.
build_ntfs-3g() {
    unpack ntfs-3g
    cp "$here/windows/ntfs-3g-config.h" "$work/ntfs-3g/config.h"
    cp "$here/windows/ntfs-3g-headers.h" "$work/ntfs-3g"
    (cd "$work/ntfs-3g" && touch pwd.h grp.h syslog.h) # config.h has what is needed of them
    ls "$work/ntfs-3g/libntfs-3g" | sed -n 's/\.c$/&/p' | grep -v -e unix_io -e win32_io |
        archive ntfs-3g ntfs-3g/libntfs-3g -I.. -I../include/ntfs-3g -DHAVE_CONFIG_H -mno-ms-bitfields
    mkdir -p "$prefix/include/ntfs-3g"
    cp "$work"/ntfs-3g/include/ntfs-3g/*.h "$prefix/include/ntfs-3g"
    cp "$here/windows/ntfs-3g-headers.h" "$prefix/include/ntfs-3g/"
    # Structures laid out as on the disk: not as Windows' compilers do it.
    describe libntfs-3g 2022.10.3 -lntfs-3g '-include ntfs-3g/ntfs-3g-headers.h -mno-ms-bitfields'
    license ntfs-3g COPYING
}

build_hivex() {
    unpack hivex
    cp "$here"/windows/iconv.[ch] "$work/hivex/lib"
    cp "$here/windows/hivex-config.h" "$work/hivex/config.h"
    cp "$work"/hivex/gnulib/lib/full-{read,write}.c "$work"/hivex/gnulib/lib/safe-{read,write}.c "$work/hivex/lib"
    echo handle.c mmap.c node.c offset-list.c utf16.c util.c value.c visit.c write.c iconv.c \
        full-read.c full-write.c safe-read.c safe-write.c |
        archive hivex hivex/lib -I. -I.. -I../include -I../gnulib/lib
    cp "$work/hivex/include/hivex.h" "$prefix/include"
    describe hivex 1.3.24 '-lhivex -lpthread'
    license hivex LICENSE
}

# The long ones first; each in its own log, shown only when it fails.
names="curl sqlite3 libxml2 ntfs-3g hivex jansson libyaml nettle"
run() {
    set -euo pipefail
    "build_$1" >"$work/$1.log" 2>&1 </dev/null
    touch "$work/$1.built"
}
running=0
for name in $names; do
    if [ "$running" -ge "$jobs" ]; then
        wait -n || true # which one failed is seen below
        running=$((running - 1))
    fi
    run "$name" &
    running=$((running + 1))
done
wait || true
for name in $names; do
    [ -e "$work/$name.built" ] && continue
    tail -n 40 "$work/$name.log" >&2
    fail "$name was not built"
done
printf "[properties]\npkg_config_libdir = '%s/lib/pkgconfig'\n" "$prefix" >"$prefix/deps.cross"
touch "$prefix/complete"
echo "$prefix"
