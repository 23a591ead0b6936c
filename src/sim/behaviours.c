/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Everything a simulated host can do, one line each. */
#include "behaviour.h"
#include "cluster.h"
#include "hv.h"
#include "windows-os.h"

const struct sim_behaviour *const sim_behaviours[] = {
    &sim_job_behaviour,
    &sim_state_behaviour,
    &sim_settings_behaviour,
    &sim_summary_behaviour,
    &sim_dda_behaviour,
    &sim_destroy_behaviour,
    &sim_snapshot_behaviour,
    &windows_devices,
    &windows_images,
    &windows_registry,
    &windows_storage,
    &windows_files,
    &windows_processes,
    &sim_cluster_behaviour,
    &sim_cluster_control_behaviour,
    &sim_cluster_method_behaviour,
    NULL, /* the end */
};
