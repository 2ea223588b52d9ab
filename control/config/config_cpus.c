#include "control/config/config_cpus.h"

#include <stdlib.h>

enum { CPU_MAX = 1023 };

int
config_cpus(const char *text, cpu_set_t *set)
{
	int count = 0;

	if (set)
		CPU_ZERO(set);
	for (;;) {
		char *end;
		unsigned long first, last;

		if (*text < '0' || *text > '9')
			return -1;
		first = last = strtoul(text, &end, 10);
		if (*end == '-') {
			if (end[1] < '0' || end[1] > '9')
				return -1;
			last = strtoul(end + 1, &end, 10);
		}
		if (last < first || last > CPU_MAX)
			return -1;
		for (unsigned long cpu = first; set && cpu <= last; cpu++)
			CPU_SET(cpu, set);
		count += (int)(last - first + 1);
		if (!*end)
			return count;
		if (*end != ',' || count > CPU_MAX + 1)
			return -1;
		text = end + 1;
	}
}
