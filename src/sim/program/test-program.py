#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The program hvgpu-sim with its own labs, as its users see it.
Usage: test-program.py PATH-OF-HVGPU-SIM      ($HVGPU_DATA_DIR holds labs/)"""

import base64
import http.client
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse
import xml.etree.ElementTree as ET

SIM = os.path.abspath(sys.argv[1])
SOAP = "http://www.w3.org/2003/05/soap-envelope"
WSA = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
WSEN = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/virtualization/v2/"
VSMS = WMI + "Msvm_VirtualSystemManagementService"


def environment(state):
    return {**os.environ, "XDG_STATE_HOME": state}


def run(state, *arguments):
    return subprocess.run([SIM, *arguments], env=environment(state), capture_output=True,
                          text=True, timeout=120)


class Serving:
    """hvgpu-sim in the background; its URLs, and the password it left in a file."""

    def __init__(self, state, lab, *options, hosts=1):
        self.process = subprocess.Popen([SIM, lab, *options], env=environment(state),
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.hosts = dict(self.process.stdout.readline().split() for _ in range(hosts))
        self.password = None
        if "--password-file" not in options:
            line = self.process.stderr.readline()
            self.password_file = re.search(r"password in (.*)$", line).group(1)
            with open(self.password_file, encoding="ascii") as file:
                self.password = file.read()

    def ask(self, host, action, uri, body, headers=""):
        message = (f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="{WSA}" xmlns:n="{WSEN}" '
                   f'xmlns:w="{WSMAN}"><s:Header><a:To>x</a:To><a:ReplyTo><a:Address>{WSA}/role/'
                   f"anonymous</a:Address></a:ReplyTo><a:MessageID>uuid:1</a:MessageID><a:Action>"
                   f"{action}</a:Action><w:ResourceURI>{uri}</w:ResourceURI>{headers}</s:Header>"
                   f"<s:Body>{body}</s:Body></s:Envelope>")
        connection = http.client.HTTPConnection(urllib.parse.urlparse(self.hosts[host]).netloc,
                                                timeout=60)
        connection.request("POST", "/wsman", message.encode(), {
            "Content-Type": "application/soap+xml;charset=UTF-8",
            "Authorization": "Basic " + base64.b64encode(
                f"admin:{self.password}".encode()).decode()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def count(self, host, class_name, base=WMI):
        _, text = self.ask(host, WSEN + "/Enumerate", base + class_name, "<n:Enumerate/>")
        context = re.search("EnumerationContext>([^<]+)<", text).group(1)
        status, text = self.ask(host, WSEN + "/Pull", base + class_name,
                                f"<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext>"
                                "<n:MaxElements>1000</n:MaxElements></n:Pull>")
        assert status == 200, text
        return len(re.findall("_Type\"", text)), text

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.stdout.close()
        self.process.stderr.close()
        assert self.process.wait(30) == 0, self.process.returncode


def test_list_names_the_labs(state):
    done = run(state, "list")
    assert done.returncode == 0
    for lab in ("laptop", "server", "cluster", "fleet"):
        assert re.search(rf"^{lab} +\w", done.stdout, re.M), done.stdout


def test_wrong_usage(state):
    for arguments in ((), ("laptop", "server"), ("reset",), ("dump",), ("laptop", "--nonsense"),
                      ("laptop", "--pull-items", "0"), ("reboot",), ("reboot", "a", "b", "c"),
                      ("move", "server", "A100"), ("fail", "cluster"), ("rejoin", "a", "b", "c")):
        done = run(state, *arguments)
        assert done.returncode == 2 and done.stdout == "" and done.stderr, (arguments, done)
    for arguments, word in ((("no-such-lab",), "no-such-lab"),
                            (("laptop", "--fault", "x"), "@"),
                            (("laptop", "--listen", "nowhere:x"), "ADDRESS:PORT"),
                            (("laptop", "--tls-cert", "/nowhere"), "key"),
                            (("reboot", "server", "NOPE"), "NOPE"),
                            (("fail", "cluster", "NOPE"), "no host 'NOPE'"),
                            (("fail", "server", "SERVER"), "no node of a cluster"),
                            (("rejoin", "cluster", "NODE001"), "is not down"),
                            (("move", "server", "RTX 9999", "PCIROOT(0)#PCI(0100)"), "means 0"),
                            (("move", "server", "NVIDIA", "PCIROOT(0)#PCI(0100)"), "means 2"),
                            (("move", "server", "A100", "slot 3"), "slot 3"),
                            (("move", "server", "A100", "PCIROOT(0)#PCI(0300)"), "is a device"),
                            (("laptop", "--password-file", "/nowhere"), "/nowhere")):
        done = run(state, *arguments)
        assert done.returncode == 1 and word in done.stderr, (arguments, done)
    assert run(state, "--version").stdout.startswith("hvgpu-sim ")
    assert "hvgpu-sim LAB" in run(state, "--help").stdout


def test_a_lab_answers_and_ends(state):
    for how in (signal.SIGTERM, signal.SIGINT):
        sim = Serving(state, "laptop")
        mode = os.stat(sim.password_file).st_mode
        assert not mode & (stat.S_IRWXG | stat.S_IRWXO)
        assert sim.count("LAPTOP", "Msvm_PartitionableGpu")[0] == 2
        sim.end(how)


def test_all_hosts_answer(state):
    sim = Serving(state, "cluster", "--ephemeral", hosts=3)
    assert len(sim.hosts) == 3 and len(set(sim.hosts.values())) == 3
    for host in sim.hosts:
        count, text = sim.count(host, "Msvm_ComputerSystem")
        assert count >= 1 and f">{host}<" in text
    folder = os.path.dirname(sim.password_file)
    assert os.path.isdir(folder)
    sim.end()
    assert not os.path.exists(folder)
    assert not os.path.exists(os.path.join(state, "hvgpu/labs/cluster"))


def test_one_program_at_a_time(state):
    sim = Serving(state, "laptop")
    done = run(state, "laptop")
    assert done.returncode == 1, done
    assert str(sim.process.pid) in done.stderr and sim.hosts["LAPTOP"] in done.stderr, done.stderr
    assert run(state, "reset", "laptop").returncode == 1
    sim.process.kill()  # a lock does not outlive its holder
    sim.process.wait()
    assert run(state, "reset", "laptop").returncode == 0


def invoke(sim, host, namespace, class_name, method, body, selectors):
    uri = f"http://schemas.microsoft.com/wbem/wsman/1/wmi/root/{namespace}/{class_name}"
    chosen = "".join(f'<w:Selector Name="{name}">{value}</w:Selector>'
                     for name, value in selectors.items())
    return sim.ask(host, f"{uri}/{method}", uri,
                   f'<p:{method}_INPUT xmlns:p="{uri}">{body}</p:{method}_INPUT>',
                   f"<w:SelectorSet>{chosen}</w:SelectorSet>")


A100 = r"PCI\VEN_10DE&amp;DEV_20F1&amp;SUBSYS_145F10DE&amp;REV_A1\6&amp;2b3c4d5e&amp;0&amp;00000010"


SMALL_SERVER = r"""
hosts:
  - name: SERVER
    product: Microsoft Windows Server 2022 Datacenter
    edition: ServerDatacenter
    build: 20348
    gpus:
      - name: NVIDIA A100-PCIE-40GB
        instance_id: PCI\VEN_10DE&DEV_20F1&SUBSYS_145F10DE&REV_A1\6&2b3c4d5e&0&00000010
        location_path: PCIROOT(40)#PCI(0200)#PCI(0000)
        mode: none
        mitigations: true
