/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs a fuzz target over the files of a folder, once each, and over their beginnings. */

#include "err.h"
#include "fuzz.h"
#include "os.h"
#include "text.h"

enum { SEED_MAX = 1 << 20, CUTS = 16 };

struct seeds {
    const char *folder;
    unsigned count;
};

static bool run_seed(const struct os_entry *entry, void *user, struct err *err)
{
    struct seeds *seeds = user;
    char *path = text_printf("%s/%s", seeds->folder, entry->name), *bytes;
    size_t len = 0;

    if (entry->is_dir) {
        free(path);
        return true;
    }
    bytes = os_read_file(path, SEED_MAX, &len, err);
    free(path);
    if (!bytes)
        return false;
    for (size_t cut = 1; cut <= CUTS; cut++) {
        size_t part = len * cut / CUTS;
        uint8_t *copy = malloc(part ? part : 1);

        MUST(copy);
        memcpy(copy, bytes, part);
        LLVMFuzzerTestOneInput(copy, part);
        free(copy);
    }
    free(bytes);
    seeds->count++;
    return true;
}

int main(int argc, char **argv)
{
    struct seeds seeds = { .folder = argc == 2 ? argv[1] : "." };
    struct err err = ERR_INIT;
    char why[512];

    if (!os_list_dir(seeds.folder, run_seed, &seeds, &err)) {
        err_format(&err, why, sizeof(why));
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    printf("%u seeds\n", seeds.count);
    return seeds.count ? 0 : 1;
}
