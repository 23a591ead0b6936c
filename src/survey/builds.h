/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Builds of Windows from which on something is possible.
 * Source: MicrosoftDocs/windows-driver-docs display/gpu-paravirtualization.md and the
 * release tables; Justsenger/ExHyperV README.
 */
#pragma once

enum {
    BUILD_SERVER_2012_R2 = 9600,
    BUILD_SERVER_2016 = 14393, /* DDA begins */
    BUILD_GPU_PV = 17134,      /* Windows 10 1803: GPU-PV begins */
    BUILD_MODEL_NAME = 19041,  /* from here the guest shows the GPU's name */
    BUILD_SERVER_2022 = 20348,
    BUILD_WINDOWS_11 = 22000, /* from here one GPU out of several can be chosen */
    BUILD_SERVER_2025 = 26100,
};
