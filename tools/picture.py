#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws what a terminal showed as an SVG: lines from standard input, picture to standard output.

Lines that begin with "PS " or "$ " are what was typed; indented arrows are advice.
"""

import html
import sys

WIDTH, HEIGHT, MARGIN = 8.0, 18, 14  # of a letter, of a line, around all


def colour(line):
    if line.startswith(("PS ", "$ ")):
        return "#ffffff"
    if line.lstrip().startswith("→"):
        return "#7fc8ff"
    if line.startswith(("Done.", "Undone.")):
        return "#8fdc8f"
    return "#cccccc"


def main():
    lines = sys.stdin.read().rstrip("\n").split("\n")
    width = int(max(len(line) for line in lines) * WIDTH + 2 * MARGIN)
    height = len(lines) * HEIGHT + 2 * MARGIN
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
          f'width="{width}" height="{height}">')
    print(f'<rect width="{width}" height="{height}" rx="6" fill="#0c0c0c"/>')
    print('<g font-family="Cascadia Mono, Consolas, DejaVu Sans Mono, monospace" font-size="13" '
          'xml:space="preserve">')
    for number, line in enumerate(lines, 1):
        if line:
            # textLength keeps columns straight whatever font the reader has.
            print(f'<text x="{MARGIN}" y="{MARGIN + number * HEIGHT - 5}" fill="{colour(line)}" '
                  f'textLength="{len(line) * WIDTH:g}">{html.escape(line)}</text>')
    print("</g>\n</svg>")


main()
