/*
 * replay.c - runs a fuzz target over the files of its corpus folder: the normal run of the test suite.
 *
 * usage: fuzz_NAME FOLDER|FILE...
 * Fails when a corpus is empty, so that a lost folder does not pass silently.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned replayed;

static int
replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t size = 0, capacity = 0, n;

	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	do {
		capacity += 65536;
		data = realloc(data, capacity);
		if (!data)
			abort();
		n = fread(data + size, 1, capacity - size, file);
		size += n;
	} while (size == capacity);
	fclose(file);
	/* An exact allocation: sanitizers then see the first byte read beyond the input. */
	uint8_t *exact = malloc(size ? size : 1);
	if (!exact)
		abort();
	memcpy(exact, data, size);
	free(data);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	replayed++;
	return 0;
}

static int
replay_folder(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort);
	int result = 0;

	if (n < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	for (int i = 0; i < n; i++) {
		char file[4096];

		if (entries[i]->d_name[0] != '.') {
			snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
			result |= replay_file(file);
		}
		free(entries[i]);
	}
	free(entries);
	return result;
}

int
main(int argc, char **argv)
{
	int result = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			result |= replay_folder(argv[i]);
		else
			result |= replay_file(argv[i]);
	}
	if (!replayed) {
		fprintf(stderr, "no input was replayed\n");
		return 1;
	}
	printf("%u inputs replayed\n", replayed);
	return result ? 1 : 0;
}
