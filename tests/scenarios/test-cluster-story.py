#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A day of the built-in lab "cluster": inventory, four partitions of every GPU, four VMs, all
written down, changed by hand, compared, healed, taken away, and undone to the first state.

Then each step of it is broken and killed at every change on one node, while the others finish:
the broken node is as it was before the step or, when hvgpu itself died, can be made so or be
finished; the step run again makes all of it, and once more has nothing to do.

usage: test-cluster-story.py HVGPU HVGPU-SIM [NAME...]      (see scenario.py)
HVGPU_STORY_ALL=1: at every change, and files are compared, too.
"""

import contextlib
import difflib
import json
import os
import re
import signal
import sqlite3

import scenario
from scenario import must

LAB = "cluster"
NODES = ["NODE001", "NODE002", "NODE003"]
BROKEN = "NODE002"
FILES = ALL = os.environ.get("HVGPU_STORY_ALL") == "1"
CHANGES_MAX = 100
UNDO_AGAIN = ("undo again",)
# An adapter that was taken away and given back has a new id.
ADAPTER = re.compile(r"(Microsoft:[0-9A-F-]{36}\\+)[0-9A-F]{8}-[0-9A-F-]{27}", re.I)
DESIGN = [("NODE001", "node001-design-001"), ("NODE001", "node001-design-002"),
          ("NODE002", "node002-design-001"), ("NODE003", "node003-design-001")]
SLOT = "PCIROOT(36)#PCI(0000)#PCI(0000)"
VDI = [(node, f"{node.lower()}-vdi-00{n}") for node in NODES for n in (1, 2)]


# Of objects: what tells the time, and what names one.
CLOCK = ("ProcessID", "LocalDateTime", "LastBootUpTime", "OnTimeInMilliseconds",
         "TimeOfLastStateChange", "TimeOfLastConfigurationChange")
NAMES = ("Name", "GroupComponent", "PartComponent", "Antecedent", "Dependent")


def must_be_slow():
    if not ALL:
        raise scenario.Skip("in the suite 'slow'")


def expect(what, found, wanted):
    if found != wanted:
        raise AssertionError(f"{what}: {found}, not {wanted}")


def blocks_of_dump(world):
    """(host, first line, block); files included."""
    text = "\n".join(world.dump(LAB).splitlines())
    for section in re.split(r"^(?=host )", text, flags=re.M):
        host = section.split("\n", 1)[0].removeprefix("host ")
        for block in re.split(r"^(?=\S)", section, flags=re.M):
            yield host, block.split("\n", 1)[0], block


def blocks_of_objects(world):
    """The same of what is kept of the lab's objects, which is quick: no disk has to be made."""
    for path in sorted((world.dir / "state/hvgpu/labs" / LAB).glob("*/objects.json")):
        for one in json.loads(path.read_text("utf-8"))["objects"]:
            properties = one["properties"]
            if "Job" in one["class"]:
                continue
            for name in CLOCK:
                properties.pop(name, None)
            text = json.dumps(one, indent=1, sort_keys=True).replace("\\\\", "\\")
            yield path.parent.name, " ".join(str(properties.get(key, "")) for key in NAMES), text


class State:
    """What the lab is: a part for each node, with what the cluster has of its VMs, and the
    rest of the cluster."""

    def __init__(self, world):
        parts = {node: [] for node in [*NODES, "cluster"]}
        for host, head, text in blocks_of_dump(world) if FILES else blocks_of_objects(world):
            part = next((node for node in NODES
                         if host == node or f"{node.lower()}-" in head.lower()), "cluster")
            parts[part].append(ADAPTER.sub(r"\1NEW", text))
        self.parts = {name: "\n".join(sorted(blocks)) for name, blocks in parts.items()}

    def __eq__(self, other):
        return self.parts == other.parts

    def must_be(self, other, what, nodes=None):
        for name in nodes or self.parts:
            if self.parts[name] != other.parts[name]:
                raise AssertionError(
                    f"{what}: {name} is not as it should be\n" + "\n".join(list(
                        difflib.unified_diff(other.parts[name].splitlines(),
                                             self.parts[name].splitlines(), n=6))[:80]))


