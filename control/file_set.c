#include "control/file_set.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/file_replace.h"
#include "tasks/digest.h"

#define JOURNAL ".cradle-journal"
#define HEADER  "cradle files 1\n"
#define NONE    "-"

enum {
	HEX_MAX = 2 * DIGEST_MAX + 1,
	NAME_BYTES = 512,
	JOURNAL_MAX = 1 << 24,
	FILE_MAX = 1 << 28, /* far above what a policy may hold */
};

/* What the journal says of a file. */
struct entry {
	char name[NAME_BYTES];
	char before[HEX_MAX], after[HEX_MAX]; /* SHA-256; NONE: no such file */
	char staged[FILE_STAGED_MAX];         /* NONE: it goes */
	struct stat was;                      /* mode and owner before; in a change only */
	bool is_there;                        /* `was` is known */
	enum entry_state {
		ENTRY_DONE,
		ENTRY_READY,
		ENTRY_LOST,   /* as before, and the new content is not there */
		ENTRY_FOREIGN /* somebody else wrote it since */
	} state;
};

/* ---- files by their digest ---- */

static int
join(const char *folder, const char *name, char path[PATH_MAX])
{
	return snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int
hex_of(const char *text, size_t len, char hex[HEX_MAX])
{
	uint8_t digest[DIGEST_MAX];

	if (!text) {
		snprintf(hex, HEX_MAX, NONE);
		return 0;
	}
	if (!digest_bytes(DIGEST_SHA256, (struct digest_span){ text, len }, digest))
		return -ENOMEM;
	for (size_t i = 0; i < DIGEST_MAX; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

static int
read_open(FILE *file, size_t max, char **text, size_t *len)
{
	long size = fseek(file, 0, SEEK_END) < 0 ? -1 : ftell(file);

	if (size < 0 || (size_t)size > max)
		return size < 0 ? -errno : -EFBIG;
	rewind(file);
	*text = malloc((size_t)size + 1);
	if (!*text)
		return -ENOMEM;
	*len = fread(*text, 1, (size_t)size, file);
	(*text)[*len] = '\0';
	return ferror(file) ? -EIO : 0;
}

static void
forget(char *text, size_t len)
{
	if (text)
		explicit_bzero(text, len);
	free(text);
}

/* *text NULL: there is no such file. */
static int
read_file(const char *path, size_t max, char **text, size_t *len)
{
	FILE *file = fopen(path, "re");
	int result;

	*text = NULL;
	*len = 0;
	if (!file)
		return errno == ENOENT ? 0 : -errno;
	setvbuf(file, NULL, _IONBF, 0); /* no copy of what may be secret */
	result = read_open(file, max, text, len);
	fclose(file);
	if (result < 0) {
		forget(*text, *len);
		*text = NULL;
	}
	return result;
}

static int
hex_of_file(const char *path, char hex[HEX_MAX])
{
	char *text;
	size_t len;
	int result = read_file(path, FILE_MAX, &text, &len);

	if (result == 0)
		result = hex_of(text, len, hex);
	forget(text, len);
	return result;
}

/* ---- a change ---- */

/* Whether a part of it is "..", which leads out of the folder; two dots within a name do not. */
static bool
leads_up(const char *name)
{
	for (const char *part = name; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || !part[2]))
			return true;
	}
	return false;
}

/* Below the folder, none of those that this module makes for itself, and what a line of the journal can say. */
static bool
is_name(const char *name)
{
	const char *last = strrchr(name, '/');

	return *name && strlen(name) < NAME_BYTES && *name != '/' && !leads_up(name) &&
	       !strchr(name, '\n') && strcmp(name, JOURNAL) != 0 &&
	       !file_is_staged(last ? last + 1 : name);
}

static void
drop_staged(const char *folder, const struct entry *entries, size_t n)
{
	char path[PATH_MAX], at[PATH_MAX];

	for (size_t i = 0; i < n; i++)
		if (strcmp(entries[i].staged, NONE) != 0 &&
		    join(folder, entries[i].name, path) == 0 &&
		    file_staged_path(path, entries[i].staged, at) == 0)
			unlink(at);
}

static int
stage_item(const char *folder, const struct file_set_item *item, struct entry *entry)
{
	const struct file_content content = { item->text, item->len, item->readers, NULL };
	char path[PATH_MAX];
	int result = join(folder, item->name, path);

	/* A recovery has to understand what the journal says of it. */
	if (!is_name(item->name))
		return -EINVAL;
	snprintf(entry->name, sizeof entry->name, "%s", item->name);
	snprintf(entry->staged, sizeof entry->staged, NONE);
	entry->is_there = result == 0 && stat(path, &entry->was) == 0;
	if (result == 0)
		result = hex_of(item->old, item->old_len, entry->before);
	if (result == 0)
		result = hex_of(item->text, item->len, entry->after);
	if (result == 0 && item->text)
		result = item->link && !item->old
				 ? file_stage_link(path, item->link, entry->staged)
				 : file_stage(path, &content, entry->staged);
	return result;
}

static int
write_journal(const char *folder, const struct entry *entries, size_t n)
{
	char path[PATH_MAX];
	struct text text;
	int result = join(folder, JOURNAL, path);

	text_init(&text);
	text_printf(&text, HEADER);
	for (size_t i = 0; i < n; i++)
		text_printf(&text, "%s %s %s %s\n", entries[i].before, entries[i].after,
			    entries[i].staged, entries[i].name);
	if (result == 0)
		result = text.failed ? -ENOMEM
				     : file_replace_private(path, text_str(&text), text.len);
	text_fini(&text);
	return result;
}

static int
remove_journal(const char *folder)
{
	char path[PATH_MAX];
	int result = join(folder, JOURNAL, path);

	return result < 0 ? result : file_remove(path);
}

static int
put_in_place(const char *folder, const struct entry *entry)
{
	char path[PATH_MAX];
	int result = join(folder, entry->name, path);

	if (result < 0)
		return result;
	return strcmp(entry->staged, NONE) == 0 ? file_remove(path)
						: file_unstage(path, entry->staged);
}

/* The first `n` become what they were: the disk took them a moment ago. */
static void
put_back(const char *folder, const struct file_set_item *items, const struct entry *entries,
	 size_t n)
{
	char path[PATH_MAX];

	while (n-- > 0) {
		const struct file_set_item *item = &items[n];
		const struct entry *entry = &entries[n];
		const struct file_content content = {
			.bytes = item->old,
			.len = item->old_len,
			.readers = entry->is_there ? FILE_READ_AS_BEFORE : item->readers,
			.like = entry->is_there ? &entry->was : NULL,
		};
		char staged[FILE_STAGED_MAX];
		int result = join(folder, item->name, path);

		if (result == 0 && !item->old)
			result = file_remove(path);
		else if (result == 0)
			result = item->link && !item->text
					 ? file_stage_link(path, item->link, staged)
					 : file_stage(path, &content, staged);
		if (result == 0 && item->old)
			result = file_unstage(path, staged);
		(void)result; /* the caller tells that the disk fails; nothing better can be done */
	}
}

static int
carry_out(const char *folder, const struct file_set_item *items, const struct entry *entries,
	  size_t n, const char **failed)
{
	int result = write_journal(folder, entries, n);
	size_t i = 0;

	while (result == 0 && i < n) {
		*failed = items[i].name;
		result = put_in_place(folder, &entries[i]);
		i += result == 0;
	}
	if (result == 0) {
		(void)remove_journal(folder); /* else it says what is so already */
		return 0;
	}
	put_back(folder, items, entries, i);
	drop_staged(folder, entries, n);
	(void)remove_journal(folder);
	return result;
}

int
file_set_change(const char *folder, const struct file_set_item *items, size_t n,
		const char **failed)
{
	struct entry *entries = calloc(n + 1, sizeof *entries);
	size_t staged = 0;
	int result = entries ? 0 : -ENOMEM;

	*failed = NULL;
	for (; result == 0 && staged < n; staged += result == 0) {
		result = stage_item(folder, &items[staged], &entries[staged]);
		if (result < 0)
			*failed = items[staged].name;
	}
	if (result < 0 && entries)
		drop_staged(folder, entries, staged);
	else if (result == 0)
		result = carry_out(folder, items, entries, n, failed);
	free(entries);
	return result;
}

/* ---- one that was interrupted ---- */

bool
file_set_is_open(const char *folder)
{
	char path[PATH_MAX];

	return join(folder, JOURNAL, path) == 0 && access(path, F_OK) == 0;
}

/* Takes a word and the blank behind it. False: it is none, or too long. */
static bool
take_word(const char **line, char *word, size_t size)
{
	size_t len = strcspn(*line, " ");

	if (!len || len >= size || !(*line)[len])
		return false;
	memcpy(word, *line, len);
	word[len] = '\0';
	*line += len + 1;
	return true;
}

static bool
is_digest(const char *hex)
{
	return strcmp(hex, NONE) == 0 ||
	       (strlen(hex) == HEX_MAX - 1 && strspn(hex, "0123456789abcdef") == HEX_MAX - 1);
}

/* "BEFORE AFTER STAGED NAME", as this module writes it: what is damaged must not lead to files that it does not mean. */
static bool
read_entry(const char *line, struct entry *entry)
{
	if (!take_word(&line, entry->before, sizeof entry->before) ||
	    !take_word(&line, entry->after, sizeof entry->after) ||
	    !take_word(&line, entry->staged, sizeof entry->staged) || !is_name(line))
		return false;
	snprintf(entry->name, sizeof entry->name, "%s", line);
	if (!is_digest(entry->before) || !is_digest(entry->after))
		return false;
	if (strcmp(entry->after, NONE) == 0)
		return strcmp(entry->staged, NONE) == 0;
	return file_is_staged(entry->staged);
}

/* As many as lines; *entries NULL, and 0, where it is none of ours. Ends lines in the text. */
static int
read_entries(char *text, size_t len, struct entry **entries, size_t *n)
{
	size_t capacity = 1, at = strlen(HEADER);

	*n = 0;
	*entries = NULL;
	if (len < at || memcmp(text, HEADER, at) != 0 || memchr(text, '\0', len))
		return 0;
	for (size_t i = 0; i < len; i++)
		capacity += text[i] == '\n';
	*entries = calloc(capacity, sizeof **entries);
	if (!*entries)
		return -ENOMEM;
	while (at < len) {
		size_t line = strcspn(text + at, "\n");

		assert(*n < capacity);
		text[at + line] = '\0';
		if (!read_entry(text + at, &(*entries)[*n])) {
			free(*entries);
			*entries = NULL;
			return 0;
		}
		at += line + 1;
		++*n;
	}
	return 0;
}

static int
look_at(const char *folder, struct entry *entry)
{
	char path[PATH_MAX], at[PATH_MAX], now[HEX_MAX], staged[HEX_MAX] = NONE;
	int result = join(folder, entry->name, path);

	if (result == 0)
		result = hex_of_file(path, now);
	if (result == 0 && strcmp(entry->staged, NONE) != 0)
		result = file_staged_path(path, entry->staged, at);
	if (result == 0 && strcmp(entry->staged, NONE) != 0)
		result = hex_of_file(at, staged);
	if (result < 0)
		return result;
	entry->state = strcmp(now, entry->after) == 0      ? ENTRY_DONE
		       : strcmp(now, entry->before) != 0   ? ENTRY_FOREIGN
		       : strcmp(staged, entry->after) == 0 ? ENTRY_READY
							   : ENTRY_LOST;
	return 0;
}

static size_t
count(const struct entry *entries, size_t n, enum entry_state state)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += entries[i].state == state;
	return found;
}

