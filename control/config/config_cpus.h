/*
 * config_cpus.h - lists of CPUs as operators write them: "1-3,5". Pure.
 */
#pragma once

#include <sched.h>

/* How many CPUs a list names, with those in *set (NULL: not wanted); -1: it is none. */
int config_cpus(const char *text, cpu_set_t *set);
