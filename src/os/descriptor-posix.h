/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors of files, for code that only runs where there are some. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "attr.h"

/* All of @bytes, however many calls that takes; false with errno. */
bool descriptor_write_all(int fd, const void *bytes, size_t len) MUST_CHECK;
