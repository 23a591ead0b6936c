#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Logging on, over networks as they are: hvgpu against simulated hosts, with a Kerberos
server, an NTLM, TLS certificates and clients that others wrote, and somebody in between.
Usage: test-log-on.py HVGPU HVGPU-SIM"""

import base64
import contextlib
import json
import os
import pty
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from between import Between, is_sealed  # noqa: E402
import rc4  # noqa: E402
import realm as kerberos  # noqa: E402
from world import (HVGPU, PASSWORD, USER, Sim, Skip, TlsServer, W, ask,  # noqa: E402
                   by_password, each_mechanism, fails, fingerprint, run_tests, url, works)


# ---- NTLM ----


def test_ntlm_logs_on_and_encrypts():
    W.needs_ntlm()
    with Sim() as sim:
        works(sim.url, *by_password(), "--auth", "ntlm")
        works(sim.url, *by_password("LAPTOP\\admin"), "--auth", "ntlm")
        works(sim.url, *by_password(".\\admin"), "--auth", "negotiate")


def test_without_auth_the_strongest_offer_is_taken():
    W.needs_ntlm()
    with Sim() as sim:
        works(sim.url, *by_password())
        assert "HTTP 500" not in sim.lines(), "the password went out as Basic"
    with Sim(auth="basic", demand=False) as sim:
        works(sim.url, *by_password())


def test_a_weaker_way_is_never_taken_in_silence():
    """With a realm that is down Kerberos cannot work; -v says so."""
    W.needs_ntlm()
    W.needs_realm()
    users = {**W.env, "NTLM_USER_FILE": W.secret("users", f"DOWN.TEST:admin:{PASSWORD}")}
    with Sim(env=users) as sim:
        done = works(sim.url, *by_password("admin@DOWN.TEST"), "-v")
        assert "logged on with NTLM, messages encrypted (not with Kerberos: no Kerberos " \
            "server of the realm answers" in done.stderr, done.stderr
        done = works(sim.url, *by_password(USER), "-v")
        assert "logged on with Kerberos, messages encrypted\n" in done.stderr, done.stderr


def test_ntlm_wrong_password():
    W.needs_ntlm()
    with Sim() as sim:
        fails(sim.url, *by_password(file=W.wrong), "--auth", "ntlm", kind="denied",
              text="did not accept the user name and password (HTTP 401)",
              hint="DOMAIN\\user")


def test_ntlm_unknown_user():
    W.needs_ntlm()
    with Sim() as sim:
        fails(sim.url, *by_password("nobody"), "--auth", "ntlm", kind="denied",
              text="HTTP 401", hint="check user name")


def test_ntlm_without_a_user():
    with Sim() as sim:
        fails(sim.url, "--auth", "ntlm", text="NTLM needs a user name and a password",
              hint="--password-file", kind="denied")


# ---- Kerberos ----


def test_kerberos_with_a_ticket():
    W.needs_realm()
    env = W.realm.ticket("admin", PASSWORD, "ticket")
    with Sim() as sim:
        works(sim.url, "--auth", "kerberos", env=env)
        assert "HTTP 401" not in sim.lines()
        works(sim.url, env=env)  # found out by itself


def test_kerberos_under_its_own_name():
    """A host that offers "Kerberos" and not "Negotiate"."""
    W.needs_realm()
    env = W.realm.ticket("admin", PASSWORD, "bare")
    with Sim(auth="kerberos") as sim, Between(sim.port) as wire:
        works(url(wire.port), "--auth", "kerberos", env=env)
        works(url(wire.port), env=env)
        works(url(wire.port), *by_password(USER))
        assert b"Authorization: Kerberos " in b"".join(wire.requests)
        sealed = [m for m in wire.requests + wire.answers if is_sealed(m)]
        assert sealed and all(m.count(b"HTTP-Kerberos-session-encrypted") == 2
                              for m in sealed), sealed[0]
        fails(url(wire.port), *by_password(), "--auth", "ntlm", kind="denied",
              text="the host offers Kerberos")
    ca = W.certificate("ca")
    cert, key = W.certificate("good", issuer=ca)
    with Sim("--tls-cert", cert, "--tls-key", key, auth="kerberos") as sim:
        works(url(sim.port, "https"), "--auth", "kerberos", "--ca", ca[0], env=env)
    with Sim(auth="kerberos,negotiate") as sim, Between(sim.port) as wire:
        works(url(wire.port), env=env)
        assert b"Authorization: Kerberos " not in b"".join(wire.requests)


def test_ntlm_that_is_not_installed():
    """Without the plug-in's file GSS-API knows no NTLM."""
    env = {**W.env, "GSS_MECH_CONFIG": "/nonexistent", "KRB5CCNAME": "FILE:/nonexistent"}
    with Sim() as sim:
        fails(sim.url, *by_password(), "--auth", "ntlm", env=env, kind="unsupported",
              text="NTLM is not available on this machine", hint="gss-ntlmssp")
    with Sim(demand=False) as sim:  # Basic may go to this machine, but not in silence
        done = works(sim.url, *by_password(), "-v", env=env)
        assert "logs on with basic, messages readable by anyone on the way (not with " \
            "negotiate: NTLM is not available on this machine)" in done.stderr, done.stderr


