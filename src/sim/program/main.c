/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hvgpu-sim: serves a lab until it is told to stop; resets, dumps and lists labs. */
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "os.h"
#include "sim.h"
#include "text.h"

enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    FAULT_MAX = 256,
    WINRM_MAX = 64,
    LOCK_WAIT_MS = 3000
};

static const char usage_text[] =
    "usage: hvgpu-sim LAB [options]      serve the hosts of a lab until Ctrl-C\n"
    "       hvgpu-sim replay:FILE [options]   ... or a host that was recorded: a report\n"
    "                                    of hvgpu host check --report\n"
    "       hvgpu-sim list               the labs there are\n"
    "       hvgpu-sim reset LAB          forget what became of a lab\n"
    "       hvgpu-sim update-driver LAB GPU VERSION   another driver on a host\n"
    "       hvgpu-sim reboot LAB [HOST]  its hosts, or one of them, start anew\n"
    "       hvgpu-sim move LAB DEVICE LOCATION-PATH   a card in another slot\n"
    "       hvgpu-sim fail LAB NODE      a node of its cluster goes down\n"
    "       hvgpu-sim rejoin LAB NODE    ... and comes back\n"
    "       hvgpu-sim dump LAB           everything its hosts are, as text\n"
    "\n"
    "LAB is a built-in name (hvgpu-sim list shows them) or a lab file.\n"
    "\n"
    "      --listen ADDRESS:PORT  first host's place (default: 127.0.0.1, free ports);\n"
    "                             host n listens on PORT + n\n"
    "      --com 127.0.0.1:PORT   also speak the tests' line protocol, for COM (0: free)\n"
    "      --ephemeral            keep nothing\n"
    "      --user NAME            who may log on (default: admin)\n"
    "      --password-file FILE   ... with the password in FILE (default: a random one)\n"
    "      --fault WHERE@N=WHAT   go wrong at the n-th such call; repeatable\n"
    "      --pull-items N         at most N items per answer, as old hosts do with 1\n"
    "      --full-size            driver packages of realistic size (1.2 GB)\n"
    "      --tls-cert FILE --tls-key FILE   serve https with this certificate\n"
    "      --client-ca FILE       let in who has a TLS certificate of this authority\n"
    "      --auth LIST            how clients may log on: basic, negotiate (NTLM and\n"
    "                             Kerberos), kerberos, with commas (default: basic)\n"
    "      --keytab FILE          the hosts' Kerberos keys (default: KRB5_KTNAME)\n"
    "      --winrm NAME=VALUE     a value of the hosts' winrm/config, such as\n"
    "                             MaxEnvelopeSizekb=150; repeatable\n"
    "      --demand-encryption    refuse plain messages over http, as Windows does\n"
    "  -v, --verbose              one line per request on standard error\n"
    "      --help, --version\n"
    "\n"
    "See hvgpu-sim(1).\n";

static int fail(const struct err *err)
{
    char text[2048];

    err_format(err, text, sizeof(text));
    fprintf(stderr, "hvgpu-sim: %s\n", text);
    if (err->hint[0])
        fprintf(stderr, "  %s\n", err->hint);
    return EXIT_FAILED;
}

static int wrong_usage(const char *what, const char *about)
{
    fprintf(stderr, "hvgpu-sim: %s%s%s\ntry 'hvgpu-sim --help'\n", what, about ? ": " : "",
            about ? about : "");
    return EXIT_USAGE;
}

/* ---- list ---- */

/* The line "about: ..." of a lab file. */
static void print_about(const char *path, const char *name)
{
    struct err ignored = ERR_INIT;
    CLEANUP(free_cleanup) char *text = os_read_file(path, 1 << 20, NULL, &ignored);
    const char *about = text ? strstr(text, "\nabout:") : NULL;

    if (text && text_istarts(text, "about:"))
        about = text - 1;
    if (about)
        about += strlen("\nabout:") + strspn(about + strlen("\nabout:"), " ");
    printf("%-12s %.*s\n", name, about ? (int)strcspn(about, "\r\n") : 0,
           about ? about : "");
}

