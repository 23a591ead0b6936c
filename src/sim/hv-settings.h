/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of Msvm_VirtualSystemManagementService's Add-, Modify- and Remove- methods.
 *
 * Codes are ErrorCodes of the job (hv.h); HV_UNKNOWN means that no source says what a host
 * does, and *why says what was asked.
 */
#pragma once

#include "hv.h"

enum { HV_UNKNOWN = 1 };

/* Whether to change anything, or only to see what it would come to. */
enum hv_step { HV_CHECK, HV_APPLY };

/* CIM-XML text to an instance whose class and types are right; else the code. */
uint32_t hv_read_setting(const char *text, struct cim_instance **ret,
                         const struct cim_class **ret_class);

/* Each changes one object from one text (hv-modify.c).  *ret_object: what was changed. */
uint32_t hv_modify_resource(struct sim_host *host, const char *text, enum hv_step step,
                            struct sim_object **ret_object, const char **why);
uint32_t hv_modify_system(struct sim_host *host, const char *text, enum hv_step step,
                          struct sim_object **ret_object, const char **why);
