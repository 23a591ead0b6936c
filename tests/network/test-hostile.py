#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hvgpu against servers that mean harm, and against somebody on the way who does: each time
one clear error, in bounded time and memory, and nothing done twice.
Usage: test-hostile.py HVGPU HVGPU-SIM"""

import atexit
import json
import os
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from between import Between, is_sealed  # noqa: E402
from hostile import (MIB, OS, SOAP_TYPE, Hostile, endless, http, items,  # noqa: E402
                     says, soap)
from world import (HVGPU, Sim, W, by_password, each_mechanism, run_tests, url)  # noqa: E402

TIME_LIMIT = 3  # of one request, in seconds
# The program alone needs about 25 MiB; the largest answer it takes, 4 MiB, some times over.
MEMORY_MIB = 120
with open(HVGPU, "rb") as program:
    SANITIZED = b"__asan_init" in program.read()


def high_water(pid):
    """The most memory that it had so far, in KiB (not what its parent had: wait4() would
    count that)."""
    try:
        with open(f"/proc/{pid}/status") as f:
            return next((int(line.split()[1]) for line in f if line.startswith("VmHWM")), 0)
    except OSError:
        return 0


def attack(where, *options, most=TIME_LIMIT + 7):
    """What hvgpu makes of it: its error, and that it kept within its limits."""
    line = [HVGPU, "-H", where, "--json", "--timeout", str(TIME_LIMIT), *options, "status"]
    began = time.monotonic()
    with open(W.path("out"), "w+") as out, open(W.path("err"), "w+") as err:
        process = subprocess.Popen(line, stdout=out, stderr=err, env=W.env,
                                   stdin=subprocess.DEVNULL)
        peak = 0
        while process.poll() is None:
            peak = max(peak, high_water(process.pid))
            time.sleep(0.005)
        took = time.monotonic() - began
        out.seek(0), err.seek(0)
        said, complaint = out.read(), err.read()
    assert process.returncode in (1, 4), (process.returncode, complaint)
    document = json.loads(said)
    error = (document["hosts"][0] if "hosts" in document else document)["error"]
    assert error and error["message"], said
    assert took < most, f"{took:.1f} s: {error}"
    assert SANITIZED or peak < MEMORY_MIB * 1024, f"{peak} KiB: {error}"
    assert len(said) < 10000, "a wall of text"
    assert complaint and "\x1b" not in complaint, "it steers the terminal"
    return error


def attack_clear(harm, text, kind=None, requests=None, **how):
    with Hostile(harm) as server:
        error = attack(url(server.port), *by_password(), "--auth", "basic", **how)
        said = json.dumps(error, ensure_ascii=False)
        assert text in said, f"{text!r} is not in {said}"
        assert kind is None or error["kind"] == kind, said
        if requests is not None:
            assert len(server.requests) == requests, (len(server.requests), said)
        return error


CHUNKED = (b"HTTP/1.1 200 OK\r\nContent-Type: " + SOAP_TYPE +
           b"\r\nTransfer-Encoding: chunked\r\n\r\n")


# ---- without end ----


def test_answers_without_end():
    block = b"x" * 65536
    head = b"HTTP/1.1 200 OK\r\nContent-Type: " + SOAP_TYPE + b"\r\n"
    for start, piece in (
            (head + b"\r\n<a>", block),  # until the connection closes
            (head + b"Content-Length: 99999999999\r\n\r\n<a>", block),
            (CHUNKED, b"10000\r\n" + block + b"\r\n")):
        attack_clear(endless(start, piece), "longer than 4194304 bytes", "protocol", 1)


def test_headers_without_end():
    start = b"HTTP/1.1 401 Unauthorized\r\n"
    for piece in (b"X-A: " + b"a" * 60000 + b"\r\n", b"X: y\r\n" * 1000,
                  b"WWW-Authenticate: Negotiate " + b"A" * 60000 + b"\r\n",
                  b"WWW-Authenticate: Basic realm=\"x\"\r\n" * 1000,
                  b"WWW-Authenticate: " + b"a," * 45000 + b"\r\n",
                  b"WWW-Authenticate: " + b"a=\"," * 20000 + b"\r\n"):
        attack_clear(endless(start, piece), "", requests=1)
    # One line that never ends.
    attack_clear(endless(start + b"X-A: ", b"a" * 60000), "", requests=1)


def test_continue_without_end():
    for line in (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 102 Processing\r\nA: b\r\n\r\n",
                 b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"):
        attack_clear(endless(b"", line * 2000), "", requests=1)


def test_trailers_without_end():
    attack_clear(endless(CHUNKED + b"3\r\n<a>\r\n0\r\n", b"X-A: " + b"a" * 6000 + b"\r\n"), "")


def test_a_list_without_items_and_end():
    def harm(client, request, n):
        client.sendall(http(soap(request, items(b"c%d" % n, first=b"Enumerate>" in request))))
    with Hostile(harm) as server:
        error = attack(url(server.port), *by_password(), "--auth", "basic", most=60)
        assert "promises more items but sends none" in json.dumps(error), error
        assert 1000 < len(server.requests) < 1010


def test_a_list_with_items_and_no_end():
    """Answers of 4 MB each, all of them well-formed rows."""
    row = b'<p:Win32_OperatingSystem xmlns:p="%s"><p:Caption>%s</p:Caption>' \
        b"</p:Win32_OperatingSystem>" % (OS, b"x" * 64000)

    def harm(client, request, n):
        client.sendall(http(soap(request, items(b"c%d" % n, row * 60,
                                                first=b"Enumerate>" in request))))
    with Hostile(harm) as server:
        error = attack(url(server.port), *by_password(), "--auth", "basic", most=90)
        said = json.dumps(error)
        assert "does not end" in said and error["kind"] == "protocol", said


# ---- XML ----


def attack_xml(text, kind="protocol"):
    attack_clear(says(lambda request: http(text(request))), "", kind, 1)


def test_billion_laughs():
    bomb = b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">' + b"".join(
        b'<!ENTITY lol%d "%s">' % (n, b"&lol%s;" % (b"%d" % (n - 1) if n > 1 else b"") * 10)
        for n in range(1, 10)) + b"]>"
    attack_xml(lambda r: bomb + soap(r, b"<a>&lol9;</a>"))
    attack_xml(lambda r: b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x">' + soap(r, b"<a/>"))
    attack_xml(lambda r: b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' +
               soap(r, b"<a>&x;</a>"))


def test_xml_that_is_too_much():
    attack_xml(lambda r: soap(r, b"<a>" * 100000))
    attack_xml(lambda r: soap(r, b"<a " + b" ".join(b"a%d='1'" % n for n in range(100000)) +
                              b"/>"))
    attack_xml(lambda r: soap(r, b"<a " + b" ".join(b"xmlns:a%d='urn:%d'" % (n, n)
                                                    for n in range(100000)) + b"/>"))
    attack_xml(lambda r: soap(r, b"<" + b"a" * 3000000 + b"/>"))
    attack_xml(lambda r: soap(r, b"<a b='" + b"c" * 3000000 + b"'/>"))
    attack_xml(lambda r: soap(r, b"<a>" + b"&#65;" * 800000))
    attack_xml(lambda r: b"<?xml version='1.0' encoding='UTF-7'?>" + soap(r, b"<a/>"))
    attack_xml(lambda r: soap(r, b"\x00\x01\xff\xfe"))
    attack_xml(lambda r: soap(r, items(last=True)) + soap(r, items(last=True)))


# ---- whose answer is it ----


def test_wrong_relates_to():
    attack_clear(says(lambda r: http(soap(b"<a:MessageID>uuid:another<", items(last=True)))),
                 "one to another request", "protocol", 1)
    attack_clear(says(lambda r: http(soap(r, items(last=True)).replace(b"RelatesTo", b"To"))),
                 "does not say which request", "protocol", 1)


def test_replayed_messages():
    """The first answer for all that comes after."""
    kept = []

    def harm(client, request, n):
        kept.append(http(soap(request, items(b"c", first=b"Enumerate>" in request))))
        client.sendall(kept[0])
    attack_clear(harm, "one to another request", "protocol")


def test_two_answers_to_one_request():
    """The second would be taken for the answer to what is asked next."""
    def harm(client, request, n):
        client.sendall(http(soap(request, items(b"c"))) + http(soap(request, items(b"d"))))
    error = attack_clear(harm, "")
    assert error["kind"] in ("protocol", "unreachable"), error


# ---- HTTP ----


def test_slow_drip():
    """Something comes all the time, and nothing is ever complete."""
    def drip(start, piece):
        def harm(client, request, n):
            client.sendall(start)
            while True:
                client.sendall(piece)
                time.sleep(0.1)
        return harm
    head = b"HTTP/1.1 200 OK\r\nContent-Type: " + SOAP_TYPE + b"\r\n"
    for start, piece in ((b"", b"H"), (head, b"X: y\r\n"),
                         (head + b"Content-Length: 100000\r\n\r\n", b"x"),
                         (b"", b"HTTP/1.1 100 Continue\r\n\r\n")):
        attack_clear(drip(start, piece), "", requests=1)


def test_wrong_lengths():
    whole = http(b"<a>")
    for answer in (whole.replace(b": 3", b": 4"), whole.replace(b": 3", b": -3"),
                   whole.replace(b": 3", b": 99999999999999999999999"),
                   whole.replace(b": 3", b": 3\r\nContent-Length: 4"),
                   whole.replace(b": 3", b": three"), whole.replace(b": 3", b": 0"),
                   whole.replace(b": 3", b": 2")):
        attack_clear(says(answer), "")


def test_truncated_and_broken_chunks():
    for body in (b"10\r\n<a>", b"3\r\n<a>\r\n", b"3\r\n<a>\r\n0\r\n", b"ffffffffffffffff\r\n<a>",
                 b"-3\r\n<a>\r\n0\r\n\r\n", b"zz\r\n<a>\r\n0\r\n\r\n", b"3\r\n<a>xx",
                 b"3;" + b"x" * 100000 + b"\r\n<a>\r\n0\r\n\r\n"):
        attack_clear(says(CHUNKED + body), "")


def test_redirects():
    for status in (b"301 Moved", b"302 Found", b"303 See Other", b"307 Temporary",
                   b"308 Permanent"):
        for to in (b"http://127.0.0.1:1/wsman", b"file:///etc/passwd", b"/wsman"):
            attack_clear(says(http(b"", status, head=b"Location: " + to + b"\r\n")),
                         "HTTP " + status[:3].decode(), "protocol", 1)


def test_other_protocols():
    for answer in (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n\x00\x00\x00",
                   b"HTTP/2 200\r\n\r\n", b"HTTP/0.9 200 OK\r\n\r\n", b"<a/>", b"\x15\x03\x01",
                   b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00" * 70000,
                   b"HTTP/1.1 999999 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nA\x00B: c\r\n\r\n"):
        attack_clear(says(answer), "")


def test_compression_is_not_undone():
    """64 MiB of nothing in 64 KiB: hvgpu asks for none, so it is no SOAP."""
    import gzip
    bomb = gzip.compress(b" " * (64 * MIB))
    for coding in (b"gzip", b"deflate", b"br"):
        attack_clear(says(http(bomb, head=b"Content-Encoding: " + coding + b"\r\n")), "")
    attack_clear(says(lambda r: http(gzip.compress(soap(r, items(last=True))),
                                     head=b"Content-Encoding: gzip\r\n")), "", "protocol")


def test_a_log_on_without_end():
    attack_clear(says(http(b"", b"401 Unauthorized",
                           head=b'WWW-Authenticate: Basic realm="x"\r\n'), close=False),
                 "HTTP 401", "denied", 1)


def test_words_that_are_no_text():
    """What a server says stands in errors, and those in JSON and on terminals."""
    for kind in (b"\xff\xfe\x1b[31m", b"text/\xe4\xbd" + b"\xa0" * 100):
        attack_clear(says(http(b"x", kind=kind)), "instead of SOAP", "protocol", 1)
    attack_clear(says(b"\xff\xfe\x1b]0;x\x07\r\n\r\n"), "")
    for text in (b"\xff\xfe", b"\x1b[31m", "\u202e\u4f60".encode() * 300):
        attack_clear(says(lambda r: http(soap(
            r, b"<s:Fault><s:Reason><s:Text>" + text + b"</s:Text></s:Reason></s:Fault>"),
            b"500 Error")), "")


def test_multipart_nobody_asked_for():
    kind = (b'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";'
            b'boundary="Encrypted Boundary"')
    attack_clear(says(http(b"--Encrypted Boundary\r\n", kind=kind)), "multipart/encrypted",
                 "protocol", 1)


# ---- the same where messages are encrypted: somebody on the way ----


def change(how):
    """@how changes the first sealed answer that is long enough to be one to a query."""
    def on_answer(message, n):
        return how(message) if is_sealed(message) else message
    return on_answer


HOST = []  # one for all of them: what is changed is changed on the way


def host():
    if not HOST:
        W.realm  # the host has its keys from the start
        HOST.append(Sim())
        atexit.register(HOST[0].__exit__)
    return HOST[0]


def attack_sealed(on_answer, text, kind="protocol", mechanisms=None):
    for how in mechanisms or each_mechanism():
        with Between(host().port, on_answer=on_answer) as wire:
            error = attack(url(wire.port), *how)
            said = json.dumps(error)
            assert text in said, f"{text!r} is not in {said}"
            assert kind is None or error["kind"] == kind, said
            bodies = [m for m in wire.requests if is_sealed(m)]
            assert len(set(bodies)) == len(bodies), "a sealed body was sent twice"


def with_length(message):
    """The head's Content-Length as the body is now."""
    head, body = message.split(b"\r\n\r\n", 1)
    lines = [line for line in head.split(b"\r\n")
             if not line.lower().startswith(b"content-length:")]
    return b"\r\n".join(lines + [b"Content-Length: %d" % len(body)]) + b"\r\n\r\n" + body


