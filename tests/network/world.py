# SPDX-License-Identifier: GPL-2.0-or-later
"""What the network tests share: simulated hosts, a realm, certificates, and asking."""

import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import realm as kerberos

os.environ.setdefault("HVGPU_DATA_DIR", os.path.abspath(
    os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")))
HVGPU, SIM = (os.path.abspath(p) for p in sys.argv[1:3])
PASSWORD = "Tr0ub4dor-and-3"
START_SECONDS = 60
USER = f"admin@{kerberos.REALM}"


class Skip(Exception):
    pass


class World:
    """What the tests of one file share: a folder, files, and the realm, which is made when
    the first test wants it."""

    def __init__(self, folder):
        self.folder = folder
        self.tools = kerberos.missing()
        self.made = None
        self.key = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        self.env = dict(os.environ, LC_ALL="C.UTF-8")
        self.env["XDG_STATE_HOME"] = self.path("state")
        self.env["XDG_CONFIG_HOME"] = self.path("config")
        self.env.pop("NTLM_USER_FILE", None)
        self.env["LSAN_OPTIONS"] = "print_suppressions=0:suppressions=" + os.path.join(
            os.path.dirname(os.path.abspath(__file__)), "lsan.supp")
        self.password = self.secret("password", PASSWORD)
        self.wrong = self.secret("wrong", "not this one")

    def path(self, name):
        return os.path.join(self.folder, name)

    def at_another_time(self, offset):
        """The environment of a program whose clock is wrong.  The command faketime would stand
        between it and its signals, and stay when it is killed."""
        env = dict(self.env, FAKETIME=offset,
                   LD_PRELOAD="/usr/$LIB/faketime/libfaketime.so.1")
        # The library comes before the sanitizer's runtime: that is meant.  Its first look at the
        # clock allocates memory, which must not happen while the allocator looks at the clock.
        env["ASAN_OPTIONS"] = ":".join(
            filter(None, [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0",
                          "allocator_release_to_os_interval_ms=-1"]))
        return env

    def secret(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text + "\n")
        os.chmod(self.path(name), 0o600)
        return self.path(name)

    @property
    def realm(self):
        if not self.made and not self.tools:
            self.made = kerberos.Realm(self.folder)
            self.made.add_user("admin", PASSWORD)
            self.made.add_user("other", PASSWORD)
            self.made.add_service("HTTP/localhost", self.path("host.keytab"))
            self.made.admin(f"ktadd -norandkey -k {self.path('admin.keytab')} admin")
            self.made.env.update({k: v for k, v in self.env.items()
                                  if k.startswith("XDG_") or k in ("ASAN_OPTIONS", "LSAN_OPTIONS")})
            self.made.env.pop("NTLM_USER_FILE", None)
            self.env.update(self.made.env)
        return self.made

    def needs_realm(self):
        if not self.realm:
            raise Skip(f"{self.tools} is not installed")

    def close(self):
        if self.made:
            self.made.close()
        shutil.rmtree(self.folder)

    def needs_ntlm(self):
        if not os.path.exists("/etc/gss/mech.d/mech.ntlmssp.conf"):
            raise Skip("gss-ntlmssp is not installed")

    def certificate(self, name, subject="localhost", issuer=None, days="30", more=()):
        """PEM files; self-signed without an issuer."""
        key, cert = self.path(name + ".key"), self.path(name + ".pem")
        if os.path.exists(cert):
            return cert, key
        line = ["openssl", "req", "-x509", "-newkey", *self.key, "-nodes", "-keyout", key, "-out",
                cert, "-subj", f"/CN={name}", "-days", days, "-addext",
                f"subjectAltName=DNS:{subject}"]
        if issuer:
            line += ["-CA", issuer[0], "-CAkey", issuer[1], "-addext",
                     "basicConstraints=critical,CA:FALSE"]
        subprocess.run(line + list(more), check=True, capture_output=True)
        return cert, key


W = World(tempfile.mkdtemp())


class Sim:
    def __init__(self, *options, env=None, auth="basic,negotiate", demand=True, lab="laptop"):
        line = [SIM, lab, "--ephemeral", "--user", "admin", "--password-file",
                W.password, "--auth", auth, "-v", *options]
        if demand:
            line.append("--demand-encryption")
        if W.made:
            line += ["--keytab", W.path("host.keytab")]
        self.log = open(tempfile.mkstemp(dir=W.folder)[1], "w+")
        self.process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=self.log,
                                        text=True, env=env or W.env)
        is_there, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        if not is_there:
            self.process.kill()
        first = self.process.stdout.readline()
        assert first, "the simulator does not start: " + open(self.log.name).read()
        self.url = first.split()[1].replace("127.0.0.1", "localhost")
        self.port = int(self.url.rsplit(":", 1)[1].split("/")[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def lines(self):
        return open(self.log.name).read()


def url(port, scheme="http"):
    return f"{scheme}://localhost:{port}/wsman"


def ask(host, *options, env=None):
    """`hvgpu status` there: (its JSON entry, the finished process)."""
    done = subprocess.run([HVGPU, "-H", host, "--json", "--timeout", "20", *options,
                           "status"], capture_output=True, text=True, env=env or W.env,
                          stdin=subprocess.DEVNULL)
    assert done.stdout, done.stderr
    document = json.loads(done.stdout)
    return (document["hosts"][0] if "hosts" in document else document), done


def works(host, *options, **how):
    entry, done = ask(host, *options, **how)
    assert done.returncode == 0 and entry["error"] is None, (entry, done.stderr)
    assert entry["os"], entry
    return done


def fails(host, *options, text, hint=None, kind=None, **how):
    entry, done = ask(host, *options, **how)
    error = entry["error"]
    assert done.returncode != 0 and error, entry
    said = json.dumps(error)
    assert text in said, f"{text!r} is not in {said}"
    if hint:
        assert hint in (error.get("hint") or ""), f"{hint!r} is not in {said}"
    if kind:
        assert error["kind"] == kind, said
    assert PASSWORD not in done.stdout + done.stderr
    return error


def by_password(user="admin", file=None):
    return ("--user", user, "--password-file", file or W.password)


def each_mechanism():
    if W.realm:
        yield (*by_password(USER), "--auth", "kerberos")
    W.needs_ntlm()
    yield (*by_password(), "--auth", "ntlm")


def fingerprint(cert):
    line = subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-fingerprint",
                           "-sha256"], capture_output=True, text=True, check=True).stdout
    return "sha256:" + line.strip().split("=")[1]


class TlsServer:
    """openssl s_server: TLS, and nothing behind it."""

    def __init__(self, cert, key, *options):
        self.port = kerberos.free_port()
        self.process = subprocess.Popen(
            ["openssl", "s_server", "-accept", str(self.port), "-cert", cert, "-key", key,
             "-quiet", *options], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("openssl s_server does not start")

    def __enter__(self):
        return url(self.port, "https")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def run_tests(tests):
    """What is named on the command line behind the two programs, or all."""
    only = sys.argv[3:]
    tests = [(n, f) for n, f in tests.items() if n.startswith("test_") and
             (not only or n in only)]
    failed = 0
    print(f"1..{len(tests)}", flush=True)
    for number, (name, test) in enumerate(tests, 1):
        try:
            test()
            print(f"ok {number} - {name[5:]}", flush=True)
        except Skip as why:
            print(f"ok {number} - {name[5:]} # SKIP {why}", flush=True)
        except Exception as error:  # noqa: BLE001 - whatever it was, the test failed
            failed += 1
            print(f"not ok {number} - {name[5:]}", flush=True)
            for line in f"{type(error).__name__}: {error}".splitlines():
                print("# " + line, flush=True)
    W.close()
    sys.exit(failed > 0)
