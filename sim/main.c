/* The simulator's command line.
 *
 *     sim run [--seeds N] [--first N] [--scenario NAME] [-j N] [--canary NAME] [--verbose]
 *     sim same [--first SEED] [--scenario NAME]      runs a seed twice and compares every record
 *     sim canaries                                   plants each known bug; each must be found
 *     sim meetings [the same]                        encrypted meetings (sim/gathering.h) instead of open rooms
 *     sim list
 *
 * SIM_SEEDS in the environment takes the place of --seeds (sanitizers are slow). Exit 0: all is well; 1: a check
 * failed; 2: the command line is wrong. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "sim/conference.h"
#include "sim/gathering.h"

#define JOBS_MAX 64
#define SCENARIOS_MAX 32

struct result {
    bool passed, as_expected;
    uint64_t hash, virtual_us, datagrams, frames, freeze_us, streams;
    struct gathering_figures meeting;
};

struct job {
    pid_t pid;
    int pipe;
    uint64_t seed;
    const struct scenario *scenario;
};

struct totals {
    uint32_t runs, failures;
    uint64_t virtual_us, datagrams, streams, frames, freeze_us;
    struct gathering_figures meeting; /* sums, and the greatest */
};

/* One of the two tables of scenarios. */
struct table {
    const struct scenario *scenarios;
    uint32_t count;
    bool meetings;
};

static struct conference conference; /* of this process: each run has one of its own */

static double seconds(void) {
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void on_abort(int number) {
    (void)number;
    printf("FAILED seed %llu scenario %s at %.3f s: an assert\n", (unsigned long long)conference.options.seed,
           conference.options.scenario, (double)(conference.now_us - conference.start_us) / 1e6);
    conference_print_trace(&conference);
    printf("to see it again: sim run --seeds 1 --first %llu --scenario %s --verbose\n",
           (unsigned long long)conference.options.seed, conference.options.scenario);
    fflush(stdout);
    _Exit(1);
}

static struct result run_one(const struct scenario *scenario, const struct sim_options *options) {
    (void)signal(SIGABRT, on_abort);
    conference_init(&conference, options, 1 + (uint32_t)(options->seed % 2));
    scenario->run(&conference);
    conference_finish(&conference);
    if (conference.part != NULL)
        gathering_done();
    struct result result = {.passed = true,
                            .meeting = *gathering_figures(),
                            .hash = conference.hash,
                            .virtual_us = conference.now_us - conference.start_us,
                            .datagrams = conference.datagrams,
                            .frames = conference.frames_total,
                            .freeze_us = conference.freeze_total_us,
                            .streams = conference.seen_streams};
    conference_free(&conference);
    return result;
}

/* ---- a process for each run
 * ------------------------------------------------------------------------------------------ */

static struct job start(const struct scenario *scenario, const struct sim_options *options) {
    int ends[2];
    fflush(stdout);
    if (pipe(ends) != 0)
        exit(2);
    struct job job = {.pid = fork(), .pipe = ends[0], .seed = options->seed, .scenario = scenario};
    if (job.pid < 0)
        exit(2);
    if (job.pid == 0) {
        (void)close(ends[0]);
        if ((options->canary != CANARY_NONE || options->plant != PLANT_NONE) && !options->verbose)
            (void)freopen("/dev/null", "w", stdout);
        struct result result = run_one(scenario, options);
        bool told = write(ends[1], &result, sizeof result) == (ssize_t)sizeof result;
        exit(told ? 0 : 2);
    }
    (void)close(ends[1]);
    return job;
}

static struct result finish(struct job *job) {
    struct result result = {0};
    bool whole = read(job->pipe, &result, sizeof result) == (ssize_t)sizeof result;
    (void)close(job->pipe);
    int status = 0;
    (void)waitpid(job->pid, &status, 0);
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!clean && WIFSIGNALED(status))
        printf("FAILED seed %llu scenario %s: signal %d\n", (unsigned long long)job->seed, job->scenario->name,
               WTERMSIG(status));
    result.passed = whole && clean;
    result.as_expected = WIFEXITED(status) && WEXITSTATUS(status) == CONFERENCE_EXIT_EXPECTED;
    job->pid = 0;
    return result;
}

/* ---- commands
 * ---------------------------------------------------------------------------------------------------------- */