static bool on_lab_file(const struct os_entry *entry, void *user, struct err *err)
{
    CLEANUP(free_cleanup)
    char *path = text_printf("%s/%s", (const char *)user, entry->name);
    CLEANUP(free_cleanup) char *name = text_dup(entry->name);

    if (!path || !name)
        return err_no_memory(err);
    if (entry->is_dir || !text_iends(name, ".yaml"))
        return true;
    name[strlen(name) - strlen(".yaml")] = '\0';
    print_about(path, name);
    return true;
}

static bool on_state(const struct os_entry *entry, void *user, struct err *err)
{
    bool *any = user;

    if (entry->is_dir) {
        printf("%s%s\n",
               *any ? "" : "\nwith a saved state (hvgpu-sim reset makes them new):\n",
               entry->name);
        *any = true;
    }
    return true;
}

static int list(void)
{
    CLEANUP(free_cleanup) char *labs = os_data_file("labs");
    struct err err = ERR_INIT;
    CLEANUP(free_cleanup) char *state = os_state_dir(&err);
    CLEANUP(free_cleanup) char *states = state ? text_printf("%s/labs", state) : NULL;
    bool any = false;

    if (!labs)
        fprintf(stderr, "hvgpu-sim: no built-in labs found; is hvgpu installed?\n");
    else if (!os_list_dir(labs, on_lab_file, labs, &err))
        return fail(&err);
    if (states && os_file_exists(states) && !os_list_dir(states, on_state, &any, &err))
        return fail(&err);
    return EXIT_DONE;
}

/* ---- serve, reset, dump ---- */

static int reset(const char *lab)
{
    struct err err = ERR_INIT;

    return sim_reset(lab, NULL, &err) ? EXIT_DONE : fail(&err);
}

static int update_driver(const char *lab, const char *gpu, const char *version)
{
    struct err err = ERR_INIT;

    return sim_update_driver(lab, NULL, gpu, version, &err) ? EXIT_DONE : fail(&err);
}

static int reboot(const char *lab, const char *host)
{
    struct err err = ERR_INIT;

    return sim_reboot(lab, NULL, host, &err) ? EXIT_DONE : fail(&err);
}

static int move_device(const char *lab, const char *device, const char *place)
{
    struct err err = ERR_INIT;

    return sim_move_device(lab, NULL, device, place, &err) ? EXIT_DONE : fail(&err);
}

static int fail_node(const char *lab, const char *node)
{
    struct err err = ERR_INIT;

    return sim_fail_node(lab, NULL, node, &err) ? EXIT_DONE : fail(&err);
}

static int rejoin_node(const char *lab, const char *node)
{
    struct err err = ERR_INIT;

    return sim_rejoin_node(lab, NULL, node, &err) ? EXIT_DONE : fail(&err);
}

static int dump(const char *lab)
{
    const struct sim_options options = { .lab = lab, .lock_wait_ms = LOCK_WAIT_MS };
    struct err err = ERR_INIT;
    CLEANUP(sim_cleanup) struct sim *sim = sim_open(&options, &err);
    CLEANUP(free_cleanup) char *text = sim ? sim_dump(sim, &err) : NULL;

    if (!text)
        return fail(&err);
    return fputs(text, stdout) < 0 || fflush(stdout) != 0 ? EXIT_FAILED : EXIT_DONE;
}

/* A random password is for a person's eyes, or for a file that only its owner reads. */
static bool tell_password(const struct sim *sim, struct err *err)
{
    CLEANUP(free_cleanup) char *path = NULL;

    if (os_is_terminal(STDERR_FILENO)) {
        fprintf(stderr, "user %s, password %s\n", sim_user(sim), sim_password(sim));
        return true;
    }
    path = text_printf("%s/password", sim_state_path(sim));
    if (!path)
        return err_no_memory(err);
    if (!os_write_file(path, sim_password(sim), strlen(sim_password(sim)), err))
        return err_wrap(err, "keeping the password");
    fprintf(stderr, "user %s, password in %s\n", sim_user(sim), path);
    return true;
}

