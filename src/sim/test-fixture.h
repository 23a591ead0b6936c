/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small host of its own for the server's tests: a handful of objects, one method of each
 * kind, a class made on demand, and commands that need no Windows.  It stands in for the
 * lab, so that what is tested is the server alone.
 *
 * Objects: the host's own Msvm_ComputerSystem and @vm_count VMs ("vm <i>" with GUIDs
 * VM_ID(i)), a Msvm_VirtualSystemSettingData each, linked by Msvm_SettingsDefineState;
 * one Msvm_PartitionableGpu; the Msvm_VirtualSystemManagementService.
 * Commands: `echo TEXT`, `fail CODE`, `slow` (says "a", then "b" when stopped),
 * `big BYTES`, `umlaut`.
 */
#pragma once

#include "host.h"

#define FIXTURE_V2 "root/virtualization/v2"
#define FIXTURE_GPU \
    "\\\\?\\PCI#VEN_10DE&DEV_2860#4&0#{064092b3-625e-43bf-9eb5-dc845897dd59}\\GPUPARAV"

struct sim_host *fixture_host(const char *name, unsigned vm_count, struct err *err);
void fixture_host_free(struct sim_host *host); /* NULL is fine */
DEFINE_CLEANUP(fixture_host_cleanup, struct sim_host *, fixture_host_free)

void fixture_vm_id(unsigned i, char ret[37]);
