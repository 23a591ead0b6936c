/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IEnumWbemClassObject and IWbemCallResult: answers that come, in time or not. */
#include "wbem.h"

#include <stdlib.h>

/* ---- lists ---- */

struct list {
    IEnumWbemClassObject iface;
    struct security security;
    struct support support;
    volatile LONG refs;
    SRWLOCK lock;
    struct answer *answer;
    HRESULT end; /* what came behind the last row; S_OK: not there yet */
    /* Read beforehand, when the query was to wait for its rows. */
    struct object **rows;
    size_t count, next;
};

static struct list *list_of(IEnumWbemClassObject *iface)
{
    return (struct list *)iface;
}

static HRESULT WINAPI list_query(IEnumWbemClassObject *iface, REFIID iid, void **ret)
{
    struct list *l = list_of(iface);

    *ret = NULL;
    if (IsEqualGUID(iid, &wbem_iid_unknown) || IsEqualGUID(iid, &wbem_iid_enum))
        *ret = iface;
    else if (IsEqualGUID(iid, &wbem_iid_client_security))
        *ret = &l->security.iface;
    else if (IsEqualGUID(iid, &wbem_iid_support_error_info))
        *ret = &l->support.iface;
    if (!*ret)
        return E_NOINTERFACE;
    InterlockedIncrement(&l->refs);
    return S_OK;
}

static ULONG WINAPI list_add(IEnumWbemClassObject *iface)
{
    return (ULONG)InterlockedIncrement(&list_of(iface)->refs);
}

static ULONG WINAPI list_release(IEnumWbemClassObject *iface)
{
    struct list *l = list_of(iface);
    LONG refs = InterlockedDecrement(&l->refs);

    if (refs == 0) {
        for (size_t i = l->next; i < l->count; i++)
            object_release(l->rows[i]);
        free(l->rows);
        answer_free(l->answer);
        free(l);
        InterlockedDecrement(&module_objects);
    }
    return (ULONG)refs;
}

static HRESULT next_row(struct list *l, LONG timeout, struct object **ret)
{
    HRESULT hr;

    if (l->next < l->count) {
        *ret = l->rows[l->next++];
        return S_OK;
    }
    if (l->end != S_OK)
        return l->end;
    hr = answer_next(l->answer, timeout, ret, NULL);
    if (hr != S_OK && hr != WBEM_S_TIMEDOUT)
        l->end = hr;
    return hr;
}

/* MicrosoftDocs/sdk-api IEnumWbemClassObject::Next: the time limit is for the whole call. */
static HRESULT WINAPI list_next(IEnumWbemClassObject *iface, LONG timeout, ULONG wanted,
                                IWbemClassObject **objects, ULONG *ret_count)
{
    struct list *l = list_of(iface);
    ULONGLONG began = GetTickCount64();
    HRESULT hr = S_OK;

    if (!ret_count || !objects || wanted == 0 || (timeout < 0 && timeout != WBEM_INFINITE))
        return WBEM_E_INVALID_PARAMETER;
    *ret_count = 0;
    AcquireSRWLockExclusive(&l->lock);
    while (hr == S_OK && *ret_count < wanted) {
        ULONGLONG spent = GetTickCount64() - began;
        LONG left = timeout == WBEM_INFINITE      ? WBEM_INFINITE
                    : spent >= (ULONGLONG)timeout ? 0
                                                  : timeout - (LONG)spent;
        struct object *row = NULL;

        hr = next_row(l, left, &row);
        if (row)
            objects[(*ret_count)++] = &row->iface;
    }
    if (FAILED(hr))
        tell_error(hr, answer_text(l->answer));
    ReleaseSRWLockExclusive(&l->lock);
    return hr;
}

/* All queries here go forward only. */
static HRESULT WINAPI list_reset(IEnumWbemClassObject *iface)
{
    return WBEM_E_INVALID_OPERATION;
}

static IEnumWbemClassObjectVtbl list_table = {
    .QueryInterface = list_query,
    .AddRef = list_add,
    .Release = list_release,
    .Reset = list_reset,
    .Next = list_next,
};

HRESULT enum_make(struct answer *answer, bool is_immediate, IEnumWbemClassObject **ret)
{
    struct list *l = grab(sizeof(*l));
    struct object *row;
    HRESULT hr;

    l->iface.lpVtbl = &list_table;
    security_init(&l->security, (IUnknown *)&l->iface);
    support_init(&l->support, (IUnknown *)&l->iface);
    InitializeSRWLock(&l->lock);
    l->refs = 1;
    l->answer = answer;
    InterlockedIncrement(&module_objects);
    while (!is_immediate && l->end == S_OK) {
        hr = answer_next(answer, WBEM_INFINITE, &row, NULL);
        if (hr != S_OK) {
            l->end = hr;
            break;
        }
        l->rows = realloc(l->rows, (l->count + 1) * sizeof(struct object *));
        if (!l->rows)
            abort();
        l->rows[l->count++] = row;
    }
    if (FAILED(l->end)) {
        hr = tell_error(l->end, answer_text(answer));
        list_release(&l->iface);
        return hr;
    }
    *ret = &l->iface;
    return S_OK;
}

/* ---- single results ---- */

struct result {
    IWbemCallResult iface;
    struct security security;
    struct support support;
    volatile LONG refs;
    SRWLOCK lock;
    struct answer *answer;
    HRESULT status; /* WBEM_S_TIMEDOUT: not there yet */
    struct object *object;
    char *path; /* of PutInstance; NULL: of another call */
};