def one_byte_changed(message, n):
    """The last of what is encrypted."""
    head, end, rest = message.rpartition(b"--Encrypted Boundary--")
    return head[:-1] + bytes([head[-1] ^ 2]) + end + rest if is_sealed(message) else message


@contextlib.contextmanager
def ticket_with_rc4(name):
    """The environment of somebody whose ticket for the host has an RC4 key."""
    W.needs_realm()
    with open(W.realm.config) as old, open(W.path("rc4.conf"), "w") as new:
        # Otherwise both sides agree on an AES key below the ticket's (RFC 4537).
        new.write(old.read().replace("[libdefaults]\n", "[libdefaults]\n permitted_enctypes ="
                                     " arcfour-hmac aes256-cts-hmac-sha1-96\n"))
    env = {**W.realm.ticket("admin", PASSWORD, name), "KRB5_CONFIG": W.path("rc4.conf")}
    W.realm.admin("setstr HTTP/localhost session_enctypes arcfour-hmac")
    try:
        yield env
        tickets = subprocess.run(["klist", "-e"], env=env, capture_output=True, text=True)
        mine = tickets.stdout.split("HTTP/localhost")[1]
        assert "arcfour-hmac" in mine.split("skey, tkt): ")[1].split(",")[0], mine
    finally:
        W.realm.admin("delstr HTTP/localhost session_enctypes")


def test_kerberos_with_rc4():
    """Its tokens are laid out otherwise than those of AES (RFC 4757 7.3): DER around all of
    it, and a byte of padding that is counted with the data."""
    with ticket_with_rc4("rc4") as env:
        for scheme in ("negotiate", "kerberos"):
            with Sim(auth=scheme) as sim, Between(sim.port) as wire:
                works(url(wire.port), "--auth", "kerberos", env=env)
                log = [line for line in sim.lines().splitlines() if " bytes in, " in line]
            sent = [m for m in wire.requests if is_sealed(m)]
            got = [m for m in wire.answers if is_sealed(m)]
            assert len(sent) == len(got) == len(log) > 3, (sent, got, log)
            for message in sent + got:
                length, header, rest = rc4.parts(message)
                assert rest[length:].startswith(b"--Encrypted Boundary--"), message
                token = header + rest[:length]
                front, _ = rc4.fields(token)  # and that it is RC4
                assert len(header) == front + 11 + 4 * 8, header.hex()
                whole = int.from_bytes(token[2:front], "big") if front > 2 else token[1]
                assert front + whole == len(token), token[:8].hex()
            for message, answer, line in zip(sent, got, log):
                plain = [rc4.parts(m)[0] - 1 for m in (message, answer)]
                assert f" {plain[0]} bytes in, {plain[1]} out" in line, (plain, line)
            with Sim(auth=scheme) as sim:
                with Between(sim.port, on_answer=one_byte_changed) as wire:
                    fails(url(wire.port), "--auth", "kerberos", env=env, kind="protocol",
                          text="decrypting the answer")
                with Between(sim.port, one_byte_changed) as wire:
                    fails(url(wire.port), "--auth", "kerberos", env=env, text="HTTP 400")


def test_kerberos_with_rc4_as_windows_has_it():
    """Without padding (krb5/krb5 pull request 1093), in both directions."""
    with ticket_with_rc4("unpadded") as env:
        try:
            windows = rc4.Unpadded(W.path("host.keytab"), env["KRB5_CONFIG"])
        except ImportError as why:
            raise Skip(why)
        with Sim() as sim, Between(sim.port, windows.change, windows.change) as wire:
            works(url(wire.port), "--auth", "kerberos", env=env)
            assert windows.done == 2 * sim.lines().count(" bytes in, ") > 6, sim.lines()


RAW = """
import base64, sys, urllib.request, gssapi
krb5 = gssapi.OID.from_int_seq("1.2.840.113554.1.2.2")
ntlm = gssapi.OID.from_int_seq("1.3.6.1.4.1.311.2.2.10")
context = gssapi.SecurityContext(
    name=gssapi.Name("HTTP@localhost", gssapi.NameType.hostbased_service), mech=krb5,
    usage="initiate")
token = base64.b64encode(context.step()).decode()
body = sys.argv[2].encode()
request = urllib.request.Request(sys.argv[1], body, {
    "Authorization": "Negotiate " + token,
    "Content-Type": "application/soap+xml;charset=UTF-8"})
answer = urllib.request.urlopen(request)
reply = answer.headers["WWW-Authenticate"].split()[1]
context.step(base64.b64decode(reply))
print(answer.status, context.complete, "IdentifyResponse" in answer.read().decode())
"""


