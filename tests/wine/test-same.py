#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What reads, run three ways against the same simulated hosts: the JSON is the same byte for byte.

usage: test-same.py HVGPU HVGPU-SIM LAB...

On Linux over WS-Management, in hvgpu.exe over WS-Management, in hvgpu.exe over COM.  What may
differ is how a host was reached: its name, which `-H local` does not have from anyone.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scenarios"))
import scenario  # noqa: E402
import way  # noqa: E402

WAYS = [way.Way(name) for name in ("linux", "exe", "com")]


class Run:
    def __init__(self, world, server, name):
        self.world, self.server, self.name = world, server, name
        self.url = server.hosts[name]

    def __call__(self, chosen, *args):
        login = ["--user", "admin", "--password-file", str(self.server.password_file)]
        words = [*chosen.program(self.world.hvgpu_path), *chosen.options(self.url, login), *args,
                 "--json"]
        env = chosen.environment(self.world.env, f"{self.server.com}/{self.name}")
        done = subprocess.run(words, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=scenario.SECONDS_MAX * 4, check=False)
        return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8", "replace")


def normal(text, names):
    """@text with the host's name taken out wherever it stands as a whole value, and ids of runs."""
    text = scenario.RUN_ID.sub("RUN", text)
    for name in names:
        text = text.replace(json.dumps(name, ensure_ascii=False), '"HOST"')
    return text


def readers(found):
    """Every command that reads, for a host that has these GPUs and VMs."""
    yield ["status"]
    yield ["gpu", "list"]
    yield ["vm", "list"]
    yield ["survey"]
    yield ["dda", "list"]
    yield ["export"]
    yield ["partition", "place"]
    for gpu in found["gpus"][:2]:
        if gpu["instance_id"]:
            yield ["gpu", "show", gpu["instance_id"]]
            yield ["driver", "show", gpu["instance_id"]]
    for vm in found["vms"][:2]:
        yield ["vm", "show", vm["id"]]
    if found["vms"] and found["gpus"] and found["gpus"][0]["instance_id"]:
        pair = ["--gpu", found["gpus"][0]["instance_id"]]
        yield ["survey", *pair, "--vm", found["vms"][0]["id"]]
        yield ["attach", found["vms"][0]["id"], *pair, "--dry-run=powershell"]
    yield ["gpu", "show", "no such GPU"]
    yield ["vm", "show", "no such VM"]


def inventory(run):
    """GPUs and VMs of the host, as the Linux build tells them."""
    found = {}
    for what in ("gpu", "vm"):
        code, out, err = run(WAYS[0], what, "list")
        hosts = json.loads(out).get("hosts") or [{}]
        found[what + "s"] = hosts[0].get(what + "s") or []
        if code not in (0, 1):
            raise AssertionError(f"{what} list: {code} {out} {err}")
    return found


def computer_name(run):
    """What hvgpu.exe calls the host it runs on."""
    _, out, err = run(WAYS[2], "gpu", "list")
    try:
        return json.loads(out)["hosts"][0]["host"]
    except (ValueError, KeyError, IndexError) as error:
        raise AssertionError(f"gpu list over COM: {out}{err}") from error


def compare(run, args, names):
    """None, or what differs."""
    wanted = None
    for chosen in WAYS:
        code, out, err = run(chosen, *args)
        said = (code, normal(out, names))
        if not out:
            return f"{chosen.name}: nothing on standard output, exit {code}: {err}"
        if wanted is None:
            wanted = said
        elif said != wanted:
            return (f"{chosen.name}: exit {code}, Linux {wanted[0]}\n" +
                    scenario.difference(wanted[1], said[1]) + "\n" + err)
    return None


def main():
    hvgpu, sim, *labs = sys.argv[1:]
    number = failed = 0
    way.skip_all_without(*WAYS)
    for lab in labs:
        with tempfile.TemporaryDirectory(prefix="hvgpu-same-") as folder:
            world = scenario.World(hvgpu, sim, folder)
            with world.serve(lab, "--com", "127.0.0.1:0") as server:
                for name in list(server.hosts)[:1 if lab.startswith("fleet") else None]:
                    run = Run(world, server, name)
                    names = [run.url, computer_name(run)]
                    for args in readers(inventory(run)):
                        number += 1
                        differs = compare(run, args, names)
                        failed += differs is not None
                        print(f"{'not ok' if differs else 'ok'} {number} - {lab}, {name}: "
                              f"{' '.join(args)}".replace("#", "\\#"), flush=True)
                        if differs:
                            print("# " + differs.replace("\n", "\n# "), flush=True)
    print(f"1..{number}")
    sys.exit(1 if failed else 0)


os.environ.setdefault("NO_COLOR", "1")
main()
