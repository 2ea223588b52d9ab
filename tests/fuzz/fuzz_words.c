/* Words of a line: each is read as it was when it is typed again, quoted. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cradlectl_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect_same(const char *word)
{
	char *typed = words_quote(word);
	struct words again;

	if (!typed)
		return;
	if (words_split(typed, strlen(typed), &again) != WORDS_WHOLE || again.n != 1 ||
	    strcmp(again.argv[0], word) != 0 || !again.open)
		__builtin_trap();
	words_free(&again);
	free(typed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct words words;

	if (words_split((const char *)data, size, &words) == WORDS_NO_MEMORY)
		return 0;
	if (words.argv[words.n] || (words.n && words.last_start >= size))
		__builtin_trap();
	for (int i = 0; i < words.n; i++)
		expect_same(words.argv[i]);
	words_free(&words);
	return 0;
}
