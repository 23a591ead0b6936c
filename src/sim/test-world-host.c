/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host for tests. */
#include "test-world-host.h"

#include <stdlib.h>
#include <string.h>

#include "os.h"
#include "test.h"
#include "text.h"

void test_host_init(struct test_host *t)
{
    char dir[TEST_FOLDER];

    test_make_folder("world", dir);
    memset(t, 0, sizeof(*t));
    t->devices[0] = (struct sim_device){
        .name = text_dup("NVIDIA GeForce RTX 4070 Laptop GPU"),
        .instance_id =
            text_dup("PCI\\VEN_10DE&DEV_2860&SUBSYS_252D1043&REV_A1\\4&296b7397&0&0008"),
        .driver = SIM_DRIVER_NVIDIA,
        .driver_version = text_dup("32.0.15.6094"),
        .driver_date = text_dup("2024-08-14"),
        .class_index = 1,
        .vram_bytes = 8ull << 30,
        .pci = SIM_PCI_EXPRESS_ENDPOINT,
    };
    t->devices[1] = (struct sim_device){
        .name = text_dup("AMD Radeon RX 7900 XT"),
        .instance_id = text_dup("PCI\\VEN_1002&DEV_744C&SUBSYS_E471&REV_CC\\6&1&0&00"),
        .driver = SIM_DRIVER_AMD,
        .driver_version = text_dup("31.0.24027.1012"),
        .driver_date = text_dup("2024-01-18"),
        .class_index = 2,
        .pci = SIM_PCI_EXPRESS_ENDPOINT,
    };
    t->disks[0] = (struct sim_disk){ .path = text_dup("C:\\VMs\\a\\a.vhdx"),
                                     .size_bytes = 8ull << 30 };
    t->disks[1] = (struct sim_disk){ .path = text_dup("C:\\VMs\\b\\data.vhdx"),
                                     .content = SIM_DISK_DATA,
                                     .size_bytes = 4ull << 30 };
    t->host = (struct sim_host){ .name = text_dup("TEST"),
                                 .product = text_dup("Microsoft Windows 11 Pro"),
                                 .edition = text_dup("Professional"),
                                 .locale = text_dup("en-US"),
                                 .build = 22631,
                                 .ubr = 3880,
                                 .dir = text_dup(dir) };
    pthread_mutex_init(&t->host.own_lock, NULL);
    t->host.lock = &t->host.own_lock;
    t->machine = (struct sim_machine){
        .device_count = 2, .devices = t->devices, .disk_count = 2, .disks = t->disks
    };
    t->host.machine = &t->machine;
}

struct sim_world *test_host_world(struct test_host *t, struct err *err)
{
    test_host_init(t);
    return sim_host_world(&t->host, err);
}

void test_host_restart(struct test_host *t)
{
    sim_world_free(t->host.world);
    t->host.world = NULL;
}

void test_host_clear(struct test_host *t)
{
    struct err err = ERR_INIT;

    sim_world_free(t->host.world);
    if (!os_remove_tree(t->host.dir, &err))
        abort();
    for (size_t i = 0; i < 2; i++) {
        free(t->devices[i].name);
        free(t->devices[i].instance_id);
        free(t->devices[i].driver_version);
        free(t->devices[i].driver_date);
        free(t->disks[i].path);
    }
    free(t->host.name);
    free(t->host.product);
    free(t->host.edition);
    free(t->host.locale);
    free(t->host.dir);
    pthread_mutex_destroy(&t->host.own_lock);
}

bool test_has_tools(void)
{
    static const char *const tools[][2] = {
        { "mkntfs", "--version" },
        { "mkfs.vfat", "--help" },
        { "mcopy", "--version" },
    };

    for (size_t i = 0; i < ARRAY_LEN(tools); i++) {
        bool found = false;

        for (unsigned sbin = 0; sbin < 2 && !found; sbin++) {
            CLEANUP(free_cleanup)
            char *program = text_printf("%s%s", sbin ? "/usr/sbin/" : "", tools[i][0]);
            const char *argv[] = { program, tools[i][1], NULL };
            struct err err = ERR_INIT;
            int status;

            found = program && os_run(argv, 5000, 0, NULL, &status, &err);
        }
        if (!found)
            return false;
    }
    return true;
}
