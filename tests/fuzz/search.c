/*
 * search.c - beside every target when libFuzzer searches: its defaults for this project.
 *
 * Weighing inputs by how rare their features are costs libFuzzer more than most of our parsers cost: without it several
 * times as many inputs are tried. What stands on the command line comes later and wins.
 */
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char unweighted[] = "-entropic=0";
	char **longer = malloc(((size_t)*argc + 2) * sizeof *longer);

	if (!longer)
		return 0;
	longer[0] = (*argv)[0];
	longer[1] = unweighted;
	memcpy(longer + 2, *argv + 1, (size_t)*argc * sizeof *longer); /* and the NULL at the end */
	*argv = longer;
	++*argc;
	return 0;
}