class Story:
    def __init__(self, world):
        self.world = world

    def run(self, *args, host=None, fault=None, world=None):
        return (world or self.world).hvgpu(*args, "-y", "-q", host=host,
                                           env={"HVGPU_FAULT": fault} if fault else None)

    def state(self):
        return State(self.world)

    def runs(self, *states, world=None):
        """Ids, newest first."""
        done = must((world or self.world).hvgpu("history", "--json", host=None))
        return [run["id"] for run in json.loads(done.stdout)["runs"]
                if not states or run["state"] in states]

    def undo_since(self, kept):
        for run in self.runs("done", "started", "undoing", "failed"):
            if run not in kept:
                must(self.run("undo", run), "undo")

    # ---- steps: each ends with the results of its commands ----

    def set_counts(self, count, fault=None):
        return [self.run("partition", "set", "A2", "--all", "--count", str(count), "--jobs", "1",
                         host=f"sim:{LAB}", fault=fault)]

    def each(self, verb, vms, *args, fault=None):
        return [self.run(verb, vm, "--no-drivers", *args, host=f"sim:{LAB}:{node}", fault=fault)
                for node, vm in vms]

    def apply(self, path, fault=None):
        return [self.run("apply", path, "--jobs", "1", fault=fault)]

    def undo(self, runs, fault=None):
        return [self.run("undo", run, fault=fault) for run in runs]

    def begin(self):
        """As a cluster is before anybody was given a GPU: the lab's own VMs give theirs up."""
        self.all(self.each("detach", VDI, "--force-stop"))
        self.all(self.set_counts(16))

    @staticmethod
    def all(results):
        for done in results:
            must(done)
        return results

    def export(self, name, *args):
        path = str(self.world.dir / name)
        must(self.world.hvgpu("export", "-o", path, "--no-drivers", *args, host=f"sim:{LAB}"))
        return path

    def by_hand(self):
        """That is, not by this user's hvgpu: the same lab, another journal."""
        other = self.world.other_user()
        state = self.world.dir / "other-state/hvgpu"
        state.mkdir(parents=True, mode=0o700)
        (state / "labs").symlink_to(self.world.dir / "state/hvgpu/labs")
        for node, *args in (
                ("NODE001", "detach", "node001-design-002", "--no-drivers"),
                ("NODE002", "detach", "node002-design-001", "--no-drivers"),
                ("NODE002", "partition", "set", "A2", "--all", "--count", "8"),
                ("NODE003", "attach", "node003-spare", "--no-drivers")):
            must(self.run(*args, host=f"sim:{LAB}:{node}", world=other))
        return other

    def diff(self, path):
        """The differences as (node, name, reason)."""
        done = self.world.hvgpu("diff", path, "--json", host=None)
        found = sorted((host["host"].rsplit(":", 1)[1], one["name"], one["reason"])
                       for host in json.loads(done.stdout)["hosts"]
                       for one in host["differences"] if not one["note"])
        expect("status of diff", done.returncode, 3 if found else 0)
        return found


BY_HAND = [("NODE001", "node001-design-002", "adapter-missing"),
           ("NODE002", "a2-1", "partition-count"),
           ("NODE002", "a2-2", "partition-count"),
           ("NODE002", "node002-design-001", "adapter-missing"),
           ("NODE003", "node003-spare", "adapter-extra")]


def gpus(world):
    return [gpu for host in world.json("gpu", "list", host=f"sim:{LAB}")["hosts"]
            for gpu in host["gpus"]]


def was_killed(done):
    return done.returncode == -signal.SIGKILL


def check_broken(story, what, results, before, now):
    """The broken node, and the runs that died.  The others: when the step has been finished."""
    if any(was_killed(done) for done in results):
        expect(f"{what}: unfinished runs", len(story.runs("started", "undoing")), 1)
    else:
        now.must_be(before, f"{what}: the broken node", [BROKEN])


