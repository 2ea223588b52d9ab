/* Key-encryption keys: what a file of them may be, and how one is made. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/store/keyring.h"

#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100"

static struct keyring keyring;
static char error[KEYRING_ERROR_MAX];

static char *
in_folder(const char *name)
{
	static char folder[64], path[128];

	if (!*folder) {
		strcpy(folder, "/tmp/keyring-XXXXXX");
		cr_assert_not_null(mkdtemp(folder));
	}
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void
remove_all(void)
{
	char command[160];

	snprintf(command, sizeof command, "rm -r $(dirname %s)", in_folder("x"));
	cr_assert_eq(system(command), 0);
}

static void
write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	cr_assert_not_null(file);
	fputs(text, file);
	fclose(file);
	cr_assert_eq(chmod(path, mode), 0);
}

static void
expect_refused(const char *source, int result, const char *word)
{
	cr_expect_eq(keyring_load(source, &keyring, error), result, "%s: %s", source, error);
	cr_expect_not_null(strstr(error, word), "%s", error);
	cr_expect_eq(keyring.n, 0);
}

Test(keyring, what_is_no_file_of_keys_is_refused_and_said)
{
	static const struct {
		const char *text, *word;
	} wrong[] = {
		{ "", "no key in it" },
		{ "# only a remark\n\n", "no key in it" },
		{ KEY_A "0\n", "64 hex digits" },
		{ "0" KEY_A, "64 hex digits" },
		{ KEY_A "\n" KEY_B " x\n", "64 hex digits" },
		{ "g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "64 hex digits" },
	};

	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		write_file(in_folder("kek"), wrong[i].text, 0600);
		expect_refused(in_folder("kek"), -EINVAL, wrong[i].word);
	}
	remove_all();
}

/* What stands behind it would be lost where a key is added. */
Test(keyring, a_file_with_a_nul_byte_is_refused_and_stays)
{
	static const char text[] = KEY_A "\n\0" KEY_B "\n";
	char found[sizeof text] = "";
	uint8_t id[KEK_ID_LEN];
	FILE *file;

	write_file(in_folder("kek"), "", 0600);
	file = fopen(in_folder("kek"), "w");
	fwrite(text, 1, sizeof text, file);
	fclose(file);
	expect_refused(in_folder("kek"), -EINVAL, "NUL");
	cr_expect_eq(keyring_add(in_folder("kek"), id, error), -EINVAL);
	file = fopen(in_folder("kek"), "r");
	cr_expect_eq(fread(found, 1, sizeof found, file), sizeof text);
	fclose(file);
	cr_expect_eq(memcmp(found, text, sizeof text), 0);
	remove_all();
}

Test(keyring, a_file_that_others_may_use_is_refused)
{
	static const mode_t modes[] = { 0640, 0604, 0610, 0601, 0620 };

	for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) {
		write_file(in_folder("kek"), KEY_A "\n", modes[i]);
		expect_refused(in_folder("kek"), -EPERM, "chmod 600");
	}
	remove_all();
}

Test(keyring, what_is_no_regular_file_is_refused_at_once)
{
	cr_assert_eq(mkfifo(in_folder("kek"), 0600), 0);
	expect_refused(in_folder("kek"), -EINVAL, "not a regular file");
	cr_assert_eq(mkdir(in_folder("folder"), 0700), 0);
	expect_refused(in_folder("folder"), -EINVAL, "not a regular file");
	expect_refused("/dev/zero", -EINVAL, "not a regular file");
	expect_refused(in_folder("none"), -ENOENT, "No such file");
	remove_all();
}

Test(keyring, sources_of_no_known_form_are_refused)
{
	static const char *const wrong[] = { "kek", "", "credential:", "credential:a/b", "file:/x" };

	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
		expect_refused(wrong[i], -EINVAL, "comes from");
	expect_refused("pkcs11:%zz", -EINVAL, "RFC 7512");
}

Test(keyring, a_credential_comes_from_the_folder_that_systemd_names)
{
	unsetenv("CREDENTIALS_DIRECTORY");
	expect_refused("credential:kek", -ENOENT, "LoadCredential");
	write_file(in_folder("kek"), KEY_A, 0400);
	*strrchr(in_folder("kek"), '/') = 0;
	{
		char folder[128];

		snprintf(folder, sizeof folder, "%s", in_folder(""));
		setenv("CREDENTIALS_DIRECTORY", folder, 1);
	}
	cr_expect_eq(keyring_load("credential:kek", &keyring, error), 0, "%s", error);
	cr_expect_eq(keyring.n, 1);
	remove_all();
}

