/* Settings against a machine, and names that DPDK would fail on. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/config/config_device.h"
#include "control/config/config_host.h"

static struct diag_list diags;
static struct config *config;

static bool
has_group(const char *name)
{
	return strcmp(name, "cradle") == 0;
}

static bool
has_user(const char *name)
{
	return strcmp(name, "cradle") == 0;
}

static uid_t
user_id(const char *name)
{
	return strcmp(name, "cradle-web") == 0 ? 990 : 0;
}

static bool
has_interface(const char *name)
{
	return strcmp(name, "eth1") == 0;
}

/* 0000:03:00.0 is DPDK's, .1 the kernel's, .2 nobody's. */
static bool
card_driver(const char *address, char *driver, size_t size)
{
	static const char *const drivers[] = { "vfio-pci", "e1000e", "" };

	if (strncmp(address, "0000:03:00.", 11) != 0 || address[11] > '2')
		return false;
	snprintf(driver, size, "%s", drivers[address[11] - '0']);
	return true;
}

static bool
has_folder(const char *path)
{
	return strcmp(path, "/var/lib/cradle") == 0;
}

/* Two CPUs, 1 and 2; 1 GB of memory; no hugepages. */
static struct config_host
machine(void)
{
	struct config_host host = { .memory_kb = 1 << 20,
				    .has_group = has_group,
				    .has_user = has_user,
				    .user_id = user_id,
				    .has_interface = has_interface,
				    .card_driver = card_driver,
				    .has_folder = has_folder };

	CPU_ZERO(&host.cpus);
	CPU_SET(1, &host.cpus);
	CPU_SET(2, &host.cpus);
	return host;
}

static void
set_up(void)
{
	diag_list_init(&diags);
}

static void
tear_down(void)
{
	config_free(config);
	diag_list_fini(&diags);
}

TestSuite(config_host, .init = set_up, .fini = tear_down);

static void
read_config(const char *device, const char *more)
{
	char text[1024];

	snprintf(text, sizeof text,
		 "ports = ( { device = \"%s\"; addresses = [ \"198.18.0.1/24\" ]; } );\n"
		 "listeners = ( { port = 5684; security = \"psk\"; } );\n"
		 "idle_yield = true; %s\n",
		 device, more);
	diag_list_fini(&diags);
	diag_list_init(&diags);
	config_free(config);
	config = config_parse("x.conf", text, strlen(text), &diags);
	cr_assert_not_null(config);
	cr_assert_eq(diags.errors, 0, "%s", diags.items[0].text);
}

/* Whether the machine check says so, at the setting of this name. */
static bool
told(const char *tag, const char *words)
{
	for (size_t i = 0; i < diags.count; i++)
		if (strcmp(diags.items[i].place.tag, tag) == 0 &&
		    strstr(diags.items[i].text, words))
			return true;
	return false;
}

#define AF_PACKET "net_af_packet0,iface=eth1"

Test(config_host, what_a_start_would_fail_on_is_an_error)
{
	static const struct {
		const char *device, *settings, *tag, *words;
	} cases[] = {
		{ AF_PACKET, "cpus = \"99\";", "cpus", "CPU 99" },
		{ AF_PACKET, "cpus = \"0-1\"; workers = 2;", "cpus", "CPU 0" },
		{ AF_PACKET, "control_cpu = 7;", "control_cpu", "CPU 7" },
		{ AF_PACKET, "control = { group = \"nobody-has-it\"; };", "control.group",
		  "there is no group" },
		{ AF_PACKET, "control = { console_user = \"root\"; };", "control.console_user",
		  "is no user, or root" },
		{ AF_PACKET, "user = \"nobody-has-it\";", "user", "there is no user" },
		{ AF_PACKET, "group = \"nobody-has-it\";", "group", "there is no group" },
		{ AF_PACKET, "hugepages = \"yes\";", "hugepages", "no hugepage is free" },
		{ AF_PACKET, "sessions = 67108864;", "sessions", "need" },
		{ "net_af_packet0,iface=eth7", "", "device", "there is no interface \"eth7\"" },
		{ "eth1", "", "device", "write \"net_af_packet0,iface=eth1\"" },
	};
	const struct config_host host = machine();

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		read_config(cases[i].device, cases[i].settings);
		config_check_host(config, &host, &diags);
		cr_expect_eq(diags.errors, 1, "%s%s", cases[i].device, cases[i].settings);
		cr_expect(told(cases[i].tag, cases[i].words), "%s%s", cases[i].device,
			  cases[i].settings);
	}
}

