#!/bin/bash
# Builds hvgpu.exe and packs what users download.  make windows calls it.
#
#   tools/windows-package.sh BUILD-FOLDER [RELEASE-URL]
#
# In BUILD-FOLDER/dist: hvgpu.exe, the zip (with the licences of all that is linked in),
# SHA256SUMS, and winget's manifests, which name RELEASE-URL as the place of the zip: in the folder
# winget; without RELEASE-URL in winget-draft, with a place that does not exist.
# The same sources give the same bytes, in whatever folder.
set -euo pipefail

build=${1:?usage: windows-package.sh BUILD-FOLDER [RELEASE-URL]}
url=${2:-}
manifests=winget
if [ -z "$url" ]; then
    url=https://hvgpu.example/releases
    manifests=winget-draft
fi
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/.." && pwd)

deps=$("$here/windows-deps.sh")
if [ ! -e "$build/build.ninja" ]; then
    meson setup --buildtype=release --cross-file "$here/windows.cross" \
        --cross-file "$deps/deps.cross" "$build" "$source"
fi
ninja -C "$build" src/cli/hvgpu.exe

build=$(cd "$build" && pwd)
version=$(meson introspect --projectinfo "$build" | sed 's/.*"version": "\([^"]*\)".*/\1/')
name=hvgpu-$version-windows-x64
rm -rf "$build/dist"
mkdir -p "$build/dist/$name/licenses" "$build/dist/$manifests"
cd "$build/dist"

# -p: the time in its header stays none.
x86_64-w64-mingw32-strip -p -o hvgpu.exe "$build/src/cli/hvgpu.exe"
cp hvgpu.exe "$name"
cp "$source/LICENSE" "$source/NEWS.md" "$name"
cp "$deps"/licenses/*.txt "$name/licenses"
# The C library's and the threads' parts that every program carries; which sources all this was.
cp /usr/share/doc/mingw-w64-common/copyright "$name/licenses/mingw-w64.txt"
cp "$here/windows/sources.txt" "$name/licenses"
cp "$source/docs/windows.md" "$name/README.md"

# ---- the zip: no times, owners or order of this machine ----

# As reproducible-builds.org has it; without: the last change, or a day that all have in common.
when=${SOURCE_DATE_EPOCH:-$(git -C "$source" log -1 --format=%ct 2>/dev/null || echo 1577836800)}
find "$name" -exec touch --date="@$when" {} +
find "$name" -type f | LC_ALL=C sort | TZ=UTC zip -q -9 -X -@ "$name.zip"
rm -r "$name"
sha256sum hvgpu.exe "$name.zip" >SHA256SUMS

# ---- winget: manifests of version 1.6, of a zip that holds one program ----

sum=$(sha256sum "$name.zip" | cut -c1-64 | tr a-f A-F)
id=hvgpu.hvgpu
manifest() {
    local schema
    schema=$(echo "$2" | tr '[:upper:]' '[:lower:]')
    cat >"$manifests/$id$1.yaml" <<END
# yaml-language-server: \$schema=https://aka.ms/winget-manifest.$schema.1.6.0.schema.json
PackageIdentifier: $id
PackageVersion: $version
$(cat)
ManifestType: $2
ManifestVersion: 1.6.0
END
}
manifest '' version <<END
DefaultLocale: en-US
END
manifest .installer installer <<END
Platform:
- Windows.Desktop
MinimumOSVersion: 10.0.14393.0
InstallerType: zip
NestedInstallerType: portable
NestedInstallerFiles:
- RelativeFilePath: $name\\hvgpu.exe
  PortableCommandAlias: hvgpu
Commands:
- hvgpu
Installers:
- Architecture: x64
  InstallerUrl: ${url%/}/$name.zip
  InstallerSha256: $sum
END
manifest .locale.en-US defaultLocale <<END
PackageLocale: en-US
Publisher: The hvgpu project
PackageName: hvgpu
License: GPL-2.0-or-later
ShortDescription: Gives Hyper-V virtual machines a GPU, drivers included, and takes it back
Moniker: hvgpu
Tags:
- gpu
- hyper-v
- gpu-pv
- gpu-p
- dda
- virtualization
END
manifest .locale.zh-CN locale <<END
PackageLocale: zh-CN
ShortDescription: 为 Hyper-V 虚拟机分配 GPU（包括驱动程序），也能收回
END

"$here/check-winget.py" "$manifests" "$name.zip"

size=$(stat -c %s hvgpu.exe)
[ "$size" -lt $((5 << 20)) ] || {
    echo "hvgpu.exe has $size bytes; users were promised less than 5 MiB" >&2
    exit 1
}
echo "$build/dist:"
cat SHA256SUMS
if [ "$manifests" = winget-draft ]; then
    echo "winget-draft/ names no real place of the zip, and is not for winget-pkgs: say where it will be,"
    echo '    make windows RELEASE_URL=https://github.com/OWNER/hvgpu/releases/download/vVERSION'
fi
