/* Who may read: addresses, proxies, tokens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>

#include "tools/web/guard.h"

static struct sockaddr_storage peer;

static const struct sockaddr *
from(const char *text)
{
	struct sockaddr_in *v4 = (void *)&peer;
	struct sockaddr_in6 *v6 = (void *)&peer;

	memset(&peer, 0, sizeof peer);
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
	} else {
		cr_assert(inet_pton(AF_INET6, text, &v6->sin6_addr) == 1);
		v6->sin6_family = AF_INET6;
	}
	return (const struct sockaddr *)&peer;
}

static struct guard
guard_of(const char *allow, const char *proxies)
{
	struct guard_settings settings = { allow, proxies, NULL };
	struct diag_list diags;
	struct guard guard;

	diag_list_init(&diags);
	cr_assert(guard_init(&guard, &settings, &diags));
	diag_list_fini(&diags);
	return guard;
}

static enum guard_verdict
ask(const struct guard *guard, const char *address, const char *forwarded_for)
{
	struct guard_claims claims = { from(address), NULL, forwarded_for, forwarded_for != NULL };

	return guard_judge(guard, &claims);
}

Test(guard, refuses_lists_that_are_none)
{
	static const char *const bad[] = {
		"x",          "1.2.3",
		"1.2.3.4/33", "1.2.3.4/",
		"::1/129",    "1.2.3.4/-1",
		"::1/1x",     "1.2.3.4;5.6.7.8",
		"/8",         "1111:2222:3333:4444:5555:6666:7777:8888:9999"
	};
	struct address_list list;
	char word[64];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect_lt(address_list_parse(&list, bad[i], word), 0, "%s", bad[i]);
}

Test(guard, takes_addresses_and_prefixes_of_both_families)
{
	struct guard guard = guard_of("127.0.0.1, 10.0.0.0/9 ::1,2001:db8::/33", NULL);
	static const char *const in[] = { "127.0.0.1", "10.127.255.255", "::1", "2001:db8:7fff::1",
					  "::ffff:10.1.2.3" };
	static const char *const out[] = { "127.0.0.2", "10.128.0.0", "::2", "2001:db8:8000::1",
					   "::127.0.0.1" };

	for (size_t i = 0; i < sizeof in / sizeof *in; i++)
		cr_expect_eq(ask(&guard, in[i], NULL), GUARD_ALLOWED, "%s", in[i]);
	for (size_t i = 0; i < sizeof out / sizeof *out; i++)
		cr_expect_eq(ask(&guard, out[i], NULL), GUARD_FORBIDDEN, "%s", out[i]);
	guard = guard_of("0.0.0.0/0", NULL);
	cr_expect_eq(ask(&guard, "192.0.2.1", NULL), GUARD_ALLOWED);
	cr_expect_eq(ask(&guard, "2001:db8::1", NULL), GUARD_FORBIDDEN);
	guard = guard_of("", NULL);
	cr_expect_eq(ask(&guard, "127.0.0.1", NULL), GUARD_FORBIDDEN);
}

Test(guard, a_forwarded_request_is_not_the_proxys_own)
{
	struct guard plain = guard_of("127.0.0.1", NULL),
		     known = guard_of("127.0.0.1, 192.0.2.7", "127.0.0.1");

	/* A proxy on the same machine makes everybody come from loopback. */
	cr_expect_eq(ask(&plain, "127.0.0.1", "192.0.2.1"), GUARD_FORBIDDEN);
	cr_expect_eq(ask(&known, "127.0.0.1", NULL), GUARD_FORBIDDEN);
	cr_expect_eq(ask(&known, "127.0.0.1", "192.0.2.7"), GUARD_ALLOWED);
	cr_expect_eq(ask(&known, "127.0.0.1", "192.0.2.8"), GUARD_FORBIDDEN);
	/* What stands before is the client's word. */
	cr_expect_eq(ask(&known, "127.0.0.1", "192.0.2.7, 192.0.2.8"), GUARD_FORBIDDEN);
	cr_expect_eq(ask(&known, "127.0.0.1", "192.0.2.8 , 192.0.2.7"), GUARD_ALLOWED);
	cr_expect_eq(ask(&known, "127.0.0.1", ""), GUARD_FORBIDDEN);
	cr_expect_eq(ask(&known, "127.0.0.1", "unknown"), GUARD_FORBIDDEN);
	/* Not from the proxy. */
	cr_expect_eq(ask(&known, "192.0.2.8", "192.0.2.7"), GUARD_FORBIDDEN);
	cr_expect_eq(ask(&known, "192.0.2.7", NULL), GUARD_ALLOWED);
}

/* A guard of the tokens in a file of this content; false: refused. */
static bool
guard_of_tokens(struct guard *guard, const char *content, mode_t mode)
{
	char path[] = "/tmp/cradle-tokens-XXXXXX";
	struct guard_settings settings = { "127.0.0.1", NULL, path };
	struct diag_list diags;
	int fd = mkstemp(path);
	bool good;

	cr_assert(fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content) &&
		  !fchmod(fd, mode));
	close(fd);
	diag_list_init(&diags);
	good = guard_init(guard, &settings, &diags);
	cr_expect_eq(good, !diags.count);
	diag_list_fini(&diags);
	unlink(path);
	return good;
}

static enum guard_verdict
show(const struct guard *guard, const char *authorization)
{
	struct guard_claims claims = { from("192.0.2.1"), authorization, NULL, false };

	return guard_judge(guard, &claims);
}

Test(guard, refuses_token_files_that_are_weak)
{
	static const char *const bad[] = { "", "# nothing\n", "short\n", "0123456789abcdef two\n",
					   "0123456789abc\"ef\n" };
	struct guard guard;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect(!guard_of_tokens(&guard, bad[i], 0600), "%s", bad[i]);
	cr_expect(!guard_of_tokens(&guard, "0123456789abcdef\n", 0644));
	cr_expect(guard_of_tokens(&guard, "0123456789abcdef\n", 0640));
}

Test(guard, knows_bearers_of_its_tokens)
{
	struct guard guard;

	cr_assert(guard_of_tokens(&guard, "# rotation\n 0123456789abcdef \r\n\nfedcba9876543210x",
				  0600));
	cr_expect_eq(show(&guard, NULL), GUARD_TOKEN_WANTED);
	cr_expect_eq(show(&guard, "Bearer 0123456789abcdeX"), GUARD_TOKEN_WANTED);
	cr_expect_eq(show(&guard, "Bearer 0123456789abcde"), GUARD_TOKEN_WANTED);
	cr_expect_eq(show(&guard, "Bearer "), GUARD_TOKEN_WANTED);
	cr_expect_eq(show(&guard, "Bearer"), GUARD_TOKEN_WANTED);
	cr_expect_eq(show(&guard, "Basic 0123456789abcdef"), GUARD_TOKEN_WANTED);
	cr_expect_eq(show(&guard, "Bearer 0123456789abcdef"), GUARD_ALLOWED);
	cr_expect_eq(show(&guard, "bearer  fedcba9876543210x"), GUARD_ALLOWED);
	guard_fini(&guard);
	for (size_t i = 0; i < sizeof guard; i++)
		cr_assert_eq(((const unsigned char *)&guard)[i], 0);
}