Test(config_host, what_is_hardly_meant_is_a_warning)
{
	const struct config_host host = machine();

	read_config(AF_PACKET, "workers = 2; store = \"/nowhere/cradle.db\";");
	config->idle_yield = false;
	config_check_host(config, &host, &diags);
	cr_expect_eq(diags.errors, 0);
	cr_expect(told("workers", "idle_yield = true"));
	cr_expect(told("store", "/nowhere"));
}

Test(config_host, what_fits_says_nothing)
{
	const struct config_host host = machine();

	read_config(AF_PACKET, "cpus = \"1-2\"; workers = 2; control = { group = \"cradle\"; };");
	config_check_host(config, &host, &diags);
	cr_expect_eq(diags.count, 0, "%s", diags.count ? diags.items[0].text : "");
}

static const struct {
	const char *device, *words; /* NULL: nothing to say */
} cards[] = {
	{ "0000:03:00.0", NULL },
	{ "03:00.0,rx_vec_en=1", NULL },
	{ "0000:03:00.1", "by the driver e1000e: `dpdk-devbind.py --bind=vfio-pci 0000:03:00.1`" },
	{ "03:00.1", "bind=vfio-pci 0000:03:00.1" },
	{ "0000:03:00.2", "bound to no driver: " },
	{ "0000:04:00.0", "there is no card 0000:04:00.0" },
	{ "auxiliary:mlx5_core.sf.2", NULL },
	{ "net_memif0,socket=/run/03:00.1", NULL },
};

Test(config_host, cards_are_there_and_dpdks)
{
	const struct config_host host = machine();

	for (size_t i = 0; i < sizeof cards / sizeof cards[0]; i++) {
		read_config(cards[i].device, "");
		config_check_host(config, &host, &diags);
		cr_expect_eq(diags.errors, cards[i].words != NULL, "%s", cards[i].device);
		cr_expect(!cards[i].words || told("device", cards[i].words), "%s",
			  cards[i].device);
	}
}

/* Errors and warnings of one device. */
static void
check_device(const char *device, unsigned errors, unsigned warnings, const char *words)
{
	const struct place place = { .tag = "device" };

	diag_list_fini(&diags);
	diag_list_init(&diags);
	config_check_device(device, &place, &diags);
	cr_expect_eq(diags.errors, errors, "%s", device);
	cr_expect_eq(diags.warnings, warnings, "%s", device);
	if (errors || warnings)
		cr_expect(strstr(diags.items[0].text, words), "%s", diags.items[0].text);
}

Test(config_host, drivers_and_devices_by_name)
{
	check_device("net_af_paket0,iface=eth1", 1, 0, "did you mean \"net_af_packet\"");
	check_device("net_af_xdp0,iface=a,queue_count=1024", 0, 0, "");
	check_device("net_af_xdp0,iface=a,queue_count=65536", 1, 0, "from 1 to 1024, not \"65536\"");
	check_device("net_af_xdp0,queue_count=0,iface=a", 1, 0, "from 1 to 1024, not \"0\"");
	check_device("net_af_xdp0,iface=a,queue_count=", 1, 0, "from 1 to 1024");
	check_device("net_af_xdp0,iface=a,queue_count=-1", 1, 0, "from 1 to 1024");
	check_device("net_af_xdp0,iface=a,queue_count=18446744073709551617", 1, 0, "from 1 to");
	check_device("net_menif0", 1, 0, "did you mean \"net_memif\"");
	check_device("cradle0", 0, 1, "net_af_packet0,iface=cradle0");
	check_device("net_af_packet0,iface=eth1", 0, 0, "");
	check_device("net_af_xdp_eth1,iface=eth1", 0, 0, "");
	check_device("net_virtio_user0,path=/dev/vhost-net", 0, 0, "");
	check_device("eth_af_packet0,iface=eth1", 0, 0, "");
	check_device("0000:03:00.0", 0, 0, "");
	check_device("03:00.1,rx_vec_en=1", 0, 0, "");
	check_device("auxiliary:mlx5_core.sf.2", 0, 0, "");
	check_device("net_some_driver_of_tomorrow0", 0, 0, "");
}

Test(config_host, options_of_the_environment_by_name)
{
	const struct place place = { .tag = "eal_args" };

	config_check_eal_args("--bogus --no-telemety", &place, &diags);
	cr_assert_eq(diags.errors, 2);
	cr_expect(strstr(diags.items[0].text, "no option \"--bogus\""));
	cr_expect(strstr(diags.items[1].text, "did you mean \"--no-telemetry\""));
	config_check_eal_args("-n 4 --log-level=lib.eal:debug --legacy-mem -- --mine", &place,
			      &diags);
	cr_expect_eq(diags.errors, 3, "what stands behind -- is an option all the same");
	config_check_eal_args("--log-level lib.eal:debug", &place, &diags);
	cr_expect_eq(diags.errors, 3);
}
