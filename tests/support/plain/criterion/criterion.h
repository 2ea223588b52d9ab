/*
 * criterion.h - as much of Criterion as our units use, for runs under valgrind (-Dplain_units=true).
 *
 * Criterion starts a program anew for each test, which valgrind makes slow: a second each. Here a test is a fork(), which
 * keeps the isolation and costs valgrind nothing. Header-only; each test program is one source file.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct plain_options {
	void (*init)(void);
	void (*fini)(void);
	double timeout; /* the test runner's business here */
};

struct plain_test {
	const char *suite, *name;
	void (*body)(void); /* NULL: options of a whole suite */
	struct plain_options options;
	struct plain_test *next;
};

static struct plain_test *plain_tests;
static bool plain_failed;

static inline void
plain_add(struct plain_test *test)
{
	test->next = plain_tests;
	plain_tests = test;
}

static inline const struct plain_options *
plain_suite(const char *suite)
{
	static const struct plain_options none;

	for (const struct plain_test *test = plain_tests; test; test = test->next)
		if (!test->body && !strcmp(test->suite, suite))
			return &test->options;
	return &none;
}

static inline void
plain_call(void (*first)(void), void (*second)(void))
{
	if (first)
		first();
	if (second)
		second();
}

static inline bool
plain_run(const struct plain_test *test)
{
	const struct plain_options *suite = plain_suite(test->suite);
	int status = 0;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		plain_call(suite->init, test->options.init);
		test->body();
		plain_call(test->options.fini, suite->fini);
		exit(plain_failed);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
		fprintf(stderr, "%s::%s failed (status %#x)\n", test->suite, test->name, (unsigned)status);
		return false;
	}
	return true;
}

/* `fatal`: an assertion ends its test. */
static inline void
plain_check(bool ok, bool fatal, const char *place, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", place, what);
	plain_failed = true;
	if (fatal)
		exit(1);
}

#ifndef PLAIN_NO_MAIN /* for who has one: fuzz targets use the asserts alone */
int
main(void)
{
	unsigned passed = 0, failed = 0;

	for (const struct plain_test *test = plain_tests; test; test = test->next) {
		if (!test->body)
			continue;
		if (plain_run(test))
			passed++;
		else
			failed++;
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed || !passed;
}
#endif

#define PLAIN_REGISTER(id, ...)                                     \
	__attribute__((constructor)) static void id##_register(void) \
	{                                                            \
		static struct plain_test test = __VA_ARGS__;         \
		plain_add(&test);                                    \
	}

#define Test(s, n, ...)                                                           \
	static void s##_##n##_body(void);                                         \
	PLAIN_REGISTER(s##_##n, { #s, #n, s##_##n##_body, { __VA_ARGS__ }, NULL }) \
	static void s##_##n##_body(void)
#define TestSuite(s, ...) PLAIN_REGISTER(s##_suite, { #s, "", NULL, { __VA_ARGS__ }, NULL })

#define PLAIN_TEXT_(x)      #x
#define PLAIN_TEXT(x)       PLAIN_TEXT_(x)
#define PLAIN_HERE          __FILE__ ":" PLAIN_TEXT(__LINE__)
/* The messages are Criterion's to format; the place and the condition are enough here. */
#define PLAIN_CHECK(fatal, ok, what) plain_check((ok), fatal, PLAIN_HERE, what)

#define cr_assert(ok, ...)              PLAIN_CHECK(true, (bool)(ok), #ok)
#define cr_assert_not(ok, ...)          PLAIN_CHECK(true, !(ok), "not " #ok)
#define cr_assert_fail(...)             PLAIN_CHECK(true, false, "failed")
#define cr_assert_eq(a, b, ...)         PLAIN_CHECK(true, (a) == (b), #a " == " #b)
#define cr_assert_neq(a, b, ...)        PLAIN_CHECK(true, (a) != (b), #a " != " #b)
#define cr_assert_lt(a, b, ...)         PLAIN_CHECK(true, (a) < (b), #a " < " #b)
#define cr_assert_leq(a, b, ...)        PLAIN_CHECK(true, (a) <= (b), #a " <= " #b)
#define cr_assert_gt(a, b, ...)         PLAIN_CHECK(true, (a) > (b), #a " > " #b)
#define cr_assert_geq(a, b, ...)        PLAIN_CHECK(true, (a) >= (b), #a " >= " #b)
#define cr_assert_null(p, ...)          PLAIN_CHECK(true, (p) == NULL, #p " is null")
#define cr_assert_not_null(p, ...)      PLAIN_CHECK(true, (p) != NULL, #p " is not null")
#define cr_assert_str_eq(a, b, ...)     PLAIN_CHECK(true, strcmp(a, b) == 0, #a " eq " #b)
#define cr_assert_str_neq(a, b, ...)    PLAIN_CHECK(true, strcmp(a, b) != 0, #a " ne " #b)
#define cr_assert_arr_eq(a, b, n, ...)  PLAIN_CHECK(true, memcmp(a, b, n) == 0, #a " eq " #b)
#define cr_assert_arr_neq(a, b, n, ...) PLAIN_CHECK(true, memcmp(a, b, n) != 0, #a " ne " #b)
#define cr_assert_float_eq(a, b, e, ...) \
	PLAIN_CHECK(true, (a) - (b) <= (e) && (b) - (a) <= (e), #a " ~ " #b)

#define cr_expect(ok, ...)             PLAIN_CHECK(false, (bool)(ok), #ok)
#define cr_expect_not(ok, ...)         PLAIN_CHECK(false, !(ok), "not " #ok)
#define cr_expect_eq(a, b, ...)        PLAIN_CHECK(false, (a) == (b), #a " == " #b)
#define cr_expect_neq(a, b, ...)       PLAIN_CHECK(false, (a) != (b), #a " != " #b)
#define cr_expect_lt(a, b, ...)        PLAIN_CHECK(false, (a) < (b), #a " < " #b)
#define cr_expect_leq(a, b, ...)       PLAIN_CHECK(false, (a) <= (b), #a " <= " #b)
#define cr_expect_gt(a, b, ...)        PLAIN_CHECK(false, (a) > (b), #a " > " #b)
#define cr_expect_geq(a, b, ...)       PLAIN_CHECK(false, (a) >= (b), #a " >= " #b)
#define cr_expect_float_eq(a, b, by, ...)                                                          \
	PLAIN_CHECK(false, (a) - (b) <= (by) && (b) - (a) <= (by), #a " == " #b)
#define cr_expect_null(p, ...)         PLAIN_CHECK(false, (p) == NULL, #p " is null")
#define cr_expect_not_null(p, ...)     PLAIN_CHECK(false, (p) != NULL, #p " is not null")
#define cr_expect_str_eq(a, b, ...)    PLAIN_CHECK(false, strcmp(a, b) == 0, #a " eq " #b)
#define cr_expect_arr_eq(a, b, n, ...) PLAIN_CHECK(false, memcmp(a, b, n) == 0, #a " eq " #b)
