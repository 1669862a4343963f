/* The standard's own examples, and that cutting the input differently changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "schema/sha256.h"

static void standard_examples(void **state)
{
    (void)state;
    static const struct {
        const char *text, *digest;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[SHA256_TEXT_SIZE];
        sha256_text(cases[i].text, strlen(cases[i].text), text);
        assert_string_equal(text, cases[i].digest);
    }
}

static void a_million_a(void **state)
{
    (void)state;
    char block[1000], text[SHA256_TEXT_SIZE];
    memset(block, 'a', sizeof block);
    struct sha256 self;
    sha256_start(&self);
    for (int i = 0; i < 1000; i++) {
        sha256_add(&self, block, sizeof block);
    }
    sha256_end_text(&self, text);
    assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void any_cut_is_the_same(void **state)
{
    (void)state;
    uint8_t data[300];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 7);
    }
    char whole[SHA256_TEXT_SIZE], parts[SHA256_TEXT_SIZE];
    sha256_text(data, sizeof data, whole);
    for (size_t cut = 0; cut <= sizeof data; cut++) {
        struct sha256 self;
        sha256_start(&self);
        sha256_add(&self, data, cut);
        sha256_add(&self, data + cut, sizeof data - cut);
        sha256_end_text(&self, parts);
        assert_string_equal(parts, whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_examples),
        cmocka_unit_test(a_million_a),
        cmocka_unit_test(any_cut_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
