#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Logging on from Windows: hvgpu.exe under Wine, by SSPI and Schannel, against simulated hosts
on this machine; those of tests/network/test-log-on.py that Wine can do, and some of its own:
what stands between it and a person, too.

usage: test-log-on.py HVGPU-SIM [TEST...], with hvgpu.exe in HVGPU_WINDOWS_EXE and the build
folder of tests/wine in HVGPU_WINE_BUILD

What Wine cannot do: Kerberos, NTLM bound to the TLS connection, refusing a certificate that no
--ca was given for.  Those are in src/wsman/test-sspi-win32.c or need a real Windows.
"""

import fcntl
import importlib.util
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

import prefix

HERE = pathlib.Path(__file__).resolve().parent
NETWORK = HERE.parent / "network"
FROM_NETWORK = """ntlm_logs_on_and_encrypts ntlm_wrong_password ntlm_unknown_user
    nothing_readable_goes_over_the_wire connection_dropped_in_the_middle
    a_host_that_forgot_us_is_told_again replayed_answer changed_answer unencrypted_answer
    host_that_proves_nothing pins tls_expired tls_wrong_name tls_and_plain_http_mixed_up
    secrets_stay_secret""".split()


def skip_all(why):
    print(f"1..0 # SKIP {why}")
    sys.exit(0)


def load(name):
    spec = importlib.util.spec_from_file_location(name.replace("-", "_"),
                                                  NETWORK / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- tests of our own ----


def test_ntlm_over_tls():
    ca = w.W.certificate("ca")
    cert, key = w.W.certificate("good", issuer=ca)
    with w.Sim("--tls-cert", cert, "--tls-key", key) as sim:
        https = w.url(sim.port, "https")
        w.works(https, *w.by_password(), "--auth", "ntlm", "--ca", ca[0])
        w.works(https, *w.by_password(), "--auth", "basic", "--ca", ca[0])
        w.fails(https, *w.by_password(), "--ca", w.W.certificate("stranger")[0],
                text="unknown authority", kind="unreachable", hint="--pin sha256:")
        w.fails(https, *w.by_password(), "--ca", w.W.password, text="holds no certificate",
                kind="invalid")


def test_client_certificates_of_a_file_and_of_the_store():
    ca = w.W.certificate("ca")
    cert, key = w.W.certificate("good", issuer=ca)
    mine, alone = w.W.certificate("me", issuer=ca), w.W.certificate("stranger")

    def pfx(name, pair, password=""):
        path = w.W.path(name)
        subprocess.run(["openssl", "pkcs12", "-export", "-in", pair[0], "-inkey", pair[1],
                        "-out", path, "-passout", f"pass:{password}"], check=True)
        os.chmod(path, 0o600)
        return path
    file = pfx("me.pfx", mine)
    imported = subprocess.run(["wine", str(build / "import-pfx.exe"), file], check=True, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              env=prefix.environment(made)).stdout.strip()
    assert len(imported) == 40, imported
    pairs = " ".join(imported[i:i + 2] for i in range(0, 40, 2)).lower()
    with w.Sim("--tls-cert", cert, "--tls-key", key, "--client-ca", ca[0]) as sim:
        https = w.url(sim.port, "https")
        w.works(https, "--ca", ca[0], "--cert", file)
        w.works(https, "--ca", ca[0], "--cert", f"CurrentUser\\MY\\{imported}")
        w.works(https, "--ca", ca[0], "--cert", f"currentuser\\My\\{pairs}")
        w.fails(https, "--ca", ca[0], "--cert", pfx("stranger.pfx", alone), text="")
        w.fails(https, "--ca", ca[0], "--cert", pfx("locked.pfx", mine, "secret"),
                text="has a password", kind="invalid", hint="-importPFX")
        w.fails(https, "--ca", ca[0], "--cert", f"CurrentUser\\MY\\{imported[:-4]}0000",
                text="the store has no certificate", kind="not-found", hint="Get-ChildItem")
        w.fails(https, "--ca", ca[0], "--cert", f"CurrentUser\\MY\\{imported}00",
                text="names no certificate of a store", kind="invalid", hint="40 hex digits")


def test_what_windows_cannot_do_says_so():
    with w.Sim() as sim:
        w.fails(sim.url, "--user", "admin", "--keytab", w.W.password, "--auth", "kerberos",
                text="cannot log on with a keytab", kind="unsupported")
        w.fails(sim.url.replace("localhost", "127.0.0.1"), *w.by_password(), "--auth",
                "kerberos", text="by name, not by address", kind="invalid")
    pem = w.W.certificate("me")
    w.fails("https://localhost:1/wsman", "--cert", pem[0], "--cert-key", pem[1],
            text="as a client certificate", kind="unsupported", hint="CurrentUser")


def test_a_password_file_that_others_can_read_is_refused():
    path = w.W.secret("open", w.PASSWORD)
    os.chmod(path, 0o644)
    with w.Sim() as sim:
        w.fails(sim.url, *w.by_password(file=path), text="others can read the password file",
                hint="icacls")


def test_names_and_texts_in_any_script():
    path = pathlib.Path(w.W.path("Pr\u00fcfung \u6d4b\u8bd5.vmx"))
    path.write_text('.encoding = "UTF-8"\ndisplayName = "\u6d4b\u8bd5"\n'
                    'guestOS = "windows9-64"\nvirtualHW.version = "19"\n', encoding="utf-8")
    done = subprocess.run([w.HVGPU, "vmx", "show", str(path)], capture_output=True,
                          stdin=subprocess.DEVNULL, check=False)
    assert "\u6d4b\u8bd5".encode() in done.stdout and done.returncode == 0, done
    assert b"\r" not in done.stdout, done.stdout


def test_ctrl_c_stops_what_waits():
    """SIGINT comes to a program in Wine as Ctrl-C does in Windows."""
    with w.Sim("--fault", "Win32_OperatingSystem.Enumerate@*=delay:20000") as sim:
        started = time.monotonic()
        with subprocess.Popen([w.HVGPU, "-H", sim.url, *w.by_password(), "gpu", "list"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as running:
            for _ in range(200):
                if "HTTP 401" in sim.lines():
                    break
                time.sleep(0.05)
            time.sleep(1)
            running.send_signal(signal.SIGINT)
            out, said = running.communicate(timeout=60)
        assert time.monotonic() - started < 15, "it waited for the host"
        assert running.returncode == 1 and "stopped" in said, (running.returncode, out, said)


def in_a_window(argv, answer, when):
    """What a console shows of hvgpu.exe, as plain text, and its exit code.  @answer is typed when
    @when is there.  Wine paints letters one by one, with their places between them."""
    child, window = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
        os.environ["TERM"] = "xterm"
        os.execv(w.HVGPU, [w.HVGPU, *argv])
    shown, typed, end = b"", False, time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([window], [], [], 0.5)[0]:
            try:
                piece = os.read(window, 65536)
            except OSError:  # nobody has it open any more
                break
            if not piece:
                break
            shown += piece
        elif not typed and when in shown:
            os.write(window, answer)
            typed = True
    else:
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(window)
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07", b"", shown)
    return text.decode("utf-8", "replace"), status


def test_a_double_click_shows_state_and_help_and_waits_for_a_key():
    started = time.monotonic()
    shown, status = in_a_window([], b" ", b"closes")
    assert time.monotonic() - started < 55, shown
    assert "Any key closes this window" in shown and "host check" in shown, shown
    assert status in (0, 1), status  # Wine has no Hyper-V to show the state of


def test_a_password_is_typed_unseen():
    with w.Sim() as sim:
        shown, status = in_a_window(["-H", sim.url, "--user", "admin", "gpu", "list"],
                                    w.PASSWORD.encode() + b"\r", b"assword")
    assert status == 0 and "RTX 4070" in shown, (status, shown)
    assert w.PASSWORD not in shown and w.PASSWORD[4:] not in shown, shown


def test_what_is_said_in_a_window_is_whole():
    """No letter comes in two pieces: an arrow stands before a hint."""
    shown, status = in_a_window(["-H", "http://127.0.0.1:1/wsman", "--user", "u",
                                 "--password-file", w.W.password, "gpu", "list"], b"", b"never")
    assert status == 1 and "\u2192 " in shown and "\ufffd" not in shown, (status, shown)


if __name__ == "__main__":
    exe = os.environ.get("HVGPU_WINDOWS_EXE", "")
    if not os.path.exists(exe):
        skip_all(f"no hvgpu.exe (HVGPU_WINDOWS_EXE={exe})")
    build = pathlib.Path(os.environ["HVGPU_WINE_BUILD"])
    if not shutil.which("wine"):
        skip_all("no wine")
    if not shutil.which("ntlm_auth"):
        skip_all("no ntlm_auth (package winbind), which Wine's NTLM needs")
    if not (build / "cmd.exe").exists():
        skip_all("no mingw-w64 to build the parts of the prefix with")
    made = prefix.make(build / "prefix", build / "hvgpu-test-wbem.dll", build / "cmd.exe")
    with tempfile.TemporaryDirectory() as folder:
        sim_program, only = sys.argv[1], sys.argv[2:]
        sys.argv = [sys.argv[0], prefix.wrapper(exe, made, folder), sim_program, *only]
        sys.path.insert(0, str(NETWORK))
        import world as w
        w.W.tools = "Kerberos for Wine"
        # One ECDSA signature in 128 has a number with fewer bytes than the curve: not valid, says
        # Wine 8.
        w.W.key = ["rsa:2048"]
        tests = load("test-log-on")
        chosen = {n: f for n, f in globals().items() if n.startswith("test_")}
        chosen.update({f"test_{n}": getattr(tests, f"test_{n}") for n in FROM_NETWORK})
        w.run_tests(chosen)
