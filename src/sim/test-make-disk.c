/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes one disk of a lab, for test-disk-tools.py. */
#include <stdio.h>

#include "world-inside.h"

int main(int argc, char **argv)
{
    struct sim_disk disk = { .path = (char *)"C:\\d.vhdx", .size_bytes = 2ull << 30 };
    struct err err = ERR_INIT;
    char text[512];

    if (argc == 2 && disk_make(&disk, argv[1], &err))
        return 0;
    err_format(&err, text, sizeof(text));
    fprintf(stderr, "%s\n", argc == 2 ? text : "usage: test-make-disk FILE");
    return 1;
}
