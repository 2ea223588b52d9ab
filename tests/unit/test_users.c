/* The users file: read, refused, written; passwords and tokens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <sodium.h>

#include "tools/web/users.h"

static char path[] = "/tmp/cradle-users-XXXXXX";

static void
setup(void)
{
	int fd = mkstemp(path);

	cr_assert(fd >= 0 && sodium_init() >= 0);
	close(fd);
}

static void
teardown(void)
{
	unlink(path);
}

TestSuite(users, .init = setup, .fini = teardown);

static void
write_file(const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0 && chmod(path, mode) == 0);
}

static bool
load(struct users *users, char *told, size_t size)
{
	struct diag_list diags;
	bool good;

	diag_list_init(&diags);
	good = users_load(users, path, &diags);
	*told = '\0';
	if (diags.count)
		diag_format(&diags.items[0], told, size);
	diag_list_fini(&diags);
	return good;
}

Test(users, lines_that_are_none_leave_nobody)
{
	static const char *const bad[] = {
		"user ann operator\n",                      /* no hash */
		"user ann boss $argon2id$v=19$x\n",         /* no role */
		"user a/n operator $argon2id$v=19$x\n",     /* no name */
		"user ann operator plain-password\n",       /* no hash of ours */
		"other ann operator $argon2id$v=19$x\n",    /* one too many */
		"token ci viewer abc\n",                    /* too short */
		"other ann viewer\nother ann security\n",   /* twice */
		"other ann viewer extra words stand here\n",
		"who ann viewer\n",
	};
	struct users users;
	char told[256];

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		write_file(bad[i], 0600);
		cr_expect(!load(&users, told, sizeof told), "%s", bad[i]);
		cr_expect(strstr(told, "no user stands here"), "%s: %s", bad[i], told);
		cr_expect(users.count == 0);
	}
}

Test(users, a_file_that_everybody_may_read_is_refused)
{
	struct users users;
	char told[256];

	write_file("other ann viewer\n", 0644);
	cr_assert(!load(&users, told, sizeof told));
	cr_assert(strstr(told, "chmod 600"), "%s", told);
}

Test(users, no_file_is_no_users)
{
	struct users users;
	char told[256];

	unlink(path);
	cr_assert(load(&users, told, sizeof told) && users.count == 0);
}

Test(users, what_is_saved_is_read_and_nobody_else_may)
{
	struct users users = { 0 }, again;
	struct web_user *ann = users_add(&users), *ci;
	char token[USER_TOKEN_TEXT + 1], told[256], text[1024] = "";
	struct stat st;
	FILE *file;

	strcpy(ann->name, "ann");
	ann->role = ROLE_SECURITY;
	cr_assert(user_set_password(ann, "a good long one", 15));
	ci = users_add(&users);
	strcpy(ci->name, "ci");
	ci->kind = USER_TOKEN;
	user_set_token(ci, token);
	unlink(path);
	cr_assert(users_save(&users, path) == 0);
	cr_assert(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	file = fopen(path, "r");
	cr_assert(fread(text, 1, sizeof text - 1, file) > 0);
	fclose(file);
	cr_assert(!strstr(text, "a good long one") && !strstr(text, token + 3));
	cr_assert(load(&again, told, sizeof told), "%s", told);
	cr_assert(again.count == 2);
	ann = users_find(&again, "ann");
	cr_assert(ann && ann->role == ROLE_SECURITY && password_is_right(ann->hash, "a good long one", 15));
	cr_assert(!password_is_right(ann->hash, "a good long on", 14));
	cr_assert(!password_is_right(NULL, "a good long one", 15));
	cr_assert(users_by_token(&again, token) == users_find(&again, "ci"));
	token[10] ^= 1;
	cr_assert(!users_by_token(&again, token));
	cr_assert(!users_by_token(&again, ""));
	users_remove(&again, users_find(&again, "ann"));
	cr_assert(again.count == 1 && users_find(&again, "ci"));
	users_fini(&users);
	users_fini(&again);
}

Test(users, names_are_plain)
{
	cr_assert(user_name_is_good("ann") && user_name_is_good("a.b_c-d@e"));
	cr_assert(!user_name_is_good("") && !user_name_is_good("-x") && !user_name_is_good(".x"));
	cr_assert(!user_name_is_good("a b") && !user_name_is_good("\xc3\xa4"));
	cr_assert(!user_name_is_good("12345678901234567890123456789012345678901234567890123456789012345"));
}