def ntlm():
    W.needs_ntlm()
    return [(*by_password(), "--auth", "ntlm")]


MARK = b"application/octet-stream\r\n"


def header_length(value):
    def how(message):
        at = message.index(MARK) + len(MARK)
        return message[:at] + struct.pack("<I", value) + message[at + 4:]
    return change(how)


def content_length(value):
    def how(message):
        at = message.index(b";Length=") + len(b";Length=")
        end = message.index(b"\r\n", at)
        return with_length(message[:at] + value + message[end:])
    return change(how)


def test_wrong_encrypted_lengths():
    for value in (0xffffffff, 0x7fffffff, 100000, 4096):
        attack_sealed(header_length(value), "", mechanisms=ntlm())
    for value in (0, 1, 15, 17):  # within the message, but not where the header ends
        attack_sealed(header_length(value), "", mechanisms=ntlm())
    for value in (b"0", b"1", b"4294967295", b"99999999999999999999", b"-1", b"", b"x"):
        attack_sealed(content_length(value), "encrypted", mechanisms=ntlm())


def test_garbage_multipart():
    def body(new):
        return change(lambda m: with_length(m[:m.index(b"\r\n\r\n") + 4] + new))
    for new in (b"", b"\x00" * 1000, b"--Encrypted Boundary\r\n" * 1000,
                b"--Encrypted Boundary\r\n" + b"X" * 100000,
                b"--Encrypted Boundary\r\n\tOriginalContent: type=x;Length=5\r\n",
                b"--Encrypted Boundary\r\n\tOriginalContent: type=x;Length=5\r\n"
                b"--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n\x10"):
        attack_sealed(body(new), "malformed", mechanisms=ntlm())
    # The closing boundary is not there; or there is a second message behind it.
    attack_sealed(change(lambda m: with_length(m[:-24])), "", mechanisms=ntlm())