static struct result *result_of(IWbemCallResult *iface)
{
    return (struct result *)iface;
}

static HRESULT WINAPI result_query(IWbemCallResult *iface, REFIID iid, void **ret)
{
    struct result *r = result_of(iface);

    *ret = NULL;
    if (IsEqualGUID(iid, &wbem_iid_unknown) || IsEqualGUID(iid, &wbem_iid_result))
        *ret = iface;
    else if (IsEqualGUID(iid, &wbem_iid_client_security))
        *ret = &r->security.iface;
    else if (IsEqualGUID(iid, &wbem_iid_support_error_info))
        *ret = &r->support.iface;
    if (!*ret)
        return E_NOINTERFACE;
    InterlockedIncrement(&r->refs);
    return S_OK;
}

static ULONG WINAPI result_add(IWbemCallResult *iface)
{
    return (ULONG)InterlockedIncrement(&result_of(iface)->refs);
}

static ULONG WINAPI result_release(IWbemCallResult *iface)
{
    struct result *r = result_of(iface);
    LONG refs = InterlockedDecrement(&r->refs);

    if (refs == 0) {
        object_release(r->object);
        answer_free(r->answer);
        free(r->path);
        free(r);
        InterlockedDecrement(&module_objects);
    }
    return (ULONG)refs;
}

/* Waits for the end of the call; under the lock. */
static HRESULT wait_for(struct result *r, LONG timeout)
{
    struct object *row = NULL;
    ULONGLONG began = GetTickCount64();
    HRESULT hr = S_OK;

    while (r->status == WBEM_S_TIMEDOUT && hr == S_OK) {
        ULONGLONG spent = GetTickCount64() - began;
        LONG left = timeout == WBEM_INFINITE      ? WBEM_INFINITE
                    : spent >= (ULONGLONG)timeout ? 0
                                                  : timeout - (LONG)spent;

        hr = answer_next(r->answer, left, &row, NULL);
        if (row) {
            object_release(r->object);
            r->object = row;
        } else if (hr != WBEM_S_TIMEDOUT) {
            r->status = FAILED(hr) ? hr : S_OK;
        }
    }
    return r->status;
}

static bool bad_timeout(LONG timeout)
{
    return timeout < 0 && timeout != WBEM_INFINITE;
}

static HRESULT WINAPI result_object(IWbemCallResult *iface, LONG timeout,
                                    IWbemClassObject **ret)
{
    struct result *r = result_of(iface);
    HRESULT hr;

    if (!ret || bad_timeout(timeout))
        return WBEM_E_INVALID_PARAMETER;
    *ret = NULL;
    AcquireSRWLockExclusive(&r->lock);
    hr = wait_for(r, timeout);
    if (hr == S_OK && r->object) {
        *ret = &r->object->iface;
        IWbemClassObject_AddRef(*ret);
    } else if (hr == S_OK && r->path) {
        hr = WBEM_E_INVALID_OPERATION; /* of a call without an object */
    }
    if (FAILED(hr))
        tell_error(hr, answer_text(r->answer));
    ReleaseSRWLockExclusive(&r->lock);
    return hr;
}

static HRESULT WINAPI result_string(IWbemCallResult *iface, LONG timeout, BSTR *ret)
{
    struct result *r = result_of(iface);
    HRESULT hr;

    if (!ret || bad_timeout(timeout))
        return WBEM_E_INVALID_PARAMETER;
    *ret = NULL;
    AcquireSRWLockExclusive(&r->lock);
    hr = wait_for(r, timeout);
    if (hr == S_OK && !r->path)
        hr = WBEM_E_INVALID_OPERATION;
    else if (hr == S_OK)
        *ret = bstr_of(r->path);
    if (FAILED(hr))
        tell_error(hr, answer_text(r->answer));
    ReleaseSRWLockExclusive(&r->lock);
    return hr;
}

static HRESULT WINAPI result_status(IWbemCallResult *iface, LONG timeout, LONG *ret)
{
    struct result *r = result_of(iface);
    HRESULT hr;

    if (!ret || bad_timeout(timeout))
        return WBEM_E_INVALID_PARAMETER;
    AcquireSRWLockExclusive(&r->lock);
    hr = wait_for(r, timeout);
    if (hr != WBEM_S_TIMEDOUT) {
        *ret = hr;
        if (FAILED(hr))
            tell_error(hr, answer_text(r->answer));
        hr = S_OK; /* that the status is known is no error */
    }
    ReleaseSRWLockExclusive(&r->lock);
    return hr;
}

static IWbemCallResultVtbl result_table = {
    .QueryInterface = result_query,
    .AddRef = result_add,
    .Release = result_release,
    .GetResultObject = result_object,
    .GetResultString = result_string,
    .GetCallStatus = result_status,
};

HRESULT result_make(struct answer *answer, const char *path, IWbemCallResult **ret)
{
    struct result *r = grab(sizeof(*r));

    r->iface.lpVtbl = &result_table;
    security_init(&r->security, (IUnknown *)&r->iface);
    support_init(&r->support, (IUnknown *)&r->iface);
    InitializeSRWLock(&r->lock);
    r->refs = 1;
    r->answer = answer;
    r->status = WBEM_S_TIMEDOUT;
    r->path = path ? copy_text(path) : NULL;
    InterlockedIncrement(&module_objects);
    *ret = &r->iface;
    return S_OK;
}

void result_tables_init(void)
{
    fill_table(&list_table, sizeof(list_table));
    fill_table(&result_table, sizeof(result_table));
}
