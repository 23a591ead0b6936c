/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads a command line by the tables of the commands. */

#include "options.h"

#include <stdlib.h>
#include <string.h>

#include "nearest-word.h"
#include "strbuf.h"
#include "text.h"
#include "tr.h"

const struct option_spec common_options[] = {
    { "host", 'H', N_("HOST"), N_("work on this host (repeatable); sim:LAB is simulated") },
    { "cluster", 0, NULL, N_("... and on every node of its failover cluster") },
    { "inventory", 0, N_("FILE"), N_("hosts and how to reach them, from a file") },
    { "user", 0, N_("NAME"), N_("log in as this user") },
    { "password-file", 0, N_("FILE"), N_("read the password from this file") },
    { "keytab", 0, N_("FILE"), N_("log in with a Kerberos key from this file") },
    { "auth", 0, N_("METHOD"),
      N_("how to log in: negotiate, kerberos, ntlm, basic, certificate") },
    { "ca", 0, N_("FILE"), N_("trust the certificates of this authority") },
    { "pin", 0, N_("SHA256"), N_("trust the host whose certificate this is") },
    { "cert", 0, N_("FILE"), N_("log in with this TLS certificate") },
    { "cert-key", 0, N_("FILE"), N_("... and its private key") },
    { "insecure", 0, NULL,
      N_("check no certificate, and send passwords in the clear if need be") },
    { "timeout", 0, N_("SECONDS"), N_("wait this long for an answer of a host (60)") },
    { "jobs", 0, N_("N"), N_("work on this many hosts at once (16)") },
    { "json", 0, NULL, N_("print one JSON document") },
    { "verbose", 'v', NULL, N_("say what is asked of the host") },
    { "quiet", 'q', NULL, N_("print only the result") },
    { "no-color", 0, NULL, N_("no colours") },
    { "help", 'h', NULL, N_("explain the command") },
    { "version", 0, NULL, N_("say which version this is") },
    { NULL, 0, NULL, NULL },
};

const struct option_spec change_options[] = {
    { "dry-run", 'n', "[powershell]",
      N_("print the plan, or the cmdlets for it, and stop") },
    { "yes", 'y', NULL, N_("do not ask") },
    { NULL, 0, NULL, NULL },
};

const char *values_get_nth(const struct option_values *values, const char *name, size_t n)
{
    for (size_t i = 0; i < values->count; i++)
        if (strcmp(values->given[i].spec->name, name) == 0 && n-- == 0)
            return values->given[i].value;
    return NULL;
}

const char *values_get(const struct option_values *values, const char *name)
{
    for (size_t i = values->count; i > 0; i--)
        if (strcmp(values->given[i - 1].spec->name, name) == 0)
            return values->given[i - 1].value;
    return NULL;
}

const char *option_get(const struct invocation *in, const char *name)
{
    return values_get(in->values, name);
}

const char *option_get_nth(const struct invocation *in, const char *name, size_t n)
{
    return values_get_nth(in->values, name, n);
}

bool option_get_u64(const struct invocation *in, const char *name, uint64_t *ret,
                    struct err *err)
{
    const char *text = option_get(in, name);

    if (!text || text_to_u64(text, 10, ret))
        return true;
    return err_fail(err, ERR_INVALID, 0, _("--%s takes a number, not '%.40s'"), name, text);
}

bool option_get_size(const struct invocation *in, const char *name, bool *ret_given,
                     uint64_t *ret, struct err *err)
{
    const char *text = option_get(in, name);

    *ret_given = text != NULL;
    if (!text || text_to_size(text, ret))
        return true;
    err_fail(err, ERR_INVALID, 0, _("--%s: '%.40s' is no size"), name, text);
    return err_hint(err, _("a number of bytes, or one with M or G: 3G, 33280M"));
}

enum { WORD_MAX = 40 }; /* of an option, as errors show it */

/* ---- commands ---- */

/* How many words of @words are @name's; 0: it is another command. */
static size_t command_words(const char *name, size_t word_count, char *const *words)
{
    size_t n = 0;

    while (*name) {
        size_t len = strcspn(name, " ");

        if (n == word_count || strlen(words[n]) != len || strncmp(words[n], name, len) != 0)
            return 0;
        n++;
        name += len;
        name += *name == ' ';
    }
    return n;
}

static const struct command *find_command(const struct command *const *commands,
                                          size_t word_count, char *const *words,
                                          size_t *ret_words)
{
    for (; *commands; commands++) {
        size_t n = command_words((*commands)->name, word_count, words);

        if (n > 0) {
            *ret_words = n;
            return *commands;
        }
    }
    return NULL;
}

