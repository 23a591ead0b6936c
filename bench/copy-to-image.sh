#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A driver package of 602 files, 1.27 GB, into a fresh 40 GB dynamic VHDX, against cp -r of
# the same files to the same local file system.  Both end with the data on the disk.
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

run=1
while [ "$run" -le "$runs" ]; do
    sync
    start=$(date +%s.%N)
    cp -r "$dir/package" "$dir/copy"
    sync -f "$dir/copy"
    end=$(date +%s.%N)
    rm -rf "$dir/copy"
    cp --sparse=always "$dir/empty.vhdx" "$dir/disk.vhdx"
    before=$(stat -c %s "$dir/disk.vhdx")
    sync
    ours=$("$build/bench/bench-copy-to-image" "$dir/disk.vhdx" "$dir/package")
    after=$(stat -c %s "$dir/disk.vhdx")
    echo "cp -r: $(awk "BEGIN { printf \"%.3f\", $end - $start }") s; image: $ours, grown by $(((after - before) >> 20)) MiB"
    run=$((run + 1))
done