struct arguments {
    uint64_t seeds, first;
    uint32_t jobs;
    const struct scenario *scenario;
    struct sim_options options;
};

static const struct scenario *scenario_by_name(const char *name) {
    for (uint32_t i = 0; i < scenarios_count; i++) {
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    }
    for (uint32_t i = 0; i < gatherings_count; i++) {
        if (strcmp(gatherings[i].name, name) == 0)
            return &gatherings[i];
    }
    fprintf(stderr, "there is no scenario %s\n", name);
    exit(2);
}

static const char *const canaries[] = {"none", "stay", "swap", "deaf", "leak", "skip", "loud", "lose"};

static enum canary canary_by_name(const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(canaries); i++) {
        if (strcmp(canaries[i], name) == 0)
            return (enum canary)i;
    }
    fprintf(stderr, "there is no canary %s\n", name);
    exit(2);
}

static struct table open_rooms(void) {
    return (struct table){scenarios, scenarios_count, false};
}

static struct table meetings(void) {
    return (struct table){gatherings, gatherings_count, true};
}

static const char *const plants[] = {"none", "deaf", "again", "keep", "early", "open", "source",
                                     "stay", "slow", "ghost", "free", "hang",  "haste"};

static uint32_t plant_by_name(const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(plants); i++) {
        if (strcmp(plants[i], name) == 0)
            return (uint32_t)i;
    }
    fprintf(stderr, "there is no plant %s\n", name);
    exit(2);
}

static struct arguments read_arguments(int argc, char **argv) {
    struct arguments arguments = {.seeds = 20, .first = 1, .jobs = 1};
    for (int i = 2; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--verbose") == 0) {
            arguments.options.verbose = true;
            continue;
        }
        if (strcmp(argv[i], "--seeds") == 0)
            arguments.seeds = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--first") == 0)
            arguments.first = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "-j") == 0)
            arguments.jobs = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--scenario") == 0)
            arguments.scenario = scenario_by_name(value);
        else if (strcmp(argv[i], "--canary") == 0)
            arguments.options.canary = canary_by_name(value);
        else if (strcmp(argv[i], "--plant") == 0)
            arguments.options.plant = plant_by_name(value);
        else {
            fprintf(stderr, "what is %s?\n", argv[i]);
            exit(2);
        }
        i++;
    }
    const char *seeds = getenv("SIM_SEEDS");
    if (seeds != NULL && strtoull(seeds, NULL, 10) > 0)
        arguments.seeds = strtoull(seeds, NULL, 10);
    if (arguments.jobs < 1 || arguments.jobs > JOBS_MAX)
        arguments.jobs = 1;
    return arguments;
}

static void count_meeting(struct gathering_figures *sum, const struct gathering_figures *one) {
    sum->sealed += one->sealed;
    sum->opened += one->opened;
    sum->unopened += one->unopened;
    sum->tries += one->tries;
    sum->forwarded += one->forwarded;
    sum->epochs += one->epochs;
    sum->checks += one->checks;
    sum->withdrawn += one->withdrawn;
    sum->removes += one->removes;
    sum->resyncs += one->resyncs;
    sum->crashes += one->crashes;
    sum->rekeys += one->rekeys;
    sum->rekey_sum_us += one->rekey_sum_us;
    if (one->rekey_max_us > sum->rekey_max_us)
        sum->rekey_max_us = one->rekey_max_us;
}

static void count(const struct table *table, struct totals totals[SCENARIOS_MAX], struct job *job) {
    struct totals *of = &totals[job->scenario - table->scenarios];
    struct result result = finish(job);
    count_meeting(&of->meeting, &result.meeting);
    of->runs++;
    of->failures += !result.passed;
    of->virtual_us += result.virtual_us;
    of->datagrams += result.datagrams;
    of->streams += result.streams;
    of->frames += result.frames;
    of->freeze_us += result.freeze_us;
}

static void print_totals(const char *name, const struct totals *of) {
    printf("%-10s %6u %8u %12.1f %12llu %9llu %10llu %10.1f\n", name, of->runs, of->failures,
           (double)of->virtual_us / 1e6, (unsigned long long)of->datagrams, (unsigned long long)of->streams,
           (unsigned long long)of->frames, (double)of->freeze_us / 1e6);
}

