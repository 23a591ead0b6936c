/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A survey in the words and keys of the contract. */
#pragma once

#include "report.h"

/* All return an owned value, NULL when out of memory.  Unknown is null. */
json_t *survey_devices_to_json(const struct survey_report *report);
json_t *survey_fit_to_json(const struct survey_report *report);
json_t *survey_findings_to_json(const struct survey_report *report);
json_t *survey_platform_to_json(const struct hv_host *host);