static bool unknown_command(const struct command *const *commands, size_t word_count,
                            char *const *words, struct err *err)
{
    CLEANUP(strbuf_cleanup) struct strbuf two = STRBUF_INIT, group = STRBUF_INIT;
    const char *names[128], *near;
    size_t count = 0, len = strlen(words[0]);

    for (; commands[count] && count < ARRAY_LEN(names) - 1; count++) {
        names[count] = commands[count]->name;
        if (strncmp(names[count], words[0], len) == 0 && names[count][len] == ' ')
            strbuf_printf(&group, "%s'%s'", group.len ? ", " : "", names[count]);
    }
    names[count] = NULL;
    strbuf_printf(&two, "%s%s%s", words[0], word_count > 1 ? " " : "",
                  word_count > 1 ? words[1] : "");
    if (two.failed || group.failed)
        return err_no_memory(err);

    near = nearest_word(two.text, names);
    if (!near)
        near = nearest_word(words[0], names);
    if (group.len) {
        err_fail(err, ERR_INVALID, 0, _("'%.60s' is not a command"), two.text);
        return err_hint(err, _("there are: %s"), group.text);
    }
    err_fail(err, ERR_INVALID, 0, _("'%.60s' is not a command"), words[0]);
    if (near)
        return err_hint(err, _("did you mean '%s'?"), near);
    return err_hint(err, _("see 'hvgpu --help'"));
}

/* ---- options ---- */

/* All tables that hold for @command; every command's when it is not known yet. */
static const struct option_spec *find_option(const struct command *command,
                                             const char *name, size_t len, char letter)
{
    const struct option_spec *tables[3] = { common_options, NULL, NULL };

    if (command) {
        tables[1] = command->options;
        tables[2] = command->flags & CMD_CHANGES ? change_options : NULL;
    }
    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (const struct option_spec *o = tables[t]; o && o->name; o++)
            if (name ? strlen(o->name) == len && strncmp(o->name, name, len) == 0
                     : letter && o->letter == letter)
                return o;
    return NULL;
}

static bool takes_next(const struct option_spec *spec)
{
    return spec->value && spec->value[0] != '[';
}

static bool unknown_option(const struct command *command, const char *text, struct err *err)
{
    const char *words[64], *near;
    const struct option_spec *tables[3] = {
        common_options, command ? command->options : NULL,
        command && command->flags & CMD_CHANGES ? change_options : NULL
    };
    char name[WORD_MAX + 1] = "";
    size_t n = 0, len = strcspn(text, "=");

    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (const struct option_spec *o = tables[t];
             o && o->name && n < ARRAY_LEN(words) - 1; o++)
            words[n++] = o->name;
    words[n] = NULL;
    if (len > 2 && len - 2 < sizeof(name)) {
        memcpy(name, text + 2, len - 2);
        name[len - 2] = '\0';
    }
    near = text[1] == '-' ? nearest_word(name, words) : NULL;
    err_fail(err, ERR_INVALID, 0, _("unknown option '%.60s'"), text);
    if (near)
        return err_hint(err, _("did you mean '--%s'?"), near);
    if (command)
        return err_hint(err, _("see 'hvgpu %s --help'"), command->name);
    return err_hint(err, _("see 'hvgpu --help'"));
}

struct reader {
    int argc;
    char **argv;
    int at;
    bool ended; /* "--" was seen */
    const struct command *command;
    struct command_line *line;
};

static bool give(struct reader *r, const struct option_spec *spec, const char *value,
                 struct err *err)
{
    struct option_values *values = &r->line->values;

    if (values->count == OPTION_MAX)
        return err_fail(err, ERR_INVALID, 0, _("more than %d options"), OPTION_MAX);
    values->given[values->count].spec = spec;
    values->given[values->count].value = value ? value : "";
    values->count++;
    if (strcmp(spec->name, "help") == 0)
        r->line->help = true;
    if (strcmp(spec->name, "version") == 0)
        r->line->version = true;
    return true;
}

static bool next_value(struct reader *r, const char *shown, const char **ret,
                       struct err *err)
{
    if (r->at + 1 >= r->argc)
        return err_fail(err, ERR_INVALID, 0, _("%s needs a value"), shown);
    *ret = r->argv[++r->at];
    return true;
}

static bool read_long(struct reader *r, const char *text, struct err *err)
{
    size_t len = strcspn(text + 2, "=");
    const char *value = text[2 + len] == '=' ? text + 2 + len + 1 : NULL;
    const struct option_spec *spec = find_option(r->command, text + 2, len, 0);
    char shown[WORD_MAX + 3];

    if (!spec)
        return unknown_option(r->command, text, err);
    snprintf(shown, sizeof(shown), "--%s", spec->name);
    if (!spec->value && value)
        return err_fail(err, ERR_INVALID, 0, _("%s takes no value"), shown);
    if (takes_next(spec) && !value && !next_value(r, shown, &value, err))
        return false;
    return give(r, spec, value, err);
}

