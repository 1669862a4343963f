/* Names from different sources meet in one key. */
#include "actors/processor/name_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void keys(void **state)
{
    (void)state;
    static const struct {
        const char *name, *key;
    } CASES[] = {
        {"Luka Dončić", "luka doncic"},
        {"Nikola Jokić", "nikola jokic"},
        {"DENNIS SCHRÖDER", "dennis schroder"},
        {"Wendell Carter Jr.", "wendell carter"},
        {"Gary Payton II", "gary payton"},
        {"Robert Williams III", "robert williams"},
        {"Shai Gilgeous-Alexander", "shai gilgeous alexander"},
        {"De'Aaron Fox", "deaaron fox"},
        {"De\u2019Aaron Fox", "deaaron fox"},
        {"P.J. Washington", "pj washington"},
        {"  Two   Blanks ", "two blanks"},
        {"Nene", "nene"},
        {"V", "v"},
        {"Strauß Æon", "strauss aeon"},
        {"C\u030Ca\u0301p", "cap"},
        {"Șerban Țîrlea", "serban tirlea"},
        {"\xff\xfe", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char key[NAME_KEY_SIZE];
        name_key(CASES[i].name, key);
        assert_string_equal(key, CASES[i].key);
    }
}

static void a_long_name_is_cut(void **state)
{
    (void)state;
    char name[200], key[NAME_KEY_SIZE];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    name_key(name, key);
    assert_int_equal(strlen(key), NAME_KEY_SIZE - 1);
}

static void alike(void **state)
{
    (void)state;
    assert_true(name_key_alike("herb jones", "herbert jones"));
    assert_true(name_key_alike("nicolas claxton", "nic claxton"));
    assert_false(name_key_alike("al horford", "alfred horford")); /* two letters are too few */
    assert_false(name_key_alike("herb jones", "herbert smith"));
    assert_false(name_key_alike("herb jones", "derrick jones"));
    assert_false(name_key_alike("nene", "nene"));
    assert_string_equal(name_key_family("shai gilgeous alexander"), "gilgeous alexander");
    assert_string_equal(name_key_alias("moe wagner"), "moritz wagner");
    assert_null(name_key_alias("luka doncic"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),
        cmocka_unit_test(a_long_name_is_cut),
        cmocka_unit_test(alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
