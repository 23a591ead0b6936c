/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks of what a host is and what one may do there, whichever way they are asked. */

#include "host-check.h"

#include "cim.h"
#include "job.h"
#include "session.h"
#include "text.h"
#include "tr.h"

static bool count_row(const struct cim_instance *row, void *user, struct err *err)
{
    ++*(size_t *)user;
    return true;
}

struct system {
    struct strbuf *said;
    struct check_facts *facts;
};

static bool keep_system(const struct cim_instance *row, void *user, struct err *err)
{
    struct system *system = user;
    const char *caption = cim_get_text(row, "Caption"),
               *version = cim_get_text(row, "Version");

    strbuf_printf(system->said, "%s %s", caption ? caption : "Windows",
                  version ? version : "");
    (void)!cim_get_u64(row, "OperatingSystemSKU", &system->facts->sku);
    (void)!cim_get_u64(row, "ProductType", &system->facts->product_type);
    return true;
}

static bool keep_hypervisor(const struct cim_instance *row, void *user, struct err *err)
{
    /* Windows has the property from 8 and Server 2012 on; Hyper-V v2 came with those. */
    (void)!cim_get_bool(row, "HypervisorPresent", user);
    return true;
}

/* Every Windows has one operating system to show, to whoever may look. */
bool check_system(struct check_item *item, struct cim_session *session,
                  struct check_facts *ret)
{
    struct system system = { &item->said, ret };
    struct err err = ERR_INIT;

    if (!check_judge(item,
                     cim_query(session, "root/cimv2",
                               "SELECT Caption, Version, OperatingSystemSKU, ProductType "
                               "FROM Win32_OperatingSystem",
                               keep_system, &system, &err),
                     &err))
        return false;
    if (item->said.len > 0)
        return true;
    err_fail(&err, ERR_DENIED, 0, "the host shows this user nothing of itself");
    err_hint(&err, "the user must be in Administrators, or in Remote Management "
                   "Users (S-1-5-32-580) with rights to root/cimv2");
    return check_judge(item, false, &err);
}

/* MicrosoftDocs/win32 desktop-src/CIMWin32Prov/win32-operatingsystem.md: 98 to 101 are the
 * Home editions, which have no Hyper-V; ProductType 1 is a workstation. */
static void say_no_hyper_v(const struct check_facts *facts, struct err *err)
{
    err_fail(err, ERR_UNSUPPORTED, 0, "the machine has no Hyper-V");
    err->hint[0] = '\0';
    if (facts->sku >= 98 && facts->sku <= 101)
        err_hint(err, "this is a Home edition, which has none: it takes Pro, Enterprise, "
                      "Education or Server");
    else if (facts->product_type > 1)
        err_hint(err, "on the host: Install-WindowsFeature Hyper-V "
                      "-IncludeManagementTools -Restart");
    else
        err_hint(err, "on the host: Enable-WindowsOptionalFeature -Online -FeatureName "
                      "Microsoft-Hyper-V -All, and restart");
}

/* The namespace is there if anything but "no such namespace" is answered. */
bool check_namespace(struct check_item *item, struct cim_session *session,
                     const struct check_facts *facts)
{
    struct err err = ERR_INIT;
    size_t services = 0;
    bool ok =
        cim_query(session, HV_NS, "SELECT Name FROM Msvm_VirtualSystemManagementService",
                  count_row, &services, &err);

    if (!ok && err.kind == ERR_NOT_FOUND)
        say_no_hyper_v(facts, &err);
    if (!check_judge(item, ok || err.kind == ERR_DENIED, &err))
        return false;
    strbuf_puts(&item->said, HV_NS);
    return true;
}

bool check_hypervisor(struct check_item *item, struct cim_session *session)
{
    struct err err = ERR_INIT;
    bool is_running = false;

    if (!check_judge(item,
                     cim_query(session, "root/cimv2",
                               "SELECT HypervisorPresent FROM Win32_ComputerSystem",
                               keep_hypervisor, &is_running, &err),
                     &err))
        return false;
    if (is_running) {
        strbuf_puts(&item->said, _("runs"));
        return true;
    }
    err_fail(&err, ERR_UNSUPPORTED, 0, "Hyper-V is installed, but does not run");
    err_hint(&err, "on the host: bcdedit /set hypervisorlaunchtype auto, "
                   "virtualization switched on in the firmware, and a restart");
    return check_judge(item, false, &err);
}

/* The host itself is one of the systems; who has no rights is shown an empty list. */
bool check_hyper_v_rights(struct check_item *item, struct cim_session *session)
{
    struct err err = ERR_INIT;
    size_t systems = 0;

    if (!check_judge(item,
                     cim_query(session, HV_NS, "SELECT Name FROM Msvm_ComputerSystem",
                               count_row, &systems, &err),
                     &err))
        return false;
    if (systems > 0) {
        strbuf_printf(&item->said, _("VMs seen: %zu"), systems - 1);
        return true;
    }
    err_fail(&err, ERR_DENIED, 0, "Hyper-V shows this user nothing");
    err_hint(&err, "on the host: Add-LocalGroupMember -SID S-1-5-32-578 -Member USER "
                   "(Hyper-V Administrators), and log on again");
    return check_judge(item, false, &err);
}
