/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Help texts. */

#include "help.h"

#include <stdio.h>
#include <string.h>

#include "options.h"
#include "sim.h"
#include "text.h"
#include "tr.h"

enum { OPTION_COLUMNS = 24 };

static void put_padded(struct output *out, const char *text, unsigned width)
{
    unsigned used = text_columns(text);

    output_text(out, "  %s%*s", text, used < width ? (int)(width - used) : 1, "");
}

static void help_options(struct output *out, const char *title,
                         const struct option_spec *options)
{
    char text[80];

    if (!options || !options->name)
        return;
    output_text(out, "\n");
    output_heading(out, title);
    for (; options->name; options++) {
        char letter[8] = "    ";
        bool optional = options->value && options->value[0] == '[';

        if (options->letter)
            snprintf(letter, sizeof(letter), "-%c, ", options->letter);
        if (optional)
            snprintf(text, sizeof(text), "%s--%s[=%.*s]", letter, options->name,
                     (int)strcspn(options->value + 1, "]"), options->value + 1);
        else
            snprintf(text, sizeof(text), "%s--%s%s%s", letter, options->name,
                     options->value ? " " : "", options->value ? _(options->value) : "");
        put_padded(out, text, OPTION_COLUMNS + 4);
        output_text(out, "%s\n", _(options->help));
    }
}

void help_all(struct output *out)
{
    char text[80];

    output_text(out, "%s\n\n",
                _("hvgpu gives Hyper-V virtual machines a GPU, and takes it back."));
    output_text(out, "%s\n\n",
                _("usage: hvgpu [-H HOST] COMMAND [OPTION...] [OPERAND...]"));
    output_heading(out, _("Commands"));
    for (size_t i = 0; hvgpu_commands[i]; i++) {
        snprintf(text, sizeof(text), "%s%s%s", hvgpu_commands[i]->name,
                 hvgpu_commands[i]->operands ? " " : "",
                 hvgpu_commands[i]->operands ? hvgpu_commands[i]->operands : "");
        put_padded(out, text, OPTION_COLUMNS);
        output_text(out, "%s\n", _(hvgpu_commands[i]->summary));
    }
    help_options(out, _("Options of every command"), common_options);
    output_text(
        out, "\n%s\n",
        sim_is_built()
            ? _("'hvgpu COMMAND --help' explains one.  Try it: hvgpu -H sim:laptop status")
            : _("'hvgpu COMMAND --help' explains one.  What works here: hvgpu host check"));
}

void help_command(struct output *out, const struct command *command)
{
    output_text(out, _("usage: hvgpu %s [OPTION...]%s%s\n\n"), command->name,
                command->operands ? " " : "", command->operands ? command->operands : "");
    output_text(out, "%s\n", _(command->summary));
    help_options(out, _("Options"), command->options);
    if (command->flags & CMD_CHANGES)
        help_options(out, _("Options of commands that change something"), change_options);
    help_options(out, _("Options of every command"), common_options);
}

void help_version(struct output *out)
{
    output_text(out, "hvgpu %s\n", HVGPU_VERSION);
}
