/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --help and --version, made from the tables of the commands. */
#pragma once

#include "command.h"

void help_all(struct output *out); /* the list of commands */
void help_command(struct output *out, const struct command *command);
void help_version(struct output *out);