def break_step(story, step, fault, way):
    """The step broken on one node, then made whole.  @way: what becomes of a run that died,
    "undo", "resume", or "undo again" when the step is an undo itself.  None: nothing broke, and
    the step is done; else what it ended with."""
    before = story.state()
    results = step(f"{fault}@{BROKEN}")
    now = story.state()
    if all(done.returncode == 0 for done in results):
        return None
    check_broken(story, fault, results, before, now)
    died = story.runs("started", "undoing")
    for run in died:
        must(story.run(way.split()[0], run), f"{fault}: {way}")
    finished = story.state()
    story.all(step(None))
    after = story.state()
    # Who died did its nodes in turn, and those after the broken one were not begun.
    one_by_one = len(results) == 1 and died
    now.must_be(after, f"{fault}: the others", ["NODE001"] if one_by_one else
                [node for node in NODES if node != BROKEN])
    if died:
        finished.must_be(before if way == "undo" else after, f"{fault}: {way}", [BROKEN])
    runs = story.runs()
    story.all(step(None))
    expect(f"{fault}: runs of a third time", story.runs(), runs)
    story.state().must_be(after, f"{fault}: a third time")
    return after


def test_the_story_each_step_broken_once_on_one_node(world):
    story = Story(world)
    listed = world.json("--cluster", "vm", "list", host=f"sim:{LAB}:{NODES[0]}")["hosts"]
    expect("inventory", [(host["host"].rsplit(":", 1)[1], len(host["vms"])) for host in listed],
           [(node, 5) for node in NODES])
    expect("partitions", [len(gpu["assigned_to"]) for gpu in gpus(world)], [1] * 6)
    # The objects of a host are kept from its first change on.
    story.all(story.each("attach", DESIGN))
    story.undo_since([])
    before = story.state()
    story.begin()
    begun = story.runs("done")
    first = story.state()
    expect("nobody has a GPU", [len(gpu["assigned_to"]) for gpu in gpus(world)], [0] * 6)

    def broken(step, fault, way="resume"):
        after = break_step(story, step, fault, way)
        if not after:
            raise AssertionError(f"{fault}: nothing was broken")
        return after

    broken(lambda fault: story.set_counts(4, fault), "fail-after:1")
    expect("counts", [gpu["partition_count"] for gpu in gpus(world)], [4] * 6)
    as_wanted = broken(lambda fault: story.each("attach", DESIGN, fault=fault), "kill-after:2")
    wanted = story.export("wanted.yaml")
    expect("as written", story.diff(wanted), [])
    made = story.runs("done")

    other = story.by_hand()
    changed = story.state()
    expect("by hand", story.diff(wanted), BY_HAND)
    # What VM settings were before somebody else gave a partition, nobody told.
    broken(lambda fault: story.apply(wanted, fault), "fail-before:3").must_be(
        as_wanted, "healed", ["NODE001", "NODE002"])
    expect("healed", story.diff(wanted), [])
    with open(wanted, "rb") as written, open(story.export("healed.yaml"), "rb") as healed:
        expect("healed, written", healed.read(), written.read())
    healed = story.runs("done")

    broken(lambda fault: story.each("detach", DESIGN, fault=fault), "kill-before:2", "undo")
    expect("nobody has a GPU", [len(gpu["assigned_to"]) for gpu in gpus(world)], [0] * 6)
    detached = [run for run in story.runs("done") if run not in healed]
    broken(lambda fault: story.undo(detached, fault), "kill-after:2", "undo again")
    story.undo_since(made)
    story.state().must_be(changed, "detaching and healing undone")
    for run in story.runs("done", world=other):
        must(story.run("undo", run, world=other))
    story.state().must_be(as_wanted, "what was done by hand undone")
    story.undo_since(begun)
    story.state().must_be(first, "the first state")
    story.undo_since([])
    story.state().must_be(before, "before the story")


def break_everywhere(story, step, prepare=lambda: None, ways=("undo", "resume")):
    """@step: of a fault, or None.  @prepare: what comes before it each time."""
    kept = story.runs("done")
    prepare()
    before = story.state()
    story.all(step(None))
    wanted = story.state()
    if before == wanted:
        raise AssertionError("the step changes nothing")
    story.undo_since(kept)

    def hits(mode, number):
        prepare()
        after = break_step(story, step, f"{mode}:{number}", ways[number % len(ways)])
        (after or story.state()).must_be(wanted, f"{mode}:{number}")
        story.undo_since(kept)
        return after is not None

    # How many changes there are, a run that was not killed tells.
    count = next(n for n in range(1, CHANGES_MAX) if not hits("kill-after", n)) - 1
    # Not each lost answer is a failure: taking back, hvgpu looks again by itself.
    broken = {mode: sum(hits(mode, n) for n in range(1, count + 1))
              for mode in ("kill-before", "fail-before", "fail-after")}
    print(f"# {count} changes; broken: {broken}", flush=True)
    if count == 0 or broken["kill-before"] != count or \
            ways != UNDO_AGAIN and broken["fail-before"] != count:
        raise AssertionError("too few were broken")


