/*
 * config_host.h - settings against the machine that they are for: `cradled --check --host`, and every
 * start before anything is made.
 *
 * What the machine has is read once into a struct, so that tests say what it has. One thread.
 */
#pragma once

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/config/config.h"

struct config_host {
	cpu_set_t cpus;        /* that we may run on */
	uint64_t memory_kb;    /* that programs can have without swapping; 0: not known */
	uint64_t hugepages_kb; /* free */
	bool (*has_group)(const char *name);
	uid_t (*user_id)(const char *name); /* 0: root, or there is none */
	bool (*has_user)(const char *name);
	bool (*has_interface)(const char *name);
	/* Who has the card of a full PCI address, "": nobody. false: there is no such card. */
	bool (*card_driver)(const char *address, char *driver, size_t size);
	bool (*has_folder)(const char *path); /* that we may write to */
};

/* This machine. */
void config_host_read(struct config_host *host);
/* Adds an error for what a start would fail on, a warning for what is hardly meant. */
void config_check_host(const struct config *config, const struct config_host *host,
		       struct diag_list *diags);
