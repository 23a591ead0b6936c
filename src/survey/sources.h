/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the rules know from: names that more than one file needs. */
#pragma once

#define SRC_OS "MicrosoftDocs/windows-driver-docs display/gpu-paravirtualization.md"
#define SRC_PARTITION \
    "MicrosoftDocs/windowsserverdocs virtualization/hyper-v/gpu-partitioning.md"
#define SRC_ASSIGN_VM \
    "MicrosoftDocs/windowsserverdocs virtualization/hyper-v/partition-assign-vm-gpu.md"
#define SRC_PLAN_DDA                                                                          \
    "MicrosoftDocs/windowsserverdocs virtualization/hyper-v/plan/Plan-for-Deploying-Devices-" \
    "using-Discrete-Device-Assignment.md"
#define SRC_DDA                                                                                 \
    "MicrosoftDocs/windowsserverdocs virtualization/hyper-v/deploy/Deploying-graphics-devices-" \
    "using-dda.md"
#define SRC_CMDLET "MicrosoftDocs/windows-powershell-docs Add-VMGpuPartitionAdapter"
#define SRC_COMMUNITY "Justsenger/ExHyperV README (reported)"
#define SRC_WDDM "MicrosoftDocs/windows-driver-docs display/wddm-2-1-features.md"