"""


def test_a_device_is_taken_and_moved_and_what_was_done_outlives_restarts(state):
    lab = os.path.join(state, "small.yaml")
    with open(lab, "w", encoding="ascii") as file:
        file.write(SMALL_SERVER)
    sim = Serving(state, lab)
    status, text = invoke(sim, "SERVER", "cimv2", "Win32_PnPEntity", "Disable", "",
                          {"DeviceID": A100})
    assert status == 200 and "ReturnValue>0<" in text and "rebootNeeded>false<" in text, text
    setting = ('&lt;INSTANCE CLASSNAME="Msvm_AssignableDeviceDismountSettingData"&gt;' + "".join(
        f'&lt;PROPERTY NAME="{name}" TYPE="{kind}"&gt;&lt;VALUE&gt;{value}&lt;/VALUE&gt;'
        "&lt;/PROPERTY&gt;" for name, kind, value in (
            ("DeviceLocationPath", "string", "PCIROOT(40)#PCI(0200)#PCI(0000)"),
            ("RequireAcsSupport", "boolean", "true"),
            ("RequireDeviceMitigations", "boolean", "true"))) + "&lt;/INSTANCE&gt;")
    status, text = invoke(sim, "SERVER", "virtualization/v2", "Msvm_AssignableDeviceService",
                          "DismountAssignableDevice",
                          f"<p:DismountSettingData>{setting}</p:DismountSettingData>",
                          {"CreationClassName": "Msvm_AssignableDeviceService"})
    assert status == 200 and re.search("ReturnValue>(0|4096)<", text), text
    for _ in range(100):
        count, text = sim.count("SERVER", "Msvm_PciExpress")
        if count:
            break
        time.sleep(0.05)
    assert count == 1 and re.search(r">PCIP.VEN_10DE&\S*DEV_20F1", text), text
    sim.end()

    before = run(state, "dump", lab).stdout
    done = run(state, "reboot", lab)
    assert done.returncode == 0, done.stderr
    assert run(state, "dump", lab).stdout == before
    done = run(state, "move", lab, "A100", "PCIROOT(40)#PCI(0300)#PCI(0000)")
    assert done.returncode == 0, done.stderr
    after = run(state, "dump", lab).stdout
    assert "Msvm_PciExpress.Creation" in before and "Msvm_PciExpress.Creation" not in after
    moved = re.search(r"^root.cimv2:Win32_PnPEntity.DeviceID=.*DEV_20F1.*(?:\n  .*)*?\n"
                      r"  Present = true", after, re.M)
    assert moved and "2b3c4d5e" not in moved.group(0), moved
    for _ in range(2):  # back, away, and back
        place = "PCIROOT(40)#PCI(0200)#PCI(0000)"
        assert run(state, "move", lab, "A100", place).returncode == 0
        back = run(state, "dump", lab).stdout
        home = re.search(r"^root.cimv2:Win32_PnPEntity.DeviceID=.*2b3c4d5e.*\n(?:  .*\n)*?"
                         r"  Present = (.*)", back, re.M)
        assert home and home.group(1) == "true", home
        done = run(state, "move", lab, "A100", "PCIROOT(40)#PCI(0300)#PCI(0000)")
        assert done.returncode == 0 and run(state, "dump", lab).stdout == after, done
    sim = Serving(state, lab)
    status, text = invoke(sim, "SERVER", "cimv2", "Win32_PnPEntity", "GetDeviceProperties",
                          "<p:devicePropertyKeys>DEVPKEY_Device_LocationPaths"
                          "</p:devicePropertyKeys><p:devicePropertyKeys>DEVPKEY_Device_ProblemCode"
                          "</p:devicePropertyKeys>", {"DeviceID": A100})
    assert status == 200 and "PCIROOT" not in text and ">45<" in text, text
    sim.end()


def first_vm(sim, host):
    _, text = sim.count(host, "Msvm_VirtualSystemSettingData")
    return re.search(r"InstanceID>(Microsoft:[0-9A-F-]{36})<", text).group(1)


def rename(sim, host, instance_id, value):
    settings = ('&lt;INSTANCE CLASSNAME="Msvm_VirtualSystemSettingData"&gt;&lt;PROPERTY '
                f'NAME="InstanceID" TYPE="string"&gt;&lt;VALUE&gt;{instance_id}&lt;/VALUE&gt;'
                '&lt;/PROPERTY&gt;&lt;PROPERTY NAME="ElementName" TYPE="string"&gt;'
                f"&lt;VALUE&gt;{value}&lt;/VALUE&gt;&lt;/PROPERTY&gt;&lt;/INSTANCE&gt;")
    return sim.ask(host, VSMS + "/ModifySystemSettings", VSMS,
                   f'<p:ModifySystemSettings_INPUT xmlns:p="{VSMS}"><p:SystemSettings>{settings}'
                   "</p:SystemSettings></p:ModifySystemSettings_INPUT>",
                   '<w:SelectorSet><w:Selector Name="CreationClassName">'
                   "Msvm_VirtualSystemManagementService</w:Selector></w:SelectorSet>")


def test_what_was_changed_is_there_after_a_kill(state):
    sim = Serving(state, "laptop")
    vm = first_vm(sim, "LAPTOP")
    status, text = rename(sim, "LAPTOP", vm, "renamed-vm")
    assert status == 200 and re.search("ReturnValue>(0|4096)<", text), text
    for _ in range(100):  # a job may have to finish
        text = sim.count("LAPTOP", "Msvm_VirtualSystemSettingData")[1]
        if "ElementName>renamed-vm<" in text:
            break
    else:
        raise AssertionError("the change never came")
    sim.process.kill()
    sim.process.wait()
    sim = Serving(state, "laptop")
    assert "ElementName>renamed-vm<" in \
        sim.count("LAPTOP", "Msvm_VirtualSystemSettingData")[1]
    sim.end()
    assert run(state, "reset", "laptop").returncode == 0
    sim = Serving(state, "laptop")
    assert "ElementName>renamed-vm<" not in \
        sim.count("LAPTOP", "Msvm_VirtualSystemSettingData")[1]
    sim.end()


def test_a_node_of_a_cluster_goes_down_and_comes_back(state):
    system = "Msvm_ComputerSystem"
    done = run(state, "fail", "cluster", "NODE001")
    assert done.returncode == 0, done.stderr
    sim = Serving(state, "cluster", hosts=3)
    assert sim.count("NODE002", system)[0] == 1 + 5 + 4  # itself, its VMs, the groups of NODE001
    assert sim.count("NODE003", system)[0] == 1 + 5
    base = WMI.replace("virtualization/v2", "MSCluster")
    uri = base + "MSCluster_Resource"
    text = sim.count("NODE003", "MSCluster_Resource", base)[1]
    mine = [r for r in ET.fromstring(text).iter(f"{{{uri}}}MSCluster_Resource")
            if r.findtext(f"{{{uri}}}Name") == "Virtual Machine node001-vdi-001"]
    assert len(mine) == 1 and mine[0].findtext(f"{{{uri}}}OwnerNode") == "NODE002", text
    private = uri.replace("_Resource", "_Property")
    assert mine[0].findtext(f"{{{private}}}PrivateProperties/{{{private}}}OfflineAction") == "3", text
    try:
        sim.count("NODE001", system)
        raise AssertionError("a node that is down answers")
    except (http.client.HTTPException, ConnectionError):
        pass
    sim.end()
    done = run(state, "fail", "cluster", "NODE002")
    assert done.returncode == 1 and "no majority" in done.stderr, done
    done = run(state, "rejoin", "cluster", "NODE001")
    assert done.returncode == 0, done.stderr
    sim = Serving(state, "cluster", hosts=3)
    assert sim.count("NODE001", system)[0] == 1 + 1  # itself, and the VM that is no group
    assert sim.count("NODE002", system)[0] == 1 + 5 + 4
    sim.end()


def test_a_lab_file_may_name_faults(state):
    with open(os.path.join(os.environ["HVGPU_DATA_DIR"], "labs/laptop.yaml"),
              encoding="utf-8") as file:
        text = file.read()
    path = os.path.join(state, "mine.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("faults: ['Msvm_PartitionableGpu.Enumerate@1=http:503']\n" + text)
    sim = Serving(state, path)
    ask = ("LAPTOP", WSEN + "/Enumerate", WMI + "Msvm_PartitionableGpu", "<n:Enumerate/>")
    assert sim.ask(*ask)[0] == 503
    assert sim.ask(*ask)[0] == 200
    sim.end()
    with open(path, "w", encoding="utf-8") as file:
        file.write("faults: [nonsense]\n" + text)
    run(state, "reset", path)
    done = run(state, path)
    assert done.returncode == 1 and "nonsense" in done.stderr, done


def test_a_dump_is_stable_and_shows_a_change(state):
    first, second = run(state, "dump", "laptop"), run(state, "dump", "laptop")
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    assert "Msvm_PartitionableGpu" in first.stdout and "host LAPTOP" in first.stdout
    sim = Serving(state, "laptop")
    rename(sim, "LAPTOP", first_vm(sim, "LAPTOP"), "renamed-vm")
    for _ in range(100):
        if "ElementName>renamed-vm<" in \
                sim.count("LAPTOP", "Msvm_VirtualSystemSettingData")[1]:
            break
    sim.end()
    changed = run(state, "dump", "laptop").stdout
    different = set(first.stdout.splitlines()) ^ set(changed.splitlines())
    assert different and all("ElementName" in line for line in different), different


def main():
    tests = [(k, v) for k, v in globals().items() if k.startswith("test_")]
    failed = False
    print(f"1..{len(tests)}")
    for n, (name, test) in enumerate(tests, 1):
        with tempfile.TemporaryDirectory() as state:
            try:
                test(state)
                print(f"ok {n} - {name[5:]}", flush=True)
            except Exception:  # any failure of any kind is a failed test
                failed = True
                print(f"not ok {n} - {name[5:]}")
                for line in traceback.format_exc().splitlines():
                    print("#", line, flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
