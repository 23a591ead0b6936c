#!/bin/sh
# Runs a program without random addresses, where that is allowed (in some containers it is not):
# fixed-addresses.sh PROGRAM ARGUMENT...
#
# For Wine.  Linux puts a program's heap anywhere in the gigabyte behind it, and Wine's program
# stands below the page 0x7ffe0000, which Windows has at one place for all.  About one start in
# 4000 finds its heap on that page and ends ("failed to map the shared user data"); a test of the
# main job makes some thousands.
if setarch -R true 2>/dev/null; then
    exec setarch -R "$@"
fi
exec "$@"
