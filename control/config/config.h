/*
 * config.h - cradle.conf: the settings of the appliance, read, checked and compared.
 *
 * config_schema.c declares every setting once: name, type, range, default, whether it applies
 * live or needs a restart, and its help. Reading, defaults, `help settings` and the comparison of
 * a reload come from that table. Owner: whoever calls config_load(). One thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/config/conf_text.h"
#include "control/config/config_addresses.h"
#include "control/text.h"
#include "dataplane/dataplane.h"

#define CONFIG_FILE_DEFAULT "/etc/cradle/cradle.conf"

enum {
	CONFIG_FILE_MAX = 4 << 20,
	CONFIG_LISTENERS_MAX = 8,
	CONFIG_MEMBER_MAX = 8191, /* 13 bits */
	CONFIG_CLUSTER_NAME_MAX = 63,
};

struct config_port {
	char *device;
	uint32_t queues, rx_descriptors, tx_descriptors, mtu, vlan;
	struct config_addresses addresses;
	uint32_t line;
};

struct config_listener {
	uint32_t port;
	uint32_t security; /* enum listener_security */
	bool allow_public_nosec, allow_keyed_devices;
	uint32_t line;
};

struct config {
	char *file; /* as given */
	uint32_t workers;
	char *cpus;
	int32_t control_cpu;
	bool idle_yield;
	uint32_t hugepages; /* enum dataplane_hugepages */
	uint32_t memory_mb, packet_buffers;
	char *file_prefix, *eal_args;
	struct config_port ports[DATAPLANE_PORTS_MAX];
	unsigned n_ports;
	struct config_listener listeners[CONFIG_LISTENERS_MAX];
	unsigned n_listeners;
	uint32_t sessions;
	uint32_t ack_timeout_ms, ack_random_percent, max_retransmit;
	uint32_t linger_s, batch_wait_ms, busy_max_age_s, block_bytes, slow_lane_handshakes;
	uint32_t answers, answer_bytes;
	uint32_t compile_threads;
	uint32_t curve_threads, certificate_handshakes, certificates_per_s,
		certificates_per_prefix_per_s;
	char *curve_cpus;
	bool certificates_cbc;
	uint32_t dtls_idle_s, hellos_per_s, handshakes_per_s, handshakes_per_prefix_per_s;
	char *socket, *console_user, *socket_group;
	uint32_t log_level, log_target, log_format; /* enum severity, log_target, log_format */
	char *kek;                                  /* a source (keyring.h); NULL: none */
	char *outbox;                               /* NULL: nobody is told anything */
	char *audit;                                /* NULL: STORE-audit */
	char *cluster_name, *cluster_database, *cluster_secret; /* all or none */
	uint32_t cluster_member;                                /* 0: none */
	uint32_t cluster_poll_ms, cluster_horizon_s;
	char *cluster_forward; /* an address of ours; NULL: nothing is forwarded */
	uint32_t cluster_forward_port;
	char *user, *group;                         /* NULL: whoever started us */
	bool keep_associations;
	uint32_t seccomp, lock_memory; /* enum seccomp_mode, memory_lock */
	char *policy, *store, *objects; /* paths, resolved against the folder of `file` */
};

/*
 * NULL after adding an error when the text is no configuration at all. Wrong settings are errors,
 * too, but the others are there with defaults in their place: so that a check goes on to the
 * files they name. Nothing may run while there are errors.
 */
struct config *config_load(const char *file, struct diag_list *diags);
/* The same from memory; `file` stands in diagnostics and gives the folder of relative paths. */
struct config *config_parse(const char *file, const char *text, size_t len,
			    struct diag_list *diags);
void config_free(struct config *config);

void config_limits(const struct config *config, struct stack_limits *limits);
/* Borrows strings of `config`. */
void config_dataplane(const struct config *config, struct dataplane_config *out);

/* A setting with its value as it is written in a file, a PIN in it masked; `name` as in "ports[0].device". */
struct config_value {
	const char *name, *text;
	const char *preset, *help; /* preset NULL: none */
	bool live;                 /* a reload suffices */
};
typedef void config_each_value(void *ctx, const struct config_value *value);
/* Every setting in turn, those of lists with each item. The value is borrowed for the call. */
void config_each(const struct config *config, config_each_value *each, void *ctx);

/* What a reload finds different between the running settings and new ones. */
struct config_change {
	char *name;
	char *before, *after;
	bool live;
};
struct config_changes {
	struct config_change *items;
	unsigned count;
};
/* 0 or -ENOMEM; config_changes_free() either way. */
int config_compare(const struct config *running, const struct config *new,
		   struct config_changes *changes);
void config_changes_free(struct config_changes *changes);
/*
 * Takes over every live setting of `new`; the others stay. 0, or -ENOMEM: some were not taken
 * over.
 */
int config_apply_live(struct config *running, const struct config *new);

/* "help settings", and one setting's; false when there is none of this name. */
void config_help(struct text *text);
bool config_help_one(const char *name, struct text *text);
