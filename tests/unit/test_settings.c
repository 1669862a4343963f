#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/settings.h"

/* Loads `yaml` as a file and returns what was said about it, malloc'ed, the file's name replaced by "F". */
static char *load(struct settings *settings, const char *yaml, const char *const *sets,
                  size_t set_count, int *result)
{
    char path[] = "/tmp/tipoff-settings-XXXXXX", *said = NULL;
    size_t size = 0;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, yaml, strlen(yaml)), strlen(yaml));
    close(fd);
    FILE *errors = open_memstream(&said, &size);
    *result = settings_load(settings, path, sets, set_count, errors);
    fclose(errors);
    unlink(path);
    size_t name = strlen(path);
    for (char *at = said; (at = strstr(at, path)) != NULL;) {
        *at = 'F';
        memmove(at + 1, at + name, strlen(at + name) + 1);
    }
    return said;
}

static void assert_refused(const char *yaml, const char *expected)
{
    struct settings settings;
    int result = 0;
    char *said = load(&settings, yaml, NULL, 0, &result);
    assert_string_equal(said, expected);
    assert_int_equal(result, -1);
    free(said);
}

static void assert_taken(struct settings *settings, const char *yaml)
{
    int result = -1;
    char *said = load(settings, yaml, NULL, 0, &result);
    assert_string_equal(said, "");
    assert_int_equal(result, 0);
    free(said);
}

static void test_defaults(void **state)
{
    (void)state;
    struct settings settings;
    assert_int_equal(settings_load(&settings, NULL, NULL, 0, stderr), 0);
    assert_string_equal(settings.timezone, "America/New_York");
    assert_int_equal(settings.broker.segment_bytes, 256 << 20);
    assert_int_equal(settings.broker.lease_us, 10000000);
    assert_int_equal(settings.poller.live_interval_us, 180000000);
    assert_int_equal(settings.day.rollover_hour, 6);
    assert_true(settings.predictor.min_edge == 0.03);
    assert_int_equal(settings.log.level, LOG_LEVEL_INFO);
    assert_true(settings.scoreboard.exports);
    assert_int_equal(settings.poller.odds.markets.count, 1);
    assert_string_equal(settings.poller.odds.markets.item[0], "player_points");
    assert_string_equal(settings.broker.endpoint, "ipc://./tipoff-data/broker.ipc");
}

static void test_values(void **state)
{
    (void)state;
    struct settings settings;
    assert_taken(&settings, "dir: /var/lib/tipoff\n"
                            "timezone: Europe/Berlin\n"
                            "log: {level: debug, format: json}\n"
                            "broker:\n"
                            "  segment_bytes: 4MiB\n"
                            "  max_batch_bytes: 1048576\n"
                            "  lease: 1m30s\n"
                            "  tap_endpoint: ipc:///run/tap\n"
                            "poller:\n"
                            "  retry_base: 250ms\n"
                            "  bdl:\n"
                            "    base_url: http://127.0.0.1:8080/x\n"
                            "    key: file:/etc/tipoff/bdl\n"
                            "  odds:\n"
                            "    markets: [player_points, player_assists]\n"
                            "    regions:\n"
                            "      - us\n"
                            "      - us2\n"
                            "predictor: {min_edge: 5e-2, kelly: 0.5, stats: [points, rebounds]}\n"
                            "scoreboard: {exports: false, port: 0}\n");
    assert_string_equal(settings.dir, "/var/lib/tipoff");
    assert_string_equal(settings.timezone, "Europe/Berlin");
    assert_int_equal(settings.log.level, LOG_LEVEL_DEBUG);
    assert_int_equal(settings.log.format, LOG_FORMAT_JSON);
    assert_int_equal(settings.broker.segment_bytes, 4 << 20);
    assert_int_equal(settings.broker.max_batch_bytes, 1 << 20);
    assert_int_equal(settings.broker.lease_us, 90000000);
    assert_string_equal(settings.broker.tap_endpoint, "ipc:///run/tap");
    assert_string_equal(settings.broker.endpoint, "ipc:///var/lib/tipoff/broker.ipc");
    assert_int_equal(settings.poller.retry_base_us, 250000);
    assert_string_equal(settings.poller.bdl.base_url, "http://127.0.0.1:8080/x");
    assert_string_equal(settings.poller.bdl.key.where, "file:/etc/tipoff/bdl");
    assert_int_equal(settings.poller.odds.markets.count, 2);
    assert_string_equal(settings.poller.odds.regions.item[1], "us2");
    assert_true(settings.predictor.min_edge == 0.05);
    assert_false(settings.scoreboard.exports);
    assert_int_equal(settings.scoreboard.port, 0);
    assert_taken(&settings, "");
    assert_taken(&settings, "# nothing\n---\n");
    assert_taken(&settings, "poller:\n  # all of it commented out\n");
}