static void print_meeting(const char *name, const struct totals *of) {
    const struct gathering_figures *m = &of->meeting;
    const uint64_t counts[] = {m->epochs, m->checks, m->withdrawn, m->removes, m->resyncs, m->crashes,
                               m->sealed, m->opened, m->unopened,  m->tries,   m->rekeys};
    printf("%-10s %6u %8u %10.1f", name, of->runs, of->failures, (double)of->virtual_us / 1e6);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        printf(" %9llu", (unsigned long long)counts[i]);
    printf(" %8.0f %8.0f\n", m->rekeys > 0 ? (double)m->rekey_sum_us / 1e3 / (double)m->rekeys : 0.0,
           (double)m->rekey_max_us / 1e3);
}

/* Checks: of entrants' commits, by members. Withdrawn: commits taken back. Tries: keys of people who are out, or not
 * yet in, tried on frames. Rekeys: from the moment when somebody is out to all senders using keys that this person has
 * not, in milliseconds. */
static int summary_of_meetings(const struct table *table, const struct totals totals[SCENARIOS_MAX], double took_s) {
    struct totals sum = {0};
    static const char *const counted[] = {"epochs", "checks", "withdrawn", "removes", "resyncs", "crashes",
                                          "sealed", "opened", "unopened",  "tries",   "rekeys"};
    printf("%-10s %6s %8s %10s", "scenario", "runs", "failed", "virtual s");
    for (size_t i = 0; i < ARRAY_LEN(counted); i++)
        printf(" %9s", counted[i]);
    printf(" %8s %8s\n", "mean ms", "max ms");
    for (uint32_t i = 0; i < table->count; i++) {
        if (totals[i].runs == 0)
            continue;
        print_meeting(table->scenarios[i].name, &totals[i]);
        sum.runs += totals[i].runs;
        sum.failures += totals[i].failures;
        sum.virtual_us += totals[i].virtual_us;
        count_meeting(&sum.meeting, &totals[i].meeting);
    }
    print_meeting("all of it", &sum);
    printf("in %.1f s\n", took_s);
    return sum.failures > 0 ? 1 : 0;
}

/* Streams, frames and freezes are those of the receivers at the end of each run. */
static int summary(const struct totals totals[SCENARIOS_MAX], double took_s) {
    struct totals sum = {0};
    printf("%-10s %6s %8s %12s %12s %9s %10s %10s\n", "scenario", "runs", "failed", "virtual s", "datagrams", "streams",
           "frames", "frozen s");
    for (uint32_t i = 0; i < scenarios_count; i++) {
        if (totals[i].runs == 0)
            continue;
        print_totals(scenarios[i].name, &totals[i]);
        sum.runs += totals[i].runs;
        sum.failures += totals[i].failures;
        sum.virtual_us += totals[i].virtual_us;
        sum.datagrams += totals[i].datagrams;
        sum.streams += totals[i].streams;
        sum.frames += totals[i].frames;
        sum.freeze_us += totals[i].freeze_us;
    }
    print_totals("all", &sum);
    printf("in %.1f s\n", took_s);
    return sum.failures > 0 ? 1 : 0;
}

static int command_run(struct arguments arguments, struct table table) {
    struct totals totals[SCENARIOS_MAX] = {{0}};
    struct job jobs[JOBS_MAX] = {{0}};
    double begun = seconds(), told = begun;
    if (arguments.scenario >= gatherings && arguments.scenario < gatherings + gatherings_count)
        table = meetings();
    for (uint64_t i = 0; i < arguments.seeds; i++) {
        struct job *job = &jobs[i % arguments.jobs];
        if (job->pid != 0)
            count(&table, totals, job);
        struct sim_options options = arguments.options;
        options.seed = arguments.first + i;
        const struct scenario *scenario = arguments.scenario != NULL
                                              ? arguments.scenario
                                              : scenario_of_seed(table.scenarios, table.count, options.seed);
        options.scenario = scenario->name;
        *job = start(scenario, &options);
        if (seconds() - told > 10) {
            told = seconds();
            printf("%llu of %llu\n", (unsigned long long)i, (unsigned long long)arguments.seeds);
        }
    }
    for (uint32_t i = 0; i < arguments.jobs; i++) {
        if (jobs[i].pid != 0)
            count(&table, totals, &jobs[i]);
    }
    return table.meetings ? summary_of_meetings(&table, totals, seconds() - begun) : summary(totals, seconds() - begun);
}

