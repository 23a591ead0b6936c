/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a placement means for each VM, who does it, and how that is shown. */
#pragma once

#include "fleet.h"
#include "placing.h"
#include "survey.h"

struct placement {
    struct fleet *fleet;
    struct hv_host *
        *hosts; /* by the numbers of the fleet; owned; NULL: could not be read */
    struct placing placing;
    struct place_answer answer;
    struct findings findings;
    bool is_known; /* there is an answer: some host was read */
};

/* Who brings a VM to its place.  hvgpu attaches partitions to VMs where they are; the failover
 * cluster moves its roles, and a person the rest. */
enum place_by { BY_NOBODY, BY_HVGPU, BY_CLUSTER, BY_PERSON };

/* "stay", "attach", "replace", "move", "move-and-attach", "nowhere" */
const char *placement_action(const struct placement *p, size_t vm);
enum place_by placement_by(const struct placement *p, size_t vm);
/* The GPU to name for it, where `attach` would not take the right one by itself; else NULL. */
const char *placement_pin(const struct placement *p, size_t vm);
/* Whether its partition is free before anybody has moved. */
bool placement_is_now(const struct placement *p, size_t vm);

/* The findings about the answer, the hosts and the VMs. */
bool placement_judge(struct placement *p, struct err *err) MUST_CHECK;

/* Members of the document, for struct fleet.  NULL: no memory. */
json_t *placement_to_json(const struct placement *p);
/* The table, the findings, and what others do.  @planned: hvgpu's own steps are in plans. */
bool placement_show(const struct placement *p, bool planned, struct err *err) MUST_CHECK;
/* What others do, as cmdlets. */
void placement_powershell(const struct placement *p);
