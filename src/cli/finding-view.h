/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings as text: severity, what it means, what to do. */
#pragma once

#include "output.h"

/* @finding: an element of a document's "findings".  @with_evidence: also whose it is, what
 * was seen and who says so, for commands that are about findings. */
void finding_view(struct output *out, const json_t *finding, bool with_evidence);
