/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A simulated host made of a lab's text, whose classes are called as the server calls
 * them, without a server.
 */
#pragma once

#include "hv.h"
#include "jobs.h"

struct fixture {
    struct lab_description *lab;
    struct sim_host host;
    char last_job[37]; /* InstanceID */
};

/* A Windows 11 with a paravirtual GPU, an A2 cut in four and VMs for all sorts of things. */
extern const char HV_TEST_LAB[];

bool fixture_init(struct fixture *f, const char *lab); /* fails the test, too */
void fixture_clear(struct fixture *f);

#define FIXTURE_OF(lab)                                    \
    CLEANUP(fixture_clear) struct fixture fixture = { 0 }; \
    struct fixture *f = &fixture;                          \
    if (!fixture_init(f, lab))                             \
    return
#define FIXTURE FIXTURE_OF(HV_TEST_LAB)

/* By ElementName; NULL: none.  vssd: its realized settings. */
struct sim_object *vm(struct fixture *f, const char *name);
struct sim_object *vssd(struct fixture *f, const char *name);
struct sim_object *memory(struct fixture *f, const char *name);
struct sim_object *adapter(struct fixture *f, const char *name); /* its first */
struct sim_object *service(struct fixture *f);                   /* ...ManagementService */
size_t count_of(struct fixture *f, const char *class_name);

enum { FAULT = -1 };

const struct sim_method *find_method(const char *class_name, const char *name);

/* Calls; gives the ReturnValue or FAULT.  *ret_out (may be NULL) gets the OUT parameters. */
long call(struct fixture *f, struct sim_object *object, const char *method,
          struct cim_instance *in, struct cim_instance **ret_out);
/* A method of the management service with one text, or an array of one. */
long with_texts(struct fixture *f, const char *method, const char *parameter,
                const char *text, struct sim_object *config, bool is_array,
                struct cim_instance **ret_out);
long modify_system(struct fixture *f, const char *name, const char *properties);
long modify_resource(struct fixture *f, struct sim_object *o, const char *properties);
/* AddResourceSettings of one @class_name. */
long add_resource(struct fixture *f, const char *name, const char *class_name,
                  const char *properties, struct cim_instance **ret_out);
long add(struct fixture *f, const char *name, const char *properties,
         struct cim_instance **ret_out); /* a GPU partition */
long remove_resource(struct fixture *f, struct sim_object *o);
long request_state(struct fixture *f, const char *name, unsigned state);

struct sim_object *last_job(struct fixture *f);
void pass_time(struct fixture *f, int64_t ms);
/* Lets the job end; its ErrorCode, or FAULT if it did not end well formed. */
long job_error(struct fixture *f);
/* What came of a call, done at once or by a job. */
long outcome(struct fixture *f, long value);

#define PROPERTY(name, type, value) \
    "<PROPERTY NAME=\"" name "\" TYPE=\"" type "\"><VALUE>" value "</VALUE></PROPERTY>"
#define GPU_TYPES                               \
    PROPERTY("ResourceType", "uint16", "32770") \
    PROPERTY("ResourceSubType", "string", "Microsoft:Hyper-V:GPU Partition")
#define PIN(path)                                                                     \
    "<PROPERTY.ARRAY NAME=\"HostResource\" TYPE=\"string\"><VALUE.ARRAY><VALUE>" path \
    "</VALUE></VALUE.ARRAY></PROPERTY.ARRAY>"
#define GPU_NAME                                                                           \
    "\\\\\\\\?\\\\PCI#VEN_10DE&#38;DEV_2860&#38;SUBSYS_252D1043&#38;REV_A1#4&#38;296b7397" \
    "&#38;0&#38;0008#{064092b3-625e-43bf-9eb5-dc845897dd59}\\\\GPUPARAV"
#define GPU_PATH                                                                       \
    "\\\\TEST\\root\\virtualization\\v2:Msvm_PartitionableGpu.CreationClassName=&#34;" \
    "Msvm_PartitionableGpu&#34;,Name=&#34;" GPU_NAME "&#34;"
/* The card that SR-IOV cuts. */
#define A2_PATH                                                                          \
    "\\\\TEST\\root\\virtualization\\v2:Msvm_PartitionableGpu.CreationClassName=&#34;"   \
    "Msvm_PartitionableGpu&#34;,Name=&#34;\\\\\\\\?\\\\PCI#VEN_10DE&#38;DEV_25B6&#38;"   \
    "SUBSYS_157E10DE&#38;REV_A1#4&#38;18416dc3&#38;0&#38;0000#{064092b3-625e-43bf-9eb5-" \
    "dc845897dd59}&#34;"