static void test_keys_refused(void **state)
{
    (void)state;
    assert_refused("dir: x\nbrokr:\n  lease: 1s\n", "F:2: brokr: unknown key\n");
    assert_refused("broker:\n  lease: 1s\n  leese: 1s\n", "F:3: broker.leese: unknown key\n");
    assert_refused("broker.lease: 1s\n", "F:1: broker.lease: unknown key\n");
    assert_refused("broker:\n  lease: 1s\n  heartbeat: 1s\n  lease: 2s\n",
                   "F:4: broker.lease: duplicate key, first in line 2\n");
    assert_refused("log: {level: info}\nlog: {format: text}\n",
                   "F:2: log: duplicate key, first in line 1\n");
    assert_refused("log: info\n", "F:1: log: is a section: its keys go below it\n");
    assert_refused("log: [level]\n", "F:1: log: is a section: its keys go below it\n");
    assert_refused("poller:\n  bdl:\n    base_url:\n      x: y\n",
                   "F:4: poller.bdl.base_url: must be a single value\n");
    assert_refused("- dir\n", "F:1: file: must be a map of keys\n");
    assert_refused("dir: a\n---\ndir: b\n", "F:2: file: must hold one document\n");
    assert_refused("dir: [a\n", "F:2: file: not YAML: did not find expected ',' or ']'\n");
    assert_refused("? [a, b]\n: c\n", "F:1: file: keys must be short plain names\n");
    /* all of them are told, not the first alone */
    assert_refused("a: 1\nb: 2\nday: {rollover_hour: 13}\n",
                   "F:1: a: unknown key\nF:2: b: unknown key\n"
                   "F:3: day.rollover_hour: must be from 0 to 12\n");
}