Test(keyring, keys_come_in_order_and_their_ids_tell_them_apart)
{
	char a[KEK_ID_TEXT_MAX], b[KEK_ID_TEXT_MAX];

	cr_assert_eq(keyring_parse("x", "  " KEY_B " # new\r\n\n" KEY_A, &keyring, error), 0, "%s", error);
	cr_assert_eq(keyring.n, 2);
	cr_expect_eq(keyring.keks[0].key[0], 0x1f);
	cr_expect_eq(keyring.keks[1].key[31], 0x1f);
	kek_id_text(keyring.keks[0].id, a);
	kek_id_text(keyring.keks[1].id, b);
	cr_expect_str_neq(a, b);
	cr_expect_null(strstr(KEY_B, a));
	/* sha256("cradle key-encryption key\0" || key), by sha256sum(1). */
	cr_expect_str_eq(b, "c14643ecbfa5e007");
}

Test(keyring, a_new_key_stands_in_front_and_the_file_is_its_owners)
{
	uint8_t first[KEK_ID_LEN], second[KEK_ID_LEN];
	struct stat found;

	umask(0);
	cr_assert_eq(keyring_add(in_folder("kek"), first, error), 0, "%s", error);
	cr_assert_eq(stat(in_folder("kek"), &found), 0);
	cr_expect_eq(found.st_mode & 07777, 0600);
	cr_assert_eq(keyring_add(in_folder("kek"), second, error), 0, "%s", error);
	cr_assert_eq(keyring_load(in_folder("kek"), &keyring, error), 0, "%s", error);
	cr_assert_eq(keyring.n, 2);
	cr_expect_eq(memcmp(keyring.keks[0].id, second, KEK_ID_LEN), 0);
	cr_expect_eq(memcmp(keyring.keks[1].id, first, KEK_ID_LEN), 0);
	cr_assert_eq(stat(in_folder("kek"), &found), 0);
	cr_expect_eq(found.st_mode & 07777, 0600);
	remove_all();
}

/* With a key more nobody could read it. */
Test(keyring, a_key_is_not_added_to_a_file_that_it_would_make_too_long)
{
	static char text[16384 - sizeof KEY_A + 2];
	uint8_t id[KEK_ID_LEN];

	memset(text, '#', sizeof text - 1);
	memcpy(text, KEY_A "\n", sizeof KEY_A);
	write_file(in_folder("kek"), text, 0600);
	cr_expect_eq(keyring_add(in_folder("kek"), id, error), -EFBIG);
	cr_expect_not_null(strstr(error, "no room"), "%s", error);
	cr_expect_eq(keyring_load(in_folder("kek"), &keyring, error), 0, "%s", error);
	text[sizeof text - 2] = '\0';
	write_file(in_folder("kek"), text, 0600);
	cr_expect_eq(keyring_add(in_folder("kek"), id, error), 0, "%s", error);
	cr_expect_eq(keyring_load(in_folder("kek"), &keyring, error), 0, "%s", error);
	cr_expect_eq(keyring.n, 2);
	remove_all();
}

Test(keyring, a_key_is_not_added_to_a_file_that_is_none_of_keys_or_is_full)
{
	uint8_t id[KEK_ID_LEN];
	char text[64];
	FILE *file;

	write_file(in_folder("kek"), "my notes\n", 0600);
	cr_expect_eq(keyring_add(in_folder("kek"), id, error), -EINVAL);
	file = fopen(in_folder("kek"), "r");
	cr_assert_not_null(fgets(text, sizeof text, file));
	fclose(file);
	cr_expect_str_eq(text, "my notes\n");
	cr_assert_eq(unlink(in_folder("kek")), 0);
	for (unsigned i = 0; i < KEYRING_MAX; i++)
		cr_assert_eq(keyring_add(in_folder("kek"), id, error), 0, "%s", error);
	cr_expect_eq(keyring_add(in_folder("kek"), id, error), -E2BIG);
	cr_expect_eq(keyring_add("/nowhere/kek", id, error), -ENOENT);
	remove_all();
}
