/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store.h"

#include "err.h"
#include "test.h"
#include "text.h"

#define V2 "root/virtualization/v2"

static struct sim_object *add(struct sim_store *store, const char *class_name,
                              const char *name, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *i = cim_instance_new(V2, class_name);

    if (!i || !cim_set_text(i, "CreationClassName", class_name, err) ||
        !cim_set_text(i, "Name", name, err) || !cim_set_text(i, "Caption", NULL, err))
        return NULL;
    return sim_store_add(store, &i, err);
}

static struct sim_object *add_settings(struct sim_store *store, const char *id,
                                       struct err *err)
{
    CLEANUP(cim_instance_cleanup)
    struct cim_instance *i = cim_instance_new(V2, "Msvm_VirtualSystemSettingData");

    if (!i || !cim_set_text(i, "InstanceID", id, err))
        return NULL;
    return sim_store_add(store, &i, err);
}

static struct sim_object *find(struct sim_store *store, const char *path_text)
{
    struct err err = ERR_INIT;
    CLEANUP(cim_path_cleanup) struct cim_path *path = cim_path_parse(path_text, &err);

    CHECK_OK(path != NULL);
    return path ? sim_store_find(store, path) : NULL;
}

static size_t count(struct sim_store *store, const char *class_name)
{
    size_t n = 0;

    for (struct sim_object *o = sim_store_next(store, NULL, V2, class_name); o;
         o = sim_store_next(store, o, V2, class_name))
        n++;
    return n;
}

TEST(an_object_is_found_by_path_however_it_is_written)
{
    struct sim_store *store = sim_store_new();
    struct err err = ERR_INIT;
    struct sim_object *vm = add(store, "Msvm_ComputerSystem", "ABC\\d\"e", &err);

    CHECK_OK(vm != NULL);
    CHECK(find(store, "Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\","
                      "Name=\"ABC\\\\d\\\"e\"") == vm);
    CHECK(
        find(
            store,
            "\\\\OTHER\\Root\\Virtualization\\V2:msvm_computersystem.name=\"abc\\\\D\\\"E\""
            ",creationclassname=\"MSVM_COMPUTERSYSTEM\"") == vm);
    CHECK(
        !find(store, "Msvm_ComputerSystem.Name=\"ABC\\\\d\\\"e\"")); /* a key is missing */
    CHECK(!find(store,
                "root/cimv2:Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\","
                "Name=\"ABC\\\\d\\\"e\""));
    CHECK(!find(store, "CIM_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\","
                       "Name=\"ABC\\\\d\\\"e\""));       /* the class counts */
    CHECK(!cim_get(sim_object_instance(vm), "Caption")); /* null is not kept */
    sim_store_free(store);
}

TEST(what_does_not_fit_the_schema_is_not_added)
{
    struct sim_store *store = sim_store_new();
    struct err err = ERR_INIT;
    struct cim_instance *i;

    CHECK(!add(store, "Msvm_NoSuchClass", "x", &err));
    CHECK_EQ(err.kind, ERR_INVALID);
    i = cim_instance_new(V2, "Msvm_ComputerSystem");
    CHECK_OK(cim_set_text(i, "Name", "x", &err));
    CHECK(!sim_store_add(store, &i, &err)); /* CreationClassName is missing */
    CHECK(i == NULL);
    i = cim_instance_new(V2, "Msvm_ComputerSystem");
    CHECK_OK(cim_set_text(i, "Name", "x", &err) &&
             cim_set_text(i, "CreationClassName", "Msvm_ComputerSystem", &err) &&
             cim_set_uint(i, "EnabledState", CIM_UINT32, 2, &err)); /* is uint16 */
    CHECK(!sim_store_add(store, &i, &err));
    i = cim_instance_new(V2, "Msvm_ComputerSystem");
    CHECK_OK(cim_set_text(i, "Name", "x", &err) &&
             cim_set_text(i, "CreationClassName", "Msvm_ComputerSystem", &err) &&
             cim_set_text(i, "Colour", "red", &err));
    CHECK(!sim_store_add(store, &i, &err));
    CHECK_OK(add(store, "Msvm_ComputerSystem", "x", &err) != NULL);
    CHECK(!add(store, "Msvm_ComputerSystem", "X", &err));
    CHECK_EQ(err.kind, ERR_CONFLICT);
    CHECK_EQ(count(store, "Msvm_ComputerSystem"), 1);
    sim_store_free(store);
}

