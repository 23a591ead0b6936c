#!/usr/bin/env python3
"""Looking at many simulated hosts: time, requests and memory of client and simulator.

usage: bench/fleet.py BUILD [HOSTS...]        (default: 10 100 1000)

The simulator runs in a process of its own, so that each side's memory and processor time
are its own.  Requests are what the simulator answered.  Two comparisons:

  - a serial loop, one hvgpu per host: measured on a sample of hosts and scaled to all;
  - libvirt 9.0's Hyper-V driver, which needs 6 + 3N requests for a host with N VMs
    (virsh list --all): counted in its source, not run."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

VMS = 50
SAMPLE = 25  # hosts of the serial loop
DELAY = 20  # ms that an answer takes longer, as over a wide network
COMMANDS = ["status --json", "gpu list --json", "vm list --json", "vm list"]


def ended(process):
    """Status, processor seconds and peak memory (MB) of a finished child."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


class Fleet:
    """A running simulator with an inventory of its hosts."""

    def __init__(self, build, hosts, folder, delay=0):
        self.log = open(folder / "requests", "w+", encoding="utf-8")
        self.inventory = folder / "inventory.yaml"
        self.password = folder / "password"
        self.password.touch(mode=0o600)
        self.password.write_text("bench-only", encoding="utf-8")
        began = time.monotonic()
        self.process = subprocess.Popen(
            [build / "src/sim/program/hvgpu-sim", f"fleet:{hosts}", "--ephemeral", "-v",
             "--password-file", self.password,
             *(["--fault", f"*@*=delay:{delay}"] if delay else [])],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.places = [self.process.stdout.readline().split() for _ in range(hosts)]
        if not self.places[-1]:
            sys.exit(f"the simulator did not start: {(folder / 'requests').read_text('utf-8')}")
        self.started = time.monotonic() - began
        with open(self.inventory, "w", encoding="utf-8") as out:
            out.write(f"defaults:\n  user: admin\n  password_file: {self.password}\nhosts:\n")
            for name, url in self.places:
                out.write(f"  {name}:\n    url: {url}\n")

    def requests(self):
        self.log.seek(0)
        return sum(1 for _ in self.log)

    def end(self):
        self.process.terminate()
        return ended(self.process)


def failed_hosts(path, is_json, hosts):
    """Line by line: what this process keeps would count as its next child's peak memory."""
    with open(path, encoding="utf-8") as lines:
        if is_json:
            return hosts - sum(line == '      "error": null,\n' for line in lines)
        next(lines)
        return hosts - len({line.split(None, 1)[0] for line in lines})


def measure(build, hosts, command, delay=0):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        fleet = Fleet(build, hosts, folder, delay)
        result = folder / "result"
        began = time.monotonic()
        with open(result, "w", encoding="utf-8") as out:
            client = subprocess.Popen([build / "src/cli/hvgpu", "--inventory", fleet.inventory,
                                       *command.split()], stdout=out)
            status, cpu, memory = ended(client)
        wall = time.monotonic() - began
        _, sim_cpu, sim_memory = fleet.end()
        failed = failed_hosts(result, "--json" in command, hosts)
        print(f"| `{command}`{f', {delay} ms' if delay else ''} | {hosts} | {fleet.started:.1f} s | {wall:.1f} s | {cpu:.1f} s "
              f"| {memory:.0f} MB | {sim_cpu:.1f} s | {sim_memory:.0f} MB "
              f"| {fleet.requests() / hosts:.1f} | {6 + 3 * VMS} |", flush=True)
        if status or failed:
            sys.exit(f"{failed} of {hosts} hosts failed, exit status {status}")


def measure_loop(build, hosts, delay=0):
    """One hvgpu per host, one after the other, on SAMPLE of them."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        fleet = Fleet(build, SAMPLE, folder, delay)
        cpu = 0
        began = time.monotonic()
        for name, _ in fleet.places:
            client = subprocess.Popen(
                [build / "src/cli/hvgpu", "--inventory", fleet.inventory, "-H", name,
                 "status", "--json"], stdout=subprocess.DEVNULL)
            status, used, memory = ended(client)
            cpu += used
            if status:
                sys.exit(f"{name}: exit status {status}")
        wall = time.monotonic() - began
        _, sim_cpu, _ = fleet.end()
        scale = hosts / SAMPLE
        print(f"| serial loop{f', {delay} ms' if delay else ''}, {SAMPLE} hosts, scaled | {hosts} "
              f"| - | {wall * scale:.0f} s | {cpu * scale:.0f} s | {memory:.0f} MB "
              f"| {sim_cpu * scale:.0f} s | - | {fleet.requests() / SAMPLE:.1f} | {6 + 3 * VMS} |",
              flush=True)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    os.environ.setdefault("HVGPU_DATA_DIR", str(pathlib.Path(__file__).resolve().parent.parent))
    counts = [int(word) for word in sys.argv[2:]] or [10, 100, 1000]
    print("| command | hosts | simulator up in | time | client CPU | client memory "
          "| simulator CPU | simulator memory | requests per host | libvirt would need |")
    print("| --- " * 10 + "|")
    for hosts in counts:
        for command in COMMANDS:
            measure(build, hosts, command)
    for delay in (0, DELAY):
        if delay:
            measure(build, max(counts), "status --json", delay)
            measure(build, max(counts), "status --json --jobs 64", delay)
        measure_loop(build, max(counts), delay)
    print(f"\nLoad average when it ended: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors.")


if __name__ == "__main__":
    main()