static void test_types_refused(void **state)
{
    (void)state;
    assert_refused("broker: {partitions: four}\n",
                   "F:1: broker.partitions: must be a whole number\n");
    assert_refused("broker: {partitions: '4'}\n",
                   "F:1: broker.partitions: must be a whole number\n");
    assert_refused("broker: {partitions: 4.0}\n",
                   "F:1: broker.partitions: must be a whole number\n");
    assert_refused("broker: {partitions: 99999999999999999999}\n",
                   "F:1: broker.partitions: must be a whole number\n");
    assert_refused("broker: {partitions: [4]}\n",
                   "F:1: broker.partitions: must be a single value\n");
    assert_refused("broker: {partitions: }\n", "F:1: broker.partitions: has no value\n");
    assert_refused("broker:\n  partitions: ~\n", "F:2: broker.partitions: has no value\n");
    assert_refused("predictor: {min_edge: nan}\n", "F:1: predictor.min_edge: must be a number\n");
    assert_refused("predictor: {min_edge: 0x1p-4}\n",
                   "F:1: predictor.min_edge: must be a number\n");
    assert_refused("scoreboard: {exports: yes}\n",
                   "F:1: scoreboard.exports: must be true or false\n");
    const char *duration =
        "F:1: broker.lease: must be a duration with its unit (us, ms, s, m, h, d), such as 90s\n";
    assert_refused("broker: {lease: 10}\n", duration);
    assert_refused("broker: {lease: 10 s}\n", duration);
    assert_refused("broker: {lease: 1w}\n", duration);
    assert_refused("broker: {lease: -1s}\n", duration);
    assert_refused("broker: {lease: 1m30}\n", duration);
    assert_refused("broker: {lease: 9999999999999d}\n", duration);
    assert_refused(
        "broker: {segment_bytes: 1MB}\n",
        "F:1: broker.segment_bytes: must be a number of bytes, such as 4194304 or 4MiB\n");
    assert_refused("log: {level: loud}\n",
                   "F:1: log.level: must be one of debug|info|warn|error\n");
    assert_refused("log: {level: inf}\n", "F:1: log.level: must be one of debug|info|warn|error\n");
    assert_refused("poller: {odds: {regions: us}}\n",
                   "F:1: poller.odds.regions: must be a list: [a, b]\n");
    assert_refused("retention: {tables: [scoreboard.odds]}\n",
                   "F:1: retention.tables: must be a list of which each is ACTOR.TABLE=DAYS, 0 to "
                   "36500; 0: for ever\n");
    assert_refused("retention: {tables: [odds=60]}\n",
                   "F:1: retention.tables: must be a list of which each is ACTOR.TABLE=DAYS, 0 to "
                   "36500; 0: for ever\n");
    assert_refused("retention: {tables: [scoreboard.odds=40000]}\n",
                   "F:1: retention.tables: must be a list of which each is ACTOR.TABLE=DAYS, 0 to "
                   "36500; 0: for ever\n");
    assert_refused("poller: {odds: {regions: [us, us]}}\n",
                   "F:1: poller.odds.regions: names us twice\n");
    assert_refused("poller: {odds: {regions: [us, [eu]]}}\n",
                   "F:1: poller.odds.regions: must be a list of plain values\n");
    assert_refused("dir: \"a\\0b\"\n", "F:1: dir: must not contain a NUL\n");
}

static void test_limits_and_rules_refused(void **state)
{
    (void)state;
    assert_refused("broker: {partitions: 0}\n", "F:1: broker.partitions: must be from 1 to 256\n");
    assert_refused("broker: {partitions: 257}\n",
                   "F:1: broker.partitions: must be from 1 to 256\n");
    assert_refused("broker: {lease: 99ms}\n", "F:1: broker.lease: must be from 100ms to 10m\n");
    assert_refused("broker: {segment_bytes: 1KiB}\n",
                   "F:1: broker.segment_bytes: must be from 64KiB to 16GiB\n");
    assert_refused("predictor: {min_edge: 0.51}\n",
                   "F:1: predictor.min_edge: must be from 0 to 0.5\n");
    assert_refused("timezone: America/Nowhere\n",
                   "F:1: timezone: must be a name of the tz database\n");
    assert_refused("scoreboard: {address: localhost}\n",
                   "F:1: scoreboard.address: must be a numeric IPv4 or IPv6 address\n");
    assert_refused("poller: {bdl: {base_url: 'ftp://x'}}\n",
                   "F:1: poller.bdl.base_url: must be an http:// or https:// URL without query\n");
    assert_refused("poller: {bdl: {base_url: 'https://x?key=1'}}\n",
                   "F:1: poller.bdl.base_url: must be an http:// or https:// URL without query\n");
    assert_refused("broker: {endpoint: 'tcp://127.0.0.1:7400'}\n",
                   "F:1: broker.endpoint: must be ipc://PATH; tcp:// needs CURVE keys, which this "
                   "version has not\n");
    static const char *const not_loopback[] = {
        "tcp://0.0.0.0:7479", "tcp://127.0.0.1:0", "tcp://127.0.0.1:70000",
        "tcp://127.0.0.1:",   "ipc:///tap",        "tcp://127.0.0.1:79x"};
    for (size_t i = 0; i < sizeof not_loopback / sizeof *not_loopback; i++) {
        char yaml[80];
        snprintf(yaml, sizeof yaml, "broker: {tap_tcp: '%s'}\n", not_loopback[i]);
        assert_refused(yaml, "F:1: broker.tap_tcp: must be tcp://127.0.0.1:PORT or "
                             "tcp://[::1]:PORT: what is not encrypted stays on the host\n");
    }
    static const char *const not_cpus[] = {"x",   "-1",  "0-",     "1,",    ",1",
                                           "2-1", "0 1", "0-1024", "99999", "1-2-3"};
    for (size_t i = 0; i < sizeof not_cpus / sizeof *not_cpus; i++) {
        char yaml[80];
        snprintf(yaml, sizeof yaml, "actor: {cpus: '%s'}\n", not_cpus[i]);
        assert_refused(yaml, "F:1: actor.cpus: must be cores like 0 or 0-3,6\n");
    }
    assert_refused(
        "poller: {retry_base: 1m}\n",
        "effective: poller.retry_base: must not be larger than poller.retry_cap (1m > 30s)\n");
    assert_refused("shards: {grader: 8}\n",
                   "effective: shards.grader: must not be larger than broker.partitions (8 > 4)\n");
    assert_refused("dir: \"a\\x85b\"\n", "F:1: dir: must be a path without control characters\n");
    assert_refused("dir: \"a\\Lb\"\n", "F:1: dir: must be a path without control characters\n");
    assert_refused("dir: ''\n", "effective: dir: must not be empty\n");
    struct settings settings;
    FILE *nowhere = fopen("/dev/null", "w");
    assert_int_equal(settings_load(&settings, "/no/such/file.yaml", NULL, 0, nowhere), -1);
    fclose(nowhere);
}

