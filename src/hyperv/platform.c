/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the machine below the VMs can do.
 *
 * Win32_Processor tells about SLAT and virtualization, but once the hypervisor runs Windows
 * is a guest of it and sees neither: then both are unknown, and not missing.  Hyper-V itself
 * does not start without them since Windows Server 2016.
 *
 * Sources: cimwin32 Win32_ComputerSystem.HypervisorPresent, Win32_Processor;
 * MicrosoftDocs/win32 HyperV_v2 msvm-virtualethernetswitchmanagementcapabilities;
 * MicrosoftDocs/Virtualization-Documentation SurveyDDA.ps1 (Get-VMHost IovSupport);
 * MicrosoftDocs/SupportArticles Hyper-V GPU partition troubleshooting (policy values).
 */

#include "err.h"
#include "inventory-parts.h"
#include "job.h"
#include "text.h"

#define POLICY_KEY "SOFTWARE\\Policies\\Microsoft\\Windows\\HyperV"

static enum tristate yes_no(bool yes)
{
    return yes ? TRI_YES : TRI_NO;
}

static bool on_computer(const struct cim_instance *row, void *user, struct err *err)
{
    struct hv_platform *platform = (struct hv_platform *)user;
    bool runs;

    (void)err;
    if (cim_get_bool(row, "HypervisorPresent", &runs))
        platform->hypervisor_runs = yes_no(runs);
    return true;
}

/* All processors alike: one that cannot decides. */
static void take_answer(enum tristate *to, const struct cim_instance *row,
                        const char *property)
{
    bool yes;

    if (cim_get_bool(row, property, &yes) && *to != TRI_NO)
        *to = yes_no(yes);
}

static bool on_processor(const struct cim_instance *row, void *user, struct err *err)
{
    struct hv_platform *platform = (struct hv_platform *)user;

    (void)err;
    take_answer(&platform->slat, row, "SecondLevelAddressTranslationExtensions");
    take_answer(&platform->firmware_virtualization, row, "VirtualizationFirmwareEnabled");
    return true;
}

static bool on_capabilities(const struct cim_instance *row, void *user, struct err *err)
{
    struct hv_platform *platform = (struct hv_platform *)user;
    size_t count = cim_get_count(row, "IOVSupportReasons");
    bool iov;

    if (!cim_get_bool(row, "IOVSupport", &iov) || platform->iov != TRI_UNKNOWN)
        return true;
    platform->iov = yes_no(iov);
    platform->iov_reasons = calloc(count ? count : 1, sizeof(char *));
    if (!platform->iov_reasons)
        return err_no_memory(err);
    for (size_t i = 0; i < count; i++) {
        const char *reason = cim_get_text_at(row, "IOVSupportReasons", i);

        if (!reason || !*reason)
            continue;
        platform->iov_reasons[platform->iov_reason_count] = text_dup(reason);
        if (!platform->iov_reasons[platform->iov_reason_count])
            return err_no_memory(err);
        platform->iov_reason_count++;
    }
    return true;
}

static bool on_cluster(const struct cim_instance *row, void *user, struct err *err)
{
    struct hv_platform *platform = (struct hv_platform *)user;

    platform->clustered = TRI_YES;
    return take_text(&platform->cluster_name, row, "Name", err);
}

static bool read_policy(struct cim_session *session, const char *name,
                        struct known_u64 *ret, struct err *err)
{
    CLEANUP(cim_instance_cleanup) struct cim_instance *out = NULL;

    if (!read_registry_value(session, "GetDWORDValue", POLICY_KEY, name, &out, err))
        return false;
    if (out)
        take_u64(ret, out, "uValue");
    return true;
}

bool hv_read_policy(struct cim_session *session, struct hv_host *host, struct err *err)
{
    struct hv_platform *platform = &host->platform;

    if (!host->is_server) /* no effect on clients */
        return true;
    if (!read_policy(session, "RequireSecureDeviceAssignment", &platform->require_secure,
                     err) ||
        !read_policy(session, "RequireSupportedDeviceAssignment",
                     &platform->require_supported, err))
        return false;
    platform->policy_read = true;
    return true;
}

/* A class that a host lacks, or does not want to show, leaves its facts unknown. */
static bool ask(struct cim_session *session, const char *ns, const char *wql,
                bool (*on_row)(const struct cim_instance *row, void *user, struct err *err),
                struct hv_platform *platform, bool *ret_told, struct err *err)
{
    struct err why = ERR_INIT;

    *ret_told = true;
    if (cim_query(session, ns, wql, on_row, platform, &why))
        return true;
    *ret_told = is_missing_class(&why);
    if (stays_unknown(&why))
        return true;
    *err = why;
    return false;
}

bool read_platform(struct cim_session *session, struct hv_host *host, struct err *err)
{
    struct hv_platform *platform = &host->platform;
    bool told;

    platform->is_read = true;
    if (!ask(session, "root/cimv2", "SELECT * FROM Win32_ComputerSystem", on_computer,
             platform, &told, err) ||
        !ask(session, "root/cimv2", "SELECT * FROM Win32_Processor", on_processor, platform,
             &told, err))
        return err_wrap(err, "reading what the machine is");
    if (platform->hypervisor_runs == TRI_YES)
        platform->slat = platform->firmware_virtualization = TRI_UNKNOWN;
    if (!ask(session, HV_NS,
             "SELECT * FROM Msvm_VirtualEthernetSwitchManagementCapabilities",
             on_capabilities, platform, &told, err))
        return err_wrap(err, "reading whether I/O virtualization is supported");
    if (platform->clustered != TRI_UNKNOWN)
        return hv_read_policy(session, host, err);
    if (!ask(session, "root/MSCluster", "SELECT * FROM MSCluster_Cluster", on_cluster,
             platform, &told, err))
        return err_wrap(err, "reading whether it belongs to a cluster");
    /* No such row, or no such namespace: the feature is not installed. */
    if (told && platform->clustered == TRI_UNKNOWN)
        platform->clustered = TRI_NO;
    return hv_read_policy(session, host, err);
}
