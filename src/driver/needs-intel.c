/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The values of Intel's class key by which its OpenCL, Level Zero, media and OpenGL parts
 * find each other in a guest.
 *
 * The guest's virtual device names the host's class key by its number, so they go under the
 * same number; Level Zero's loader looks at display devices that are there, and Hyper-V
 * Video always is.  Direct3D needs none of them.
 *
 * Sources: Justsenger/ExHyperV src/Services/Vm/VmGpuService.cs (which values, where);
 * intel/compute-runtime shared/source/os_interface/windows/driver_info_windows.cpp and
 * oneapi-src/level-zero source/loader/windows/driver_discovery_win.cpp (who reads them).
 * No source of Intel says that a guest needs them.
 */

#include "driver-set.h"

#include <string.h>

#include "text.h"
#include "win-path.h"

static const char *const names[] = {
    "OpenCLDriverName",
    "OpenCLDriverNameWow",
    "LevelZeroDriverPath",
    "DriverStorePathForComputeRuntime",
    "DriverStorePathForMediaSDK",
    "DriverStorePathForVPL",
    "DriverStorePathForMDF",
    "VulkanDriverName",
    "VulkanDriverNameWow",
    "OpenGLDriverName",
    "OpenGLDriverNameWow",
    "OpenGLFlags",
    "OpenGLFlagsWow",
    "OpenGLVersion",
    "OpenGLVersionWow",
    "OpenGLInstalled",
    "OpenGLInstalledWow",
    "ContentProtectionDriverName",
    "ControlApiPath",
    "ControlApiPath32",
};
static const char CLASS[] = "Control\\Class\\";
static const char ANCHOR[] = "LevelZeroDriverPath";
static const char WHY[] = "Intel's runtimes find their files through it";

/* The texts of @value with every path led into the guest's store; *ret_paths false: one of
 * them is no path into the store. */
static bool lead_texts(const struct hive_value *value, struct hive_value *ret,
                       bool *ret_paths, struct err *err)
{
    size_t count = 0;
    char **texts = hive_value_texts(value, &count);
    bool ok = true;

    *ret_paths = count > 0;
    for (size_t i = 0; i < count && *ret_paths && ok; i++) {
        char *led = win_path_led_to_guest_store(texts[i]);

        *ret_paths = led != NULL;
        if (led) {
            free(texts[i]);
            texts[i] = led;
        }
    }
    if (*ret_paths)
        ok = value->type == HIVE_MULTI_SZ
                 ? hive_value_set_texts(ret, (const char *const *)texts, count)
                 : hive_value_set_text(ret, value->type, texts[0]);
    hive_texts_free(texts, count);
    return ok || err_no_memory(err);
}

static bool add(struct driver_set *set, const char *key, const char *name,
                const struct hive_value *value, enum driver_value_place place,
                struct err *err)
{
    struct hive_value copy = { .type = value->type, .len = value->len };

    copy.bytes = malloc(value->len + 1);
    if (!copy.bytes)
        return err_no_memory(err);
    memcpy(copy.bytes, value->bytes, value->len);
    if (!driver_set_add_value(set, key, name, &copy, WHY, err))
        return false;
    set->values[set->value_count - 1].place = place;
    return true;
}

static bool add_led(struct driver_set *set, const char *key, const char *name,
                    const struct hive_value *value, struct err *err)
{
    struct hive_value led = { 0 };
    bool is_path = false, ok;

    if (!lead_texts(value, &led, &is_path, err))
        return false;
    if (!is_path)
        return driver_set_leave_out(
            set, err, "registry value '%s': it is no path into the driver store", name);
    ok = add(set, key, name, &led, VALUE_AT_GPU_KEY, err) &&
         (strcmp(name, ANCHOR) != 0 ||
          add(set, DRIVER_HYPERV_VIDEO_KEY, name, &led, VALUE_AT_HYPERV_VIDEO, err));
    hive_value_clear(&led);
    return ok;
}

bool driver_needs_intel(struct driver_set *set, const char *class_key_path, struct err *err)
{
    CLEANUP(free_cleanup) char *key = text_printf("%s%s", CLASS, set->class_key);

    if (!key)
        return err_no_memory(err);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct hive_value value = { 0 };
        bool exists = false, ok = true;

        if (!source_get(set->origin, class_key_path, names[i], &exists, &value, err))
            return false;
        if (exists && value.type == HIVE_DWORD)
            ok = add(set, key, names[i], &value, VALUE_AT_GPU_KEY, err);
        else if (exists)
            ok = add_led(set, key, names[i], &value, err);
        hive_value_clear(&value);
        if (!ok)
            return false;
    }
    return true;
}
