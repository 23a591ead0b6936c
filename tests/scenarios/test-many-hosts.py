#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Many hosts at once: one that fails is one row, and memory does not grow with their number."""

import json
import os
import socket
import threading

import scenario


class Trouble:
    """What listens where a host should: refuses, answers garbage, or never answers."""

    def __init__(self):
        self.sockets = []
        self.held = []
        closed = self.listen()
        self.refuses = closed.getsockname()[1]
        closed.close()
        self.sockets.remove(closed)
        garbage, silent = self.listen(), self.listen()
        self.garbage, self.silent = garbage.getsockname()[1], silent.getsockname()[1]
        threading.Thread(target=self.answer_garbage, args=(garbage,), daemon=True).start()
        threading.Thread(target=self.hold, args=(silent,), daemon=True).start()

    def listen(self):
        made = socket.create_server(("127.0.0.1", 0))
        self.sockets.append(made)
        return made

    @staticmethod
    def answer_garbage(listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.recv(65536)
                client.sendall(b"\x16\x03\x01\x00\xff this is no HTTP \x00\xfe\xff\r\n\r\n")

    def hold(self, listener):
        while True:
            try:
                self.held.append(listener.accept()[0])
            except OSError:
                return

    def __enter__(self):
        return self

    def __exit__(self, *why):
        for one in self.sockets + self.held:
            one.close()


def write_inventory(world, server, places):
    path = world.dir / "inventory.yaml"
    lines = ["defaults:", "  user: admin", "  auth: basic",
             f"  password_file: {server.password_file}", "hosts:"]
    for name, (url, group) in places.items():
        lines += [f"  {name}:", f"    url: {url}", f"    groups: [{group}]"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def check(so, what):
    if not so:
        raise AssertionError(what)


BAD = {"bad-refuses", "bad-garbage", "bad-silent"}
# The silent host costs its time limit once, whatever the others do.
LIMITS = ["--timeout", "3", "--jobs", "4"]


def mixed_fleet(world, server, trouble):
    good = list(server.hosts.items())
    places = {}
    for name, url in good[:2]:
        places[name] = (url, "rack-1")
    places["bad-refuses"] = (f"http://127.0.0.1:{trouble.refuses}/wsman", "broken")
    places["bad-silent"] = (f"http://127.0.0.1:{trouble.silent}/wsman", "broken")
    for name, url in good[2:4]:
        places[name] = (url, "rack-2")
    places["bad-garbage"] = (f"http://127.0.0.1:{trouble.garbage}/wsman", "broken")
    for name, url in good[4:]:
        places[name] = (url, "rack-2")
    return places, write_inventory(world, server, places)


def test_each_host_that_fails_is_one_row_and_the_others_are_whole(world):
    with world.serve("fleet:6") as server, Trouble() as trouble:
        places, inventory = mixed_fleet(world, server, trouble)
        done = world.hvgpu("--inventory", inventory, *LIMITS, "vm", "list", "--json", host=None)
        check(done.returncode == 4, f"exit status {done.returncode}: {done.stderr}")
        hosts = json.loads(done.stdout)["hosts"]
        check([host["host"] for host in hosts] == list(places), "the order of the inventory")
        for host in hosts:
            if host["host"] in BAD:
                check(host["error"]["message"] and host["vms"] is None, f"{host}")
            else:
                check(host["error"] is None and len(host["vms"]) == 50, f"{host['host']}")
        kinds = {host["host"]: host["error"]["kind"] for host in hosts if host["error"]}
        check(kinds["bad-refuses"] == "unreachable", f"{kinds}")
        check(kinds["bad-silent"] == "unreachable", f"{kinds}")
        check(kinds["bad-garbage"] in ("unreachable", "protocol"), f"{kinds}")
        for name in BAD:
            check(done.stderr.count(f"hvgpu: {name}: ") == 1, done.stderr)

        done = world.hvgpu("--inventory", inventory, *LIMITS, "vm", "list", host=None)
        check(done.returncode == 4, f"exit status {done.returncode}")
        rows = [line.split()[0] for line in done.stdout.splitlines()[1:]]
        for name in places:
            check(rows.count(name) == (1 if name in BAD else 50), f"{name}: {rows.count(name)}")


def test_a_group_of_the_inventory_means_its_hosts(world):
    with world.serve("fleet:6") as server, Trouble() as trouble:
        places, inventory = mixed_fleet(world, server, trouble)
        rack = [name for name, (_, group) in places.items() if group == "rack-2"]
        done = world.hvgpu("--inventory", inventory, *LIMITS, "-H", "rack-2", "status",
                           "--json", host=None)
        check(done.returncode == 0, done.stderr)
        check([host["host"] for host in json.loads(done.stdout)["hosts"]] == rack, done.stdout)

        done = world.hvgpu("--inventory", inventory, *LIMITS, "-H", "broken", "status",
                           "--json", host=None)
        check(done.returncode == 1, f"all failed: exit status {done.returncode}")
        check(all(host["error"] for host in json.loads(done.stdout)["hosts"]), done.stdout)

        done = world.hvgpu("--inventory", inventory, *LIMITS, "-H", "rack-1", "-H", "broken",
                           "-H", "rack-2", "status", host=None)
        lines = done.stdout.splitlines()
        check(done.returncode == 4 and "hosts: 9, failed: 3" in lines[-1], done.stdout)
        check(sum("failed" in line for line in lines[1:10]) == 3, done.stdout)


def run_and_weigh(world, *args):
    """Bytes of standard output, and the client's peak memory in bytes."""
    # Freed memory is kept aside by the address sanitizer, which is not what is measured.
    sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"
    out = world.dir / "out"
    with open(out, "w", encoding="utf-8") as to:
        client = world.start_plain(*args, stdout=to, env={"ASAN_OPTIONS": sanitizer})
        _, status, usage = os.wait4(client.pid, 0)
        client.returncode = os.waitstatus_to_exitcode(status)
    check(client.returncode == 0, f"exit status {client.returncode}")
    return out.stat().st_size, usage.ru_maxrss * 1024


def test_memory_grows_with_the_hosts_in_flight_not_with_their_number(world):
    if scenario.way.HERE.is_windows:
        raise scenario.Skip("what Wine needs is not what hvgpu needs")
    with world.serve("fleet:160") as server:
        groups = {name: (url, "few" if n < 16 else "rest")
                  for n, (name, url) in enumerate(server.hosts.items())}
        inventory = write_inventory(world, server, groups)
        common = ["--inventory", inventory, "--jobs", "4", "vm", "list", "--json"]
        few_bytes, few_memory = run_and_weigh(world, *common, "-H", "few")
        all_bytes, all_memory = run_and_weigh(world, *common)
    more = all_bytes - few_bytes
    print(f"# {few_memory >> 20} MB for 16 hosts, {all_memory >> 20} MB for 160, {more} more bytes")
    check(more > 8_000_000, f"only {more} bytes more to print: this says nothing")
    # Keeping what was printed would need that much more, as texts, or several times as
    # much as parsed JSON.
    check(all_memory - few_memory < more / 2,
          f"{few_memory >> 20} MB for 16 hosts, {all_memory >> 20} MB for 160")


if __name__ == "__main__":
    scenario.main(globals())
