/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private properties by control codes, and the property lists they come in. */
#include "test-cluster-fixture.h"

#include <stdlib.h>

#include "property-list.h"
#include "strbuf.h"
#include "text.h"

enum { GET = 0x01000081, SET = 0x01400086, VALIDATE = 0x01000089 };
enum { INVALID_DATA = (int)0x8007000D, BAD_STUB_DATA = (int)0x800706F7 };
#define UNKNOWN 0x80338042u
#define VM_A2 "Virtual Machine A2"

/* OfflineAction = 3 and nothing else, byte for byte as MS-CMRP 2.2.3.10 has it. */
static const uint8_t offline_3[] = {
    1,   0, 0,   0,                                         /* one property */
    3,   0, 4,   0, 28,  0, 0,   0,                         /* a name of 28 bytes */
    'O', 0, 'f', 0, 'f', 0, 'l', 0, 'i', 0, 'n', 0, 'e', 0, /**/
    'A', 0, 'c', 0, 't', 0, 'i', 0, 'o', 0, 'n', 0, 0,   0, /**/
    2,   0, 1,   0, 4,   0, 0,   0, 3,   0, 0,   0,         /* a number */
    0,   0, 0,   0,                                         /* no more values */
};
enum { VALUE_AT = 48 };

static uint32_t control(struct three *t, const char *resource, int32_t code,
                        const uint8_t *bytes, size_t len, struct cim_instance **ret_out)
{
    struct cim_instance *in = cim_instance_new(CLUSTER_NS, "__PARAMETERS");
    struct cim_value number = { .type = CIM_SINT32 };
    uint64_t *values = calloc(len + 1, sizeof(*values));
    struct err err = ERR_INIT;
    uint32_t ret;

    for (size_t i = 0; i < len; i++)
        values[i] = bytes[i];
    CHECK_OK(cim_value_take(&number, (union cim_datum){ .s = code }, &err));
    CHECK_OK(cim_set(in, "ControlCode", &number, &err));
    if (len)
        CHECK_OK(cim_set_uints(in, "InputBuffer", CIM_UINT8, values, len, &err));
    ret = three_call(t, 1, "MSCluster_Resource", resource, "ExecuteResourceControl", in,
                     ret_out);
    free(values);
    return ret;
}

static int64_t offline_action(struct three *t)
{
    return cluster_private_number(cluster_object(t->cluster, "MSCluster_Resource", VM_A2),
                                  "OfflineAction");
}

TEST(offline_action_is_written_by_a_control_code)
{
    CLEANUP(three_close) struct three t;

    if (!three_open(&t, ""))
        return;
    CHECK_EQ(control(&t, VM_A2, VALIDATE, offline_3, sizeof(offline_3), NULL), 0);
    CHECK_EQ(offline_action(&t), OFFLINE_SAVE);
    CHECK_EQ(control(&t, VM_A2, SET, offline_3, sizeof(offline_3), NULL), 0);
    CHECK_EQ(offline_action(&t), OFFLINE_FORCE_SHUT_DOWN);
    CHECK(t.cluster->dirty);
}

TEST(values_and_lists_that_are_not_valid_change_nothing)
{
    CLEANUP(three_close) struct three t;
    uint8_t bytes[sizeof(offline_3)];

    if (!three_open(&t, ""))
        return;
    memcpy(bytes, offline_3, sizeof(bytes));
    bytes[VALUE_AT] = 4;
    CHECK_EQ((int)control(&t, VM_A2, SET, bytes, sizeof(bytes), NULL), INVALID_DATA);
    CHECK_EQ((int)control(&t, VM_A2, SET, NULL, 0, NULL), BAD_STUB_DATA);
    for (size_t len = 1; len < sizeof(offline_3); len++)
        CHECK_EQ((int)control(&t, VM_A2, SET, offline_3, len, NULL), INVALID_DATA);
    for (size_t i = 0; i < 12; i++) { /* count, syntax and length of the name */
        memcpy(bytes, offline_3, sizeof(bytes));
        bytes[i] = 0xff;
        CHECK_EQ((int)control(&t, VM_A2, SET, bytes, sizeof(bytes), NULL), INVALID_DATA);
    }
    memcpy(bytes, offline_3, sizeof(bytes));
    bytes[12] = 'X'; /* a property that the resource does not have */
    CHECK_EQ(control(&t, VM_A2, SET, bytes, sizeof(bytes), NULL), UNKNOWN);
    CHECK_EQ(control(&t, VM_A2, 0x01000001, NULL, 0, NULL), UNKNOWN);
    CHECK_EQ(control(&t, "Cluster Name", SET, offline_3, sizeof(offline_3), NULL), UNKNOWN);
    CHECK_EQ(offline_action(&t), OFFLINE_SAVE);
    CHECK(!t.cluster->dirty);
}

TEST(writable_properties_are_read_by_a_control_code_and_can_be_written_back)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;
    CLEANUP(cim_instance_cleanup) struct cim_instance *read = NULL;
    CLEANUP(free_cleanup) uint8_t *bytes = NULL;
    CLEANUP(three_close) struct three t;
    struct err err = ERR_INIT;
    uint64_t number = 99;
    int64_t size = 0;
    size_t len;

    if (!three_open(&t, ""))
        return;
    CHECK_EQ(control(&t, VM_A2, GET, NULL, 0, &out), 0);
    len = cim_get_count(out, "OutputBuffer");
    CHECK(cim_get_i64(out, "OutputBufferSize", &size) && size == (int64_t)len);
    bytes = calloc(1, len + 1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)cim_get(out, "OutputBuffer")->data[i].u;
    read = property_list_read(bytes, len, &err);
    CHECK_OK(read != NULL);
    if (!read)
        return;
    CHECK(cim_get_u64(read, "OfflineAction", &number) && number == OFFLINE_SAVE);
    CHECK(text_ieq(cim_get_text(read, "VmID"), hv_text(three_vm(&t, "A2"), "Name")));
    CHECK(cim_get(read, "VmState") == NULL); /* read-only */
    CHECK_EQ(control(&t, VM_A2, SET, bytes, len, NULL), 0);
}

static bool is_shown(const char *name)
{
    return strcmp(name, "Hidden") != 0;
}

TEST(a_list_that_is_written_is_read_as_it_was)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *all = cim_instance_new(NULL, "MSCluster_Property");
    CLEANUP(strbuf_cleanup) struct strbuf list = STRBUF_INIT;
    CLEANUP(cim_instance_cleanup) struct cim_instance *back = NULL;
    struct err err = ERR_INIT;
    uint64_t number = 0;

    CHECK_OK(cim_set_text(all, "Odd", "abc", &err));
    CHECK_OK(cim_set_text(all, "Even", "ä€😀x", &err));
    CHECK_OK(cim_set_text(all, "Empty", "", &err));
    CHECK_OK(cim_set_text(all, "Hidden", "h", &err));
    CHECK_OK(cim_set_uint(all, "Number", CIM_UINT32, 0xfffffffe, &err));
    CHECK_OK(property_list_write(all, is_shown, &list, &err));
    CHECK_EQ(list.len % 4, 0);
    back = property_list_read((const uint8_t *)list.text, list.len, &err);
    CHECK_OK(back != NULL);
    if (!back)
        return;
    CHECK_EQ(back->count, 4);
    CHECK_STR_EQ(cim_get_text(back, "Odd"), "abc");
    CHECK_STR_EQ(cim_get_text(back, "Even"), "ä€😀x");
    CHECK_STR_EQ(cim_get_text(back, "Empty"), "");
    CHECK(cim_get_u64(back, "Number", &number) && number == 0xfffffffe);
}
