#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The line protocol behind COM (src/sim/com.h), as a client of its own speaks it: what is asked for
is there, what is wrong has the HRESULT that Windows documents, and nonsense ends nothing.
Usage: test-com.py PATH-OF-HVGPU-SIM      ($HVGPU_DATA_DIR holds labs/)"""

import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
import traceback

SIM = os.path.abspath(sys.argv[1])
V2 = "root\\virtualization\\v2"
CIMV2 = "root\\cimv2"
CLUSTER = "root\\MSCluster"
FROM = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
TO = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}
HKLM = "2147483650"
CURRENT = "SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion"


def escape(text):
    return re.sub(r"[\\\t\n\r]", lambda m: FROM[m[0]], text)


def unescape(text):
    return re.sub(r"\\[\\tnr]", lambda m: TO[m[0]], text)


class Object:
    def __init__(self, fields):
        self.class_name, self.genus, self.path, self.derivation, self.role = fields[1:6]
        self.properties = {}

    def lines(self):
        yield ["O", self.class_name, self.genus, self.path, self.derivation, ""]
        for name, (cimtype, form, values) in self.properties.items():
            yield ["P", name, str(cimtype), form, *values]

    def __getitem__(self, name):
        _, form, values = self.properties[name]
        return None if form == "N" else values if form == "A" else values[0]

    def set(self, name, value):
        cimtype, _, _ = self.properties[name]
        self.properties[name] = (cimtype, "V", [value])


class Answer:
    def __init__(self, lines):
        head = lines[0]
        assert head[0] == "S", lines
        self.hresult, self.text = int(head[1], 16), head[2] if len(head) > 2 else ""
        self.objects, self.error, self.code, self.output = [], None, None, {"1": "", "2": ""}
        for fields in lines[1:]:
            if fields[0] == "O":
                self.objects.append(Object(fields))
            elif fields[0] == "P":
                self.objects[-1].properties[fields[1]] = (int(fields[2]), fields[3], fields[4:])
            elif fields[0] == "X":
                self.error = int(fields[1], 16)
            elif fields[0] == "R":
                self.code = int(fields[1])
            else:
                self.output[fields[0]] += fields[1]


class Client:
    def __init__(self, port, host=".", ns=CIMV2):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.file = self.socket.makefile("rb")
        self.connected = self.ask("CONNECT", host, ns).hresult if host is not None else None

    def send(self, *fields, more=()):
        lines = [list(fields), *more]
        text = "".join("\t".join(escape(f) for f in line) + "\n" for line in lines)
        self.socket.sendall((text + "\n").encode())

    def receive(self):
        lines = []
        for line in self.file:
            if line == b"\n":
                return Answer(lines)
            lines.append([unescape(f) for f in line.decode()[:-1].split("\t")])
        raise ConnectionError("closed")

    def ask(self, *fields, more=()):
        self.send(*fields, more=more)
        return self.receive()

    def call(self, ns, path, method, **values):
        """A method with parameters, of the types that its signature says."""
        signature = self.ask("SIG", ns, path.split(".")[0].split("=")[0], method)
        assert signature.hresult == 0, signature.text
        given = next(o for o in signature.objects if o.role == "in")
        lines = [["O", "__PARAMETERS", "2", "", "", ""]]
        lines += [["P", name, str(given.properties[name][0]), "V", value]
                  for name, value in values.items()]
        return self.ask("METHOD", ns, path, method, more=lines)

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.close()


class Serving:
    def __init__(self, lab, *options):
        self.log = tempfile.NamedTemporaryFile("a")
        self.process = subprocess.Popen([SIM, lab, "--ephemeral", "--com", "127.0.0.1:0", *options],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        word, address = self.process.stdout.readline().split()
        assert word == "com", word
        self.port = int(address.split(":")[1])

    def said(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as log:
            return log.read()

    def client(self, *args):
        return Client(self.port, *args)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.process.terminate()
        self.process.stdout.close()
        status = self.process.wait(30)
        self.log.close()
        assert status == 0, f"the simulator ended with {status}"


def equal(is_, wanted):
    if is_ != wanted:
        raise AssertionError(f"{is_!r} instead of {wanted!r}")


def hresult(answer, wanted):
    equal(f"{answer.hresult:#x}", f"{wanted:#x}")


# ---- what there is ----

def test_hosts_and_namespaces(lab):
    for host, ns, wanted in ((".", V2, 0), ("", "ROOT/Virtualization/v2", 0), ("laptop", CIMV2, 0),
                             ("elsewhere", CIMV2, 0x800706BA), (".", "root\\nothing", 0x8004100E),
                             (".", CLUSTER, 0x8004100E)):
        with lab.client(host, ns) as client:
            equal(client.connected, wanted)
    with lab.client(None) as client:
        hresult(client.ask("QUERY", CIMV2, "SELECT * FROM Win32_OperatingSystem"), 0x8004100E)


def test_rows_are_typed(lab):
    with lab.client() as client:
        (vm,) = client.ask("QUERY", V2, "SELECT * FROM Msvm_ComputerSystem "
                           "WHERE ElementName = 'games'").objects
        equal(vm.properties["EnabledState"][0], 18)
        equal(vm["EnabledState"], "3")
        equal(vm.properties["OperationalStatus"][0], 18 | 0x2000)
        assert vm.path.startswith("\\\\LAPTOP\\root\\virtualization\\v2:Msvm_ComputerSystem."), vm.path
        assert vm.derivation.startswith("CIM_ComputerSystem,CIM_System,"), vm.derivation
        (part,) = client.ask("QUERY", V2, "SELECT ElementName FROM Msvm_ComputerSystem "
                             "WHERE ElementName = 'games'").objects
        equal((list(part.properties), part.path), (["ElementName"], ""))


def test_one_object_by_its_path(lab):
    with lab.client() as client:
        (vm,) = client.ask("QUERY", V2, "SELECT * FROM Msvm_ComputerSystem "
                           "WHERE ElementName = 'games'").objects
        for path in (vm.path, vm.path.split(":", 1)[1]):
            (same,) = client.ask("GET", V2, path).objects
            equal(list(same.lines()), list(vm.lines()))
        (host,) = client.ask("GET", CIMV2, "Win32_OperatingSystem=@").objects
        equal(host["CSName"], "LAPTOP")
        hresult(client.ask("GET", V2, vm.path.replace("LAPTOP", "OTHER")), 0x80041002)
        (made,) = client.ask("GET", CIMV2, 'Win32_Directory.Name="C:\\\\Windows"').objects
        equal(made["Name"].lower(), "c:\\windows")


def test_a_class_has_its_properties_without_values(lab):
    with lab.client() as client:
        (found,) = client.ask("GET", V2, "Msvm_ComputerSystem").objects
        equal(found.genus, "1")
        assert {form for _, form, _ in found.properties.values()} == {"N"}
        signature = client.ask("SIG", V2, "Msvm_VirtualSystemManagementService",
                               "AddResourceSettings").objects
        equal([o.role for o in signature], ["in", "out"])
        equal(sorted(signature[0].properties), ["AffectedConfiguration", "ResourceSettings"])
        assert "ReturnValue" in signature[1].properties
        # Without parameters there is no object for them.
        signature = client.ask("SIG", V2, "Msvm_ComputerSystem", "RequestStateChange").objects
        equal([o.role for o in signature], ["in", "out"])


def test_what_is_wrong_has_windows_own_codes(lab):
    with lab.client() as client:
        for wanted, *request in (
                (0x80041010, "QUERY", V2, "SELECT * FROM Nothing"),
                (0x80041017, "QUERY", V2, "SELECT nonsense"),
                (0x80041017, "QUERY", V2, "SELECT * FROM Msvm_ComputerSystem WHERE No = 1"),
                (0x80041002, "GET", V2, "Nothing"),
                (0x80041002, "GET", V2, 'Msvm_ComputerSystem.CreationClassName="x",Name="y"'),
                (0x8004103A, "GET", V2, "Msvm_ComputerSystem.Name"),
                (0x8004100E, "GET", "root\\none", "Msvm_ComputerSystem"),
                (0x80041002, "SIG", V2, "Msvm_ComputerSystem", "Nothing"),
                (0x80041010, "METHOD", V2, "Nothing", "Nothing"),
                (0x8004102E, "METHOD", V2, "Msvm_VirtualSystemManagementService=@", "Nothing"),
                (0x8004100C, "DEL", V2, "Msvm_ComputerSystem=@"),
                (0x80041008, "QUERY", V2),
                (0x80041008, "NOTHING", V2, "x")):
            answer = client.ask(*request)
            assert answer.hresult == wanted, (request, hex(answer.hresult), answer.text)
            assert not answer.objects


# ---- changes ----

def registry(client, method, **values):
    return client.call("root\\default", "StdRegProv", method, hDefKey=HKLM, sSubKeyName=CURRENT,
                       **values)


def test_methods_and_the_types_of_their_parameters(lab):
    odd = "a\tb\nc\r\\d \"e\" \u30d3\u30eb\u30c9 \U0001f600"
    with lab.client() as client:
        hresult(registry(client, "SetStringValue", sValueName="Odd", sValue=odd), 0)
        (out,) = registry(client, "GetStringValue", sValueName="Odd").objects
        equal((out["sValue"], out["ReturnValue"]), (odd, "0"))
        (out,) = registry(client, "GetStringValue", sValueName="None").objects
        assert out["ReturnValue"] != "0" and out["sValue"] is None, out.properties
        for wanted, lines in (
                (0x80041005, [["P", "hDefKey", "8", "V", "x"]]),
                (0x80041005, [["P", "hDefKey", "19", "V", "4294967296"]]),
                (0x80041005, [["P", "hDefKey", "19", "A", "1"]]),
                (0x8004102F, [["P", "Nothing", "8", "V", "x"]]),
                (0x8004102F, [["P", "hDefKey", "19", "V", "1"], ["P", "hDefKey", "19", "V", "1"]]),
                (0x8004100F, [["Q", "hDefKey", "19", "V", "1"]])):
            answer = client.ask("METHOD", "root\\default", "StdRegProv", "GetStringValue",
                                more=[["O", "__PARAMETERS", "2", "", "", ""], *lines])
            assert answer.hresult == wanted, (lines, hex(answer.hresult), answer.text)


def gpu(client):
    (found,) = client.ask("QUERY", V2, "SELECT * FROM Msvm_PartitionableGpu").objects[:1]
    return found


def test_an_instance_is_written_whole_and_only_what_differs_counts(lab):
    with lab.client() as client:
        before = gpu(client)
        hresult(client.ask("PUT", V2, "1", more=before.lines()), 0)
        equal(list(gpu(client).lines()), list(before.lines()))
        changed = gpu(client)
        changed.set("PartitionCount", "65535")
        assert client.ask("PUT", V2, "1", more=changed.lines()).hresult != 0
        changed = gpu(client)
        changed.set("Name", "other")  # a key, which is not the path's
        assert client.ask("PUT", V2, "1", more=changed.lines()).hresult != 0
        hresult(client.ask("PUT", V2, "2", more=before.lines()), 0x8004100C)
        hresult(client.ask("PUT", V2, "1"), 0x8004100F)
        equal(list(gpu(client).lines()), list(before.lines()))


def test_embedded_objects_go_there_and_back(_):
    with Serving("cluster") as lab, lab.client() as client:
        resources = client.ask("QUERY", CLUSTER, "SELECT * FROM MSCluster_Resource").objects
        assert len(resources) > 3
        embedded = [r for r in resources if r["PrivateProperties"]]
        assert embedded and "MSCluster_Property" in embedded[0]["PrivateProperties"], resources[0]
        # Nobody knows what a put of these does; but they are read before that is said.
        hresult(client.ask("PUT", CLUSTER, "1", more=embedded[0].lines()), 0x8004100C)
        broken = embedded[0]
        broken.set("PrivateProperties", broken["PrivateProperties"].replace("\t8\t", "\t19\t", 1))
        hresult(client.ask("PUT", CLUSTER, "1", more=broken.lines()), 0x80041005)


def test_each_host_of_a_lab_has_its_name(_):
    with Serving("bare") as lab:
        names = []
        for line in lab.process.stdout:
            names.append(line.split()[0])
            if len(names) == 2:
                break
        for name in names:
            with lab.client(name.lower()) as client:
                (host,) = client.ask("QUERY", CIMV2, "SELECT * FROM Win32_OperatingSystem").objects
                equal(host["CSName"], name)


# ---- commands ----

def test_commands_stream_and_end(lab):
    with lab.client() as client:
        answer = client.ask("RUN", "", "echo gr\u00fc\u00dfe& echo no>&2& exit 7")
        equal((answer.output["1"], answer.output["2"], answer.code),
              ("gr\u00fc\u00dfe\r\n", "no\r\n", 7))
        hresult(client.ask("RUN", ""), 0x80041008)
        registry(client, "SetStringValue", sValueName="Told", sValue="by COM")
        answer = client.ask("RUN", "", f'reg query "HKLM\\{CURRENT}" /v Told')
        assert "by COM" in answer.output["1"], answer.output
        answer = client.ask("RUN", "C:\\Windows", "cd")
        equal(answer.output["1"].strip().lower(), "c:\\windows")


def test_who_leaves_in_the_middle_stops_nobody(lab):
    for _ in range(20):
        client = lab.client()
        client.send("RUN", "", "for %i in (1 2 3) do @echo %i")
        client.close()
        client = lab.client()
        client.send("QUERY", V2, "SELECT * FROM Msvm_ComputerSystem")
        client.close()
    with lab.client() as client:
        equal(client.ask("RUN", "", "exit 3").code, 3)


def test_a_command_ends_with_who_asked_for_it(_):
    """Also one that writes nothing: here, that waits 30 s to try a file in use again."""
    with Serving("laptop", "--verbose") as lab:
        client = lab.client()
        client.send("RUN", "", "robocopy C:\\VMs\\running C:\\copy /e /r:1000 /w:30")
        time.sleep(1)
        assert "com RUN" not in lab.said(), "it did not wait: the test tests nothing"
        client.close()
        for _ in range(100):
            if "com RUN" in lab.said():
                return
            time.sleep(0.1)
        raise AssertionError("it goes on without anybody who listens")


# ---- faults, nonsense ----

def test_faults_on_demand(_):
    with Serving("laptop", "--fault", "Win32_Process.Enumerate@1=fault:5", "--fault",
                 "Win32_Process.Pull@1=fault:0x80041006", "--fault", "*.GetStringValue@1=refuse:5",
                 "--fault", "*.GetStringValue@2=drop", "--fault", "*.SetStringValue@1=drop-after",
                 "--fault", "Shell.Command@1=fault:5") as lab:
        with lab.client() as client:
            hresult(client.ask("QUERY", CIMV2, "SELECT * FROM Win32_Process"), 0x80041003)
            late = client.ask("QUERY", CIMV2, "SELECT * FROM Win32_Process")
            equal((late.hresult, late.error, bool(late.objects)), (0, 0x80041006, True))
            (out,) = registry(client, "GetStringValue", sValueName="EditionID").objects
            equal(out["ReturnValue"], "5")
            try:
                registry(client, "GetStringValue", sValueName="EditionID")
                raise AssertionError("not dropped")
            except ConnectionError:
                pass
        with lab.client() as client:
            try:
                registry(client, "SetStringValue", sValueName="Lost", sValue="answer")
                raise AssertionError("not dropped")
            except ConnectionError:
                pass
        with lab.client() as client:
            (out,) = registry(client, "GetStringValue", sValueName="Lost").objects
            equal(out["sValue"], "answer")
            hresult(client.ask("RUN", "", "exit 3"), 0x80041003)
            equal(client.ask("RUN", "", "exit 3").code, 3)


def answers(lab):
    with lab.client() as client:
        return bool(client.ask("QUERY", V2, "SELECT * FROM Msvm_ComputerSystem").objects)


def test_nonsense_ends_its_connection_and_no_other(lab):
    noise = random.Random(4711)
    inputs = [b"\n\n", b"\0\n\n", b"QUERY\t\xff\xfe\n\n", b"GET\\x\n\n", b"\t\t\t\n\n",
              b"CONNECT\n\n", b"GET\t" * 100000 + b"\n\n",
              b"METHOD\troot\\\\cimv2\tx\ty\n" + b"P\n" * 100000 + b"\n"]
    inputs += [bytes(noise.randrange(256) for _ in range(noise.randrange(1, 400))) + b"\n\n"
               for _ in range(200)]
    for data in inputs:
        with lab.client() as client:
            client.socket.sendall(data)
            client.socket.shutdown(socket.SHUT_WR)
            while client.socket.recv(65536):
                pass
    assert answers(lab)


def test_a_message_without_end_is_given_up(lab):
    with lab.client() as client:
        try:
            for _ in range(40):
                client.socket.sendall(b"x" * (1 << 20))
            raise AssertionError("40 MiB were taken")
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert answers(lab)


def test_more_clients_than_there_is_room_for(lab):
    sockets = []
    try:
        for _ in range(300):
            sockets.append(socket.create_connection(("127.0.0.1", lab.port), timeout=10))
    finally:
        for one in sockets:
            one.close()
    for _ in range(50):  # until they are gone
        try:
            assert answers(lab)
            return
        except (ConnectionError, IndexError):
            continue
    raise AssertionError("the server answers nobody any more")


def test_only_this_machine_is_served(_):
    for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:0", "5985x", "localhost:0"):
        done = subprocess.run([SIM, "bare", "--ephemeral", "--com", address], capture_output=True,
                              text=True, timeout=60, check=False)
        assert done.returncode == 1 and done.stdout == "", (address, done)
        assert "hvgpu-sim: " in done.stderr, done.stderr


def main():
    tests = [(k[5:].replace("_", " "), v) for k, v in globals().items() if k.startswith("test_")]
    failed = False
    print(f"1..{len(tests)}")
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state
        with Serving("laptop") as lab:
            for n, (name, test) in enumerate(tests, 1):
                try:
                    test(lab)
                    print(f"ok {n} - {name}", flush=True)
                except Exception as error:  # any failure of any kind is a failed test
                    failed = True
                    print(f"not ok {n} - {name}")
                    for line in "".join(traceback.format_exception(error)).splitlines():
                        print("#", line, flush=True)
    sys.exit(1 if failed else 0)


main()
