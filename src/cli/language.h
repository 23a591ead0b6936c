/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which language hvgpu speaks; how texts are marked is in src/base/tr.h. */
#pragma once

void language_init(void); /* once, first thing in main() */