def test_raw_kerberos_tokens_under_negotiate():
    """As clients in the field send them; by python3-gssapi."""
    W.needs_realm()
    env = W.realm.ticket("admin", PASSWORD, "raw")
    with Sim(demand=False) as sim:
        done = subprocess.run(["/usr/bin/python3", "-c", RAW, sim.url, IDENTIFY], env=env,
                              capture_output=True, text=True)
        if "ModuleNotFoundError" in done.stderr:
            raise Skip(done.stderr.splitlines()[-1])
        assert done.stdout == "200 True True\n", done


def test_kerberos_with_a_password_leaves_no_ticket_behind():
    W.needs_realm()
    with Sim() as sim:
        works(sim.url, *by_password(USER), "--auth", "kerberos")
        works(sim.url, *by_password(USER.lower()))
        works(sim.url, *by_password(f"{kerberos.REALM}\\admin"), "--auth", "kerberos")
        assert sim.lines().count("HTTP 401") == 1, sim.lines()  # asking what is offered
    assert not os.path.exists(W.path("nobody's"))


def test_kerberos_with_a_keytab():
    W.needs_realm()
    with Sim() as sim:
        works(sim.url, "--user", USER, "--keytab", W.path("admin.keytab"))
        fails(sim.url, "--user", f"other@{kerberos.REALM}", "--keytab",
              W.path("admin.keytab"), kind="denied", text="keytab", hint="klist -k")
        fails(sim.url, "--keytab", W.path("admin.keytab"), "--auth", "kerberos",
              text="keytab says nothing without a user name", hint="--user NAME@REALM")
    assert not os.path.exists(W.path("nobody's"))


def test_kerberos_no_ticket():
    W.needs_realm()
    with Sim() as sim:
        fails(sim.url, "--auth", "kerberos", kind="denied",
              text="there is no Kerberos ticket", hint="kinit USER@REALM")


def test_kerberos_expired_ticket():
    W.needs_realm()
    env = W.realm.ticket("admin", PASSWORD, "short", "-l", "1s")
    time.sleep(2.5)
    with Sim() as sim:
        fails(sim.url, "--auth", "kerberos", env=env, kind="denied", text="expired",
              hint="kinit")


def test_kerberos_wrong_password():
    W.needs_realm()
    with Sim() as sim:
        fails(sim.url, *by_password(USER, W.wrong), "--auth", "kerberos", kind="denied",
              text="the password is wrong", hint="check the password")


def test_kerberos_unknown_user():
    W.needs_realm()
    with Sim() as sim:
        fails(sim.url, *by_password(f"nobody@{kerberos.REALM}"), "--auth", "kerberos",
              kind="denied", text="knows no such user", hint="before the '@'")


def test_kerberos_wrong_realm():
    W.needs_realm()
    with Sim() as sim:
        fails(sim.url, *by_password("admin@ELSEWHERE.TEST"), "--auth", "kerberos",
              text="realm", hint="behind the '@'")
        fails(sim.url, *by_password("admin@DOWN.TEST"), "--auth", "kerberos",
              text="no Kerberos server of the realm answers", hint="behind the '@'")


def test_kerberos_needs_a_name():
    with Sim() as sim:
        fails(sim.url.replace("localhost", "127.0.0.1"), *by_password(USER), "--auth",
              "kerberos", text="knows hosts by name, not by address", hint="full name")


def test_kerberos_service_names():
    W.needs_realm()
    env = W.realm.ticket("admin", PASSWORD, "names")
    W.realm.admin("delprinc -force HTTP/localhost")
    try:
        with Sim() as sim:
            fails(sim.url, "--auth", "kerberos", env=env, kind="denied",
                  text="knows no WinRM service of that host name", hint="setspn")
            W.realm.add_service("WSMAN/localhost", W.path("host.keytab"))
            works(sim.url, "--auth", "kerberos", env=env)
    finally:
        W.realm.add_service("HTTP/localhost", W.path("host.keytab"))


def test_kerberos_another_user():
    W.needs_realm()
    with Sim() as sim:
        fails(sim.url, *by_password(f"other@{kerberos.REALM}"), "--auth", "kerberos",
              kind="denied", text="HTTP 401")


def test_kerberos_clock_skew():
    W.needs_realm()
    if not shutil.which("faketime"):
        raise Skip("faketime is not installed")
    env = W.realm.ticket("admin", PASSWORD, "skew")
    with Sim(env=W.at_another_time("+20m")) as sim:
        fails(sim.url, "--auth", "kerberos", env=env, kind="denied", text="",
              hint="same time server")


# ---- encryption ----


def test_unencrypted_refused():
    with Sim() as sim:
        fails(sim.url, *by_password(), "--auth", "basic", kind="refused", text="HTTP 500",
              hint="AllowUnencrypted=false")


