/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines: what is understood, what is refused, and with which words. */

#include "options.h"
#include "test.h"
#include "text.h"

static const struct option_spec attach_options[] = {
    { "gpu", 0, "GPU", "which" },
    { "stop", 0, NULL, "shut down" },
    { NULL, 0, NULL, NULL },
};
static const struct command cmd_list = { .name = "gpu list", .flags = CMD_HOST };
static const struct command cmd_show = { .name = "gpu show", .operands = "GPU" };
static const struct command cmd_attach = { .name = "attach",
                                           .operands = "VM",
                                           .flags = CMD_HOST | CMD_CHANGES,
                                           .options = attach_options };
static const struct command cmd_sync = { .name = "driver sync", .operands = "[VM...]" };
static const struct command *const all[] = { &cmd_list, &cmd_show, &cmd_attach, &cmd_sync,
                                             NULL };

/* Splits @text at blanks, as a shell would without quotes. */
static bool parse(const char *text, struct command_line *line, struct err *err)
{
    static char copy[1024];
    static char *argv[64];
    int argc = 0;

    snprintf(copy, sizeof(copy), "hvgpu %s", text);
    for (char *at = strtok(copy, " "); at; at = strtok(NULL, " "))
        argv[argc++] = at;
    argv[argc] = NULL;
    return command_line_parse(argc, argv, all, line, err);
}

TEST(options_may_stand_anywhere_around_the_command)
{
    static const char *const lines[] = {
        "-H sim:laptop attach dev-box --gpu 4070 --stop -y",
        "attach -H sim:laptop --gpu=4070 dev-box --stop --yes",
        "--gpu 4070 --stop -y -Hsim:laptop attach dev-box",
        "-yHsim:laptop attach --stop --gpu 4070 -- dev-box",
    };

    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct command_line line;
        struct err err = ERR_INIT;

        test_case(lines[i]);
        CHECK_OK(parse(lines[i], &line, &err));
        CHECK(line.command == &cmd_attach);
        CHECK_EQ(line.operand_count, 1);
        CHECK_STR_EQ(line.operands[0], "dev-box");
        CHECK_STR_EQ(values_get(&line.values, "host"), "sim:laptop");
        CHECK_STR_EQ(values_get(&line.values, "gpu"), "4070");
        CHECK_STR_EQ(values_get(&line.values, "stop"), "");
        CHECK(values_get(&line.values, "yes") != NULL);
        CHECK(values_get(&line.values, "dry-run") == NULL);
        command_line_free(&line);
    }
}

TEST(after_two_dashes_everything_is_an_operand)
{
    struct command_line line;
    struct err err = ERR_INIT;

    CHECK_OK(parse("gpu show -- --json", &line, &err));
    CHECK_STR_EQ(line.operands[0], "--json");
    CHECK(values_get(&line.values, "json") == NULL);
    command_line_free(&line);
}

TEST(a_repeated_option_keeps_every_value_in_order)
{
    struct command_line line;
    struct err err = ERR_INIT;

    CHECK_OK(parse("gpu list -H a --host b -Hc --jobs 1 --jobs 2", &line, &err));
    CHECK_STR_EQ(values_get_nth(&line.values, "host", 0), "a");
    CHECK_STR_EQ(values_get_nth(&line.values, "host", 1), "b");
    CHECK_STR_EQ(values_get_nth(&line.values, "host", 2), "c");
    CHECK(values_get_nth(&line.values, "host", 3) == NULL);
    CHECK_STR_EQ(values_get(&line.values, "jobs"), "2");
    command_line_free(&line);
}

TEST(an_optional_value_is_taken_only_behind_an_equals_sign)
{
    struct command_line line;
    struct err err = ERR_INIT;

    CHECK_OK(parse("attach --dry-run vm", &line, &err));
    CHECK_STR_EQ(values_get(&line.values, "dry-run"), "");
    CHECK_STR_EQ(line.operands[0], "vm");
    command_line_free(&line);
    CHECK_OK(parse("attach --dry-run=powershell vm", &line, &err));
    CHECK_STR_EQ(values_get(&line.values, "dry-run"), "powershell");
    command_line_free(&line);
}

TEST(what_is_wrong_is_said_with_what_was_probably_meant)
{
    static const struct {
        const char *text, *message, *hint;
    } cases[] = {
        { "attach vm --sotp", "--sotp", "--stop" },
        { "gpu list --jsno", "--jsno", "--json" },
        { "gpu list --yes", "--yes", "gpu list --help" },
        { "gpu list -z", "-z", "gpu list --help" },
        { "gpu lsit", "gpu lsit", "'gpu list', 'gpu show'" },
        { "atach vm", "atach", "attach" },
        { "frobnicate", "frobnicate", "hvgpu --help" },
        { "gpu list extra", "extra", "--help" },
        { "attach", "needs VM", "--help" },
        { "attach a b", "'b'", "--help" },
        { "attach vm --gpu", "--gpu needs a value", "" },
        { "attach vm --stop=now", "--stop takes no value", "" },
        { "gpu list -H", "needs a value", "" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct command_line line;
        struct err err = ERR_INIT;
        char text[1024];

        test_case(cases[i].text);
        CHECK(!parse(cases[i].text, &line, &err));
        CHECK_EQ(err.kind, ERR_INVALID);
        err_format(&err, text, sizeof(text));
        CHECK(strstr(text, cases[i].message) != NULL);
        CHECK(strstr(err.hint, cases[i].hint) != NULL);
        command_line_free(&line);
    }
}

TEST(a_wrong_line_still_says_whether_json_was_wanted)
{
    struct command_line line;
    struct err err = ERR_INIT;

    CHECK(!parse("frobnicate --json", &line, &err));
    CHECK(values_get(&line.values, "json") != NULL);
    command_line_free(&line);
    CHECK(!parse("--json gpu list --nonsense", &line, &err));
    CHECK(values_get(&line.values, "json") != NULL);
    command_line_free(&line);
}

TEST(operands_that_are_no_utf8_are_refused)
{
    struct command_line line;
    struct err err = ERR_INIT;

    CHECK(!parse("gpu show \xff\xfe", &line, &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    command_line_free(&line);
}

TEST(any_number_of_operands_when_the_command_says_so)
{
    struct command_line line;
    struct err err = ERR_INIT;

    CHECK_OK(parse("driver sync", &line, &err));
    command_line_free(&line);
    CHECK_OK(parse("driver sync a b c d e f g h", &line, &err));
    CHECK_EQ(line.operand_count, 8);
    command_line_free(&line);
}
