/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SOAP answers, through every reader of the WS-Management session. */

#include "answer.h"
#include "cim.h"
#include "err.h"
#include "fuzz.h"
#include "schema.h"
#include "shell-answer.h"
#include "strbuf.h"

/* Every value can be copied, compared and written. */
static void use(const struct cim_instance *instance)
{
    struct cim_instance *copy = cim_instance_copy(instance);

    MUST(copy && copy->count == instance->count);
    for (size_t i = 0; i < copy->count; i++) {
        const struct cim_value *value = &copy->properties[i].value;

        MUST(cim_value_equal(value, &instance->properties[i].value));
        MUST(!value->is_null || value->count == 0);
        MUST(value->is_array || value->count <= 1);
        for (size_t n = 0; n < value->count; n++) {
            struct strbuf text = STRBUF_INIT;

            cim_value_put_text(value, n, &text);
            strbuf_free(&text);
        }
    }
    cim_instance_free(copy);
}

static bool on_row(const struct cim_instance *row, void *user, struct err *err)
{
    use(row);
    return true;
}

static bool on_output(const char *text, size_t len, bool is_stderr, void *user,
                      struct err *err)
{
    MUST(len > 0);
    return true;
}

static void read_all(const char *bytes, size_t size, const char *request)
{
    struct soap_answer answer = { bytes, size, request };
    const struct cim_class *c = cim_schema_class("root/cimv2", "Win32_PnPEntity");
    struct items items = { .ns = "root/virtualization/v2",
                           .wql = "select Name from Msvm_ComputerSystem",
                           .on_row = on_row };
    struct stream streams[2] = { { .is_stderr = false }, { .is_stderr = true } };
    struct shell_command command = { .line = "", .on_output = on_output };
    struct shell_answer shell = { .command = &command, .streams = streams };
    struct cim_instance *instance;
    struct err err = ERR_INIT;

    if (!answer_read_items(&answer, &items, &err))
        MUST(err.kind != ERR_NONE);
    free(items.context);
    instance = answer_read_instance(&answer, &err);
    if (instance)
        use(instance);
    cim_instance_free(instance);
    instance =
        answer_read_output(&answer, cim_schema_method(c, "GetDeviceProperties"), &err);
    if (instance)
        use(instance);
    cim_instance_free(instance);
    if (shell_answer_read(&answer, &shell, &err) && !shell_answer_flush(&shell, &err))
        MUST(err.kind != ERR_NONE);
    free(shell.shell_id);
    free(shell.command_id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);

    read_all(text, size, NULL);
    /* As the answer to a request of ours, which it may or may not be. */
    read_all(text, size, "uuid:452E314E-4267-4F1D-AE4F-5E3483848E3B");
    free(text);
    return 0;
}
