#!/usr/bin/env python3
"""Inventory of many simulated hosts: time, requests and memory of client and simulator.

usage: bench/fleet.py BUILD [HOSTS...]        (default: 10 50 200)

The simulator runs in a process of its own, so that each side's memory and processor time
are its own.  Requests are what the simulator answered.  For comparison: libvirt 9.0's
Hyper-V driver needs 6 + 3N requests for a host with N VMs (virsh list --all)."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

VMS = 50


def wait(process):
    """Status, processor seconds and peak memory (KiB) of a finished child."""
    _, status, usage = os.wait4(process.pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def measure(build, hosts, folder):
    sim = build / "src/sim/program/hvgpu-sim"
    log = open(folder / "requests", "w+")
    password = folder / "password"
    password.touch(mode=0o600)
    password.write_text("bench-only")
    server = subprocess.Popen(
        [sim, f"fleet:{hosts}", "--ephemeral", "-v", "--password-file", password],
        stdout=subprocess.PIPE, stderr=log, text=True)
    places = [server.stdout.readline().split() for _ in range(hosts)]

    inventory = folder / "inventory.yaml"
    with open(inventory, "w") as out:
        out.write(f"defaults:\n  user: admin\n  password_file: {password}\nhosts:\n")
        for name, url in places:
            out.write(f"  {name}:\n    url: {url}\n")

    result = folder / "result.json"
    start = time.monotonic()
    client = subprocess.Popen(
        [build / "src/cli/hvgpu", "--inventory", inventory, "status", "--json"],
        stdout=open(result, "w"))
    status, cpu, memory = wait(client)
    wall = time.monotonic() - start
    server.terminate()
    _, server_cpu, server_memory = wait(server)

    found = json.load(open(result))["hosts"]
    errors = sum(1 for host in found if host["error"])
    log.seek(0)
    requests = sum(1 for _ in log)
    return {
        "hosts": len(found), "errors": errors, "status": status, "wall": wall, "cpu": cpu,
        "memory": memory / 1024, "server_cpu": server_cpu,
        "server_memory": server_memory / 1024, "requests": requests,
    }


def main():
    build = pathlib.Path(sys.argv[1])
    counts = [int(word) for word in sys.argv[2:]] or [10, 50, 200]
    print("| hosts | errors | wall | client CPU | client memory | simulator CPU | "
          "simulator memory | requests per host | libvirt would need |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for hosts in counts:
        with tempfile.TemporaryDirectory() as folder:
            row = measure(build, hosts, pathlib.Path(folder))
        print(f"| {row['hosts']} | {row['errors']} | {row['wall']:.2f} s | {row['cpu']:.2f} s "
              f"| {row['memory']:.0f} MB | {row['server_cpu']:.2f} s "
              f"| {row['server_memory']:.0f} MB | {row['requests'] / hosts:.1f} "
              f"| {6 + 3 * VMS} |")
        if row["status"] or row["errors"] or row["hosts"] != hosts:
            sys.exit(f"only {row['hosts'] - row['errors']} of {hosts} hosts answered")


if __name__ == "__main__":
    main()