static bool print_hosts(const struct sim *sim, struct err *err)
{
    if (sim_com_address(sim))
        printf("com %s\n", sim_com_address(sim));
    for (size_t i = 0; i < sim_host_count(sim); i++)
        printf("%s %s\n", sim_host_name(sim, i), sim_host_url(sim, i));
    return fflush(stdout) == 0 ||
           err_fail(err, ERR_SYSTEM, 0, "cannot write to standard output");
}

static int serve(const struct sim_options *options)
{
    struct err err = ERR_INIT;
    CLEANUP(sim_cleanup) struct sim *sim = NULL;
    sigset_t ends;
    int which;

    /* Blocked in all threads that will be; taken by sigwait() below. */
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
    os_forbid_dumps();
    sim = sim_open(options, &err);
    if (!sim || (!options->password && !tell_password(sim, &err)) ||
        !print_hosts(sim, &err))
        return fail(&err);
    sigwait(&ends, &which);
    if (options->verbose)
        fprintf(stderr, "%lu requests\n", sim_request_count(sim));
    return EXIT_DONE;
}

/* ---- the command line ---- */

static bool read_password(const char *file, char **ret, struct err *err)
{
    enum { MAX = 4096 };

    if (os_file_exists(file) && !os_is_private_file(file))
        fprintf(stderr, "hvgpu-sim: warning: others can read '%s'\n", file);
    *ret = os_read_file(file, MAX, NULL, err);
    if (!*ret)
        return err_wrap(err, "the password");
    (*ret)[strcspn(*ret, "\r\n")] = '\0';
    return true;
}

enum {
    OPT_LISTEN = 256,
    OPT_COM,
    OPT_EPHEMERAL,
    OPT_USER,
    OPT_PASSWORD,
    OPT_FAULT,
    OPT_PULL,
    OPT_FULL,
    OPT_CERT,
    OPT_KEY,
    OPT_CLIENT_CA,
    OPT_AUTH,
    OPT_KEYTAB,
    OPT_DEMAND,
    OPT_WINRM,
    OPT_HELP,
    OPT_VERSION
};

static const struct option long_options[] = {
    { "listen", required_argument, NULL, OPT_LISTEN },
    { "com", required_argument, NULL, OPT_COM },
    { "ephemeral", no_argument, NULL, OPT_EPHEMERAL },
    { "user", required_argument, NULL, OPT_USER },
    { "password-file", required_argument, NULL, OPT_PASSWORD },
    { "fault", required_argument, NULL, OPT_FAULT },
    { "pull-items", required_argument, NULL, OPT_PULL },
    { "full-size", no_argument, NULL, OPT_FULL },
    { "tls-cert", required_argument, NULL, OPT_CERT },
    { "tls-key", required_argument, NULL, OPT_KEY },
    { "client-ca", required_argument, NULL, OPT_CLIENT_CA },
    { "auth", required_argument, NULL, OPT_AUTH },
    { "keytab", required_argument, NULL, OPT_KEYTAB },
    { "demand-encryption", no_argument, NULL, OPT_DEMAND },
    { "winrm", required_argument, NULL, OPT_WINRM },
    { "verbose", no_argument, NULL, 'v' },
    { "help", no_argument, NULL, OPT_HELP },
    { "version", no_argument, NULL, OPT_VERSION },
    { 0 },
};

struct arguments {
    struct sim_options sim;
    const char *faults[FAULT_MAX + 1];
    size_t fault_count;
    const char *winrm[WINRM_MAX + 1];
    size_t winrm_count;
    char *password;
};

