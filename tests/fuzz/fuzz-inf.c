/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An INF that parses is asked for everything it could install. */
#include "fuzz.h"

#include "inf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct err err = ERR_INIT;
    struct inf *inf = inf_parse(bytes, size, &err);
    struct inf_version version;
    struct inf_install install;

    if (!inf)
        return 0;
    if (inf_read_version(inf, &version, &err))
        inf_version_clear(&version);
    if (inf_find_install(inf, "PCI\\VEN_1234&DEV_0001&SUBSYS_00000000&REV_A1", "amd64", 0,
                         &install, &err)) {
        for (size_t i = 0; i < install.file_count; i++)
            free(inf_file_destination(&install.files[i]));
        inf_install_clear(&install);
    }
    inf_free(inf);
    return 0;
}
