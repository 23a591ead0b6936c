/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings of the survey's table, as those of a plan. */

#include "judge.h"

#include "vm-plan.h"

bool judge_for_plan(struct plan *plan, const struct survey_facts *facts, unsigned about,
                    struct err *err)
{
    CLEANUP(findings_cleanup) struct findings found = FINDINGS_INIT;

    return survey_judge(facts, about, false, &found, err) &&
           plan_take_findings(plan, &found, err);
}

bool find_hibernated(struct plan *plan, const char *image, struct err *err)
{
    const struct survey_disk disk = {
        .path = image, .seen = true, .windows_found = true, .hibernated = true
    };
    const struct survey_facts facts = { .use = GPU_MODE_PV, .disk = &disk };

    return judge_for_plan(plan, &facts, ABOUT_DISK, err);
}
