/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CIM data as JSON, for recordings: values as text in their CIM form beside their type,
 * so that nothing is lost to JSON's numbers.  Secrets become null with "secret": true.
 */
#pragma once

#include <jansson.h>

#include "cim.h"

struct err;

/* New references; NULL with @err.  @instance NULL gives JSON null. */
json_t *cim_instance_to_json(const struct cim_instance *instance, struct err *err);
struct cim_instance *cim_instance_from_json(const json_t *json, struct err *err);
json_t *cim_error_to_json(const struct err *error);
void cim_error_from_json(const json_t *json, struct err *ret);
