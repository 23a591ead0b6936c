#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The main job on a simulated host, from nothing to nothing: what "make demo" runs.
# Every line with a "$" is a command that anybody can type.  The first surprise ends it.
set -eu

build=$(cd "${1:?usage: demo.sh BUILD_FOLDER}" && pwd)
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/hvgpu-demo-XXXXXX")
step='starting'

finish() {
    status=$?
    cd /
    rm -rf "$work"
    [ "$status" -eq 0 ] || echo "The demo ended at: $step" >&2
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Nothing of the user's is read or written: state, configuration and labs are the demo's own.
export PATH="$build/src/cli:$build/src/sim/program:$PATH"
export XDG_STATE_HOME="$work/state" XDG_CONFIG_HOME="$work/config" HVGPU_DATA_DIR="$root"
export HVGPU_LOCALE_DIR="$build/po"
unset HVGPU_FAULT HVGPU_PASSWORD_FILE
cd "$work"

say() {
    echo
    printf '# %s\n' "$@"
}

show() {
    step=$*
    printf '$ %s\n' "$*"
    "$@"
}

# Every object, file, registry value and disk content of the host, as text.
dump() {
    step="reading the whole host ($1)"
    hvgpu-sim dump demo >"$1"
}

# The VM must be as this expression of Python says.
vm_must() {
    step="checking the VM: $1"
    hvgpu -H sim:demo vm show games --json | python3 -c "
import json, sys
vm = json.load(sys.stdin)['hosts'][0]['vms'][0]
sys.exit(not ($1))"
}

say 'A laptop with Hyper-V, two GPUs and two VMs.  It is simulated, but spoken to over HTTP' \
    'with WS-Management like any host; its disks are real VHDX files with NTFS in them.'
show hvgpu -H sim:demo status
say 'The VM that shall have the GeForce:'
show hvgpu -H sim:demo vm show games
vm_must "vm['adapters'] == [] and vm['state'] == 'off'"
dump before

say 'What a person would type for it.  (hvgpu itself runs no PowerShell.)'
show hvgpu -H sim:demo attach games --gpu 4070 --dry-run=powershell
dump after-dry-run
cmp before after-dry-run

say 'The plan, and the work:'
show hvgpu -H sim:demo attach games --gpu 4070 --yes
dump attached

say 'It is there:'
show hvgpu -H sim:demo vm show games
show hvgpu -H sim:demo gpu list
vm_must "[a['gpu'] for a in vm['adapters']] == ['NVIDIA GeForce RTX 4070 Laptop GPU']"
vm_must "vm['guest_controlled_cache'] and vm['low_mmio_bytes'] == 1 << 30"

disk=state/hvgpu/labs/demo/LAPTOP/C/VMs/games/games.vhdx
say "And so are the drivers, in the VM's disk:"
step="looking for the drivers in the VM's disk"
# What is new, without the attributes, size, time and hash that follow a path.
diff before attached |
    sed -n 's/^> \(.*\) [0-9a-f]* [0-9]* [0-9]* [0-9a-f]\{64\}$/\1/p; s/^> *//p' >new
grep -F 'Services\nvlddmkm' new
grep -E 'HostDriverStore.*nvlddmkm\.sys$|HostDriverStore.*nvcuda64\.dll$|System32.nvcuda\.dll$' new
files=$(grep -c 'FileRepository.nv_dispi.*\.[a-zA-Z0-9]*$' new)
echo "... $files files of the driver package"
[ "$files" -gt 50 ]

if command -v qemu-img >/dev/null && command -v fls >/dev/null; then
    say 'Programs that others wrote, QEMU and The Sleuth Kit, read the same disk:'
    show qemu-img check "$disk"
    show qemu-img convert -O raw "$disk" disk.raw
    start=$(hvgpu image show "$disk" --json | python3 -c "
import json, sys
print(next(p['offset_bytes'] // 512 for p in json.load(sys.stdin)['image']['partitions']
           if p['file_system'] == 'ntfs'))")
    step='reading the disk with fls'
    printf '$ %s\n' "fls -o $start -r -p disk.raw | grep nvlddmkm.sys"
    fls -o "$start" -r -p disk.raw | grep 'HostDriverStore.*nvlddmkm.sys'
    rm disk.raw
else
    say 'With qemu-utils and sleuthkit installed, programs that others wrote would look, too.'
fi

say 'Asked again, there is nothing to do:'
step='attaching a second time'
printf '$ %s\n' 'hvgpu -H sim:demo attach games --gpu 4070 --yes'
hvgpu -H sim:demo attach games --gpu 4070 --yes
dump attached-twice
cmp attached attached-twice

say 'All of it is in the journal, and can be taken back.'
show hvgpu history
show hvgpu undo --yes --quiet
vm_must "vm['adapters'] == [] and not vm['guest_controlled_cache']"

say 'Nothing is left: every object, file, attribute and registry value of the host and of its' \
    "VMs' disks is as it was before."
dump after
show cmp before after
echo "$(wc -l <after) lines, no difference."
