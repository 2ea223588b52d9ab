#include "tools/web/user_command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <sodium.h>

#include "control/file_replace.h"
#include "tools/web/users.h"

/* What the options of a command said. */
struct user_options {
	const char *name;
	const char *password_file; /* "-": standard input */
	int role;                  /* -1: not said */
	bool once, other;
};

void
user_command_usage(FILE *to)
{
	fprintf(to,
		"usage: cradle-web [-c FILE] user add NAME [--role ROLE] [--password-file FILE | "
		"--once | --other]\n"
		"       cradle-web [-c FILE] user password NAME [--password-file FILE]\n"
		"       cradle-web [-c FILE] user role NAME ROLE\n"
		"       cradle-web [-c FILE] user remove NAME\n"
		"       cradle-web [-c FILE] user list\n"
		"       cradle-web [-c FILE] user token NAME [--role ROLE]\n"
		"  ROLE             viewer (without it): looks; operator: changes policy and "
		"devices, too;\n"
		"                   security: keys, traces and the appliance itself, too\n"
		"  --password-file  the password is the file's first line; \"-\": standard input; "
		"else it is asked for\n"
		"  --once           prints a password that is good for one login\n"
		"  --other          no password: a client certificate or a trusted proxy names "
		"this user\n"
		"  token            prints a bearer token for a machine; it is shown this once\n");
}

static int
fail(const char *what, const char *sentence)
{
	fprintf(stderr, "cradle-web: %s: %s\n", what, sentence);
	return 1;
}

/* --- passwords --- */

/* A line of a file without its end. -1: there is none. */
static ssize_t
read_password_file(const char *file, char *password)
{
	FILE *stream = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	char *got = stream ? fgets(password, USER_PASSWORD_MAX + 1, stream) : NULL;

	if (!got)
		fail(file, stream ? "there is no password in it" : strerror(errno));
	if (stream && stream != stdin)
		fclose(stream);
	return got ? (ssize_t)strcspn(password, "\r\n") : -1;
}

static ssize_t
prompt(const char *question, char *password)
{
	struct termios shown, hidden;
	char *got;

	if (tcgetattr(STDIN_FILENO, &shown)) {
		fail("user",
		     "there is no terminal to ask for a password; remedy: --password-file FILE");
		return -1;
	}
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	fputs(question, stderr);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	got = fgets(password, USER_PASSWORD_MAX + 1, stdin);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	fputc('\n', stderr);
	return got ? (ssize_t)strcspn(password, "\r\n") : -1;
}

/* Twice the same. */
static ssize_t
ask_password(char *password)
{
	char again[USER_PASSWORD_MAX + 1];
	ssize_t len = prompt("Password: ", password), second;

	if (len < 0)
		return -1;
	second = prompt("Once more: ", again);
	if (second != len || memcmp(again, password, (size_t)len) != 0) {
		fail("user", "the two are not the same");
		len = -1;
	}
	explicit_bzero(again, sizeof again);
	return len;
}

static int
set_password(struct web_user *user, const struct user_options *options)
{
	char password[USER_PASSWORD_MAX + 1];
	ssize_t len = options->password_file ? read_password_file(options->password_file, password)
					     : ask_password(password);
	int result = 1;

	if (len >= 0 && len < USER_PASSWORD_MIN)
		fail("user", "a password has 10 characters or more");
	else if (len >= 0 && !user_set_password(user, password, (size_t)len))
		fail("user", "out of memory: hashing takes 64 MiB");
	else if (len >= 0)
		result = 0;
	explicit_bzero(password, sizeof password);
	return result;
}

/* 100 bits, in letters that are told apart. */
static int
make_once(struct web_user *user)
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
	char password[24];

	for (unsigned i = 0; i < sizeof password - 1; i++)
		password[i] = i % 6 == 5 ? '-' : letters[randombytes_uniform(sizeof letters - 1)];
	password[sizeof password - 1] = '\0';
	user->kind = USER_ONCE;
	if (!user_set_password(user, password, sizeof password - 1))
		return fail("user", "out of memory: hashing takes 64 MiB");
	puts(password);
	explicit_bzero(password, sizeof password);
	return 0;
}

/* --- commands --- */

static int
save(const struct users *users, const char *file)
{
	int error = users_save(users, file);

	if (!error)
		return 0;
	fprintf(stderr, "cradle-web: %s: %s%s\n", file, strerror(-error), file_remedy(-error));
	return 1;
}