TEST(a_class_is_walked_with_its_subclasses_in_the_order_of_adding)
{
    struct sim_store *store = sim_store_new();
    struct err err = ERR_INIT;
    struct sim_object *o[5];

    o[0] = add(store, "Msvm_ComputerSystem", "1", &err);
    o[1] = add(store, "Msvm_PartitionableGpu", "2", &err);
    o[2] = add(store, "Msvm_ComputerSystem", "3", &err);
    o[3] = add_settings(store, "Microsoft:4", &err);
    o[4] = add(store, "Msvm_PartitionableGpu", "5", &err);
    CHECK_EQ(count(store, "CIM_ComputerSystem"), 4);
    CHECK_EQ(count(store, "Msvm_ComputerSystem"), 2);
    CHECK_EQ(count(store, "CIM_ManagedElement"), 5);
    CHECK_EQ(count(store, "Msvm_KvpExchangeComponent"), 0);
    CHECK_EQ(count(store, NULL), 5);
    CHECK(sim_store_next(store, NULL, V2, "CIM_ComputerSystem") == o[0]);
    CHECK(sim_store_next(store, o[0], V2, "CIM_ComputerSystem") == o[1]);
    CHECK(sim_store_next(store, o[2], V2, "CIM_ComputerSystem") == o[4]);
    sim_store_remove(store, o[1]);
    CHECK(sim_store_next(store, o[0], V2, "CIM_ComputerSystem") == o[2]);
    CHECK(!find(store, "Msvm_PartitionableGpu.CreationClassName=\"Msvm_PartitionableGpu\","
                       "Name=\"2\""));
    sim_store_free(store);
}

TEST(a_walk_sees_classes_whose_first_object_comes_later)
{
    struct sim_store *store = sim_store_new();
    struct err err = ERR_INIT;
    struct sim_object *vm = add(store, "Msvm_ComputerSystem", "a", &err), *planned;

    CHECK(sim_store_next(store, NULL, V2, "CIM_ComputerSystem") == vm);
    CHECK(sim_store_next(store, NULL, V2, "Msvm_PlannedComputerSystem") == NULL);
    planned = add(store, "Msvm_PlannedComputerSystem", "b", &err);
    CHECK(planned != NULL);
    CHECK(sim_store_next(store, NULL, V2, "Msvm_PlannedComputerSystem") == planned);
    CHECK(sim_store_next(store, vm, V2, "CIM_ComputerSystem") == planned);
    sim_store_free(store);
}

struct seen {
    struct sim_object *objects[8];
    const char *roles[8];
    size_t count;
};

static bool note(struct sim_object *association, const char *role, void *user,
                 struct err *err)
{
    struct seen *seen = user;

    if (seen->count < ARRAY_LEN(seen->objects)) {
        seen->objects[seen->count] = association;
        seen->roles[seen->count++] = role;
    }
    return true;
}

static struct seen references(struct sim_store *store, struct sim_object *object,
                              const char *class_name, const char *role)
{
    struct seen seen = { 0 };
    struct err err = ERR_INIT;

    CHECK_OK(sim_store_references(store, object, class_name, role, note, &seen, &err));
    return seen;
}

TEST(associations_are_found_from_both_ends_and_go_with_an_object)
{
    struct sim_store *store = sim_store_new();
    struct err err = ERR_INIT;
    struct sim_object *vm = add(store, "Msvm_ComputerSystem", "vm", &err);
    struct sim_object *other = add(store, "Msvm_ComputerSystem", "other", &err);
    struct sim_object *active = add_settings(store, "Microsoft:a", &err);
    struct sim_object *snapshot = add_settings(store, "Microsoft:s", &err);
    struct sim_object *state =
        sim_store_link(store, V2, "Msvm_SettingsDefineState", "ManagedElement", vm,
                       "SettingData", active, &err);
    struct sim_object *snapshot_of =
        sim_store_link(store, V2, "Msvm_SnapshotOfVirtualSystem", "Antecedent", vm,
                       "Dependent", snapshot, &err);
    struct seen seen;

    CHECK_OK(state && snapshot_of);
    seen = references(store, vm, NULL, NULL);
    CHECK_EQ(seen.count, 2);
    CHECK(seen.objects[0] == state && seen.objects[1] == snapshot_of);
    CHECK_STR_EQ(seen.roles[1], "Antecedent");
    seen = references(store, vm, "Msvm_SnapshotOfVirtualSystem", NULL);
    CHECK(seen.count == 1 && seen.objects[0] == snapshot_of);
    seen = references(store, active, NULL, "SettingData");
    CHECK(seen.count == 1 && seen.objects[0] == state);
    CHECK_EQ(references(store, active, NULL, "ManagedElement").count, 0);
    CHECK_EQ(references(store, other, NULL, NULL).count, 0);
    sim_store_remove_with_links(store, vm);
    CHECK_EQ(count(store, NULL), 3);
    CHECK_EQ(references(store, active, NULL, NULL).count, 0);
    sim_store_free(store);
}