def test_nothing_readable_goes_over_the_wire():
    for how in each_mechanism():
        with Sim() as sim, Between(sim.port) as wire:
            works(url(wire.port), *how)
            seen = b"".join(wire.requests + wire.answers)
            assert sum(map(is_sealed, wire.requests)) > 3
            for word in (b"Msvm_", b"Envelope", b"LAPTOP", PASSWORD.encode()):
                assert word not in seen, word


def hang_up_after(wanted):
    """Closes the connection after the n-th sealed answer, once."""
    count = [0]

    def on_request(message, n):
        count[0] += is_sealed(message)
        return None if is_sealed(message) and count[0] == wanted else message
    return on_request


def test_connection_dropped_in_the_middle():
    for how in each_mechanism():
        with Sim() as sim, Between(sim.port, hang_up_after(2)) as wire:
            works(url(wire.port), *how)
            # Nothing may come over the connection that libcurl opens by itself.
            spoken = [c for c in wire.connections if c]
            assert len(spoken) == 2 and b"Authorization: Negotiate" in spoken[1][0]
            sealed = [m for m in wire.requests if is_sealed(m)]
            assert len(set(sealed)) == len(sealed), "a sealed body was sent twice"


METHODS = ("AddResourceSettings", "ModifySystemSettings", "ModifyResourceSettings")


def changes(sim):
    """The changing methods the host was asked for, in order; None for other messages."""
    sealed = [line for line in sim.lines().splitlines() if " bytes in, " in line]
    return [next((m for m in METHODS if m in line), None) for line in sealed]


def attach(port, how, *more):
    return subprocess.run([HVGPU, "-H", url(port), *how, "attach", "games", "--gpu", "4070",
                           "--no-drivers", "-y", *more], capture_output=True, text=True,
                          env=W.env)


def test_a_change_whose_answer_is_lost_is_never_sent_again():
    how = list(each_mechanism())[-1]
    with Sim() as sim, Between(sim.port) as wire:
        done = attach(wire.port, how)
        assert done.returncode == 0, done.stderr
        plain = changes(sim)
    assert "AddResourceSettings" in plain, plain
    for at in [n for n, method in enumerate(plain) if method]:
        sealed = []

        def lose(message, n):
            sealed.append(n) if is_sealed(message) else None
            return None if is_sealed(message) and len(sealed) == at + 1 else message
        with Sim() as sim, Between(sim.port, on_answer=lose) as wire:
            done = attach(wire.port, how)
            bodies = [m for m in wire.requests if is_sealed(m)]
            assert len(set(bodies)) == len(bodies), "a sealed body was sent twice"
            now = changes(sim)
            # The host has done it; what follows is looking, not doing it again.
            assert now[:at + 1] == plain[:at + 1], (plain, now)
            assert now[at + 1] is None, (plain[at], now)
            assert done.returncode in (0, 1), done.stderr


def test_half_an_answer():
    cut = []

    def half(message, n):
        if is_sealed(message) and not cut:
            cut.append(n)
            return message[:len(message) // 2]
        return message
    for how in each_mechanism():
        cut.clear()
        with Sim() as sim, Between(sim.port, on_answer=half) as wire:
            works(url(wire.port), *how)
            assert cut and len([c for c in wire.connections if c]) == 2


def test_a_host_that_forgot_us_is_told_again():
    """401 to a sealed message, as after a restart of the service."""
    done = []

    def forget(message, n):
        if is_sealed(message) and not done:
            done.append(n)
            return (b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\n"
                    b"Content-Length: 0\r\n\r\n")
        return message
    for how in each_mechanism():
        done.clear()
        with Sim() as sim, Between(sim.port, on_answer=forget) as wire:
            works(url(wire.port), *how)
            assert done


def test_replayed_answer():
    first = []

    def replay(message, n):
        if is_sealed(message):
            first.append(message)
            return first[0]
        return message
    for how in each_mechanism():
        first.clear()
        with Sim() as sim, Between(sim.port, on_answer=replay) as wire:
            fails(url(wire.port), *how, text="decrypting the answer", kind="protocol")


def test_replayed_request_is_refused_by_the_host():
    def twice(message, n):
        return [message, message] if is_sealed(message) else message
    for how in each_mechanism():
        with Sim() as sim, Between(sim.port, twice) as wire:
            fails(url(wire.port), *how, text="HTTP 400")


def test_changed_answer():
    def change(message, n):
        if not is_sealed(message):
            return message
        at = len(message) - 60
        return message[:at] + bytes([message[at] ^ 1]) + message[at + 1:]
    for how in each_mechanism():
        with Sim() as sim, Between(sim.port, on_answer=change) as wire:
            fails(url(wire.port), *how, text="decrypting the answer", kind="protocol")


def test_unencrypted_answer():
    body = b"<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'/>"

    def clear(message, n):
        if not is_sealed(message):
            return message
        return (b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml;charset=UTF-8\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body)) + body
    for how in each_mechanism():
        with Sim() as sim, Between(sim.port, on_answer=clear) as wire:
            fails(url(wire.port), *how, text="the answer is not encrypted", kind="protocol")


