#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The server over real sockets, asked by clients that are not ours: http.client with
envelopes written by hand, ElementTree, and pywinrm (skipped where it is not installed).
Usage: test-server.py PATH-OF-TEST-SERVER-HOST"""

import base64
import concurrent.futures
import http.client
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
import xml.etree.ElementTree as ET

HOST = sys.argv[1]
USER, PASSWORD = "admin", "p\u00e4ss:word"
NS = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "n": "http://schemas.xmlsoap.org/ws/2004/09/enumeration",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "f": "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault",
    "i": "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd",
}
WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/virtualization/v2/"
ANONYMOUS = NS["a"] + "/role/anonymous"
IDENTIFY = f'<s:Envelope xmlns:s="{NS["s"]}" xmlns:i="{NS["i"]}"><s:Header/><s:Body>' \
           "<i:Identify/></s:Body></s:Envelope>"


class Sim:
    def __init__(self, hosts=1, vms=3, pull=0, faults=(), env=None):
        self.process = subprocess.Popen(
            [HOST, str(hosts), str(vms), str(pull), *faults], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
        self.urls = []
        for line in self.process.stdout:
            if not line.strip():
                break
            self.urls.append(line.strip())
        assert len(self.urls) == hosts, "the test host did not start"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.tail = self.process.stdout.read()
        assert self.process.wait(30) == 0


def basic(user=USER, password=PASSWORD):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def connect(url, context=None):
    place = urllib.parse.urlparse(url).netloc
    if context:
        return http.client.HTTPSConnection(place, timeout=30, context=context)
    return http.client.HTTPConnection(place, timeout=30)


def post(connection, body, path="/wsman", method="POST", **headers):
    headers = {"Authorization": basic(), "Content-Type": "application/soap+xml;charset=UTF-8",
               **{k.replace("_", "-"): v for k, v in headers.items()}}
    connection.request(method, path, body if isinstance(body, bytes) else body.encode(),
                       {k: v for k, v in headers.items() if v is not None})
    answer = connection.getresponse()
    return answer, answer.read()


def envelope(action, uri, body, extra=""):
    return (f'<s:Envelope xmlns:s="{NS["s"]}" xmlns:a="{NS["a"]}" xmlns:n="{NS["n"]}" '
            f'xmlns:w="{NS["w"]}"><s:Header><a:To>http://x/wsman</a:To><a:ReplyTo><a:Address>'
            f"{ANONYMOUS}</a:Address></a:ReplyTo><a:MessageID>uuid:7</a:MessageID><a:Action "
            f's:mustUnderstand="true">{action}</a:Action><w:ResourceURI>{uri}</w:ResourceURI>'
            f"{extra}</s:Header><s:Body>{body}</s:Body></s:Envelope>")


def enumerate_all(connection, cls):
    """All instances of a class, pulled as many at a time as the server gives."""
    opened = envelope(NS["n"] + "/Enumerate", WMI + cls,
                      "<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>32000"
                      "</w:MaxElements></n:Enumerate>")
    rows, requests = [], 0
    while True:
        answer, text = post(connection, opened)
        requests += 1
        assert answer.status == 200, text
        root = ET.fromstring(text)
        for items in (*root.iter(f"{{{NS['w']}}}Items"), *root.iter(f"{{{NS['n']}}}Items")):
            rows += list(items)
        if any(True for e in root.iter() if e.tag.endswith("EndOfSequence")):
            return rows, requests
        context = next(root.iter(f"{{{NS['n']}}}EnumerationContext")).text
        opened = envelope(NS["n"] + "/Pull", WMI + cls,
                          f"<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext>"
                          "<n:MaxElements>32000</n:MaxElements></n:Pull>")


def test_identify_and_keep_alive():
    with Sim() as sim:
        c = connect(sim.urls[0])
        c.connect()
        local = c.sock.getsockname()
        for _ in range(3):
            answer, text = post(c, IDENTIFY)
            assert answer.status == 200
            assert ET.fromstring(text).find(".//i:ProductVendor", NS).text == \
                "Microsoft Corporation"
        assert c.sock.getsockname() == local, "the connection was not kept"


def test_http_refusals():
    with Sim() as sim:
        c = connect(sim.urls[0])
        cases = [
            (401, dict(Authorization=None)),
            (401, dict(Authorization=basic(password="wrong"))),
            (401, dict(Authorization=basic(user="other"))),
            (401, dict(Authorization="Basic !!!!")),
            (401, dict(Authorization="Negotiate TlRMTVNTUAAB")),
            (404, dict(path="/other")),
            (405, dict(method="PUT")),
            (415, dict(Content_Type="text/plain")),
            (415, dict(Content_Type="application/soap+xml;charset=latin1")),
            (200, dict()),
        ]
        for status, how in cases:  # all over one connection
            answer, _ = post(c, IDENTIFY, **how)
            assert answer.status == status, (status, answer.status, how)
            if status == 401:
                assert answer.headers["WWW-Authenticate"] == 'Basic realm="WSMAN"'
        answer, _ = post(c, "x" * (600 * 1024))
        assert answer.status == 413, answer.status
        answer, _ = post(c, IDENTIFY, Authorization=None, WSMANIDENTIFY="unauthenticated")
        assert answer.status == 200
        answer, _ = post(c, envelope("urn:x", WMI + "X", ""), Authorization=None,
                         WSMANIDENTIFY="unauthenticated")
        assert answer.status == 401


def test_utf16():
    with Sim() as sim:
        answer, text = post(connect(sim.urls[0]), IDENTIFY.encode("utf-16"),
                            Content_Type="application/soap+xml;charset=UTF-16")
        assert answer.status == 200 and b"IdentifyResponse" in text, (answer.status, text)


def test_enumeration():
    with Sim(vms=300) as sim:
        rows, requests = enumerate_all(connect(sim.urls[0]), "Msvm_ComputerSystem")
        assert len(rows) == 301 and requests < 8, (len(rows), requests)
        names = {r.find(f"{{{WMI}Msvm_ComputerSystem}}Name").text for r in rows}
        assert len(names) == 301
    with Sim(vms=5, pull=1) as sim:
        rows, requests = enumerate_all(connect(sim.urls[0]), "Msvm_ComputerSystem")
        assert len(rows) == 6 and requests == 6, (len(rows), requests)


def test_no_delay():
    with Sim() as sim:
        c = connect(sim.urls[0])
        post(c, IDENTIFY)
        began = time.monotonic()
        for _ in range(50):
            post(c, IDENTIFY)
        assert time.monotonic() - began < 1.5, "40 ms each: delayed ACK"


def test_many_hosts():
    with Sim(hosts=300, vms=2) as sim:
        assert len(set(sim.urls)) == 300
        def one(i):
            rows, _ = enumerate_all(connect(sim.urls[i]), "Msvm_ComputerSystem")
            own = f"SIM{i + 1}"
            return own in {r.find(f"{{{WMI}Msvm_ComputerSystem}}Name").text for r in rows}
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            assert all(pool.map(one, range(300)))


def test_faults():
    gpu = envelope("http://schemas.xmlsoap.org/ws/2004/09/transfer/Get",
                   WMI + "Msvm_PartitionableGpu", "")
    faults = ["Get@1=drop", "Get@2=garbage", "Get@3=http:503", "Get@4=delay:300",
              "Get@5=drop-after"]
    with Sim(faults=faults) as sim:
        def get():
            return post(connect(sim.urls[0]), gpu)
        for n in range(1, 7):
            began = time.monotonic()
            try:
                answer, text = get()
                assert n not in (1, 5), "the connection was to be lost"
            except (http.client.HTTPException, ConnectionError):
                assert n in (1, 5)
                continue
            assert answer.status == (503 if n == 3 else 200)
            assert (b"PartitionCount" in text) == (n in (4, 6)), (n, text)
            assert n != 4 or time.monotonic() - began >= 0.3


def test_saved_before_the_answer():
    body = f'<p:AddResourceSettings_INPUT xmlns:p="{WMI}Msvm_VirtualSystemManagementService">' \
           "<p:AffectedConfiguration><a:ReferenceParameters><w:ResourceURI>" + WMI + \
           'Msvm_VirtualSystemSettingData</w:ResourceURI><w:SelectorSet><w:Selector ' \
           'Name="InstanceID">Microsoft:00000000-0000-4000-8000-000000000001</w:Selector>' \
           "</w:SelectorSet></a:ReferenceParameters></p:AffectedConfiguration>" \
           "<p:ResourceSettings>x</p:ResourceSettings></p:AddResourceSettings_INPUT>"
    uri = WMI + "Msvm_VirtualSystemManagementService"
    selectors = '<w:SelectorSet><w:Selector Name="CreationClassName">' \
                "Msvm_VirtualSystemManagementService</w:Selector></w:SelectorSet>"
    with Sim() as sim:
        answer, text = post(connect(sim.urls[0]),
                            envelope(uri + "/AddResourceSettings", uri, body, selectors))
        assert answer.status == 200 and b"ReturnValue>0<" in text, text
    assert "saves 1" in sim.tail, sim.tail


def test_closes_with_open_connections():
    with Sim() as sim:
        connections = [connect(sim.urls[0]) for _ in range(5)]
        for c in connections:
            post(c, IDENTIFY)
        raw = socket.create_connection(connections[0].sock.getpeername())
        raw.sendall(b"POST /wsman HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc")
        began = time.monotonic()
    assert time.monotonic() - began < 5


def test_tls():
    with tempfile.TemporaryDirectory() as where:
        cert, key = where + "/cert.pem", where + "/key.pem"
        made = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out",
             cert, "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
             "subjectAltName=IP:127.0.0.1"], capture_output=True)
        assert made.returncode == 0, made.stderr
        with Sim(env={"TEST_TLS_CERT": cert, "TEST_TLS_KEY": key}) as sim:
            assert sim.urls[0].startswith("https://")
            answer, _ = post(connect(sim.urls[0], ssl.create_default_context(cafile=cert)),
                             IDENTIFY)
            assert answer.status == 200


def test_pywinrm():
    try:
        import winrm
    except ImportError:
        return "pywinrm is not installed"
    with Sim() as sim:
        protocol = winrm.protocol.Protocol(
            endpoint=sim.urls[0], transport="basic", username=USER,
            password=PASSWORD.encode(), server_cert_validation="ignore",
            message_encryption="never", read_timeout_sec=30, operation_timeout_sec=20)
        shell = protocol.open_shell(codepage=65001)
        command = protocol.run_command(shell, "fail", ["3221225786"])
        assert protocol.get_command_output(shell, command) == (b"", b"it failed\r\n", 3221225786)
        protocol.cleanup_command(shell, command)
        command = protocol.run_command(shell, "big", ["400000"])
        out, _, code = protocol.get_command_output(shell, command)
        assert code == 0 and len(out) == 400000, (code, len(out))
        protocol.cleanup_command(shell, command)
        command = protocol.run_command(shell, "umlaut")
        assert protocol.get_command_output(shell, command)[0].decode() == "Gr\u00fc\u00df"
        protocol.close_shell(shell)
        shell = protocol.open_shell()  # code page 437
        command = protocol.run_command(shell, "umlaut")
        assert protocol.get_command_output(shell, command)[0] == b"Gr??"
        protocol.close_shell(shell)


def main():
    tests = [(k, v) for k, v in globals().items() if k.startswith("test_")]
    failed = False
    print(f"1..{len(tests)}")
    for n, (name, run) in enumerate(tests, 1):
        try:
            skipped = run()
            print(f"ok {n} - {name[5:]}" + (f" # SKIP {skipped}" if skipped else ""), flush=True)
        except Exception as problem:  # any failure of any kind is a failed test
            import traceback
            failed = True
            print(f"not ok {n} - {name[5:]}")
            for line in traceback.format_exc().splitlines() + [repr(problem)]:
                print("#", line, flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
