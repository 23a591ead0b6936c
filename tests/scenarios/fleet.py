# SPDX-License-Identifier: GPL-2.0-or-later
"""Several hosts of one lab, told of as one scenario in every way.

On Linux they are simulated within each command (`sim:LAB:NODE`), or, inside of
`with fleet.serving()`, by a simulator of their own that an inventory leads to.  hvgpu.exe has no
simulator in it: there it is always one of its own, for a command or for longer.  Over COM hvgpu.exe
runs on the first host, which it names by its own machine's name, and reaches the others by
WS-Management, as somebody at one of several Hyper-V machines would.
"""

import contextlib
import json
import socket

import way
from scenario import must


class Fleet:
    def __init__(self, world, lab, nodes, in_lab=None):
        """@in_lab: how many hosts the lab has, if more than @nodes."""
        self.world, self.lab, self.nodes = world, lab, nodes
        self.in_lab = in_lab or len(nodes)
        self.server = None

    # ---- names ----

    def is_local(self, node):
        return way.HERE.is_com and node == self.nodes[0]

    def name(self, node):
        """What hvgpu calls a host."""
        if self.is_local(node):
            return socket.gethostname().split(".")[0]
        if way.HERE.is_windows or self.server:
            return node
        return f"sim:{self.lab}:{node}"

    def node(self, name):
        """The other way round."""
        return next(node for node in self.nodes if self.name(node) == name)

    def fault(self, mode, number, node):
        """The environment that breaks a change on one of them."""
        return {"HVGPU_FAULT": f"{mode}:{number}@{self.name(node)}"}

    # ---- the simulator ----

    @contextlib.contextmanager
    def serving(self, *options):
        with self.world.serve(self.lab, *options, hosts=self.in_lab) as server:
            self.server = server
            try:
                yield self
            finally:
                self.server = None

    def inventory(self):
        """The way to each, but the one that hvgpu runs on."""
        lines = ["defaults:", "  user: admin", "  auth: basic",
                 f"  password_file: {self.server.password_file}", "hosts:"]
        lines += [f"  {node}: {{ url: '{self.server.hosts[node]}' }}" for node in self.nodes
                  if not self.is_local(node)]
        path = self.world.dir / "fleet.yaml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return ["--inventory", str(path)]

    # ---- hvgpu ----

    def words(self, nodes):
        return [word for node in nodes for word in
                ("-H", "local" if self.is_local(node) else self.name(node))]

    def hvgpu(self, *args, nodes=None, user=None, env=None):
        """hvgpu for these hosts; without any, as if none were named."""
        if not self.server and way.HERE.is_windows:
            with self.serving():
                return self.hvgpu(*args, nodes=nodes, user=user, env=env)
        user = user or self.world
        words = [*self.words(nodes or []), *args]
        if self.server:
            user.com = self.server.com
            words = self.inventory() + words
        return user.run(user.command(words, None), env, {})

    def start(self, *args, nodes):
        """A running one; the simulator has to be there already."""
        self.world.com = self.server.com
        return self.world.start(*self.inventory(), *self.words(nodes), *args, host=None)

    def must(self, *args, **more):
        return must(self.hvgpu(*args, **more)).stdout

    def json(self, *args, **more):
        return json.loads(self.must(*args, "--json", **more))

    def history(self, user=None):
        return self.json("history", user=user)["runs"]