static int command_same(struct arguments arguments) {
    struct sim_options options = arguments.options;
    options.seed = arguments.first;
    const struct scenario *scenario =
        arguments.scenario != NULL ? arguments.scenario : scenario_of_seed(scenarios, scenarios_count, options.seed);
    options.scenario = scenario->name;
    struct result results[2];
    for (int i = 0; i < 2; i++) {
        struct job job = start(scenario, &options);
        results[i] = finish(&job);
        printf("seed %llu scenario %s: %s, hash %016llx\n", (unsigned long long)options.seed, scenario->name,
               results[i].passed ? "passed" : "failed", (unsigned long long)results[i].hash);
    }
    return results[0].passed && results[1].passed && results[0].hash == results[1].hash ? 0 : 1;
}

/* By each plant's number: where it is looked for, and what the check that is meant for it says. */
static const struct {
    const char *where, *says;
} plant_of[] = {
    {"", ""},
    {"twenty", "no agreement: p_2"},
    {"twenty", "a second time"},
    {"twenty", "removed in epoch"},
    {"twenty", "who came in epoch"},
    {"twenty", "media goes to"},
    {"three", "media of"},
    {"twenty", "media goes to"},
    {"three", "a sender still uses a key"},
    {"impatient", "had no connection for"},
    {"hostile", "gave its group up"},
    {"twenty", "has a commit staged for"},
    {"twenty", "before that stands"},
};

static int plants_missed(uint64_t first) {
    ASSERT(ARRAY_LEN(plant_of) == ARRAY_LEN(plants));
    int missed = 0;
    for (size_t i = 1; i < ARRAY_LEN(plants); i++) {
        const struct scenario *scenario = scenario_by_name(plant_of[i].where);
        bool found = false;
        for (uint64_t seed = first; seed < first + 6 && !found; seed++) {
            struct sim_options options = {
                .seed = seed, .scenario = scenario->name, .plant = (uint32_t)i, .expected = plant_of[i].says};
            struct job job = start(scenario, &options);
            found = finish(&job).as_expected;
        }
        printf("%-6s in %-6s %s\n", plants[i], scenario->name, found ? "found" : "NOT FOUND");
        missed += !found;
    }
    return missed;
}

static int command_canaries(struct arguments arguments) {
    static const char *const where[] = {"", "storm", "ten", "rough", "churn", "two", "subscribe", "data"};
    ASSERT(ARRAY_LEN(where) == ARRAY_LEN(canaries));
    int missed = 0;
    for (size_t i = 1; i < ARRAY_LEN(canaries); i++) {
        const struct scenario *scenario = scenario_by_name(where[i]);
        uint32_t found = 0;
        for (uint64_t seed = arguments.first; seed < arguments.first + 4 && found == 0; seed++) {
            struct sim_options options = {.seed = seed, .scenario = scenario->name, .canary = (enum canary)i};
            struct job job = start(scenario, &options);
            found += !finish(&job).passed;
        }
        printf("%-6s in %-6s %s\n", canaries[i], scenario->name, found > 0 ? "found" : "NOT FOUND");
        missed += found == 0;
    }
    return missed + plants_missed(arguments.first) > 0 ? 1 : 0;
}

int main(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "run") == 0)
        return command_run(read_arguments(argc, argv), open_rooms());
    if (strcmp(command, "meetings") == 0)
        return command_run(read_arguments(argc, argv), meetings());
    if (strcmp(command, "same") == 0)
        return command_same(read_arguments(argc, argv));
    if (strcmp(command, "canaries") == 0)
        return command_canaries(read_arguments(argc, argv));
    if (strcmp(command, "list") == 0) {
        for (uint32_t i = 0; i < scenarios_count; i++)
            printf("%-10s weight %u: %s\n", scenarios[i].name, scenarios[i].weight, scenarios[i].what);
        for (uint32_t i = 0; i < gatherings_count; i++)
            printf("%-10s meeting, weight %u: %s\n", gatherings[i].name, gatherings[i].weight, gatherings[i].what);
        return 0;
    }
    fprintf(
        stderr,
        "usage: sim run|meetings|same|canaries|list [--seeds N] [--first N] [--scenario NAME] [-j N] [--canary NAME] "
        "[--verbose]\n");
    return 2;
}