def test_setting_the_count_broken_at_every_change(world):
    must_be_slow()
    story = Story(world)
    story.begin()
    break_everywhere(story, lambda fault: story.set_counts(4, fault))


def test_attaching_broken_at_every_change(world):
    must_be_slow()
    story = Story(world)
    story.begin()
    story.all(story.set_counts(4))
    break_everywhere(story, lambda fault: story.each("attach", DESIGN, fault=fault))


def with_all(world):
    story = Story(world)
    story.begin()
    story.all(story.set_counts(4))
    story.all(story.each("attach", DESIGN))
    return story


def test_healing_broken_at_every_change(world):
    must_be_slow()
    story = with_all(world)
    wanted = story.export("wanted.yaml")
    story.by_hand()
    expect("by hand", story.diff(wanted), BY_HAND)
    break_everywhere(story, lambda fault: story.apply(wanted, fault))


def test_cutting_anew_with_shares_broken_at_every_change(world):
    """VMs give their partitions up meanwhile, and how large a share is, is seen after the cut."""
    must_be_slow()
    story = Story(world)
    story.begin()
    story.all(story.set_counts(4))
    story.all(story.each("attach", DESIGN, "--gpu", SLOT))
    path = world.dir / "shares.yaml"
    path.write_text("format: hvgpu/1\nhosts:\n" + "".join(
        f"  'sim:{LAB}:{node}':\n"
        f"    gpus: {{ a2: {{ location_path: '{SLOT}', partition_count: 8 }} }}\n"
        "    vms:\n" + "".join(
            f"      {vm}: {{ gpus: [{{ gpu: a2{share(vm)} }}], drivers: none }}\n"
            for where, vm in DESIGN if where == node) for node in NODES))
    break_everywhere(story, lambda fault: story.apply(str(path), fault))
    must_keep_parts(world)


def share(vm):
    """The first VM of the first host has none, so that what follows there is not of the first."""
    return ", share: 12" if vm != "node001-design-001" else ""


def must_keep_parts(world):
    """All steps of a run on one VM are of one part, whenever they were planned: taking back what
    one of them stands on waits for the others."""
    parts = {}
    with contextlib.closing(sqlite3.connect(world.dir / "state/hvgpu/journal.db")) as journal:
        for run, text in journal.execute("SELECT run, params FROM steps"):
            params = json.loads(text)
            if "vm" in params and "part" in params:
                parts.setdefault((run, params["vm"]), set()).add(params["part"])
    if not parts or any(len(found) != 1 for found in parts.values()):
        raise AssertionError(f"steps of a VM in several parts: {parts}")


def test_detaching_broken_at_every_change(world):
    must_be_slow()
    story = with_all(world)
    break_everywhere(story, lambda fault: story.each("detach", DESIGN, fault=fault))


def break_undo(story, make):
    """Runs cannot be made again, so each time others are undone: what @make leaves."""
    kept, runs = story.runs("done"), []

    def prepare():
        story.all(make())
        runs[:] = [run for run in story.runs("done") if run not in kept]

    break_everywhere(story, lambda fault: story.undo(runs, fault), prepare, UNDO_AGAIN)


def test_undoing_partitions_broken_at_every_change(world):
    must_be_slow()
    story = Story(world)
    story.begin()
    story.all(story.set_counts(4))
    break_undo(story, lambda: story.each("attach", DESIGN))


def test_undoing_counts_broken_at_every_change(world):
    must_be_slow()
    story = Story(world)
    story.begin()
    break_undo(story, lambda: story.set_counts(4))


def test_undoing_what_healed_broken_at_every_change(world):
    must_be_slow()
    story = with_all(world)
    wanted = story.export("wanted.yaml")
    story.by_hand()
    break_undo(story, lambda: story.apply(wanted))


if __name__ == "__main__":
    scenario.main(globals())
