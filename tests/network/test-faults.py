#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every fault and every HTTP status that WinRM is known to answer with, in the clear and on
connections that encrypt: what hvgpu makes of each.
Usage: test-faults.py HVGPU HVGPU-SIM"""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from between import Between, is_sealed  # noqa: E402
from world import Sim, W, ask, by_password, run_tests, url  # noqa: E402

DENIED, INVALID, ABSENT, CONFLICT, REFUSED, UNREACHABLE, PROTOCOL = (
    "denied", "invalid", "not-found", "conflict", "refused", "unreachable", "protocol")
FAULTS = {
    5: DENIED, 87: INVALID, 0x80070002: ABSENT, 0x80338002: INVALID, 0x80338006: CONFLICT,
    0x8033800F: INVALID, 0x80338012: ABSENT, 0x8033801A: INVALID, 0x8033801B: CONFLICT,
    0x8033801C: CONFLICT, 0x80338029: UNREACHABLE, 0x80338036: DENIED, 0x8033803B: ABSENT,
    0x8033805A: INVALID, 0x8033805B: ABSENT, 0x803380FA: INVALID, 0x803380FB: INVALID,
    0x803381A5: CONFLICT, 0x803381AD: INVALID, 0x80041002: ABSENT, 0x80041003: DENIED,
    0x8004100E: ABSENT, 0x80041010: ABSENT, 0x80041017: INVALID,
}
# These are answered by asking otherwise, or again, first.
PATIENT = {0x80338026: REFUSED, 0x80338035: REFUSED, 0x80338047: REFUSED,
           0x80338048: REFUSED, 0x8033803F: CONFLICT, 0x803381A6: CONFLICT}
STATUSES = {400: PROTOCOL, 403: DENIED, 404: UNREACHABLE, 405: PROTOCOL, 407: DENIED,
            413: REFUSED, 414: REFUSED, 415: PROTOCOL, 500: REFUSED, 302: PROTOCOL}
QUERY = "Win32_OperatingSystem.Enumerate"


def modes():
    yield dict(auth="basic", demand=False), by_password()
    W.needs_ntlm()
    yield {}, (*by_password(), "--auth", "ntlm")


def in_turn(what, expected):
    """The n-th query is answered by the n-th of @expected."""
    options = [o for n, value in enumerate(expected, 1)
               for o in ("--fault", f"{QUERY}@{n}={what}:{value}")]
    for server, how in modes():
        with Sim(*options, **server) as sim:
            for value, kind in expected.items():
                error = ask(sim.url, *how)[0]["error"]
                assert error, (server, value)
                assert (error["kind"], error["code"]) == (kind, value), (server, value, error)
            assert ask(sim.url, *how)[0]["error"] is None, "the last one is forgotten"


def test_faults():
    in_turn("fault", FAULTS)


def test_statuses():
    in_turn("http", STATUSES)


def test_faults_that_are_worth_another_try():
    for server, how in modes():
        for value, kind in PATIENT.items():
            with Sim("--fault", f"{QUERY}@*=fault:{value}", **server) as sim:
                error = ask(sim.url, *how, "--timeout", "1")[0]["error"]
                assert (error["kind"], error["code"]) == (kind, value), (value, error)
                assert sim.lines().count("Win32_OperatingSystem Enumerate") > 1


def test_a_service_that_starts():
    for server, how in modes():
        with Sim("--fault", f"{QUERY}@1=http:503", "--fault", f"{QUERY}@2=http:503",
                 **server) as sim:
            entry, _ = ask(sim.url, *how)
            assert entry["error"] is None, entry
        with Sim("--fault", f"{QUERY}@*=http:503", **server) as sim:
            error = ask(sim.url, *how, "--timeout", "1")[0]["error"]
            assert error["code"] == 503 and "sc query winrm" in error["hint"], error


def test_refusals_in_the_clear_where_messages_are_encrypted():
    """A host may answer a sealed message with an unsealed 401 or 500, also with a fault in it:
    the status counts, what the body says may come from anybody."""
    body = (b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault>'
            b"<s:Reason><s:Text>come closer</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>")
    W.needs_ntlm()
    for status in (b"500 Error", b"400 Bad", b"503 Busy"):
        def answer(message, n):
            if not is_sealed(message):
                return message
            return (b"HTTP/1.1 " + status + b"\r\nContent-Type: application/soap+xml;charset="
                    b"UTF-8\r\nContent-Length: %d\r\n\r\n" % len(body)) + body
        with Sim() as sim, Between(sim.port, on_answer=answer) as wire:
            error = ask(url(wire.port), *by_password(), "--auth", "ntlm", "--timeout",
                        "1")[0]["error"]
            said = json.dumps(error)
            assert f"HTTP {status[:3].decode()}" in said and "closer" not in said, said


def test_a_list_that_the_host_has_dropped():
    for server, how in modes():
        for code in (0x8033801B, 0x8033801C):
            with Sim("--pull-items", "1", "--fault", f"Pull@3=fault:{code}", **server) as sim:
                error = ask(sim.url, *how)[0]["error"]
                assert error["code"] == code and "try again" in error["hint"], error


run_tests(globals())
