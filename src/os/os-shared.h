/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both implementations of os.h need, and who asks Windows itself. */
#pragma once

/* FILETIME counts from 1601, POSIX from 1970. */
#define SECONDS_1601_TO_1970 11644473600LL
