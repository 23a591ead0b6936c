/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must be true before a GPU is shared: judged by the survey's table, into a plan. */
#pragma once

#include "plan.h"
#include "survey.h"

/* Adds a finding for each rule about one of @about (ABOUT_*) that is not ok. */
bool judge_for_plan(struct plan *plan, const struct survey_facts *facts, unsigned about,
                    struct err *err) MUST_CHECK;
/* The finding of a guest that hibernates, for places that come upon it on their own. */
bool find_hibernated(struct plan *plan, const char *image, struct err *err) MUST_CHECK;