def test_host_that_proves_nothing():
    """200 without the last token: anybody can say that."""
    def welcome(message, n):
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    for how in each_mechanism():
        with Sim() as sim, Between(sim.port, on_answer=welcome) as wire:
            fails(url(wire.port), *how, text="without proving who it is", kind="protocol")


def test_log_on_without_end_or_sense():
    cases = (b"not base64!", b"AAAA", b"", b"A" * 150000)
    for how in each_mechanism():
        for token in cases:
            answer = (b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate " + token +
                      b"\r\nContent-Length: 0\r\n\r\n")
            with Sim() as sim, Between(sim.port, on_answer=lambda m, n: answer) as wire:
                fails(url(wire.port), *how, text="")
                assert len(wire.requests) <= 2


def test_many_hosts_at_once():
    for how in each_mechanism():
        with Sim() as one, Sim() as two:
            names = [one.url, two.url] * 8
            done = subprocess.run(
                [HVGPU, *(o for i, u in enumerate(names) for o in
                          ("-H", u.replace("/wsman", f"/wsman?{i}"))), "--json", "--jobs",
                 "16", *how, "status"], capture_output=True, text=True, env=W.env)
            hosts = json.loads(done.stdout)["hosts"]
            assert len(hosts) == 16 and not [h["error"] for h in hosts if h["error"]], hosts


# ---- TLS ----


def test_tls_with_each_mechanism():
    ca = W.certificate("ca")
    cert, key = W.certificate("good", issuer=ca)
    with Sim("--tls-cert", cert, "--tls-key", key) as sim:
        https = url(sim.port, "https")
        for how in each_mechanism():
            works(https, *how, "--ca", ca[0])
        works(https, *by_password(), "--auth", "basic", "--ca", ca[0])
        fails(https, *by_password(), text="unknown authority", hint="--ca FILE")


def test_log_on_is_bound_to_the_certificate():
    """Somebody with a certificate of the same authority opens the TLS in between."""
    ca = W.certificate("ca")
    cert, key = W.certificate("good", issuer=ca)
    other = W.certificate("other", issuer=ca)
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(*other)
    outside = ssl.create_default_context(cafile=ca[0])
    with Sim("--tls-cert", cert, "--tls-key", key) as sim:
        for how in each_mechanism():
            with Between(sim.port, tls=inside, tls_out=outside) as wire:
                fails(url(wire.port, "https"), *how, "--ca", ca[0], kind="denied", text="")
        with Between(sim.port, tls=inside, tls_out=outside) as wire:
            works(url(wire.port, "https"), *by_password(), "--auth", "basic", "--ca", ca[0])


def test_pins():
    ca = W.certificate("ca")
    cert, key = W.certificate("good", issuer=ca)
    with Sim("--tls-cert", cert, "--tls-key", key) as sim:
        https = url(sim.port, "https")
        pin = fingerprint(cert)
        works(https, *by_password(), "--auth", "basic", "--pin", pin)
        works(https, *by_password(), "--auth", "basic", "--pin", pin, "--ca", ca[0])
        error = fails(https, *by_password(), "--auth", "basic", "--pin", fingerprint(ca[0]),
                      text="not the pinned one", kind="unreachable")
        assert pin.replace(":", "").lower().replace("sha256", "") in error["hint"]
        fails(https, *by_password(), "--pin", pin, "--ca", W.certificate("stranger")[0],
              text="unknown authority")
        fails(https, *by_password(), "--pin", "sha256:12", text="is not the SHA-256",
              kind="invalid")
        # Nothing but the TLS of it was ever seen by the host with the wrong pin.
        assert sim.lines().count("HTTP 401") == 0


def test_tls_self_signed():
    cert, key = W.certificate("alone")
    with TlsServer(cert, key) as https:
        error = fails(https, *by_password(), text="is self-signed", kind="unreachable",
                      hint="--ca FILE")
        # The line that fixes it, as it stands there.
        assert "--pin " + fingerprint(cert).replace(":", "").lower().replace(
            "sha256", "sha256:") in error["hint"]