static void test_directory_too_long_for_sockets(void **state)
{
    (void)state;
    struct settings settings;
    char set[160] = "dir=/";
    memset(set + 5, 'x', 110);
    const char *sets[] = {set};
    char *said = NULL;
    size_t size = 0;
    FILE *errors = open_memstream(&said, &size);
    assert_int_equal(settings_load(&settings, NULL, sets, 1, errors), -1);
    fclose(errors);
    assert_non_null(strstr(said, "broker.endpoint: a socket's path must be at most 107 bytes"));
    free(said);
}

static void test_command_line(void **state)
{
    (void)state;
    struct settings settings;
    int result = 0;
    const char *const sets[] = {"dir=/tmp/x", "broker.lease=2s", "poller.odds.regions=us,eu",
                                "log.level=warn"};
    char *said = load(&settings, "dir: /tmp/y\nbroker: {lease: 3s}\n", sets, 4, &result);
    assert_string_equal(said, "");
    free(said);
    assert_int_equal(result, 0);
    assert_string_equal(settings.dir, "/tmp/x");
    assert_string_equal(settings.broker.endpoint, "ipc:///tmp/x/broker.ipc");
    assert_int_equal(settings.broker.lease_us, 2000000);
    assert_int_equal(settings.poller.odds.regions.count, 2);
    assert_int_equal(settings.log.level, LOG_LEVEL_WARN);
    const char *const wrong[] = {"dir", "=x", "no.such=1", "broker.lease=2", "broker=1"};
    said = load(&settings, "", wrong, 5, &result);
    assert_int_equal(result, -1);
    assert_string_equal(
        said, "command line: dir: must be key=value\n"
              "command line: =x: must be key=value\n"
              "command line: no.such: unknown key\n"
              "command line: broker.lease: must be a duration with its unit (us, ms, s, m, h, d), "
              "such as 90s\n"
              "command line: broker: is a section: its keys go below it\n");
    free(said);
}

static char *printed(const struct settings *settings, bool comments)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    settings_print(settings, comments, out);
    fclose(out);
    return text;
}

static void test_print_reads_back(void **state)
{
    (void)state;
    struct settings first, second;
    assert_taken(&first, "dir: 'a \"b\" \\ # c'\npoller: {retry_base: 1500us, user_agent: 'true', "
                         "bdl: {key: env:K}}\n"
                         "predictor: {min_edge: 0.1}\nlog: {format: json}\n");
    for (int comments = 0; comments < 2; comments++) {
        char *yaml = printed(&first, comments == 1);
        assert_taken(&second, yaml);
        assert_memory_equal(&first, &second, sizeof first);
        free(yaml);
    }
}