TEST(thousands_of_objects_stay_findable_while_others_come_and_go)
{
    struct sim_store *store = sim_store_new();
    struct err err = ERR_INIT;
    char name[32];
    size_t n = 0;

    for (unsigned i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "object %u", i);
        CHECK_OK(add(store, "Msvm_ComputerSystem", name, &err) != NULL);
    }
    for (struct sim_object *o = sim_store_next(store, NULL, V2, "Msvm_ComputerSystem"),
                           *next;
         o; o = next) {
        next = sim_store_next(store, o, V2, "Msvm_ComputerSystem");
        if (n++ % 3 != 0)
            sim_store_remove(store, o);
    }
    CHECK_EQ(count(store, "Msvm_ComputerSystem"), 1667);
    for (unsigned i = 0; i < 5000; i++) {
        struct sim_object *o;

        snprintf(name, sizeof(name), "%u", i);
        {
            CLEANUP(free_cleanup)
            char *path = text_printf(
                "Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\",Name=\"object %u\"",
                i);

            o = find(store, path);
        }
        CHECK((o != NULL) == (i % 3 == 0));
    }
    sim_store_free(store);
}

TEST(a_store_comes_back_from_json_as_it_was)
{
    struct sim_store *store = sim_store_new(), *again = sim_store_new();
    struct err err = ERR_INIT;
    struct sim_object *vm = add(store, "Msvm_ComputerSystem", "n\"\\\n\x01\xc3\xa4", &err);
    struct sim_object *settings = add_settings(store, "Microsoft:a\\b", &err);
    const char *notes[] = { "", "two\ttabs" };
    const struct cim_datetime delay = { .interval = true, .usec = 90000000 };
    const struct cim_datetime when = { .usec = 13410438922702341 };
    CLEANUP(free_cleanup) char *first = NULL;
    CLEANUP(free_cleanup) char *second = NULL;

    CHECK_OK(cim_set_uint(sim_object_instance(vm), "OnTimeInMilliseconds", CIM_UINT64,
                          UINT64_MAX, &err));
    CHECK_OK(cim_set_datetime(sim_object_instance(vm), "InstallDate", &when, &err));
    CHECK_OK(cim_set_texts(sim_object_instance(settings), "Notes", notes, 2, &err));
    CHECK_OK(
        cim_set_texts(sim_object_instance(settings), "BootSourceOrder", NULL, 0, &err));
    CHECK_OK(cim_set_datetime(sim_object_instance(settings), "AutomaticStartupActionDelay",
                              &delay, &err));
    CHECK_OK(sim_store_link(store, V2, "Msvm_SettingsDefineState", "ManagedElement", vm,
                            "SettingData", settings, &err) != NULL);
    first = sim_store_save(store, &err);
    CHECK_OK(first != NULL);
    CHECK_OK(sim_store_load(again, first ? first : "", &err));
    second = sim_store_save(again, &err);
    CHECK_STR_EQ(first, second);
    vm = sim_store_next(again, NULL, V2, "Msvm_ComputerSystem");
    CHECK(vm != NULL);
    if (vm) {
        uint64_t on_time = 0;

        CHECK(cim_get_u64(sim_object_instance(vm), "OnTimeInMilliseconds", &on_time));
        CHECK(on_time == UINT64_MAX);
        CHECK_STR_EQ(cim_get_text(sim_object_instance(vm), "Name"), "n\"\\\n\x01\xc3\xa4");
    }
    sim_store_free(store);
    sim_store_free(again);
}

TEST(what_could_not_be_loaded_again_is_not_saved)
{
    struct sim_store *store = sim_store_new();
    struct err err = ERR_INIT;
    struct sim_object *vm = add(store, "Msvm_ComputerSystem", "x", &err);

    CHECK_OK(cim_set_text(sim_object_instance(vm), "Colour", "red", &err));
    CHECK(!sim_store_save(store, &err));
    cim_unset(sim_object_instance(vm), "Colour");
    CHECK_OK(cim_set_uint(sim_object_instance(vm), "EnabledState", CIM_UINT32, 2, &err));
    CHECK(!sim_store_save(store, &err));
    sim_store_free(store);
}

TEST(a_spoilt_state_file_is_an_error_that_says_where)
{
    static const char *const spoilt[] = {
        "",
        "[]",
        "{\"objects\":1}",
        "{\"objects\":[1]}",
        "{\"objects\":[{\"ns\":\"" V2 "\",\"class\":\"Nope\",\"properties\":{}}]}",
        "{\"objects\":[{\"ns\":\"" V2
        "\",\"class\":\"Msvm_ComputerSystem\",\"properties\":{}}]}",
        "{\"objects\":[{\"ns\":\"" V2
        "\",\"class\":\"Msvm_ComputerSystem\",\"properties\":{\"Name\":1}}]}",
        "{\"objects\":[{\"ns\":\"" V2
        "\",\"class\":\"Msvm_ComputerSystem\",\"properties\":{\"EnabledState\":\"70000\"}}]}",
        "{\"objects\":[{\"ns\":\"" V2
        "\",\"class\":\"Msvm_ComputerSystem\",\"properties\":{\"OperationalStatus\":\"2\"}}]}",
    };

    for (size_t i = 0; i < ARRAY_LEN(spoilt); i++) {
        struct sim_store *store = sim_store_new();
        struct err err = ERR_INIT;

        test_case(spoilt[i]);
        CHECK(!sim_store_load(store, spoilt[i], &err));
        CHECK(err.depth >= 2);
        sim_store_free(store);
    }
}
