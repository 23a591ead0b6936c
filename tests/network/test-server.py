#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The simulator as a WinRM server: its limits, its log-ons and its languages, seen by hvgpu
and by clients that others wrote.
Usage: test-server.py HVGPU HVGPU-SIM"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from between import Between  # noqa: E402
from world import (HVGPU, PASSWORD, Sim, Skip, W, by_password,  # noqa: E402
                   each_mechanism, fails, run_tests, url, works)

WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
CONFIG = "http://schemas.microsoft.com/wbem/wsman/1/config"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"


def post(sim, action, resource, body="", header="", size=512000):
    """One request with Basic, by Python's own HTTP client: (status, text)."""
    message = f"""<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:n="{ENUMERATION}"
 xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Header><a:To>{sim.url}</a:To>
<a:Action s:mustUnderstand="true">{action}</a:Action>
<w:ResourceURI s:mustUnderstand="true">{resource}</w:ResourceURI>
<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous
</a:Address></a:ReplyTo><a:MessageID>uuid:11111111-2222-4333-8444-555555555555</a:MessageID>
<w:MaxEnvelopeSize s:mustUnderstand="true">{size}</w:MaxEnvelopeSize>{header}</s:Header>
<s:Body>{body}</s:Body></s:Envelope>"""
    request = urllib.request.Request(sim.url, message.encode(), {
        "Content-Type": "application/soap+xml;charset=UTF-8",
        "Authorization": "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def enumerate_all(sim, class_name, ns="root/virtualization/v2", **how):
    return post(sim, ENUMERATION + "/Enumerate", f"{WMI}{ns}/{class_name}",
                "<n:Enumerate/>", **how)


def fault(answer):
    """(subcode, code, text) of a fault."""
    status, text = answer
    assert status == 500, answer
    return (re.search(r"<s:Subcode><s:Value>(.*?)<", text).group(1),
            int(re.search(r'WSManFault[^>]* Code="(\d+)"', text).group(1)),
            re.search(r"<s:Text[^>]*>(.*?)<", text).group(1))


def clear(*winrm, **how):
    options = [o for value in winrm for o in ("--winrm", value)]
    return Sim(*options, auth="basic", demand=False, **how)


# ---- winrm/config ----


def test_config_is_what_was_said():
    with clear("maxenvelopesizekb=150", "MaxShellsPerUser=5", "CbtHardeningLevel=strict") as sim:
        status, text = post(sim, TRANSFER + "/Get", CONFIG)
        assert status == 200 and "GetResponse</a:Action>" in text, text
        for name, value in (("MaxEnvelopeSizekb", 150), ("MaxShellsPerUser", 5),
                            ("CbtHardeningLevel", "Strict"), ("MaxBatchItems", 32000),
                            ("AllowUnencrypted", "true"), ("MaxConnections", 300)):
            assert f"<cfg:{name}>{value}</cfg:{name}>" in text, (name, text)


def test_config_of_a_lab():
    lab = W.path("lab.yaml")
    with open(os.path.join(os.environ["HVGPU_DATA_DIR"], "labs", "laptop.yaml")) as f:
        text = f.read()
    for config, good in (("{ MaxEnvelopeSizekb: 64, AllowUnencrypted: false }", True),
                         ("{ MaxEnvelopeSizekb: 31 }", False), ("{ Nonsense: 1 }", False),
                         ("[ 1 ]", False), ("{ CbtHardeningLevel: Tight }", False)):
        with open(lab, "w") as f:
            f.write(re.sub(r"(?m)^(\s+)product:", rf"\1winrm: {config}\n\1product:", text, 1))
        if good:
            with Sim(auth="basic", demand=False, lab=lab) as sim:
                assert post(sim, TRANSFER + "/Get", CONFIG) == (500, "")
            continue
        done = subprocess.run([os.path.abspath(sys.argv[2]), lab, "--ephemeral"], env=W.env,
                              capture_output=True, text=True)
        assert done.returncode == 1 and "lab.yaml:" in done.stderr, done


def test_wrong_values_of_config():
    for value in ("MaxEnvelopeSizekb", "MaxEnvelopeSizekb=", "MaxEnvelopeSizekb=31", "=5",
                  "MaxEnvelopeSizekb=9999999999", "Nonsense=1", "AllowUnencrypted=yes"):
        done = subprocess.run([os.path.abspath(sys.argv[2]), "laptop", "--ephemeral", "--winrm",
                               value], env=W.env, capture_output=True, text=True)
        assert done.returncode == 1 and "hvgpu-sim: " in done.stderr, (value, done)


def test_unencrypted_is_allowed_or_not():
    for words, status in (("AllowUnencrypted=true", 200), ("AllowUnencrypted=false", 500)):
        with clear(words) as sim:
            got = post(sim, TRANSFER + "/Get", CONFIG)
            assert got[0] == status and (status == 200 or got[1] == ""), got


# ---- sizes ----


def test_answers_keep_to_the_smaller_limit():
    with clear("MaxEnvelopeSizekb=64") as sim:
        pulled = []
        status, text = enumerate_all(sim, "Msvm_ComputerSystem")
        context = re.search(r"<n:EnumerationContext>(.*?)<", text).group(1)
        status, text = post(sim, ENUMERATION + "/Pull",
                            WMI + "root/virtualization/v2/Msvm_ComputerSystem",
                            f"<n:Pull><n:EnumerationContext>{context}</n:EnumerationContext>"
                            "<n:MaxElements>32000</n:MaxElements></n:Pull>")
        pulled.append(len(text))
        assert status == 200 and max(pulled) <= 64 * 1024, pulled
        assert fault(enumerate_all(sim, "Msvm_ComputerSystem", size=8191))[0] == \
            "w:EncodingLimit"


def test_a_request_that_is_too_large():
    with clear("MaxEnvelopeSizekb=32") as sim:
        assert post(sim, TRANSFER + "/Get", CONFIG, " " * 20000)[0] == 200
        assert post(sim, TRANSFER + "/Get", CONFIG, " " * 60000)[0] == 413


def test_hvgpu_with_a_host_of_small_envelopes():
    W.needs_ntlm()
    for winrm in (("MaxEnvelopeSizekb=32",), ("MaxBatchItems=1",)):
        options = [o for value in winrm for o in ("--winrm", value)]
        with Sim(*options) as sim:
            works(sim.url, *by_password())
    with Sim("--pull-items", "1") as sim:
        works(sim.url, *by_password())


def test_hvgpu_asks_for_smaller_batches_and_then_for_the_limit():
    """Everything too large at first; then as it is."""
    W.needs_ntlm()
    faults = [f"Win32_OperatingSystem.Enumerate@{n}=fault:0x80338048" for n in (1, 2, 3, 4)]
    with Sim("--winrm", "MaxEnvelopeSizekb=1000",
             *(o for f in faults for o in ("--fault", f))) as sim:
        works(sim.url, *by_password())
        lines = sim.lines()
        assert lines.count("Win32_OperatingSystem Enumerate") == 5, lines
        assert lines.count("Config Get") == 1, lines
    # Who may not read it does without.
    faults.append("Config.Get@*=fault:5")
    with Sim(*(o for f in faults for o in ("--fault", f))) as sim:
        works(sim.url, *by_password())


# ---- quotas ----


def test_shells_per_user():
    body = ('<r:Shell xmlns:r="%s"><r:InputStreams>stdin</r:InputStreams><r:OutputStreams>'
            "stdout stderr</r:OutputStreams></r:Shell>" % SHELL)
    with clear("MaxShellsPerUser=2") as sim:
        for _ in range(2):
            assert post(sim, TRANSFER + "/Create", SHELL + "/cmd", body)[0] == 200
        subcode, code, _ = fault(post(sim, TRANSFER + "/Create", SHELL + "/cmd", body))
        assert (subcode, code) == ("w:QuotaLimit", 0x803381A5)


def test_operations_per_user():
    with clear("MaxConcurrentOperationsPerUser=2", "EnumerationTimeoutms=60000") as sim:
        for _ in range(2):
            assert enumerate_all(sim, "Msvm_ComputerSystem")[0] == 200
        subcode, code, _ = fault(enumerate_all(sim, "Msvm_ComputerSystem"))
        assert (subcode, code) == ("w:QuotaLimit", 0x803381A6)
        # hvgpu is patient, says what it is, and gives up.
        error = fails(sim.url, *by_password(), text="0x803381A6", kind="conflict")
        assert "wait" in error["hint"], error
        assert sim.lines().count(" Enumerate") == 3 + 5, sim.lines()
    with clear("MaxConcurrentOperationsPerUser=2", "EnumerationTimeoutms=500") as sim:
        for _ in range(2):
            assert enumerate_all(sim, "Msvm_ComputerSystem")[0] == 200
        works(sim.url, *by_password())  # the idle ones are forgotten meanwhile


def test_too_many_requests_at_one_time():
    with Sim("--winrm", "MaxConnections=2", "--fault", "Config.Get@*=delay:3000", auth="basic",
             demand=False) as sim:
        got = []
        threads = [threading.Thread(target=lambda: got.append(
            post(sim, TRANSFER + "/Get", CONFIG))) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        good = [a for a in got if a[0] == 200]
        bad = [fault(a) for a in got if a[0] != 200]
        assert len(good) == 2 and {b[:2] for b in bad} == {("w:QuotaLimit", 0x8033803F)}, got


# ---- log-ons ----


def tls():
    ca = W.certificate("ca")
    cert, key = W.certificate("good", issuer=ca)
    return ca[0], ("--tls-cert", cert, "--tls-key", key)


def in_between():
    """Opens the TLS: a log-on over it is bound to another certificate."""
    import ssl
    ca = W.certificate("ca")
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(*W.certificate("other", issuer=ca))
    return inside, ssl.create_default_context(cafile=ca[0])


def curl_negotiate(sim, ca, env):
    """curl does not bind its log-on in this version: what an old client does."""
    if not shutil.which("curl"):
        raise Skip("curl is not installed")
    return subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--negotiate",
                           "-u", ":", "--cacert", ca, "-H", "Content-Type: application/"
                           "soap+xml;charset=UTF-8", "-d", "x", url(sim.port, "https")],
                          env=env, capture_output=True, text=True).stdout


def test_channel_binding_levels():
    ca, options = tls()
    mechanisms = list(each_mechanism())
    env = W.realm.ticket("admin", PASSWORD, "cbt") if W.realm else None
    inside, outside = in_between()
    for level, unbound, wrong in (("None", True, True), ("Relaxed", True, False),
                                  ("Strict", False, False)):
        with Sim(*options, "--winrm", f"CbtHardeningLevel={level}") as sim:
            for how in mechanisms:
                works(url(sim.port, "https"), *how, "--ca", ca)
                with Between(sim.port, tls=inside, tls_out=outside) as wire:
                    if wrong:
                        works(url(wire.port, "https"), *how, "--ca", ca)
                    else:
                        fails(url(wire.port, "https"), *how, "--ca", ca, kind="denied", text="")
            if env:
                status = curl_negotiate(sim, ca, env)
                assert (status != "401") == unbound, (level, status)


def test_client_certificates():
    ca, options = tls()
    mine = W.certificate("me", issuer=W.certificate("ca"))
    stranger = W.certificate("stranger")
    by_certificate = ("--ca", ca, "--cert", mine[0], "--cert-key", mine[1])
    with Sim(*options, "--client-ca", ca, auth="basic") as sim:
        https = url(sim.port, "https")
        works(https, *by_certificate)
        works(https, *by_certificate, "--auth", "certificate")
        fails(https, "--ca", ca, "--cert", stranger[0], "--cert-key", stranger[1],
              kind="denied", text="Access is denied")
        works(https, "--ca", ca, *by_password(), "--auth", "basic")
    with Sim(*options, auth="basic") as sim:  # a host that asks for none
        fails(url(sim.port, "https"), *by_certificate, "--auth", "certificate", kind="denied",
              text="HTTP 401")
    done = subprocess.run([os.path.abspath(sys.argv[2]), "laptop", "--ephemeral",
                           "--client-ca", ca], env=W.env, capture_output=True, text=True)
    assert done.returncode == 1 and "need TLS" in done.stderr, done


def test_curl_with_a_client_certificate():
    if not shutil.which("curl"):
        raise Skip("curl is not installed")
    ca, options = tls()
    mine = W.certificate("me", issuer=W.certificate("ca"))
    body = ('<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:i="http://'
            'schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><s:Header/><s:Body>'
            "<i:Identify/></s:Body></s:Envelope>")
    with Sim(*options, "--client-ca", ca, auth="basic") as sim:
        for certificate, status in ((("--cert", mine[0], "--key", mine[1]), "200"), ((), "401")):
            done = subprocess.run(
                ["curl", "-s", "-w", "\n%{http_code}", "--cacert", ca, *certificate, "-H",
                 "Authorization: http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/"
                 "mutual", "-H", "Content-Type: application/soap+xml;charset=UTF-8", "-d", body,
                 url(sim.port, "https")], capture_output=True, text=True)
            assert done.stdout.endswith("\n" + status), done.stdout


def test_shapes_of_refusals():
    """401 lists what is offered and has no body; 404, 405, 415 have none either."""
    def status(path="/wsman", method="POST", kind="application/soap+xml", user="admin"):
        request = urllib.request.Request(sim.url.replace("/wsman", path), b"x", {
            "Content-Type": kind, "Authorization": "Basic " + base64.b64encode(
                f"{user}:{PASSWORD}".encode()).decode()}, method=method)
        try:
            urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            return error.code, error.headers.get_all("WWW-Authenticate"), error.read()
    with Sim(auth="basic,negotiate,kerberos", demand=False) as sim:
        assert status(user="x") == (401, ["Negotiate", "Kerberos", 'Basic realm="WSMAN"'], b"")
        assert status("/other") == (404, None, b"")
        assert status(method="PUT") == (405, None, b"")
        assert status(kind="text/plain") == (415, None, b"")
        code, _, body = status()
        assert code == 500 and b"<s:Fault>" in body


# ---- wsl, "whistle": a WS-Management client for CIM by Dell, of shell scripts ----


def wsl(sim, command, *words):
    if not shutil.which("wsl" + command):
        raise Skip("wsl is not installed")
    os.makedirs(W.path("wsl"), exist_ok=True)
    env = {**W.env, "HOME": W.path("wsl"), "WSENDPOINT": f"127.0.0.1:{sim.port}",
           "WSUSER": "admin", "WSPASS": PASSWORD, "WSNOSSL": "true", "OUTLEVEL": "1",
           "IPINTERACTIVE": "0", "KEEPHISTORY": "0", "OUTPREFIX": W.path("wsl")}
    return subprocess.run(["wsl" + command, *words], env=env, cwd=W.path("wsl"), text=True,
                          stdin=subprocess.DEVNULL, capture_output=True).stdout


def test_whistle_reads_a_host():
    systems = WMI + "root/virtualization/v2/Msvm_ComputerSystem"
    with clear() as sim:
        assert "Microsoft Corporation" in wsl(sim, "id", "check")
        assert "<p:BuildNumber>22631</p:BuildNumber>" in wsl(
            sim, "enum", WMI + "root/cimv2/Win32_OperatingSystem")
        objects = wsl(sim, "enum", systems)
        count = objects.count("<p:Msvm_ComputerSystem ")
        assert count > 5 and objects.count("PullResponse</a:Action>") == count  # one by one
        several = wsl(sim, "enum", systems, "-opti", "10")
        assert several.count("<p:Msvm_ComputerSystem ") == count
        assert several.count("PullResponse</a:Action>") < count
        for mode, most in (("epr", 0), ("objepr", count)):
            text = wsl(sim, "enum", systems, "-mode", mode, "-opti", "10")
            assert text.count("<a:EndpointReference>") == count, text
            assert text.count("<p:Msvm_ComputerSystem ") == most
        wql = wsl(sim, "enum", WMI + "root/virtualization/v2/*", "-dialect",
                  "http://schemas.microsoft.com/wbem/wsman/1/WQL", "-filter",
                  "select Name from Msvm_ComputerSystem where Name='LAPTOP'")
        assert wql.count("<Name>LAPTOP</Name>") == 1, wql
        got = wsl(sim, "get", systems, "CreationClassName=Msvm_ComputerSystem", "Name=LAPTOP")
        assert "GetResponse</a:Action>" in got and "<p:Name>LAPTOP</p:Name>" in got, got
        assert 'Code="2150858752"' in wsl(sim, "get", systems, "Name=NOBODY",
                                          "CreationClassName=Msvm_ComputerSystem")


# ---- languages ----


def test_faults_in_the_hosts_language():
    """hvgpu knows a fault by its number, and shows the host's words."""
    W.needs_ntlm()
    with Sim("--fault", "Msvm_ComputerSystem.Enumerate@*=fault:5", lab="japanese") as sim:
        done = subprocess.run([HVGPU, "-H", sim.url, *by_password(), "--json", "vm", "list"],
                              env=W.env, capture_output=True, text=True)
        error = json.loads(done.stdout)["hosts"][0]["error"]
        said = json.dumps(error, ensure_ascii=False)
        assert error["kind"] == "denied" and "アクセス拒否" in said, said
        assert "Hyper-V Administrators" in error["hint"] or "S-1-5-32-578" in error["hint"]
    with clear(lab="japanese") as sim:
        status, text = post(sim, ENUMERATION + "/Enumerate", WMI + "root/cimv2/Nothing",
                            "<n:Enumerate/>")
        assert status == 500 and 'xml:lang="en-US"' in text  # no public text: English
    with clear(lab="japanese") as sim:
        works(sim.url, *by_password())


run_tests(globals())