static void test_hash(void **state)
{
    (void)state;
    struct settings settings;
    char base[SETTINGS_HASH_SIZE], other[SETTINGS_HASH_SIZE];
    assert_taken(&settings, "");
    settings_hash(&settings, base);
    assert_int_equal(strspn(base, "0123456789abcdef"), 16);
    assert_taken(&settings, "dir: /elsewhere\nlog: {level: debug}\npoller: {bdl: {key: env:K, "
                            "base_url: 'http://x'}}\n");
    settings_hash(&settings, other);
    assert_string_equal(base, other); /* where and how loud: no matter */
    assert_taken(&settings, "predictor: {min_edge: 0.04}\n");
    settings_hash(&settings, other);
    assert_string_not_equal(base, other);
    assert_taken(&settings, "poller: {odds: {markets: [player_points, player_assists]}}\n");
    settings_hash(&settings, other);
    assert_string_not_equal(base, other);
}

static void test_secrets(void **state)
{
    (void)state;
    struct settings settings;
    char value[SETTINGS_SECRET_SIZE], path[] = "/tmp/tipoff-secret-XXXXXX", yaml[128];
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "s3cr3t\n", 7), 7);
    close(fd);
    snprintf(yaml, sizeof yaml, "poller: {bdl: {key: 'file:%s'}}\n", path);
    assert_taken(&settings, yaml);
    assert_int_equal(settings_secret_read(&settings.poller.bdl.key, value, stderr), 1);
    assert_string_equal(value, "s3cr3t");
    char *text = printed(&settings, true);
    assert_null(strstr(text, "s3cr3t"));
    free(text);
    assert_int_equal(settings_secret_read(&settings.poller.odds.key, value, stderr), 0);
    unlink(path);
    FILE *nowhere = fopen("/dev/null", "w");
    assert_int_equal(settings_secret_read(&settings.poller.bdl.key, value, nowhere), -1);
    fclose(nowhere);

    setenv("TIPOFF_BDL_KEY", "from-outside", 1); /* the environment wins over the file */
    assert_taken(&settings, yaml);
    assert_string_equal(settings.poller.bdl.key.where, "env:TIPOFF_BDL_KEY");
    assert_int_equal(settings_secret_read(&settings.poller.bdl.key, value, stderr), 1);
    assert_string_equal(value, "from-outside");
    unsetenv("TIPOFF_BDL_KEY");

    /* one that was written into the file itself is refused, and not repeated */
    assert_refused("poller: {bdl: {key: abcdef0123}}\n",
                   "F:1: poller.bdl.key: must say where the secret is kept, file:PATH or env:NAME; "
                   "it is never written "
                   "here itself\n");
}

/* The committed sample is valid, and changes nothing. */
static void test_sample(void **state)
{
    (void)state;
    const char *source = getenv("TIPOFF_SOURCE");
    if (source == NULL) {
        skip();
    }
    char path[512];
    struct settings settings, defaults;
    snprintf(path, sizeof path, "%s/config/tipoff.yaml", source);
    assert_int_equal(settings_load(&settings, path, NULL, 0, stderr), 0);
    assert_int_equal(settings_load(&defaults, NULL, NULL, 0, stderr), 0);
    assert_memory_equal(&settings, &defaults, sizeof settings);
}

static void test_path(void **state)
{
    (void)state;
    struct settings settings;
    char path[32];
    const char *sets[] = {"dir=/tmp/x"};
    assert_int_equal(settings_load(&settings, NULL, sets, 1, stderr), 0);
    assert_int_equal(settings_path(&settings, path, sizeof path, "clock"), 0);
    assert_string_equal(path, "/tmp/x/clock");
    assert_int_equal(settings_path(&settings, path, 12, "clock"), -1);
}

int main(void)
{
    unsetenv("TIPOFF_BDL_KEY");
    unsetenv("TIPOFF_ODDS_KEY");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_keys_refused),
        cmocka_unit_test(test_types_refused),
        cmocka_unit_test(test_limits_and_rules_refused),
        cmocka_unit_test(test_directory_too_long_for_sockets),
        cmocka_unit_test(test_command_line),
        cmocka_unit_test(test_print_reads_back),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_sample),
        cmocka_unit_test(test_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
