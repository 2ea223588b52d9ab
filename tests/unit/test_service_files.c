/* The store given to another process, and taken back, or not. */
#include "control/service_files.h"
#include "tests/unit/control_world.h"

static struct world world;
static char path[96];

static void
set_up(void)
{
	world_start(&world);
	snprintf(path, sizeof path, "%s/store", world.folder);
	free(world.service->config->store);
	world.service->config->store = strdup(path);
	cr_assert_eq(service_files_open_store(world.service), 0);
	cr_assert_eq(store_start(world.service->store), 0);
	world.daemon.audit = service_files_open_audit(world.service->config);
	cr_assert_not_null(world.daemon.audit);
}

static void
tear_down(void)
{
	audit_close(world.daemon.audit);
	store_close(world.service->store);
	world.service->store = NULL;
	world_stop(&world);
}

TestSuite(service_files, .init = set_up, .fini = tear_down);

static void
leave(void)
{
	char error[STORE_ERROR_MAX];

	cr_assert_eq(service_files_leave(world.service, &world.daemon.audit, error), 0, "%s", error);
	cr_assert_null(world.daemon.audit);
}

Test(service_files, what_was_left_is_taken_back)
{
	leave();
	cr_expect_eq(service_files_return(world.service, &world.daemon.audit), 0);
	cr_expect_not_null(world.daemon.audit);
}

/* The policy can be changed without a store: somebody must still be told. */
Test(service_files, the_audit_is_open_although_the_store_is_not)
{
	FILE *file;

	leave();
	file = fopen(path, "w");
	cr_assert_not_null(file);
	fputs("no database, and longer than a header of one: it is none of ours to read, whoever "
	      "wrote it here",
	      file);
	fclose(file);
	cr_expect_eq(service_files_return(world.service, &world.daemon.audit), -1);
	cr_expect_not_null(world.daemon.audit);
}
