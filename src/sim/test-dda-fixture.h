/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A server with devices to assign, and the steps of assigning as calls. */
#pragma once

#include "test-hv-fixture.h"

#define DDA_HOST(edition, more)                                                                \
    "hosts:\n"                                                                                 \
    "  - name: TEST\n"                                                                         \
    "    product: Microsoft Windows Server 2022 Datacenter\n"                                  \
    "    edition: " edition "\n"                                                               \
    "    build: 20348\n"                                                                       \
    "    job_ms: 1000\n"                                                                       \
    "    gpus:\n"                                                                              \
    "      - { name: A100, instance_id: 'PCI\\VEN_10DE&DEV_20F1&SUBSYS_145F10DE&REV_A1\\"      \
    "6&2b3c4d5e&0&00000010', location_path: PCIROOT(40)#PCI(0200)#PCI(0000),\n"                \
    "          mode: none, mitigations: true,\n"                                               \
    "          bars: [ { size: 16 MiB }, { size: 64 GiB, width: 64 } ],\n"                     \
    "          pci: { sub_class: 2 } }\n"                                                      \
    "      - { name: GeForce, instance_id: 'PCI\\VEN_10DE&DEV_2684&SUBSYS_16F410DE&"           \
    "REV_A1\\4&1c3d25bb&0&0019', location_path: PCIROOT(0)#PCI(0300)#PCI(0000), bus: 3,\n"     \
    "          mode: gpu-pv, bars: [ { size: 16 MiB }, { size: 128, io: true } ],\n"           \
    "          console: true, pci: { device_type: 3 } }\n"                                     \
    "      - { name: Sticky, instance_id: 'PCI\\VEN_8086&DEV_4905\\4&1&0&2',\n"                \
    "          location_path: PCIROOT(0)#PCI(0800)#PCI(0000), mode: gpu-pv,\n"                 \
    "          problem_after_return: 43 }\n"                                                   \
    "    devices:\n"                                                                           \
    "      - { name: NoAcs, class: net, instance_id: 'PCI\\VEN_8086&DEV_10C9\\6&2&0&1',\n"     \
    "          location_path: PCIROOT(0)#PCI(0500)#PCI(0000), mitigations: true,\n"            \
    "          bars: [ { size: 128 KiB } ],\n"                                                 \
    "          pci: { base_class: 2, acs_up_hierarchy: 0 } }\n"                                \
    "      - { name: Kept, class: storage, instance_id: 'PCI\\VEN_8086&DEV_0A54\\4&1&0&9',\n"  \
    "          location_path: PCIROOT(0)#PCI(0600)#PCI(0000), mitigations: true,\n"            \
    "          pci: { base_class: 1, device_type: 5 } }\n"                                     \
    "      - { name: Firmware, class: usb, instance_id: 'PCI\\VEN_8086&DEV_1D2D\\3&1&0&D0',\n" \
    "          location_path: PCIROOT(0)#PCI(1A00), pci: { base_class: 12,\n"                  \
    "          reserved_memory: 1 } }\n"                                                       \
    "      - { name: Old, class: audio, instance_id: 'PCI\\VEN_1102&DEV_0009\\4&1&0&E0',\n"    \
    "          location_path: PCIROOT(0)#PCI(1C00)#PCI(0000), interrupts: line,\n"             \
    "          pci: { base_class: 4, device_type: 0, interrupt_support: 1 } }\n"               \
    "      - { name: Busy, class: net, instance_id: 'PCI\\VEN_15B3&DEV_1007\\4&1&0&18',\n"     \
    "          location_path: PCIROOT(0)#PCI(0700)#PCI(0000), disable_reboots: true,\n"        \
    "          pci: { base_class: 2 } }\n"                                                     \
    "    vms:\n"                                                                               \
    "      - { name: fit, stop_action: turn-off }\n"                                           \
    "      - { name: other, stop_action: turn-off, generation: 1 }\n"                          \
    "      - { name: saves }\n"                                                                \
    "      - { name: dynamic, stop_action: turn-off, dynamic_memory: true }\n"                 \
    "      - { name: level, stop_action: turn-off, dynamic_memory: true,\n"                    \
    "          memory_min: 4 GiB }\n"                                                          \
    "      - { name: snapped, stop_action: turn-off, snapshots: [one] }\n"                     \
    "      - { name: on, stop_action: turn-off, state: running }\n"                            \
    "      - { name: stale, stop_action: turn-off, devices: [gone] }\n" more

extern const char SERVER[]; /* DDA_HOST("ServerDatacenter", "") */

#define A100 "PCIROOT(40)#PCI(0200)#PCI(0000)"
#define GEFORCE "PCIROOT(0)#PCI(0300)#PCI(0000)"
#define NO_ACS "PCIROOT(0)#PCI(0500)#PCI(0000)"
#define KEPT "PCIROOT(0)#PCI(0600)#PCI(0000)"
#define FIRMWARE "PCIROOT(0)#PCI(1A00)"
#define OLD "PCIROOT(0)#PCI(1C00)#PCI(0000)"
#define STICKY "PCIROOT(0)#PCI(0800)#PCI(0000)"
#define BUSY "PCIROOT(0)#PCI(0700)#PCI(0000)"

const struct sim_device *device_at(struct fixture *f, const char *location);
struct sim_object *entity(struct fixture *f, const char *location); /* of the host */
long problem(struct sim_object *pnp);                               /* -1: no such node */
size_t resources_of(struct fixture *f, const char *location);
size_t count_cimv2(struct fixture *f, const char *class_name);
struct sim_object *assigner(struct fixture *f); /* Msvm_AssignableDeviceService */
/* What the VM has first; NULL: nothing. */
struct sim_object *assigned(struct fixture *f, const char *name);

/* Each gives what came of it: 0, a code, or FAULT. */

/* Enable or Disable; *ret_reboot (may be NULL) gets rebootNeeded. */
long switch_device(struct fixture *f, const char *location, const char *method,
                   bool *ret_reboot);
long dismount(struct fixture *f, const char *instance_id, const char *location, bool acs,
              bool mitigations);
long mount_back(struct fixture *f, const char *location);
/* Disables, dismounts by force, and lets the pool see it. */
void take_from_host(struct fixture *f, const char *location);
long assign(struct fixture *f, const char *name, const char *location);
long assign_path(struct fixture *f, const char *name, const char *path);
/* As numeric entities, as setting data needs it.  Owned. */
char *escaped(const char *text);
