/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command lines, read from tables: which command it is, its options and operands.
 *
 * Options may stand anywhere, before the command's name too; "--" ends them.  Long ones
 * take their value as --name=value or --name value, letters as -Hvalue or -H value, and
 * letters without a value may be joined (-vq).
 */
#pragma once

#include "command.h"

enum { OPTION_MAX = 256 };

struct option_values {
    size_t count;
    struct {
        const struct option_spec *spec;
        const char *value; /* lent: part of argv; "" for a switch */
    } given[OPTION_MAX];
};

struct command_line {
    const struct command *command; /* NULL: none named (only options) */
    struct option_values values;
    size_t operand_count;
    char **operands; /* owned array of lent texts */
    bool help, version;
};

extern const struct option_spec common_options[]; /* of every command */
extern const struct option_spec change_options[]; /* of those with CMD_CHANGES */

/* @commands ends with NULL.  ERR_INVALID with a hint for whatever is wrong.  @ret is to be
 * released with command_line_free() also after a failure: it then says as much as was
 * understood (so that an error can still be shown as JSON). */
bool command_line_parse(int argc, char **argv, const struct command *const *commands,
                        struct command_line *ret, struct err *err) MUST_CHECK;
/* For a line that was refused before all of it was read: does it ask for JSON? */
bool command_line_asks_json(int argc, char **argv);
void command_line_free(struct command_line *line);

const char *values_get(const struct option_values *values, const char *name);
const char *values_get_nth(const struct option_values *values, const char *name, size_t n);
