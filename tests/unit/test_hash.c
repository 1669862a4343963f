/* The published test vectors of SHA-256 and FNV-1a. */
#include "schema/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void sha256_vectors(void **state)
{
    (void)state;
    char hex[HASH_HEX_SIZE];
    hash_sha256_hex("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hash_sha256_hex(NULL, 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hash_sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void pieces_equal_the_whole(void **state)
{
    (void)state;
    const char *text = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    char hex[HASH_HEX_SIZE];
    struct hash *hash = hash_open();
    for (size_t i = 0; i < strlen(text); i++)
        hash_add(hash, text + i, 1);
    hash_add(hash, NULL, 0);
    hash_close(&hash, hex);
    assert_null(hash);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    hash_close(&hash, NULL);
}

static void fnv_vectors(void **state)
{
    (void)state;
    assert_true(hash_fnv64("", 0) == 0xcbf29ce484222325u);
    assert_true(hash_fnv64("a", 1) == 0xaf63dc4c8601ec8cu);
    assert_true(hash_fnv64("foobar", 6) == 0x85944171f73967e8u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_vectors),
        cmocka_unit_test(pieces_equal_the_whole),
        cmocka_unit_test(fnv_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
