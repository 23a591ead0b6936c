/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is found about a host. */

#include "test-rules.h"

CHANGE(old_build)
{
    b->host.build = num(16299);
}
CHANGE(older_build)
{
    b->host.build = num(9600);
}
CHANGE(home)
{
    b->host.edition = (char *)"CoreSingleLanguage";
}
CHANGE(client)
{
    b->host.is_server = false;
    b->host.platform.policy_read = false;
}
CHANGE(old_server)
{
    b->host.is_server = true;
    b->host.build = num(17763);
    b->gpu.driver_version = NULL;
}
CHANGE(policy)
{
    b->host.is_server = b->host.platform.policy_read = true;
    b->host.platform.require_supported.known = false;
}
CHANGE(two_gpus_on_windows_10)
{
    b->host.build = num(19045);
    b->facts.partitionable_gpus = 2;
}
CHANGE(windows_10)
{
    b->host.build = num(19045);
}
CHANGE(no_hypervisor)
{
    b->host.platform.hypervisor_runs = TRI_NO;
}
CHANGE(no_hyper_v)
{
    b->host.platform.hyper_v = TRI_NO;
}
CHANGE(no_gpu)
{
    b->facts.gpu = NULL;
    b->facts.device = NULL;
    b->facts.device_count = 0;
    b->host.gpu_count = 0;
}
CHANGE(no_slat)
{
    b->host.platform.slat = TRI_NO;
}
CHANGE(firmware_off)
{
    b->host.platform.firmware_virtualization = TRI_NO;
}
CHANGE(no_iov)
{
    b->host.platform.iov = TRI_NO;
    b->host.platform.iov_reasons = &b->reason;
}
CHANGE(iov_unknown)
{
    b->host.platform.iov = TRI_UNKNOWN;
}
CHANGE(cluster)
{
    b->host.platform.clustered = TRI_YES;
    b->host.platform.cluster_name = (char *)"CLUSTER";
}
CHANGE(bits_unknown)
{
    b->host.platform.address_bits.known = false;
}

/* A card that a server would cut into hardware partitions. */
CHANGE(client_with_an_a2)
{
    client(b);
    b->gpu.pci_id = (char *)"10de:25b6";
}

const struct rule_case host_cases[] = {
    { GPU_MODE_PV, old_build, "host-build", SEVERITY_ERROR },
    { GPU_MODE_DDA, older_build, "host-build", SEVERITY_ERROR },
    { GPU_MODE_PV, home, "host-edition", SEVERITY_ERROR },
    { GPU_MODE_DDA, client, "host-client", SEVERITY_ERROR },
    { GPU_MODE_P, client_with_an_a2, "host-client", SEVERITY_ERROR },
    { GPU_MODE_PV, old_server, "host-server", SEVERITY_WARNING },
    { GPU_MODE_PV, policy, "host-policy", SEVERITY_WARNING },
    { GPU_MODE_DDA, policy, "host-policy", SEVERITY_INFO },
    { GPU_MODE_PV, two_gpus_on_windows_10, "host-pinning", SEVERITY_ERROR },
    { GPU_MODE_PV, windows_10, "host-pinning", SEVERITY_INFO },
    { GPU_MODE_PV, NULL, "host-wddm", SEVERITY_OK },
    { GPU_MODE_PV, no_hypervisor, "host-hypervisor", SEVERITY_ERROR },
    { GPU_MODE_PV, no_hyper_v, "host-hyper-v", SEVERITY_ERROR },
    { GPU_MODE_PV, no_gpu, "host-no-gpu", SEVERITY_ERROR },
    { GPU_MODE_PV, no_slat, "host-slat", SEVERITY_ERROR },
    { GPU_MODE_PV, firmware_off, "host-firmware", SEVERITY_ERROR },
    { GPU_MODE_DDA, no_iov, "host-iov", SEVERITY_ERROR },
    { GPU_MODE_P, no_iov, "host-iov", SEVERITY_ERROR },
    { GPU_MODE_DDA, iov_unknown, "host-iov-unknown", SEVERITY_INFO },
    { GPU_MODE_PV, cluster, "host-cluster", SEVERITY_WARNING },
    { GPU_MODE_P, cluster, "host-cluster", SEVERITY_INFO },
    { GPU_MODE_DDA, bits_unknown, "host-address-bits", SEVERITY_INFO },
    { 0 },
};

TEST(azure_local_has_partitions_before_windows_server_2025)
{
    CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
    struct bench b;

    set_up(&b, GPU_MODE_P);
    b.host.build = num(20348);
    judge(&b, &findings);
    CHECK(findings_find(&findings, "host-server") != NULL);
    findings_clear(&findings);
    b.host.product = (char *)"Azure Stack HCI";
    judge(&b, &findings);
    CHECK(findings_find(&findings, "host-server") == NULL);
}

/* A range the host itself uses shows that the processor addresses that far. */
TEST(an_address_that_is_in_use_needs_no_number)
{
    CLEANUP(findings_cleanup) struct findings findings = FINDINGS_INIT;
    struct bench b;

    set_up(&b, GPU_MODE_DDA);
    bits_unknown(&b);
    b.host.platform.highest_address = num(b.gaps.base_bytes + b.gaps.high_bytes);
    judge(&b, &findings);
    CHECK(findings_find(&findings, "host-address-bits") == NULL);
}
