/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changing a .vmx as a step of a plan: with a backup beside it, whole or not at all.
 *
 * Taken back, an unchanged file is what it was, byte for byte.  When VMware has written it
 * meanwhile (it does at every power off), only the settings that hvgpu made are put back, and
 * the backup stays.
 */
#pragma once

#include "plan.h"
#include "vmx.h"

extern const struct step_kind step_vmx_edit;

/* Adds the step that makes @changes and removes what VMware cached, if there is anything to
 * do.  @path is absolute. */
bool vmx_plan_edit(struct plan *plan, const char *path, const struct vmx *vmx,
                   const struct vmx_change *changes, size_t count, struct err *err)
    MUST_CHECK;