def test_sealed_answer_cut_short_and_made_longer():
    attack_sealed(change(lambda m: m[:-40]), "", kind=None, mechanisms=ntlm())
    attack_sealed(change(lambda m: with_length(m + b"x" * 5 * MIB)), "longer than 4194304",
                  mechanisms=ntlm())


def test_sealed_answer_of_another_connection():
    """Well sealed by the same host for the same user, but not on this connection."""
    for how in each_mechanism():
        kept = []
        with Sim() as sim:
            def keep(message, n):
                if is_sealed(message):
                    kept.append(message)
                return message
            with Between(sim.port, on_answer=keep) as wire:
                subprocess.run([HVGPU, "-H", url(wire.port), *how, "status"], env=W.env,
                               check=True, capture_output=True)
            count = [0]

            def swap(message, n):
                count[0] += is_sealed(message)
                return kept[count[0] - 1] if is_sealed(message) else message
            with Between(sim.port, on_answer=swap) as wire:
                error = attack(url(wire.port), *how)
                said = json.dumps(error)
                assert "decrypting the answer" in said and "password" not in said, said


def test_sealed_answers_in_another_order():
    for how in each_mechanism():
        held = []

        def late(message, n):
            if not is_sealed(message):
                return message
            held.append(message)
            return held[-2] if len(held) > 1 else message
        with Sim() as sim, Between(sim.port, on_answer=late) as wire:
            error = attack(url(wire.port), *how)
            assert "decrypting the answer" in json.dumps(error), error


def test_a_host_that_seals_what_is_harmful():
    """Encryption says who sent it, not that it is good."""
    laughs = b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]>'
    me = b"<a:MessageID>@request@<"
    cases = (("laughs", laughs + soap(me, b"<a>&c;</a>"), ""),
             ("other", soap(b"<a:MessageID>uuid:other<", items(last=True)),
              "one to another request"),
             ("none", soap(me, items(last=True)).replace(b"RelatesTo", b"From"),
              "does not say which request"),
             ("deep", soap(me, b"<a>" * 1000 + b"</a>" * 1000), "nested too deeply"),
             ("long", b"<a>" + b"x" * 5 * MIB, "longer than 4194304"),
             ("garbage", b"\x00\xff<<", ""))
    for name, content, text in cases:
        with open(W.path(name), "wb") as f:
            f.write(content)
        for how in ntlm():
            with Sim("--fault", f"*@*=answer:{W.path(name)}") as sim:
                error = attack(sim.url, *how)
                said = json.dumps(error)
                assert error["kind"] == "protocol" and text in said, (name, said)


run_tests(globals())