static void
say(struct text *said, const char *what, const struct entry *entries, size_t n,
    enum entry_state state)
{
	const char *before = what;

	for (size_t i = 0; i < n; i++)
		if (entries[i].state == state) {
			text_show(said, "%s %s", before, entries[i].name);
			before = ",";
		}
}

/* Forward; or back, while nothing is changed, where it could not be done as a whole. */
static int
end_change(const char *folder, struct entry *entries, size_t n, struct text *said)
{
	size_t blocked = count(entries, n, ENTRY_LOST) + count(entries, n, ENTRY_FOREIGN);
	bool back = blocked && !count(entries, n, ENTRY_DONE);

	for (size_t i = 0; !back && i < n; i++) {
		int result =
			entries[i].state == ENTRY_READY ? put_in_place(folder, &entries[i]) : 0;

		if (result < 0)
			return result;
		if (entries[i].state == ENTRY_READY)
			entries[i].state = ENTRY_DONE;
	}
	drop_staged(folder, entries, n);
	text_show(said, "a change of these files was interrupted, and was %s",
		  back ? "taken back" : "finished");
	say(said, ": now there are the new", entries, n, ENTRY_DONE);
	say(said, "; as somebody left them since:", entries, n, ENTRY_FOREIGN);
	say(said, "; the new content is lost of", entries, n, ENTRY_LOST);
	return 0;
}

static int
recover(const char *folder, char *text, size_t len, struct text *said)
{
	struct entry *entries;
	size_t n;
	int result = read_entries(text, len, &entries, &n);

	if (result == 0 && !entries)
		text_show(said, "a journal of a change was not understood, and removed: look at "
				"the files");
	for (size_t i = 0; result == 0 && i < n; i++)
		result = look_at(folder, &entries[i]);
	if (result == 0 && entries)
		result = end_change(folder, entries, n, said);
	free(entries);
	return result;
}

int
file_set_recover(const char *folder, struct text *said)
{
	char path[PATH_MAX], *text = NULL;
	size_t len = 0;
	int result = join(folder, JOURNAL, path);

	if (result == 0)
		result = read_file(path, JOURNAL_MAX, &text, &len);
	if (result < 0 || !text)
		return result;
	result = recover(folder, text, len, said);
	forget(text, len);
	if (result == 0)
		result = remove_journal(folder);
	return result < 0 ? result : 1;
}