static bool read_letters(struct reader *r, const char *text, struct err *err)
{
    for (const char *at = text + 1; *at; at++) {
        const struct option_spec *spec = find_option(r->command, NULL, 0, *at);
        const char *value = NULL;
        char shown[3] = { '-', *at, '\0' };

        if (!spec) {
            unknown_option(r->command, shown, err);
            return false;
        }
        if (takes_next(spec)) {
            value = at[1] ? at + 1 : NULL;
            if (!value && !next_value(r, shown, &value, err))
                return false;
            return give(r, spec, value, err);
        }
        if (!give(r, spec, NULL, err))
            return false;
    }
    return true;
}

static bool is_option(const struct reader *r, const char *text)
{
    return !r->ended && text[0] == '-' && text[1] != '\0';
}

/* An option of any command: before the command is known, only its shape matters. */
static const struct option_spec *find_any_option(const struct command *const *commands,
                                                 const char *name, size_t len, char letter)
{
    const struct option_spec *spec = find_option(NULL, name, len, letter);

    for (; *commands && !spec; commands++)
        spec = find_option(*commands, name, len, letter);
    return spec;
}

/* Whether the option at @text takes the argument behind it as its value. */
static bool eats_next(const struct command *const *commands, const char *text)
{
    const struct option_spec *spec;

    if (text[1] == '-') {
        spec = find_any_option(commands, text + 2, strcspn(text + 2, "="), 0);
        return spec && takes_next(spec) && !strchr(text, '=');
    }
    for (const char *at = text + 1; *at; at++) {
        spec = find_any_option(commands, NULL, 0, *at);
        if (spec && takes_next(spec))
            return at[1] == '\0';
    }
    return false;
}

/* First pass: the words that are no options, to know the command. */
static bool find_words(struct reader *r, const struct command *const *commands,
                       size_t *ret_words, struct err *err)
{
    char *words[4];
    size_t count = 0;

    for (r->at = 1; r->at < r->argc && count < ARRAY_LEN(words); r->at++) {
        const char *text = r->argv[r->at];

        if (!r->ended && strcmp(text, "--") == 0)
            r->ended = true;
        else if (!is_option(r, text))
            words[count++] = r->argv[r->at];
        else if (eats_next(commands, text))
            r->at++;
    }
    r->ended = false;
    if (count == 0)
        return true;
    r->command = find_command(commands, count, words, ret_words);
    r->line->command = r->command;
    return r->command || unknown_command(commands, count, words, err);
}

static bool read_all(struct reader *r, size_t skip, struct err *err)
{
    for (r->at = 1; r->at < r->argc; r->at++) {
        char *text = r->argv[r->at];

        if (!text_is_utf8(text, strlen(text)))
            return err_fail(err, ERR_INVALID, 0, _("argument %d is not UTF-8"), r->at);
        if (!r->ended && strcmp(text, "--") == 0) {
            r->ended = true;
        } else if (is_option(r, text)) {
            if (!(text[1] == '-' ? read_long(r, text, err) : read_letters(r, text, err)))
                return false;
        } else if (skip > 0) {
            skip--; /* a word of the command's name */
        } else {
            r->line->operands[r->line->operand_count++] = text;
        }
    }
    return true;
}

/* "VM", "[GPU]", "VM...", "[VM...]": how many operands a command takes. */
static bool check_operands(const struct command_line *line, struct err *err)
{
    const char *at = line->command->operands;
    size_t least = 0, most = 0;

    while (at && *at) {
        size_t len = strcspn(at, " ");
        bool optional = at[0] == '[';

        least += !optional;
        most++;
        if (len >= 3 && (strncmp(at + len - 3, "...", 3) == 0 ||
                         (len >= 4 && strncmp(at + len - 4, "...]", 4) == 0)))
            most = SIZE_MAX - 1;
        at += len;
        at += *at == ' ';
    }
    if (line->operand_count < least)
        err_fail(err, ERR_INVALID, 0, _("'%s' needs %s"), line->command->name,
                 line->command->operands);
    else if (line->operand_count > most)
        err_fail(err, ERR_INVALID, 0, _("'%.60s' is one operand too many for '%s'"),
                 line->operands[most], line->command->name);
    else
        return true;
    return err_hint(err, _("see 'hvgpu %s --help'"), line->command->name);
}

bool command_line_parse(int argc, char **argv, const struct command *const *commands,
                        struct command_line *ret, struct err *err)
{
    struct reader r = { .argc = argc, .argv = argv, .line = ret };
    size_t words = 0;

    memset(ret, 0, sizeof(*ret));
    ret->operands = calloc((size_t)argc + 1, sizeof(*ret->operands));
    if (!ret->operands)
        return err_no_memory(err);
    if (!find_words(&r, commands, &words, err)) {
        struct err ignored = ERR_INIT;

        (void)read_all(&r, 0, &ignored); /* --json and --help are still wanted */
        return ret->help;
    }
    if (!read_all(&r, words, err))
        return false;
    return !ret->command || ret->help || ret->version || check_operands(ret, err);
}

bool command_line_asks_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

void command_line_free(struct command_line *line)
{
    free(line->operands);
    line->operands = NULL;
    line->operand_count = 0;
}
