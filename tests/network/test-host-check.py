#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hvgpu host check: each step of the way can be the one that fails, and each says what to do.
Usage: test-host-check.py HVGPU HVGPU-SIM"""

import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hostile import (ENVELOPE, IDENTITY, OS, Hostile, http, items,  # noqa: E402
                     says, soap)
from world import (HVGPU, PASSWORD, SIM, USER, Sim, Skip, TlsServer, W,  # noqa: E402
                   by_password, each_mechanism, fingerprint, run_tests, url)


def check(host, *options, env=None):
    done = subprocess.run([HVGPU, "host", "check", host, "--json", "--timeout", "20",
                           *options], capture_output=True, text=True, env=env or W.env,
                          stdin=subprocess.DEVNULL)
    assert done.stdout, done
    document = json.loads(done.stdout)
    assert "checks" in document, document
    return done.returncode, {c["id"]: c for c in document["checks"]}


def fails_at(step, host, *options, text="", hint="", before=True, env=None):
    code, steps = check(host, *options, env=env)
    names = list(steps)
    at = names.index(step)
    error = steps[step]["error"]
    assert code == 3 and steps[step]["ok"] is False and error, steps
    assert all(steps[n]["ok"] is not False for n in names[:at]), steps
    assert all(steps[n]["ok"] is None for n in names[at + 1:]), steps
    assert all(steps[n]["detail"] for n in names[:at] if steps[n]["ok"]), steps
    said = json.dumps(error)
    assert text in said, f"{text!r} is not in {said}"
    assert hint in (error["hint"] or ""), f"{hint!r} is not in {said}"
    return steps


def test_name():
    fails_at("name", "http://nobody.invalid:5985/wsman", *by_password(),
             text="cannot be resolved", hint="spelling")


def test_port():
    fails_at("port", "http://localhost:1/wsman", *by_password(), text="no connection",
             hint="winrm quickconfig")


def test_tls():
    ca = W.certificate("ca")
    for cert, options, text, hint in (
            (W.certificate("alone"), (), "is self-signed", "--pin sha256:"),
            (W.certificate("good", issuer=ca), (), "unknown authority", "--ca FILE"),
            (W.certificate("misnamed", subject="elsewhere.test", issuer=ca), ("--ca", ca[0]),
             "for another name", "by the name it was made for"),
            (W.certificate("alone"), ("--pin", fingerprint(ca[0])), "not the pinned one",
             "somebody is in between")):
        with TlsServer(*cert) as https:
            fails_at("tls", https, *by_password(), *options, text=text, hint=hint)
    with Sim(demand=False, auth="basic") as sim:  # no TLS there at all
        fails_at("tls", url(sim.port, "https"), *by_password(), text="no TLS connection",
                 hint="5986 is the port for https")


def test_winrm():
    ca = W.certificate("ca")
    cert, key = W.certificate("good", issuer=ca)
    with Sim("--tls-cert", cert, "--tls-key", key) as sim:
        fails_at("winrm", url(sim.port), *by_password())  # TLS there, not asked for
        fails_at("winrm", url(sim.port, "https").replace("wsman", "web"), *by_password(),
                 "--ca", ca[0], text="there is no WinRM", hint="/wsman")


def test_log_on():
    W.needs_ntlm()
    with Sim() as sim:
        for how in (("--auth", "ntlm"), ()):
            fails_at("log-on", sim.url, *by_password(file=W.wrong), *how, text="HTTP 401",
                     hint="DOMAIN\\user")
    ca = W.certificate("ca")
    cert, key = W.certificate("good", issuer=ca)
    with Sim("--tls-cert", cert, "--tls-key", key, auth="basic") as sim:
        fails_at("log-on", url(sim.port, "https"), *by_password(file=W.wrong), "--ca", ca[0],
                 text="HTTP 401")


def test_log_on_without_anything_to_log_on_with():
    """The way up to there is told all the same."""
    with Sim() as sim:
        steps = fails_at("log-on", sim.url, env={**W.env, "KRB5CCNAME": "FILE:/nonexistent"})
        assert "Negotiate, Basic" in steps["winrm"]["detail"], steps
        fails_at("log-on", sim.url, "--user", "admin", text="no password for 'admin'",
                 hint="--password-file")
        loose = W.secret("loose", PASSWORD)
        os.chmod(loose, 0o644)
        fails_at("log-on", sim.url, *by_password(file=loose), text="others can read",
                 hint="chmod 600")
        fails_at("log-on", sim.url, *by_password(file=W.path("absent")), text="absent")
        fails_at("log-on", sim.url, "--user", "admin", "--auth", "ntlm", text="")
    with Sim(auth="basic", demand=False) as sim:  # nothing in common
        fails_at("log-on", sim.url, *by_password(), "--auth", "ntlm", text="")
    # A step before that is what is told where it does not work.
    fails_at("name", "http://nobody.invalid:5985/wsman", text="cannot be resolved")
    fails_at("port", "http://localhost:1/wsman", "--user", "admin", text="no connection")


def test_log_on_by_kerberos():
    W.needs_realm()
    env = {**W.env, "KRB5CCNAME": "FILE:/nonexistent"}
    with Sim() as sim:
        fails_at("log-on", sim.url, "--auth", "kerberos", env=env,
                 text="there is no Kerberos ticket", hint="kinit USER@REALM")
        fails_at("log-on", sim.url, *by_password(USER, W.wrong), "--auth", "kerberos",
                 text="the password is wrong")
        fails_at("log-on", sim.url.replace("localhost", "127.0.0.1"), "--auth", "kerberos",
                 env=env, text="by name, not by address")
    with Sim("--winrm", "AllowUnencrypted=false") as sim:
        fails_at("service", sim.url, *by_password(), "--auth", "basic", text="HTTP 500",
                 hint="AllowUnencrypted=false")


def denied_by(*faults):
    return Sim(*(o for f in faults for o in ("--fault", f)), auth="basic", demand=False)


def test_service():
    other = answered("other", "root/cimv2", "Win32_Service", b"")
    for fault, text in (("http:500", "HTTP 500"), ("http:503", "HTTP 503"),
                        ("garbage", "XML is broken"), ("fault:5", "0x5"),
                        (f"answer:{other}", "not that of WS-Management")):
        with denied_by(f"Identify@*={fault}") as sim:
            fails_at("service", sim.url, *by_password(), text=text)


def test_a_service_with_a_long_name_for_itself():
    """Cut where a letter would be halved, it would be no JSON."""
    name = W.path("long")
    for pad in (b"", b"x", b"xx"):
        with open(name, "wb") as f:
            f.write(ENVELOPE % (b"@request@", IDENTITY.replace(
                b"</i:IdentifyResponse>", b"<i:ProductVersion>" + pad +
                "\u4f60".encode() * 200 + b"</i:ProductVersion></i:IdentifyResponse>")))
        with denied_by(f"Identify@*=answer:{name}") as sim:
            code, steps = check(sim.url, *by_password())
            assert code == 0 and steps["service"]["detail"].endswith("\u4f60"), steps


def test_rights():
    with denied_by("Win32_OperatingSystem.Enumerate@*=fault:5") as sim:
        fails_at("rights", sim.url, *by_password(), text="0x5", hint="Administrators")
    nothing = answered("no-system", "root/cimv2", "Win32_OperatingSystem", b"")
    with denied_by(f"Win32_OperatingSystem.Enumerate@*=answer:{nothing}") as sim:
        fails_at("rights", sim.url, *by_password(), text="shows this user nothing",
                 hint="S-1-5-32-580")


def test_namespace():
    with Sim(lab="bare", auth="basic", demand=False) as sim:
        fails_at("namespace", sim.url, *by_password(), text="the machine has no Hyper-V",
                 hint="Home edition")
    with denied_by("Msvm_VirtualSystemManagementService.Enumerate@*=fault:0x8004100E") as sim:
        fails_at("namespace", sim.url, *by_password(), text="the machine has no Hyper-V",
                 hint="Enable-WindowsOptionalFeature -Online -FeatureName Microsoft-Hyper-V")
    with Sim("--fault", "Msvm_VirtualSystemManagementService.Enumerate@*=fault:0x8004100E",
             lab="server", auth="basic", demand=False) as sim:
        fails_at("namespace", sim.url, *by_password(),
                 hint="Install-WindowsFeature Hyper-V -IncludeManagementTools -Restart")


def answered(name, ns, class_name, inner):
    """A file with the answer to a query."""
    uri = f"http://schemas.microsoft.com/wbem/wsman/1/wmi/{ns}/{class_name}".encode()
    row = b'<p:%s xmlns:p="%s">%s</p:%s>' % (class_name.encode(), uri, inner,
                                             class_name.encode())
    with open(W.path(name), "wb") as f:
        f.write(ENVELOPE % (b"@request@", items(inner=row if inner else b"", last=True)))
    return W.path(name)


def test_hyper_v_that_does_not_run():
    file = answered("stopped", "root/cimv2", "Win32_ComputerSystem",
                    b"<p:HypervisorPresent>false</p:HypervisorPresent>")
    with denied_by(f"Win32_ComputerSystem.Enumerate@*=answer:{file}") as sim:
        fails_at("hyper-v", sim.url, *by_password(), text="does not run",
                 hint="bcdedit /set hypervisorlaunchtype auto")


def test_hyper_v_rights():
    with denied_by("Msvm_ComputerSystem.Enumerate@*=fault:5") as sim:
        fails_at("hyper-v-rights", sim.url, *by_password(), text="0x5")
    with denied_by("Msvm_ComputerSystem.Enumerate@*=fault:0x80041003",
                   "Msvm_VirtualSystemManagementService.Enumerate@*=fault:0x80041003") as sim:
        fails_at("hyper-v-rights", sim.url, *by_password(), text="0x80041003")
    nothing = answered("nothing", "root/virtualization/v2", "Msvm_ComputerSystem", b"")
    with denied_by(f"Msvm_ComputerSystem.Enumerate@*=answer:{nothing}") as sim:
        fails_at("hyper-v-rights", sim.url, *by_password(), text="shows this user nothing",
                 hint="S-1-5-32-578")


def test_all_is_well():
    ca = W.certificate("ca")
    cert, key = W.certificate("good", issuer=ca)
    with Sim("--tls-cert", cert, "--tls-key", key, auth="basic") as sim:
        code, steps = check(url(sim.port, "https"), *by_password(), "--ca", ca[0])
        assert code == 0 and all(s["ok"] for s in steps.values()), steps
        assert fingerprint(cert).replace(":", "").lower()[6:] in steps["tls"]["detail"]
    for how in each_mechanism():
        with Sim() as sim:
            code, steps = check(sim.url, *how)
            assert code == 0 and steps["tls"]["ok"] is None, steps
            assert "messages encrypted" in steps["log-on"]["detail"], steps
            assert "Negotiate, Basic" in steps["winrm"]["detail"], steps


def test_what_is_offered():
    """In a line each, in one line, with commas that part nothing."""
    for lines, offers in (
            ((b"Negotiate", b"Kerberos", b'Basic realm="WSMAN"', b"CredSSP"),
             "Negotiate, Kerberos, Basic, CredSSP"),
            ((b'Negotiate, Basic realm="a, Kerberos", charset="UTF-8", Kerberos',),
             "Negotiate, Basic, Kerberos"),
            ((b" basic   realm=x ,,  NEGOTIATE ",), "basic, NEGOTIATE"),
            ((b"Digest " + b"x" * 500, b"Negotiate"), "Digest, Negotiate"),
            ((b"\xff\xfe\x1b[31m", b"Negotiate"), "???[31m, Negotiate")):
        head = b"".join(b"WWW-Authenticate: " + line + b"\r\n" for line in lines)
        with Hostile(says(http(b"", b"401 Unauthorized", head=head), close=False)) as server:
            _, steps = check(url(server.port), env={**W.env, "KRB5CCNAME": "FILE:/absent"})
            assert steps["winrm"]["detail"] == "offers " + offers, steps["winrm"]


def test_answers_in_utf_16():
    """SOAP over HTTP may come so (DSP0226 C.1); Windows can be made to."""
    system = (b'<p:Win32_OperatingSystem xmlns:p="%s"><p:Caption>\xe4\xbd\xa0</p:Caption>'
              b"</p:Win32_OperatingSystem>" % OS)

    def answer(client, request, n):
        body = soap(request, IDENTITY if b"Identify" in request else
                    items(inner=system if b"Win32_OperatingSystem" in request else b"",
                          last=True))
        if b"Authorization: Basic" not in request:
            return client.sendall(http(b"", b"401 Unauthorized",
                                       head=b'WWW-Authenticate: Basic realm="x"\r\n'))
        text = '<?xml version="1.0" encoding="UTF-16"?>' + body.decode()
        return client.sendall(http(text.encode("utf-16"),
                                   kind=b"application/soap+xml;charset=UTF-16"))
    with Hostile(answer) as server:
        steps = fails_at("hyper-v", url(server.port), *by_password())
        assert steps["rights"]["detail"].startswith("\u4f60"), steps["rights"]


def test_a_server_with_other_habits():
    """Everything up to the question whether Hyper-V runs, which it is silent about."""
    try:
        from omi import Omi
    except ImportError as why:
        raise Skip(f"python3-gssapi is not installed: {why}")
    mechanisms = list(each_mechanism())  # makes the realm
    users = W.secret("omi-users", f"OMI:admin:{PASSWORD}")
    for how in mechanisms:
        if "ntlm" in how:
            how = (*by_password("OMI\\admin"), "--auth", "ntlm")
        with Omi({**W.env, "NTLM_USER_FILE": users}, W.path("host.keytab")) as server:
            steps = fails_at("hyper-v", url(server.port), *how)
            assert "messages encrypted" in steps["log-on"]["detail"], steps
            assert server.sealed == 4, server.sealed


def test_nothing_is_changed_and_little_asked():
    with denied_by() as sim:
        assert check(sim.url, *by_password())[0] == 0
        asked = [line for line in sim.lines().splitlines() if " bytes in, " in line]
        assert len(asked) <= 8 and not re.search(r" (Put|Create|Command|Delete) ?:", "".join(
            asked)), asked


def test_set_up_lines():
    done = subprocess.run([HVGPU, "host", "check", "--setup"], env=W.env, capture_output=True,
                          text=True)
    for line in ("winrm quickconfig", "S-1-5-32-578", "LocalAccountTokenFilterPolicy",
                 "New-SelfSignedCertificate", "5986"):
        assert line in done.stdout, done.stdout


def asked(*argv):
    done = subprocess.run([HVGPU, "--timeout", "20", *argv, "--json"], capture_output=True,
                          text=True, env=W.env, stdin=subprocess.DEVNULL)
    assert done.stdout, done
    return done.returncode, json.loads(done.stdout)


def without_host(document, host):
    """What two ways to one host must agree on: its name is how it was reached."""
    return json.loads(json.dumps(document).replace(json.dumps(host)[1:-1], "HOST"))


def served(report):
    """The simulator with the recorded host: process, URL."""
    process = subprocess.Popen([SIM, f"replay:{report}", "--password-file", W.password],
                               stdout=subprocess.PIPE, text=True, env=W.env)
    return process, process.stdout.readline().split()[1]


def test_a_report_is_that_host_in_the_simulator():
    report = W.path("of-a-lab.zip")
    with Sim(demand=False, auth="basic") as sim:
        check(sim.url, *by_password(), "--report", report)
        there = asked("-H", sim.url, *by_password(), "gpu", "list")
    process, at = served(report)
    try:
        # Each twice: what was recorded once is answered as often as it is asked.
        for command in (("gpu", "list"), ("vm", "list"), ("gpu", "show", "4070"), ("survey",)) * 2:
            code, got = asked("-H", at, *by_password(), *command)
            wanted_code, wanted = asked("-H", f"replay:{report}", *command)
            assert code == wanted_code in (0, 3), (command, code, wanted_code, got)
            # A name without an id of its own is given one on the way.
            if command != ("vm", "list"):
                assert without_host(got, at) == without_host(wanted, f"replay:{report}"), command
            else:
                names = [[v["name"] for v in d["hosts"][0]["vms"]] for d in (got, wanted)]
                assert names[0] == names[1] and len(names[0]) > 5, names
        again = asked("-H", at, *by_password(), "gpu", "list")
        gpus = [[(g["name"], g["modes"], g["valid_partition_counts"]) for g in h["gpus"]]
                for h in (there[1]["hosts"][0], again[1]["hosts"][0])]
        assert gpus[0] == gpus[1] and gpus[0], gpus
        # What was not asked then nobody knows, and nothing is changed.
        code, got = asked("-H", at, *by_password(), "attach", "vm-1", "--gpu", "4070", "-y")
        assert code == 1 and "holds no answer" in json.dumps(got), got
    finally:
        process.terminate()
        process.wait()


def test_what_is_no_report_is_not_served():
    for name, content, text in (("empty.zip", b"PK\x03\x04", "zip"), ("text", b"{}", "line 1"),
                                ("absent", None, "cannot open")):
        if content is not None:
            with open(W.path(name), "wb") as file:
                file.write(content)
        done = subprocess.run([SIM, f"replay:{W.path(name)}"], capture_output=True, text=True,
                              env=W.env, stdin=subprocess.DEVNULL, timeout=60)
        assert done.returncode == 1 and text in done.stderr, done


run_tests(globals())
