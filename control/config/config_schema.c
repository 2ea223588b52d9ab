#include "control/config/config_schema.h"

#include "control/config/config.h"
#include "control/socket/ctl_proto.h"
#include "control/work_threads.h"

static const char *const hugepage_choices[] = { "no", "yes", "auto",
						NULL }; /* enum dataplane_hugepages */
static const char *const level_choices[] = { "error", "warning", "notice", "info", "debug", NULL };
static const char *const target_choices[] = { "stderr", "syslog", "journal", NULL };
static const char *const format_choices[] = { "text", "json", NULL }; /* enum log_format */
static const char *const seccomp_choices[] = { "off", "log", "enforce", NULL }; /* enum seccomp_mode */
static const char *const lock_choices[] = { "no", "yes", "auto", NULL };         /* enum memory_lock */
static const char *const security_choices[] = { "nosec", "psk", NULL };

#define ROOT(field)     SECTION_ROOT, offsetof(struct config, field)
#define PORT(field)     SECTION_PORT, offsetof(struct config_port, field)
#define LISTENER(field) SECTION_LISTENER, offsetof(struct config_listener, field)

static const char *const section_lists[] = { NULL, "ports", "listeners" };

static const struct setting settings[] = {
	{ "workers", SETTING_NUMBER, ROOT(workers), 1, DATAPLANE_WORKERS_MAX, "1",
	  .help = "polled cores" },
	{ "cpus", SETTING_TEXT, ROOT(cpus),
	  .help = "CPUs of the workers, in order, such as \"1-3,5\"; "
		  "default: picked from the allowed ones" },
	{ "curve_threads", SETTING_NUMBER, ROOT(curve_threads), 0, 64, "1",
	  .help = "threads that compute with elliptic curves, for devices with certificates or raw "
		  "public keys: some 5000 handshakes a second each; 0: no certificates" },
	{ "curve_cpus", SETTING_TEXT, ROOT(curve_cpus),
	  .help = "CPUs of these threads, in order, such as \"4-5\"; default: wherever the "
		  "system puts them" },
	{ "compile_threads", SETTING_NUMBER, ROOT(compile_threads), 0, WORK_THREADS_MAX, "0",
	  .live = true,
	  .help = "threads that compile what devices get, at the start, at a reload and at an import, the "
		  "control thread with them; 0: one for each CPU without a worker, 8 at most" },
	{ "certificates_cbc", SETTING_BOOL, ROOT(certificates_cbc), .preset = "false", .live = true,
	  .help = "whether devices with certificates or raw public keys that speak "
		  "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256 alone are served" },
	{ "control_cpu", SETTING_INTEGER, ROOT(control_cpu), -1, 1023, "-1",
	  .help = "CPU of the control thread; -1: the first allowed one" },
	{ "idle_yield", SETTING_BOOL, ROOT(idle_yield), .preset = "false",
	  .help = "give the CPU away on empty turns: where workers share CPUs with others" },
	{ "hugepages", SETTING_CHOICE, ROOT(hugepages), .preset = "auto",
	  .choices = hugepage_choices, .help = "use hugepages; auto: when enough are free" },
	{ "memory_mb", SETTING_NUMBER, ROOT(memory_mb), 0, 1 << 20, "0",
	  .help = "memory for DPDK; 0: computed from the pools" },
	{ "packet_buffers", SETTING_NUMBER, ROOT(packet_buffers), 0, 1 << 24, "0",
	  .help = "packet buffers of all ports; 0: computed from queues and bursts" },
	{ "file_prefix", SETTING_TEXT, ROOT(file_prefix), .preset = "cradle",
	  .help = "DPDK's file prefix: two appliances on one machine need two" },
	{ "eal_args", SETTING_TEXT, ROOT(eal_args),
	  .help = "further arguments for DPDK's environment, blank separated" },
	{ "sessions", SETTING_NUMBER, ROOT(sessions), 64, 1 << 26, "65536",
	  .help = "sessions of all workers together; a full pool answers 5.03" },
	{ "limits.ack_timeout_ms", SETTING_NUMBER, ROOT(ack_timeout_ms), 100, 60000, "2000",
	  .live = true, .help = "ACK_TIMEOUT of RFC 7252 4.8" },
	{ "limits.ack_random_factor", SETTING_PERCENT, ROOT(ack_random_percent), 1, 3, "1.5",
	  .live = true, .help = "ACK_RANDOM_FACTOR of RFC 7252 4.8" },
	{ "limits.max_retransmit", SETTING_NUMBER, ROOT(max_retransmit), 0, 8, "4", .live = true,
	  .help = "MAX_RETRANSMIT of RFC 7252 4.8" },
	{ "limits.linger_s", SETTING_NUMBER, ROOT(linger_s), 1, 3600, "247", .live = true,
	  .help = "how long a finished session recognises late duplicates" },
	{ "limits.batch_wait_ms", SETTING_NUMBER, ROOT(batch_wait_ms), 10, 1900, "1500",
	  .live = true,
	  .help = "longest wait of a request for the control side; below a client's ACK_TIMEOUT" },
	{ "limits.busy_max_age_s", SETTING_NUMBER, ROOT(busy_max_age_s), 1, 86400, "60",
	  .live = true, .help = "Max-Age of 5.03 Service Unavailable" },
	{ "limits.block_bytes", SETTING_NUMBER, ROOT(block_bytes), 16, 1024, "1024", .live = true,
	  .help = "the largest block of a transfer (RFC 7959): 16, 32, ... 1024; others are "
		  "rounded "
		  "down" },
	{ "limits.answers", SETTING_NUMBER, ROOT(answers), 0, 1 << 20, "0",
	  .help = "answers of devices to Discover and Read that wait at once for what follows, a "
		  "worker; 0: one for eight of its sessions, 4096 at most" },
	{ "limits.answer_bytes", SETTING_NUMBER, ROOT(answer_bytes), 256, 65535, "8192",
	  .help = "the longest such answer; a longer one ends the bootstrap" },
	{ "limits.dtls_idle_s", SETTING_NUMBER, ROOT(dtls_idle_s), 1, 3600, "60", .live = true,
	  .help = "an association without a bootstrap is closed after so long" },
	{ "limits.hellos_per_s", SETTING_NUMBER, ROOT(hellos_per_s), 1, 100000000, "1000000",
	  .live = true, .help = "ClientHellos of new peers that a worker looks at" },
	{ "limits.handshakes_per_s", SETTING_NUMBER, ROOT(handshakes_per_s), 1, 10000000, "50000",
	  .live = true, .help = "handshakes of peers that proved their address, a worker" },
	{ "limits.handshakes_per_prefix_per_s", SETTING_NUMBER, ROOT(handshakes_per_prefix_per_s),
	  1, 10000000, "10000", .live = true, .help = "the same of one /24 or /56" },
	{ "limits.certificates_per_s", SETTING_NUMBER, ROOT(certificates_per_s), 1, 10000000,
	  "10000", .live = true,
	  .help = "those of them with certificates or raw public keys, a worker" },
	{ "limits.certificates_per_prefix_per_s", SETTING_NUMBER,
	  ROOT(certificates_per_prefix_per_s), 1, 10000000, "2000", .live = true,
	  .help = "the same of one /24 or /56" },
	{ "limits.certificate_handshakes", SETTING_NUMBER, ROOT(certificate_handshakes), 0, 65536,
	  "0",
	  .help = "handshakes with certificates or raw public keys at once, a worker, 8 kB each; "
		  "0: one for sixteen of its sessions, 4096 at most" },
	{ "limits.slow_lane_handshakes", SETTING_NUMBER, ROOT(slow_lane_handshakes), 1, 4096, "64",
	  .obsolete = true,
	  .help = "the slow lane is gone, its suite is served as any other: remove this line" },
	{ "control.socket", SETTING_PATH, ROOT(socket), .preset = CTL_SOCKET_DEFAULT,
	  .help = "path of the control socket" },
	{ "control.group", SETTING_TEXT, ROOT(socket_group),
	  .help = "group that may use the socket" },
	{ "control.console_user", SETTING_TEXT, ROOT(console_user),
	  .help = "user of cradle-web: it says for whom it asks, and is told no secret" },
	{ "log.level", SETTING_CHOICE, ROOT(log_level), .preset = "info", .choices = level_choices,
	  .live = true, .help = "least severity that is logged" },
	{ "log.to", SETTING_CHOICE, ROOT(log_target), .preset = "stderr", .choices = target_choices,
	  .live = true, .help = "where the log goes" },
	{ "log.format", SETTING_CHOICE, ROOT(log_format), .preset = "text",
	  .choices = format_choices, .live = true,
	  .help = "json: a line is an object with time, severity, event, device and message; the "
		  "journal has these as fields, whatever stands here" },
	{ "policy", SETTING_PATH, ROOT(policy), .preset = "policy", .live = true,
	  .help = "folder with groups.conf, servers.conf, tasks/, keys/ and resources/" },
	{ "store", SETTING_PATH, ROOT(store), .preset = "/var/lib/cradle/cradle.db",
	  .help = "file that keeps devices and reports" },
	{ "audit", SETTING_PATH, ROOT(audit),
	  .help = "file that tells who changed what, chained by SHA-256; without it, beside the "
		  "store: STORE-audit" },
	{ "outbox", SETTING_PATH, ROOT(outbox), .live = true,
	  .help = "file that says which servers are told of keys that runs make, and of events: "
		  "outbox.conf; without it none is" },
	{ "kek", SETTING_TEXT, ROOT(kek),
	  .help = "key-encryption key that keys and setting values are sealed under in the store: "
		  "/FILE (mode 0600), credential:NAME (systemd) or pkcs11:URI; without it they are "
		  "plain" },
	{ "cluster.name", SETTING_TEXT, ROOT(cluster_name),
	  .help = "name of the cluster whose devices this appliance serves together with others; "
		  "without it it stands alone" },
	{ "cluster.member", SETTING_NUMBER, ROOT(cluster_member), 1, CONFIG_MEMBER_MAX,
	  .help = "number of this appliance in it: each its own" },
	{ "cluster.database", SETTING_TEXT, ROOT(cluster_database),
	  .help = "the PostgreSQL database that they share: postgresql://HOST1,HOST2/NAME?...; its "
		  "password comes from a file (passfile=FILE), not from here" },
	{ "cluster.secret", SETTING_PATH, ROOT(cluster_secret),
	  .help = "file (mode 0600) with 32 bytes or more that all members have and nobody else" },
	{ "cluster.poll_ms", SETTING_NUMBER, ROOT(cluster_poll_ms), 20, 10000, "200",
	  .help = "how often the database is asked for what other members changed" },
	{ "cluster.horizon_s", SETTING_NUMBER, ROOT(cluster_horizon_s), 1, 100000000, "604800",
	  .help = "how long the database remembers what was changed and removed; a member that was "
		  "away for longer fetches all devices" },
	{ "cluster.forward", SETTING_TEXT, ROOT(cluster_forward),
	  .help = "address of this appliance alone, one of a port's: members forward each other's datagrams "
		  "there when routes change; on all members or on none" },
	{ "cluster.forward_port", SETTING_NUMBER, ROOT(cluster_forward_port), 1, 65535, "5685",
	  .help = "its UDP port, the same on all members" },
	{ "user", SETTING_TEXT, ROOT(user),
	  .help = "user that the appliance becomes when root starts it, before it opens anything; default: it "
		  "stays who started it" },
	{ "group", SETTING_TEXT, ROOT(group),
	  .help = "group that it becomes; default: the user's own" },
	{ "seccomp", SETTING_CHOICE, ROOT(seccomp), .preset = "enforce", .choices = seccomp_choices,
	  .help = "lists of system calls, one a kind of thread. enforce: a call that a list does not have "
		  "ends the process, and is named in the log; log: the kernel's log tells of it; off" },
	{ "lock_memory", SETTING_CHOICE, ROOT(lock_memory), .preset = "auto", .choices = lock_choices,
	  .help = "keep memory out of swap; auto: where the limit on locked memory lets us" },
	{ "keep_associations", SETTING_BOOL, ROOT(keep_associations), .preset = "false",
	  .help = "associations with devices outlive a crash, in memory that systemd keeps beside the "
		  "appliance: devices need no handshake then; their keys are in memory twice" },
	{ "objects", SETTING_PATH, ROOT(objects), .preset = "objects", .live = true,
	  .help = "folder of further OMA object definitions (DDF XML)" },
	{ "device", SETTING_TEXT, PORT(device), .required = true,
	  .help = "a PCI address or vdev string of DPDK, such as \"net_af_packet0,iface=eth1\"" },
	{ "addresses", SETTING_ADDRESSES, PORT(addresses), .required = true,
	  .help = "our IPv4 and IPv6 addresses on this port, each with its prefix" },
	{ "queues", SETTING_NUMBER, PORT(queues), 0, 1024, "0",
	  .help = "queues; 0: one a worker, or what the device offers; memif: one (the peer's "
		  "rings)" },
	{ "rx_descriptors", SETTING_NUMBER, PORT(rx_descriptors), 0, 32768, "0",
	  .help = "receive descriptors a queue; 0: the driver's default" },
	{ "tx_descriptors", SETTING_NUMBER, PORT(tx_descriptors), 0, 32768, "0",
	  .help = "transmit descriptors a queue; 0: the driver's default" },
	{ "mtu", SETTING_NUMBER, PORT(mtu), 0, 9600, "0", .help = "0: 1500" },
	{ "vlan", SETTING_NUMBER, PORT(vlan), 0, 4094, "0",
	  .help = "VLAN our addresses live in; 0: any tag is answered in kind" },
	{ "port", SETTING_NUMBER, LISTENER(port), 1, 65535, .required = true,
	  .help = "UDP port, on every address of every port" },
	{ "security", SETTING_CHOICE, LISTENER(security), .required = true,
	  .choices = security_choices,
	  .help = "psk: DTLS with pre-shared keys; nosec: plain CoAP, for private networks" },
	{ "allow_public_nosec", SETTING_BOOL, LISTENER(allow_public_nosec), .preset = "false",
	  .help = "let a nosec listener serve addresses that the Internet can reach" },
	{ "allow_keyed_devices", SETTING_BOOL, LISTENER(allow_keyed_devices), .preset = "false",
	  .help = "let a nosec listener serve devices that have a key or a certificate: anyone who "
		  "names one gets its secrets; `device edit NAME --nosec on` allows one device" },
};

const struct settings_schema config_schema = {
	.settings = settings,
	.n = sizeof settings / sizeof settings[0],
	.lists = section_lists,
	.n_lists = sizeof section_lists / sizeof section_lists[0],
	.help_command = "cradlectl help settings",
};
