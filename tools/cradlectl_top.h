/*
 * cradlectl_top.h - `cradlectl top`: the appliance as it is now, once a second, on one screen.
 *
 * Watches `status` and `counters` over one connection, so the appliance does no more than for two
 * commands a second. On a terminal the screen is drawn anew until "q" or Ctrl-C; elsewhere each
 * picture follows the one before.
 */
#pragma once

struct top_options {
	int socket; /* connected, waits */
	unsigned interval_s;
	unsigned pictures; /* 0: until told to end */
};

/* An exit code. 3: the appliance has gone. */
int top_run(const struct top_options *options);
