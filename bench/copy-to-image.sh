#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A driver package of 602 files, 1.27 GB, into a fresh 40 GB dynamic VHDX, against what a user
# would do instead: cp -r of the same files to the same local file system (plain), and, with
# FUSE and root's help, QEMU's FUSE export of the image mounted with ntfs-3g and cp into that.
# Every side ends with the data on the disk.  The sides take turns within one run.
#
# usage: bench/copy-to-image.sh BUILD-FOLDER [RUNS] [SCRATCH-FOLDER]
set -eu
build=${1:?usage: copy-to-image.sh BUILD-FOLDER [RUNS] [SCRATCH-FOLDER]}
runs=${2:-3}
dir=$(mktemp -d "${3:-/tmp}/hvgpu-bench-XXXXXX")
trap 'rm -rf "$dir"' EXIT

python3 - "$dir/package" <<'PY'
import os, random, sys
random.seed(1)
folder = sys.argv[1]
os.makedirs(folder)
sizes = [random.lognormvariate(12.5, 2.0) for _ in range(602)]
scale = 1.27e9 / sum(sizes)
blob = os.urandom(1 << 26)
for i, size in enumerate(sizes):
    left = int(size * scale)
    with open(f"{folder}/file-{i}.dll", "wb") as file:
        while left > 0:
            file.write(blob[:min(left, len(blob))])
            left -= min(left, len(blob))
PY
truncate -s 40958M "$dir/ntfs.raw"
mkntfs -q -Q -F -s 512 -p 2048 -H 255 -S 63 "$dir/ntfs.raw"
"$build/bench/bench-make-image" "$dir/empty.vhdx" "$dir/ntfs.raw"
rm "$dir/ntfs.raw"
cat "$dir"/package/* >/dev/null

now() {
    date +%s.%N
}

# A fresh copy of the empty image, on the disk.
fresh() {
    cp --sparse=always "$dir/empty.vhdx" "$dir/disk.vhdx"
    sync
}

can_fuse() {
    [ -w /dev/fuse ] && [ "$(id -u)" -eq 0 ] && command -v qemu-storage-daemon >/dev/null &&
        command -v ntfs-3g >/dev/null
}

# QEMU serves the partition as a file, ntfs-3g mounts that file.
through_fuse() {
    fresh
    : >"$dir/partition"
    mkdir -p "$dir/mount"
    qemu-storage-daemon \
        --blockdev driver=file,node-name=file,filename="$dir/disk.vhdx" \
        --blockdev driver=vhdx,node-name=image,file=file \
        --blockdev driver=raw,node-name=part,file=image,offset=1048576,size=$((40958 << 20)) \
        --export type=fuse,id=fuse,node-name=part,mountpoint="$dir/partition",writable=on \
        --daemonize --pidfile "$dir/pid"
    start=$(now)
    ntfs-3g "$dir/partition" "$dir/mount"
    cp -r "$dir/package" "$dir/mount/copy"
    umount "$dir/mount"
    kill "$(cat "$dir/pid")"
    while [ -e "$dir/pid" ]; do sleep 0.01; done
    sync -f "$dir/disk.vhdx"
    end=$(now)
    awk "BEGIN { printf \"%.3f\", $end - $start }"
}

run=1
while [ "$run" -le "$runs" ]; do
    sync
    start=$(now)
    cp -r "$dir/package" "$dir/copy"
    sync -f "$dir/copy"
    end=$(now)
    plain=$(awk "BEGIN { printf \"%.3f\", $end - $start }")
    rm -rf "$dir/copy"

    fresh
    before=$(stat -c %s "$dir/disk.vhdx")
    ours=$("$build/bench/bench-copy-to-image" "$dir/disk.vhdx" "$dir/package")
    after=$(stat -c %s "$dir/disk.vhdx")
    seconds=${ours%% *}

    line="plain: $plain s; image: $ours, grown by $(((after - before) >> 20)) MiB"
    line="$line; image/plain: $(awk "BEGIN { printf \"%.2f\", $seconds / $plain }")"
    if can_fuse; then
        fuse=$(through_fuse)
        line="$line; FUSE: $fuse s; FUSE/image: $(awk "BEGIN { printf \"%.1f\", $fuse / $seconds }")"
    fi
    echo "$line"
    run=$((run + 1))
done
