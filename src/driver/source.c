/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What holds for every source: typed values, lists of files. */

#include "source.h"

#include <string.h>

#include "text.h"

enum { FILES_MAX = 200000 }; /* a whole FileRepository has tens of thousands */

bool source_get(struct windows_source *source, const char *key, const char *name,
                bool *ret_exists, struct hive_value *ret, struct err *err)
{
    if (!source->ops->reg_get(source, key, name, ret_exists, ret, err))
        return err_wrap(err, "reading '%s' of '%s'", name, key);
    return true;
}

bool source_text(struct windows_source *source, const char *key, const char *name,
                 char **ret, struct err *err)
{
    struct hive_value value = { 0 };
    bool exists = false;

    if (!source_get(source, key, name, &exists, &value, err))
        return false;
    *ret = exists ? hive_value_text(&value) : NULL;
    hive_value_clear(&value);
    return true;
}

bool source_texts(struct windows_source *source, const char *key, const char *name,
                  char ***ret, size_t *ret_count, struct err *err)
{
    struct hive_value value = { 0 };
    bool exists = false;

    if (!source_get(source, key, name, &exists, &value, err))
        return false;
    *ret_count = 0;
    *ret = exists ? hive_value_texts(&value, ret_count) : NULL;
    hive_value_clear(&value);
    return true;
}

bool source_u64(struct windows_source *source, const char *key, const char *name,
                uint64_t missing, uint64_t *ret, struct err *err)
{
    struct hive_value value = { 0 };
    bool exists = false;

    if (!source_get(source, key, name, &exists, &value, err))
        return false;
    if (!exists || !hive_value_u64(&value, ret))
        *ret = missing;
    hive_value_clear(&value);
    return true;
}

bool source_list_reg(struct windows_source *source, const char *key, bool values,
                     char ***ret, size_t *ret_count, struct err *err)
{
    *ret = NULL;
    *ret_count = 0;
    if (!source->ops->reg_list(source, key, values, ret, ret_count, err))
        return err_wrap(err, "listing '%s'", key);
    return true;
}

void windows_source_watch(struct windows_source *source, struct progress *progress)
{
    source->progress = progress;
}

bool windows_source_was_dirty(const struct windows_source *source)
{
    return source->was_dirty;
}

bool windows_source_is_unfinished(const struct windows_source *source)
{
    return source->is_unfinished;
}

void windows_source_free(struct windows_source *source)
{
    if (source)
        source->ops->release(source);
}

void source_files_free(struct source_file *files, size_t count)
{
    for (size_t i = 0; files && i < count; i++)
        free(files[i].path);
    free(files);
}

bool source_files_add(struct source_file **files, size_t *count, char *path, uint64_t size,
                      int64_t mtime_usec, struct err *err)
{
    struct source_file *more = *files;

    if (!path)
        return err_no_memory(err);
    if (*count >= FILES_MAX) {
        free(path);
        return err_fail(err, ERR_UNSUPPORTED, 0, "more than %d files", FILES_MAX);
    }
    if ((*count & (*count - 1)) == 0) { /* grows at powers of two */
        more = realloc(*files, (*count ? *count * 2 : 1) * sizeof(**files));
        if (!more) {
            free(path);
            return err_no_memory(err);
        }
        *files = more;
    }
    more[(*count)++] =
        (struct source_file){ .path = path, .size = size, .mtime_usec = mtime_usec };
    return true;
}

static int by_path(const void *a, const void *b)
{
    const struct source_file *x = a, *y = b;

    return strcmp(x->path, y->path);
}

void source_files_sort(struct source_file *files, size_t count)
{
    if (count)
        qsort(files, count, sizeof(*files), by_path);
}
