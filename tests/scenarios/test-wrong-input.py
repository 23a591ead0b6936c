#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Wrong input, unfit machines and broken hosts: each gets one clear error, the right kind and
exit status, and changes nothing.

After each case the whole host (`hvgpu-sim dump`) must be what it was, and at the end every disk
byte for byte.
"""

import hashlib
import json
import os
import re
import socket
import threading
import warnings

import jsonschema
import scenario
import way
from scenario import SOURCE, must

LONG = "v" * 10_000
YES = ["--gpu", "1", "--yes"]

# name, arguments, status, kind, what the error says, whether there is something to do about it
CASES = [
    ("no such VM", ["attach", "nosuch", *YES], 1, "not-found", "no VM fits 'nosuch'"),
    ("two VMs of one name", ["attach", "twin", *YES], 1, "invalid", "'twin' fits 2 VMs"),
    ("no such GPU", ["attach", "games", "--gpu", "nosuch", "-y"], 1, "not-found",
     "no GPU fits 'nosuch'"),
    ("a GPU that is not one", ["attach", "games", "--gpu", "e", "-y"], 1, "invalid",
     "'e' fits 2 GPUs"),
    ("no GPU chosen of two", ["attach", "games", "-y"], 1, "invalid", "2 GPUs"),
    ("a GPU that is gone", ["attach", "games", "--gpu", "10de:1eb8", "-y"], 1, "not-found",
     "no GPU fits '10de:1eb8'"),
    ("a VM whose GPU is gone does not start", ["attach", "gpu-gone", *YES, "--start"], 1,
     "refused", "everything was undone"),
    ("a VM that runs", ["attach", "running", *YES], 1, "conflict", "only while the VM is off"),
    ("a VM that is saved", ["attach", "saved", *YES], 1, "conflict", "saved state"),
    ("a VM that is paused", ["attach", "paused", *YES], 1, "conflict", "only while the VM is off"),
    ("dynamic memory", ["attach", "dynamic-memory", *YES], 1, "conflict", "dynamic memory"),
    ("BitLocker", ["attach", "bitlocker", *YES], 1, "unsupported", "BitLocker"),
    ("a hibernated guest", ["attach", "hibernated", *YES], 1, "conflict", "hibernated"),
    ("a full disk", ["attach", "full-disk", *YES], 1, "conflict", "too full"),
    ("a disk without Windows", ["attach", "no-windows", *YES], 1, "not-found", "no Windows"),
    ("no disk", ["attach", "diskless", *YES], 1, "conflict", "nowhere to put the drivers"),
    ("a guest of another architecture", ["attach", "arm-guest", *YES], 1, "conflict",
     "architecture"),
    ("a guest that is too old", ["attach", "old-guest", *YES], 1, "conflict", "17134"),
    ("a volume that was not unmounted", ["attach", "unclean", *YES], 1, "unsupported",
     "not cleanly shut down"),
    ("a guest that cannot be asked", ["attach", "no-shutdown-service", *YES, "--stop"], 1,
     "conflict", "cannot be asked to shut down"),
    ("a guest that says no", ["attach", "locked-session", *YES, "--stop"], 1, "conflict",
     "the guest is locked"),
    ("a long VM name", ["attach", LONG, *YES], 1, "not-found", "no VM fits 'vvv"),
    ("a long GPU name", ["attach", "games", "--gpu", LONG, "-y"], 1, "not-found",
     "no GPU fits 'vvv"),
    ("control characters", ["attach", "ga\x1b[31mmes\x07\n", *YES], 1, "not-found", "no VM fits"),
    ("quotes and backslashes", ["attach", "x' OR Name='games\\", *YES], 1, "not-found",
     "no VM fits"),
    ("not UTF-8", ["attach", b"ga\xff\xfemes", *YES], 2, "invalid", "UTF-8"),
    ("an empty name", ["attach", "", *YES], 1, "invalid", "no VM"),
    ("not confirmed, no terminal", ["attach", "games", "--gpu", "1"], 2, "invalid",
     "needs a confirmation"),
    ("no such run", ["undo", "20200101-000000-0000", "--yes"], 1, "not-found", "run"),
    ("no such option", ["attach", "games", "--nonsense"], 2, "invalid", "--nonsense"),
    ("a size that is none", ["attach", "games", *YES, "--low-mmio", "many"], 2, "invalid",
     "--low-mmio"),
]


def has_no_control(text):
    return not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)


def schema_store():
    store = {}
    for path in sorted((SOURCE / "schema").glob("*.schema.json")):
        document = json.loads(path.read_text("utf-8"))
        store[document["$id"]] = document
    return store


STORE = schema_store()
# Newer versions have another resolver; the one of Debian 12 has only this.
warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*RefResolver")


def must_fit_schema(name, document):
    schema = STORE[f"urn:hvgpu:1:{name}"]
    resolver = jsonschema.RefResolver(schema["$id"], schema, store=STORE)
    jsonschema.Draft202012Validator(schema, resolver=resolver).validate(document)


def error_of(document):
    """The error of a document, wherever the contract puts it."""
    if document.get("error"):
        return document["error"]
    for host in document.get("hosts", []):
        if host.get("error"):
            return host["error"]
    raise AssertionError(f"no error in {json.dumps(document)[:600]}")


def must_fail_well(done, status, text, name=""):
    """For people: one line, one hint, nothing that a terminal would obey."""
    if status is None:
        assert done.returncode in (1, 2), f"{name}: status {done.returncode}"
    else:
        assert done.returncode == status, \
            f"{name}: status {done.returncode}, not {status}\n{done.stdout}{done.stderr}"
    lines = done.stderr.splitlines()
    assert lines and lines[0].startswith("hvgpu: "), f"{name}: {done.stderr[:600]}"
    errors = [line for line in lines if line.startswith("hvgpu: ")]
    hints = [line for line in lines if line.startswith("  → ")]
    assert len(errors) == 1, f"{name}: not one error:\n{done.stderr}"
    assert len(hints) <= 1 and len(lines) == len(errors) + len(hints), f"{name}: {done.stderr}"
    assert text in done.stderr, f"{name}: '{text}' is not in\n{done.stderr}"
    assert len(done.stderr) < 2000, f"{name}: an error of {len(done.stderr)} letters"
    assert has_no_control(done.stderr), f"{name}: {done.stderr!r}"
    assert has_no_control(done.stdout), f"{name}: {done.stdout!r}"
    return hints


def must_fail_well_in_json(done, command, status, kind, name=""):
    if status is not None:
        assert done.returncode == status, f"{name}: status {done.returncode}\n{done.stdout}"
    document = json.loads(done.stdout)  # exactly one document: anything more is an error
    error = error_of(document)
    if "\x1b" in json.dumps(error):
        raise AssertionError(f"{name}: a control character")
    if kind is not None:
        assert error["kind"] == kind, f"{name}: kind {error['kind']}, not {kind}: {error}"
    must_fit_schema(command, document)
    return error


def disks(world, lab="laptop"):
    found = {}
    for path in sorted((world.dir / "state/hvgpu/labs" / lab).rglob("*.vhdx")):
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            at, end = 0, os.fstat(file.fileno()).st_size
            while at < end:
                try:
                    at = os.lseek(file.fileno(), at, os.SEEK_DATA)
                except OSError:
                    break
                piece = os.pread(file.fileno(), 1 << 20, at)
                if piece.strip(b"\0"):
                    digest.update(at.to_bytes(8, "little") + piece)
                at += len(piece)
        found[str(path)] = digest.hexdigest()
    return found


def test_each_wrong_input_has_one_clear_error_and_changes_nothing(world):
    before = world.dump()
    images = disks(world)
    assert len(images) > 15, sorted(images)
    problems = []
    for name, args, status, kind, text in CASES:
        if way.HERE.is_windows and isinstance(args[1], bytes):
            continue  # there, arguments are UTF-16
        try:
            must_fail_well(world.hvgpu(*args), status, text, name)
            must_fail_well_in_json(world.hvgpu(*args, "--json"), args[0], status, kind, name)
            world.must_be(before, name)
        except (AssertionError, ValueError, jsonschema.ValidationError) as error:
            problems.append(f"{name}: {str(error)[:1500]}")
    now = disks(world)
    # That one's drivers were put in, found useless and taken out: its files are as before.
    problems += [f"{path} was changed" for path in images
                 if images[path] != now.get(path) and "/gpu-gone/" not in path]
    assert not problems, "\n\n".join(problems)


def test_what_can_be_done_is_said(world):
    """Each refusal whose cure is known says the cure."""
    for args, hint in ((["attach", "nosuch", *YES], "there are: "),
                       (["attach", "twin", *YES], "id"),
                       (["attach", "games", "-y"], "--gpu"),
                       (["attach", "running", *YES], "--stop"),
                       (["attach", "games", "--gpu", "1"], "--yes"),
                       (["attach", "hibernated", *YES], "powercfg"),
                       (["attach", "arm-guest", *YES], "guest"),
                       (["attach", "bitlocker", *YES], "BitLocker")):
        hints = must_fail_well(world.hvgpu(*args), None, "", args[1])
        assert hints and hint in hints[0], (args, hints)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_hosts_that_are_none(world):
    def one(host, kind, text, *more):
        args = ["attach", "web", "--gpu", "1", "--yes", *more]
        must_fail_well(world.hvgpu(*args, host=host), 1, text, str(host))
        must_fail_well_in_json(world.hvgpu(*args, "--json", host=host), "attach", 1, kind, str(host))

    password = world.dir / "some-password"
    password.write_text("x\n")
    password.chmod(0o600)
    login = ["--user", "admin", "--password-file", str(password)]
    one("http://no-such-host.invalid:5985/wsman", "unreachable", "no-such-host.invalid", *login,
        "--insecure")
    one(f"http://127.0.0.1:{free_port()}/wsman", "unreachable", "127.0.0.1", *login)
    if not way.HERE.is_windows:  # hvgpu.exe has no simulator in it
        one("sim:no-such-lab", "not-found", "no-such-lab")

    # Something answers, but it is no WS-Management.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def web_server():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    client.settimeout(5)
                    try:
                        client.recv(65536)
                        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
                                       b"Content-Length: 15\r\n\r\n<html>hi</html>")
                    except OSError:
                        pass
        threading.Thread(target=web_server, daemon=True).start()
        one(f"http://127.0.0.1:{listener.getsockname()[1]}/wsman", "protocol", "127.0.0.1", *login)

    before = world.dump("bare")
    with world.serve("bare") as server:
        one(server.hosts["PLAIN"], "denied", "password", *login)
        one(server.at("PLAIN"), "unsupported", "Hyper-V")
        one(server.at("NOGPU"), "not-found", "GPU")
        # The same machines answer to what they can.
        document = json.loads(world.hvgpu("status", "--json", host=server.at("PLAIN")).stdout)
        must_fit_schema("status", document)
    world.must_be(before, "hosts that are none", "bare")


# What the host does, at which call, and what hvgpu must call it.
SURVIVED = "survived"  # a question may be asked again
HOST_FAULTS = [
    ("Msvm_ComputerSystem.Enumerate@1=garbage", "protocol"),
    ("Pull@2=garbage", "protocol"),
    ("*@3=http:500", None),
    ("*@1=http:503", SURVIVED),
    ("*@*=http:503", None),
    ("*@5=drop", SURVIVED),
    ("*@12=drop", SURVIVED),
    ("*.ModifySystemSettings@1=refuse:32773", "refused"),
    ("*.ModifySystemSettings@1=job-fail:32773", "refused"),
    ("*.ModifySystemSettings@1=drop-after", "unreachable"),
    ("*.AddResourceSettings@1=refuse:32775", "conflict"),
    ("*.AddResourceSettings@1=job-fail:32768", "refused"),
    ("*.AddResourceSettings@1=fault:0x80338029", None),
    ("*.AddResourceSettings@1=garbage", None),
    ("*.AddResourceSettings@1=drop-after", "unreachable"),
    ("Shell.Create@1=http:500", None),
    ("Shell.Command@4=drop", "unreachable"),
    ("*@*=delay:8000", "unreachable"),
]
# Over COM there is no HTTP, no XML and no shell: what is lost or wrong below it is a service that
# went away, which a question may be asked again of.
NOT_OVER_COM = "there is no such thing"
HOST_FAULTS_OF_COM = {
    "Msvm_ComputerSystem.Enumerate@1=garbage": "unreachable",
    "Pull@2=garbage": NOT_OVER_COM,
    "*@3=http:500": SURVIVED,
    "Shell.Create@1=http:500": NOT_OVER_COM,
    "Shell.Command@4=drop": "refused",  # by the tests' cmd.exe, which ends with an error
}


def test_each_broken_host_has_one_clear_error_and_is_left_as_it_was(world):
    lab = str(SOURCE / "tests/scenarios/small.yaml")
    before = world.dump(lab)
    problems = []
    for fault, kind in HOST_FAULTS:
        if way.HERE.is_com:
            kind = HOST_FAULTS_OF_COM.get(fault, kind)
        if kind == NOT_OVER_COM:
            continue
        args = ["attach", "games", "--gpu", "10de:2860", "--yes", "--json", "--timeout", "5"]
        try:
            with world.serve(lab, "--fault", fault) as server:
                done = world.hvgpu(*args, host=server)
                if kind == SURVIVED:
                    must(done)
                    must(world.hvgpu("undo", "--yes", *server.login, host=None))
                    continue
                assert done.returncode != 0, "it did not matter"
                error = must_fail_well_in_json(done, "attach", 1, kind, fault)
                assert "not everything" not in error["message"], error
            world.must_be(before, fault, lab)
        except (AssertionError, ValueError, jsonschema.ValidationError) as error:
            problems.append(f"{fault}: {str(error)[:1500]}")
            # What one fault left behind shall not spoil the next case.
            world.hvgpu("undo", "--yes", host=f"sim:{lab}")
    assert not problems, "\n\n".join(problems)


def test_a_character_that_turns_the_line_round_is_not_obeyed(world):
    """Names are the users' own.  What steers a terminal comes from no lab, but from
    tests/network/test-hostile.py."""
    text = (SOURCE / "tests/scenarios/small.yaml").read_text("utf-8")
    lab = world.dir / "hostile.yaml"
    lab.write_text(text.replace("- name: games", '- name: "ev\\u202eil\\u2066"'), "utf-8")
    for command in (["status"], ["vm", "list"], ["attach", "nosuch", *YES]):
        done = world.hvgpu(*command, host=f"sim:{lab}")
        shown = done.stdout + done.stderr
        assert "\u202e" not in shown and "\u2066" not in shown, repr(shown)
        assert command == ["status"] or "ev?il?" in shown, repr(shown)


scenario.main(globals())