def test_tls_expired():
    ca = W.certificate("ca")
    if not shutil.which("faketime"):
        raise Skip("faketime is not installed")
    cert, key = W.path("old.pem"), W.path("old.key")
    subprocess.run(["faketime", "-f", "-90d", "openssl", "req", "-x509", "-newkey", "ec",
                    "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
                    cert, "-subj", "/CN=old", "-days", "30", "-addext",
                    "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    with TlsServer(cert, key) as https:
        fails(https, *by_password(), "--ca", cert, text="has expired", kind="unreachable",
              hint="renew it on the host")


def test_tls_wrong_name():
    ca = W.certificate("ca")
    cert, key = W.certificate("misnamed", subject="elsewhere.test", issuer=ca)
    with TlsServer(cert, key) as https:
        fails(https, *by_password(), "--ca", ca[0], text="is for another name",
              kind="unreachable", hint="by the name it was made for (DNS:elsewhere.test)")


def test_tls_too_old():
    cert, key = W.certificate("alone")
    with TlsServer(cert, key, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0") as https:
        fails(https, *by_password(), "--insecure", kind="unreachable",
              text="speaks only TLS older than 1.2", hint="SCHANNEL")


def test_tls_not_yet_valid():
    if not shutil.which("faketime"):
        raise Skip("faketime is not installed")
    cert, key = W.path("early.pem"), W.path("early.key")
    subprocess.run(["faketime", "-f", "+90d", "openssl", "req", "-x509", "-newkey", "ec",
                    "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
                    cert, "-subj", "/CN=early", "-days", "30", "-addext",
                    "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    with TlsServer(cert, key) as https:
        fails(https, *by_password(), "--ca", cert, text="not valid yet", kind="unreachable",
              hint="clocks of both machines")


def test_tls_and_plain_http_mixed_up():
    with Sim(auth="basic", demand=False) as sim:
        fails(url(sim.port, "https"), *by_password(), kind="unreachable",
              text="does not speak TLS", hint="5985 for http")
    cert, key = W.certificate("alone")
    with Sim("--tls-cert", cert, "--tls-key", key) as sim:
        fails(url(sim.port), *by_password(), kind="unreachable",
              text="closed without an answer", hint="not mixed up")


def test_tls_without_a_cipher_in_common():
    cert, key = W.certificate("alone")
    with TlsServer(cert, key, "-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0") as https:
        fails(https, *by_password(), "--insecure", kind="unreachable", text="cipher in common",
              hint="SCHANNEL")


def test_client_certificate():
    """The server that wants it is Python's; what it lets through goes on as Basic."""
    ca = W.certificate("ca")
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(*W.certificate("good", issuer=ca))
    inside.load_verify_locations(ca[0])
    inside.verify_mode = ssl.CERT_REQUIRED
    mutual = (b"Authorization: http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/"
              b"mutual\r\n")
    basic = b"Authorization: Basic " + base64.b64encode(f"admin:{PASSWORD}".encode())

    def let_in(message, n):
        assert mutual in message, message
        return message.replace(mutual, basic + b"\r\n")
    mine = W.certificate("me", issuer=ca)
    with Sim(auth="basic", demand=False) as sim, \
            Between(sim.port, let_in, tls=inside) as wire:
        https = url(wire.port, "https")
        works(https, "--ca", ca[0], "--cert", mine[0], "--cert-key", mine[1])
        fails(https, "--ca", ca[0], "--auth", "certificate", kind="denied",
              text="no client certificate", hint="--cert")
        fails(https, "--ca", ca[0], "--cert", W.certificate("stranger")[0], "--cert-key",
              W.certificate("stranger")[1], text="")
        fails(https, "--ca", ca[0], "--cert", mine[0], "--cert-key", ca[1], kind="invalid",
              text="client certificate cannot be used", hint="belong together")


# ---- networks ----


def test_connecting_ends_in_time():
    """A port whose queue is full: the first packet is never answered."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        others = [socket.socket() for _ in range(3)]
        for other in others:
            other.setblocking(False)
            other.connect_ex(("127.0.0.1", port))
        began = time.monotonic()
        fails(url(port), *by_password(), "--timeout", "2", text="no answer in time",
              kind="unreachable")
        assert time.monotonic() - began < 6
        for other in others:
            other.close()


def test_a_slow_host_is_given_up_in_time():
    W.needs_ntlm()
    with Sim("--fault", "Enumerate@*=delay:20000") as sim:
        began = time.monotonic()
        fails(sim.url, *by_password(), "--timeout", "2", text="no answer in time",
              kind="unreachable", hint="time limit")
        assert time.monotonic() - began < 8
    with Sim("--fault", "Win32_OperatingSystem.Enumerate@*=delay:1500") as sim:
        works(sim.url, *by_password(), "--timeout", "10")  # slow, but in time


def test_one_item_per_pull():
    W.needs_ntlm()
    with Sim("--pull-items", "1") as sim:
        works(sim.url, *by_password())
        assert sim.lines().count(" Pull: ") > 10


def test_a_host_of_another_language():
    W.needs_ntlm()
    with Sim(lab="japanese") as sim:
        entry, done = ask(sim.url, *by_password())
        assert entry["error"] is None and done.returncode == 0, entry


def test_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
    except OSError:
        raise Skip("no IPv6 here")
    W.needs_ntlm()
    with Sim("--listen", "[::1]:0") as sim:
        works(f"http://[::1]:{sim.port}/wsman", *by_password())


def test_proxies_of_the_environment_are_not_used():
    W.needs_ntlm()
    nowhere = "http://127.0.0.1:1"
    with Sim() as sim:
        works(sim.url, *by_password(), env={**W.env, "http_proxy": nowhere,
                                            "all_proxy": nowhere, "ALL_PROXY": nowhere})


def test_redirects_are_refused():
    def away(message, n):
        return (b"HTTP/1.1 302 Found\r\nLocation: http://localhost:1/wsman\r\n"
                b"Content-Length: 0\r\n\r\n")
    for how in (by_password(), (*by_password(), "--auth", "basic")):
        with Sim() as sim, Between(sim.port, on_answer=away) as wire:
            fails(url(wire.port), *how, text="HTTP 302", kind="protocol")
            assert len(wire.requests) == 1


# ---- secrets ----


def forms(secret):
    """What it could stand as somewhere: itself, as Basic has it, as a bare base64."""
    yield secret.encode()
    yield secret.encode("utf-16-le")
    yield base64.b64encode(f"admin:{secret}".encode())
    yield base64.b64encode(secret.encode())


def test_secrets_stay_secret():
    """In no argument, environment, trace, document, error or file of a run that changes
    something, and of one that fails."""
    for how in [*each_mechanism(), (*by_password(), "--auth", "basic")]:
        seen = []

        def look(message, n):
            for name in ("cmdline", "environ"):
                with open(f"/proc/{process.pid}/{name}", "rb") as f:
                    seen.append(f.read())
            return message
        with Sim(demand=False) as sim, Between(sim.port, look) as wire:
            for words in (["-v", "--json", "status"], ["-v", "attach", "games", "--gpu", "4070",
                          "--no-drivers", "-y"], ["history", "--json"], ["undo", "-v", "-y"],
                          ["-v", "vm", "show", "nobody"], ["-v", "attach", "games", "--gpu",
                          "4070", "--no-drivers", "--dry-run=powershell"]):
                process = subprocess.Popen([HVGPU, "-H", url(wire.port), *how, *words],
                                           env=W.env, stdout=subprocess.PIPE,
                                           stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
                seen.extend(process.communicate())
            seen.append(sim.lines().encode())
        for form in forms(PASSWORD):
            assert not any(form in text for text in seen), (how, form)
    for folder, _, names in os.walk(W.path("state")):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                text = f.read()
                assert not any(form in text for form in forms(PASSWORD)), (folder, name)


def test_password_file_others_can_read():
    loose = W.secret("loose", PASSWORD)
    os.chmod(loose, 0o644)
    fails("http://localhost:1/wsman", *by_password(file=loose), kind="denied",
          text="others can read the password file", hint="chmod 600")


def test_no_core_file_with_a_password_in_it():
    """While the host takes its time, the program that waits holds the password, or the key."""
    W.needs_ntlm()
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if most == 0:
        raise Skip("core files are forbidden here anyway")
    ways = [by_password()]
    if W.realm:
        ways.append(("--user", USER, "--keytab", W.path("admin.keytab")))
    for how in ways:
        limits = []

        def look(message, n):
            if not limits:
                with open(f"/proc/{process.pid}/limits") as f:
                    limits.extend(line for line in f if line.startswith("Max core"))
            return message
        with Sim() as sim, Between(sim.port, look) as wire:
            process = subprocess.Popen([HVGPU, "-H", url(wire.port), *how, "status"],
                                       env=W.env, stdout=subprocess.DEVNULL,
                                       preexec_fn=lambda: resource.setrlimit(
                                           resource.RLIMIT_CORE, (most, most)))
            assert process.wait(60) == 0
        assert limits and limits[0].split()[4:6] == ["0", "0"], limits


def test_no_other_program_of_the_user_may_look_into_it():
    """PR_SET_DUMPABLE: what is in /proc of it belongs to root, whoever runs it."""
    with open(HVGPU, "rb") as program:
        if b"__asan_init" in program.read():
            raise Skip("a sanitizer must look into it")
    nobody = 65534 if os.geteuid() == 0 else os.geteuid()
    folder = W.path("nobody")
    os.mkdir(folder, 0o700)
    own = os.path.join(folder, "password")
    with open(own, "w") as f:
        f.write(PASSWORD)
    os.chmod(own, 0o600)
    for name in (folder, own):
        os.chown(name, nobody, -1)
    os.chmod(W.folder, 0o711)
    owners = []

    def look(message, n):
        owners.append(os.stat(f"/proc/{process.pid}/environ").st_uid)
        return message
    W.needs_ntlm()
    with Sim() as sim, Between(sim.port, look) as wire:
        try:
            process = subprocess.Popen(
                [HVGPU, "-H", url(wire.port), *by_password(file=own), "status"],
                user=nobody, env={**W.env, "XDG_STATE_HOME": folder,
                                  "XDG_CONFIG_HOME": folder}, stdout=subprocess.DEVNULL)
        except PermissionError as why:
            raise Skip(f"nobody may not run it here: {why}")
        assert process.wait(60) == 0
    assert owners and set(owners) == {0}, owners


def test_prompt_does_not_show_what_is_typed():
    W.needs_ntlm()
    with Sim() as sim:
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(HVGPU, [HVGPU, "-H", sim.url, "--user", "admin", "status"], W.env)
        seen = b""
        while b"Password of admin" not in seen:
            seen += os.read(terminal, 1000)
        time.sleep(0.2)
        os.write(terminal, PASSWORD.encode() + b"\n")
        try:
            while piece := os.read(terminal, 1000):
                seen += piece
        except OSError:
            pass
        assert os.waitpid(pid, 0)[1] == 0, seen
        assert b"RTX 4070" in seen and PASSWORD.encode() not in seen, seen


def test_inventory_says_how_each_host_is_reached():
    W.needs_realm()
    W.needs_ntlm()
    ca = W.certificate("ca")
    cert, key = W.certificate("good", issuer=ca)
    with Sim() as plain, Sim("--tls-cert", cert, "--tls-key", key) as tls:
        with open(W.path("inventory.yaml"), "w") as f:
            f.write(f"defaults: {{ user: admin, password_file: password }}\nhosts:\n"
                    f"  one: {{ url: '{plain.url}', auth: ntlm }}\n"
                    f"  two: {{ url: '{plain.url}', user: '{USER}', keytab: admin.keytab,"
                    " auth: kerberos }\n"
                    f"  three: {{ url: '{url(tls.port, 'https')}', auth: basic, ca: ca.pem }}\n"
                    f"  four: {{ url: '{url(tls.port, 'https')}', pin: '{fingerprint(cert)}' }}\n"
                    f"  five: {{ url: '{url(tls.port, 'https')}' }}\n")
        done = subprocess.run([HVGPU, "--inventory", W.path("inventory.yaml"), "--json",
                               "status"], capture_output=True, text=True, env=W.env)
        hosts = {h["host"]: h["error"] for h in json.loads(done.stdout)["hosts"]}
        assert done.returncode == 4, done.stderr
        assert [n for n, error in hosts.items() if error] == ["five"], hosts
        assert "HTTP 500" not in plain.lines()


# ---- clients that others wrote, against the simulator ----

PYWINRM = """
import sys, winrm, requests_ntlm
session = winrm.Session(sys.argv[1], auth=("LAPTOP\\\\admin", sys.argv[2]), transport="ntlm",
                        message_encryption="always")
done = session.run_cmd("hostname")
print(done.status_code, done.std_out.decode().strip())
"""


def test_pywinrm_with_ntlm_encryption():
    W.needs_ntlm()
    with open(W.path("legacy.cnf"), "w") as f:  # MD4 is a part of NTLM, and off by default
        f.write("openssl_conf = all\n[all]\nproviders = two\n[two]\ndefault = on\n"
                "legacy = on\n[on]\nactivate = 1\n")
    env = {**W.env, "OPENSSL_CONF": W.path("legacy.cnf")}
    with Sim() as sim:
        def run(password):
            return subprocess.run(["/usr/bin/python3", "-c", PYWINRM, sim.url, password],
                                  env=env, capture_output=True, text=True)
        done = run(PASSWORD)
        if "ModuleNotFoundError" in done.stderr:
            raise Skip(done.stderr.splitlines()[-1])
        assert done.stdout == "0 LAPTOP\n", done
        assert "Command" in sim.lines() and "HTTP 500" not in sim.lines(), sim.lines()
        done = run("wrong")
        assert done.returncode != 0 and "InvalidCredentialsError" in done.stderr, done


IDENTIFY = ('<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:i="http://'
            'schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><s:Header/><s:Body>'
            '<i:Identify/></s:Body></s:Envelope>')


def curl(*options, env=None):
    if not shutil.which("curl"):
        raise Skip("curl is not installed")
    return subprocess.run(["curl", "-s", "-w", "\n%{http_code}", "-H",
                           "Content-Type: application/soap+xml;charset=UTF-8", "-d", IDENTIFY,
                           *options], capture_output=True, text=True, env=env or W.env).stdout


def test_curl_negotiate():
    W.needs_realm()
    env = W.realm.ticket("admin", PASSWORD, "curl")
    with Sim(demand=False) as sim:
        answer = curl("--negotiate", "-u", ":", sim.url, env=env)
        assert "Microsoft Corporation" in answer and answer.endswith("\n200"), answer
        assert curl("--negotiate", "-u", ":", sim.url).endswith("\n401")
    with Sim() as sim:  # logs on, but sends in the clear
        assert curl("--negotiate", "-u", ":", sim.url, env=env) == "\n500"


def test_curl_basic_over_tls():
    ca = W.certificate("ca")
    cert, key = W.certificate("good", issuer=ca)
    with Sim("--tls-cert", cert, "--tls-key", key) as sim:
        answer = curl("--basic", "-u", "admin:" + PASSWORD, "--cacert", ca[0],
                      url(sim.port, "https"))
        assert "Microsoft Corporation" in answer and answer.endswith("\n200"), answer


if __name__ == "__main__":  # tests/wine runs some of them with hvgpu.exe
    run_tests(globals())
