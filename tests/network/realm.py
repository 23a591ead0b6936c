# SPDX-License-Identifier: GPL-2.0-or-later
"""A Kerberos realm of MIT krb5 on loopback, in a folder of its own."""

import os
import shutil
import socket
import subprocess
import time

REALM = "HVGPU.TEST"
TOOLS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def missing():
    """The first tool that is not installed, or None."""
    return next((t for t in TOOLS if not shutil.which(t, path=PATH)), None)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Realm:
    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.config = self.path("krb5.conf")
        self.env = {**os.environ, "PATH": PATH, "KRB5_CONFIG": self.config,
                    "KRB5_KDC_PROFILE": self.path("kdc.conf"),
                    "KRB5CCNAME": "FILE:" + self.path("nobody's"), "LC_ALL": "C.UTF-8"}
        with open(self.config, "w") as f:
            f.write(f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n"
                    " dns_lookup_realm = false\n dns_canonicalize_hostname = false\n"
                    " rdns = false\n udp_preference_limit = 1\n"
                    f"[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{self.port}\n }}\n"
                    # A realm whose server is down.
                    f" DOWN.TEST = {{\n  kdc = 127.0.0.1:{free_port()}\n }}\n"
                    f"[domain_realm]\n localhost = {REALM}\n")
        with open(self.path("kdc.conf"), "w") as f:
            # What only this server knows: RC4 for services that ask for it (setstr NAME
            # session_enctypes), which MIT krb5 1.21 and Debian's 1.20.1-2+deb12u4 refuse else.
            f.write("[libdefaults]\n allow_rc4 = true\n"
                    f"[kdcdefaults]\n kdc_listen = 127.0.0.1:{self.port}\n"
                    f" kdc_tcp_listen = 127.0.0.1:{self.port}\n[realms]\n {REALM} = {{\n"
                    f"  database_name = {self.path('principals')}\n"
                    f"  key_stash_file = {self.path('stash')}\n"
                    f"  acl_file = {self.path('acl')}\n }}\n"
                    f"[logging]\n kdc = FILE:{self.path('kdc.log')}\n")
        self.tool("kdb5_util", "create", "-s", "-P", "stash", "-r", REALM)
        self.process = subprocess.Popen(["krb5kdc", "-n"], env=self.env,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the KDC does not start: " + open(self.path("kdc.log")).read())

    def close(self):
        self.process.terminate()
        self.process.wait()

    def path(self, name):
        return os.path.join(self.folder, name)

    def tool(self, *line):
        done = subprocess.run(line, env=self.env, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
        assert done.returncode == 0, (line, done.stderr)

    def admin(self, what):
        self.tool("kadmin.local", "-q", what)

    def add_user(self, name, password):
        self.admin(f"addprinc -pw {password} {name}")

    def add_service(self, name, keytab):
        self.admin(f"addprinc -randkey {name}")
        self.admin(f"ktadd -k {keytab} {name}")

    def ticket(self, user, password, cache, *options):
        """The environment of somebody who has one."""
        env = {**self.env, "KRB5CCNAME": "FILE:" + self.path(cache)}
        done = subprocess.run(["kinit", *options, user], input=password + "\n", text=True,
                              env=env, capture_output=True)
        assert done.returncode == 0, done.stderr
        return env