/* -1: go on; else the exit code. */
static int take_option(int option, struct arguments *a)
{
    struct err err = ERR_INIT;
    uint64_t number;

    switch (option) {
    case OPT_LISTEN:
        a->sim.listen = optarg;
        return -1;
    case OPT_COM:
        a->sim.com = optarg;
        return -1;
    case OPT_EPHEMERAL:
        a->sim.ephemeral = true;
        return -1;
    case OPT_USER:
        a->sim.user = optarg;
        return -1;
    case OPT_PASSWORD:
        free(TAKE(a->password));
        return read_password(optarg, &a->password, &err) ? -1 : fail(&err);
    case OPT_FAULT:
        if (a->fault_count == FAULT_MAX)
            return wrong_usage("too many faults", NULL);
        a->faults[a->fault_count++] = optarg;
        return -1;
    case OPT_WINRM:
        if (a->winrm_count == WINRM_MAX)
            return wrong_usage("too many values of winrm/config", NULL);
        a->winrm[a->winrm_count++] = optarg;
        return -1;
    case OPT_PULL:
        if (!text_to_u64(optarg, 10, &number) || number == 0 || number > 32000)
            return wrong_usage("--pull-items takes a number from 1 to 32000", optarg);
        a->sim.pull_items = (unsigned)number;
        return -1;
    case OPT_FULL:
        a->sim.full_size = true;
        return -1;
    case OPT_CERT:
        a->sim.tls_cert = optarg;
        return -1;
    case OPT_KEY:
        a->sim.tls_key = optarg;
        return -1;
    case OPT_CLIENT_CA:
        a->sim.client_ca = optarg;
        return -1;
    case OPT_AUTH:
        a->sim.auth = optarg;
        return -1;
    case OPT_KEYTAB:
        a->sim.keytab = optarg;
        return -1;
    case OPT_DEMAND:
        a->sim.demand_encryption = true;
        return -1;
    case 'v':
        a->sim.verbose = true;
        return -1;
    case OPT_HELP:
        fputs(usage_text, stdout);
        return EXIT_DONE;
    case OPT_VERSION:
        printf("hvgpu-sim %s\n", HVGPU_VERSION);
        return EXIT_DONE;
    default:
        fputs("try 'hvgpu-sim --help'\n", stderr);
        return EXIT_USAGE;
    }
}

static int run(int argc, char **argv, struct arguments *a)
{
    const char *first;
    int option;

    while ((option = getopt_long(argc, argv, "v", long_options, NULL)) != -1) {
        int code = take_option(option, a);

        if (code >= 0)
            return code;
    }
    first = optind < argc ? argv[optind] : NULL;
    if (!first)
        return wrong_usage("which lab?", NULL);
    if (strcmp(first, "list") == 0)
        return argc - optind == 1 ? list() : wrong_usage("list takes nothing", NULL);
    if (strcmp(first, "update-driver") == 0) {
        if (argc - optind != 4)
            return wrong_usage("which lab, GPU and version?", NULL);
        return update_driver(argv[optind + 1], argv[optind + 2], argv[optind + 3]);
    }
    if (strcmp(first, "reboot") == 0) {
        if (argc - optind != 2 && argc - optind != 3)
            return wrong_usage("which lab, and which host?", NULL);
        return reboot(argv[optind + 1], argc - optind == 3 ? argv[optind + 2] : NULL);
    }
    if (strcmp(first, "move") == 0) {
        if (argc - optind != 4)
            return wrong_usage("which lab, device and location path?", NULL);
        return move_device(argv[optind + 1], argv[optind + 2], argv[optind + 3]);
    }
    if (strcmp(first, "fail") == 0 || strcmp(first, "rejoin") == 0) {
        if (argc - optind != 3)
            return wrong_usage("which lab and node?", NULL);
        return (*first == 'f' ? fail_node : rejoin_node)(argv[optind + 1],
                                                         argv[optind + 2]);
    }
    if (strcmp(first, "reset") == 0 || strcmp(first, "dump") == 0) {
        if (argc - optind != 2)
            return wrong_usage("which lab?", NULL);
        return *first == 'r' ? reset(argv[optind + 1]) : dump(argv[optind + 1]);
    }
    if (argc - optind != 1)
        return wrong_usage("one lab at a time", argv[optind + 1]);
    a->sim.lab = first;
    if (strncmp(first, "replay:", 7) == 0) {
        if (a->sim.com)
            return wrong_usage("a recording is not served to COM", "--com");
        a->sim.replay = first + 7;
    }
    a->sim.password = a->password;
    a->sim.faults = a->faults;
    a->sim.winrm = a->winrm;
    a->sim.lock_wait_ms = LOCK_WAIT_MS;
    return serve(&a->sim);
}

int main(int argc, char **argv)
{
    struct arguments arguments = { 0 };
    int code = run(argc, argv, &arguments);

    if (arguments.password)
        os_wipe(arguments.password, strlen(arguments.password));
    free(arguments.password);
    return code;
}