static int
add(struct users *users, const char *file, const struct user_options *options, bool token)
{
	char secret[USER_TOKEN_TEXT + 1];
	struct web_user *user;
	int result = 0;

	if (!user_name_is_good(options->name))
		return fail(options->name, "a name has letters, digits and -._@ only, 64 at most");
	if (users_find(users, options->name))
		return fail(options->name, "is there already");
	user = users_add(users);
	if (!user)
		return fail(options->name, "there are too many");
	snprintf(user->name, sizeof user->name, "%s", options->name);
	user->role = options->role < 0 ? ROLE_VIEWER : (enum web_role)options->role;
	user->kind = token ? USER_TOKEN : options->other ? USER_OTHER : USER_PASSWORD;
	if (token)
		user_set_token(user, secret);
	else if (options->once)
		result = make_once(user);
	else if (!options->other)
		result = set_password(user, options);
	if (!result)
		result = save(users, file);
	if (token && !result)
		puts(secret);
	explicit_bzero(secret, sizeof secret);
	return result;
}

static int
list(const struct users *users)
{
	static const char *const kinds[USER_KINDS] = { "password", "one login", "token",
						       "elsewhere" };

	for (unsigned i = 0; i < users->count; i++)
		printf("%-24s %-9s %s\n", users->items[i].name, role_name(users->items[i].role),
		       kinds[users->items[i].kind]);
	return 0;
}

static int
change(struct users *users, const char *file, const char *command,
       const struct user_options *options)
{
	struct web_user *user = users_find(users, options->name);
	int result = 0;

	if (!user)
		return fail(options->name,
			    "there is none of this name; `cradle-web user list` lists them");
	if (strcmp(command, "remove") == 0) {
		users_remove(users, user);
	} else if (strcmp(command, "role") == 0) {
		user->role = (enum web_role)options->role;
	} else {
		user->kind = USER_PASSWORD;
		result = set_password(user, options);
	}
	return result ? result : save(users, file);
}

static bool
take_role(struct user_options *options, const char *word)
{
	options->role = word ? role_by_name(word) : -1;
	if (options->role < 0)
		fail(word ? word : "--role", "a role is viewer, operator or security");
	return options->role >= 0;
}

/* The words behind the command. */
static bool
take_words(struct user_options *options, const char *command, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--once") == 0) {
			options->once = true;
		} else if (strcmp(argv[i], "--other") == 0) {
			options->other = true;
		} else if (strcmp(argv[i], "--password-file") == 0 && next) {
			options->password_file = argv[++i];
		} else if (strcmp(argv[i], "--role") == 0) {
			if (!take_role(options, next))
				return false;
			i++;
		} else if (argv[i][0] == '-' || (options->name && strcmp(command, "role") != 0)) {
			fail(argv[i], "is not expected here");
			return false;
		} else if (!options->name) {
			options->name = argv[i];
		} else if (!take_role(options, argv[i])) {
			return false;
		}
	}
	return true;
}

static int
run(const char *command, struct users *users, const char *file, const struct user_options *options)
{
	if (strcmp(command, "list") == 0)
		return list(users);
	if (strcmp(command, "add") == 0)
		return add(users, file, options, false);
	if (strcmp(command, "token") == 0)
		return add(users, file, options, true);
	return change(users, file, command, options);
}

static bool
is_understood(const char *command, const struct user_options *options)
{
	static const char *const commands[] = {
		"list", "add", "password", "role", "remove", "token"
	};
	bool known = false;

	for (unsigned i = 0; i < sizeof commands / sizeof commands[0]; i++)
		known |= strcmp(command, commands[i]) == 0;
	return known && !options->name == (strcmp(command, "list") == 0) &&
	       (strcmp(command, "role") != 0 || options->role >= 0) &&
	       options->once + options->other + (options->password_file != NULL) <= 1;
}

int
user_command(const char *users_file, int argc, char **argv)
{
	struct user_options options = { .role = -1 };
	const char *command = argc ? argv[0] : "";
	struct diag_list diags;
	struct users users;
	int result = 1;

	if (argc && !take_words(&options, command, argc - 1, argv + 1))
		return 2;
	if (!is_understood(command, &options)) {
		user_command_usage(stderr);
		return 2;
	}
	if (sodium_init() < 0)
		return fail("user", "libsodium does not start");
	diag_list_init(&diags);
	if (users_load(&users, users_file, &diags)) {
		result = run(command, &users, users_file, &options);
		users_fini(&users);
	} else {
		char line[512];

		for (size_t i = 0; i < diags.count; i++) {
			diag_format(&diags.items[i], line, sizeof line);
			fprintf(stderr, "%s\n", line);
		}
	}
	diag_list_fini(&diags);
	return result;
}
