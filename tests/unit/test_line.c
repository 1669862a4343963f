/* The median line and its prices. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "actors/features/line.h"
#include "schema/message.h"

static void test_none(void **state)
{
    (void)state;
    struct line_median line = line_median(NULL, 0);
    assert_int_equal(line.books, 0);
    assert_true(isnan(line.line));
    assert_true(line.over_price == MESSAGE_NONE && line.under_price == MESSAGE_NONE);
}

static void test_odd_number(void **state)
{
    (void)state;
    struct line_offer offers[] = {
        {"a", 21.5, -110, -110}, {"b", 20.5, -120, 100}, {"c", 25.5, -105, -115}};
    struct line_median line = line_median(offers, 3);
    assert_int_equal(line.books, 3);
    assert_true(line.line == 21.5);
    assert_int_equal(line.over_price, -110);
    assert_int_equal(line.under_price, -110);
}

static void test_even_number(void **state)
{
    (void)state;
    struct line_offer offers[] = {{"a", 21.5, -110, -110}, {"b", 20.5, -120, 100}};
    struct line_median line = line_median(offers, 2);
    assert_true(line.line == 21);
    assert_true(line.over_price == MESSAGE_NONE); /* nobody offers 21 */
    assert_true(line.under_price == MESSAGE_NONE);
}

static void test_one_offer_a_book(void **state)
{
    (void)state;
    struct line_offer offers[] = {{"a", 20.5, -110, -110},
                                  {"a", 21.5, -120, -110},
                                  {"a", 30.5, -130, -110},
                                  {"b", 21.5, -110, -110}};
    struct line_median line = line_median(offers, 3);
    assert_int_equal(line.books, 1);
    assert_true(line.line == 21.5); /* the middle one of the book's */
    assert_int_equal(line.over_price, -120);
    line = line_median(offers, 4);
    assert_int_equal(line.books, 2); /* ... which still counts once */
    assert_true(line.line == 21.5);
}

static void test_prices_across_even(void **state)
{
    (void)state;
    struct line_offer offers[] = {{"a", 20.5, -105, -115},
                                  {"b", 20.5, 105, -125},
                                  {"c", 20.5, MESSAGE_NONE, MESSAGE_NONE},
                                  {"d", 20.5, MESSAGE_NONE, MESSAGE_NONE}};
    struct line_median line = line_median(offers, 4);
    assert_int_equal(line.over_price, -100); /* -105 and +105: an even chance */
    assert_int_equal(line.under_price, -120);
}

static void test_prices_there_and_back(void **state)
{
    (void)state;
    for (int64_t price = 100; price <= 1000; price += 7) {
        assert_int_equal(line_price_american(line_price_probability(-price)), -price);
        assert_int_equal(line_price_american(line_price_probability(price + 1)), price + 1);
    }
}

/* What another site says of the books counts where no book says anything itself. */
static void test_second_hand(void **state)
{
    (void)state;
    static const struct line_offer offers[] = {{"bp-fanduel", 30.5, -110, -110},
                                               {"bp-draftkings", 31.5, 105, -120},
                                               {"fanduel", 20.5, -115, -105}};
    struct line_median line = line_median(offers, 3);
    assert_true(line.books == 1 && line.line == 20.5 && line.over_price == -115);
    line = line_median(offers, 2);
    assert_true(line.books == 2 && line.line == 31);
    static const struct line_offer sites[] = {{"bp-fanduel", 30.5, -110, -110},
                                              {"bdl-fanduel", 31.5, 105, -120},
                                              {"bdl-betway", 33.5, 105, -120}};
    line = line_median(sites, 3); /* two sites, and no book of them twice */
    assert_true(line.books == 2 && line.line == 32.5);
    assert_true(line_hand("fanduel") == 0 && line_hand("bdl-fanduel") == 1 &&
                line_hand("bp-fanduel") == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_odd_number),
        cmocka_unit_test(test_even_number),
        cmocka_unit_test(test_one_offer_a_book),
        cmocka_unit_test(test_prices_across_even),
        cmocka_unit_test(test_prices_there_and_back),
        cmocka_unit_test(test_second_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
