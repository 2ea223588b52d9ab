/* A copy of the store while it is written, and the way back. */
#include <errno.h>
#include <fcntl.h>

#include "control/store/store_backup.h"
#include "tests/unit/store_world.h"

static char copy_path[96]; /* of the folder with the copy */

static int
make_copy_folder(const struct world *world)
{
	int fd;

	snprintf(copy_path, sizeof copy_path, "%s/copy", world->folder);
	cr_assert_eq(mkdir(copy_path, 0700), 0);
	fd = open(copy_path, O_RDONLY | O_DIRECTORY);
	cr_assert_geq(fd, 0);
	return fd;
}

/* The result of a whole copy; `each` is called between its steps. */
static int
copy_store(struct world *world, void (*each)(struct world *))
{
	struct store_backup_progress progress = { 0 };
	int folder = make_copy_folder(world);
	struct store_backup *backup = store_backup_begin(world->store, folder, world->error);

	cr_assert_not_null(backup, "%s", world->error);
	close(folder); /* it has its own */
	while (!progress.over) {
		store_backup_wait(backup, &progress);
		if (each)
			each(world);
	}
	return store_backup_end(backup, world->error);
}

static struct store_restore
restore_of(const struct world *world, bool replace)
{
	return (struct store_restore){ .path = world->path, .folder = copy_path, .replace = replace };
}

static int
restore_now(struct world *world, bool replace)
{
	struct store_restore restore = restore_of(world, replace);

	return store_restore(&restore, world->error);
}

static char *
in_copy(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", copy_path, name);
	return path;
}

static void
begin(struct world *world)
{
	world_folder(world, "/tmp");
	world_open(world);
	cr_assert_eq(world_put_devices(world, 1, 20), 0);
	world_report(world, 3, 2, "went well");
}

/* As if its disk was lost. */
static void
lose_store(struct world *world)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-reports", "-reports-wal", "-reports-shm" };
	char path[128];

	store_close(world->store);
	world->store = NULL;
	for (unsigned i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
		snprintf(path, sizeof path, "%s%s", world->path, suffixes[i]);
		unlink(path);
	}
}

Test(store_backup, what_is_copied_comes_back_with_its_reports)
{
	struct world world;

	begin(&world);
	cr_assert_eq(copy_store(&world, NULL), 0, "%s", world.error);
	cr_assert_eq(world_put_devices(&world, 50, 60), 0); /* not in the copy */
	lose_store(&world);
	cr_assert_eq(restore_now(&world, false), 0, "%s", world.error);
	world_open(&world);
	cr_expect_eq(world.n_devices, 19);
	cr_expect_eq(world.n_reports, 1);
	cr_expect_str_eq(world.reports[0].summary, "went well");
	cr_expect_str_eq(store_warning(world.store), "");
	world_end(&world);
}

Test(store_backup, a_copy_is_readable_by_its_owner_alone)
{
	static const char *const names[] = { STORE_BACKUP_INVENTORY, STORE_BACKUP_REPORTS,
					     STORE_BACKUP_MANIFEST };
	struct world world;
	struct stat found;

	umask(0);
	begin(&world);
	cr_assert_eq(copy_store(&world, NULL), 0, "%s", world.error);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(stat(in_copy(names[i]), &found), 0);
		cr_expect_eq(found.st_mode & 07777, 0600);
	}
	world_end(&world);
}

static uint32_t next_id = 100;

static void
change_and_report(struct world *world)
{
	cr_assert_eq(world_put_devices(world, next_id, next_id + 1), 0, "%s", world->error);
	world_report(world, next_id, 2, "of a device that is new");
	next_id++;
}

Test(store_backup, a_copy_made_while_devices_come_is_of_one_moment)
{
	struct world world;

	begin(&world);
	cr_assert_eq(world_put_devices(&world, 1000, 21000), 0);
	cr_assert_eq(copy_store(&world, change_and_report), 0, "%s", world.error);
	lose_store(&world);
	cr_assert_eq(restore_now(&world, false), 0, "%s", world.error);
	world_open(&world);
	cr_expect_str_eq(store_warning(world.store), ""); /* no change that only the reports know */
	cr_expect_geq(world.n_devices, 20019);
	/* Each of its reports has its device; that of the device that came last may be missing. */
	cr_expect_geq(world.n_reports + 1, world.n_devices - 20019 + 1);
	world_end(&world);
}

Test(store_backup, a_copy_that_is_given_up_leaves_nothing)
{
	struct world world;
	struct store_backup *backup;
	int folder;

	begin(&world);
	cr_assert_eq(world_put_devices(&world, 1000, 200000), 0);
	folder = make_copy_folder(&world);
	backup = store_backup_begin(world.store, folder, world.error);
	cr_assert_not_null(backup);
	if (store_backup_end(backup, world.error) < 0) /* else it was quicker than we */
		cr_expect_eq(rmdir(copy_path), 0);
	close(folder);
	world_end(&world);
}

Test(store_backup, a_folder_that_is_not_empty_is_left_as_it_is)
{
	struct world world;
	FILE *file;
	int folder;
	struct store_backup *backup;

	begin(&world);
	folder = make_copy_folder(&world);
	file = fopen(in_copy(STORE_BACKUP_REPORTS), "w");
	fputs("mine", file);
	fclose(file);
	backup = store_backup_begin(world.store, folder, world.error);
	cr_assert_not_null(backup);
	for (struct store_backup_progress progress = { 0 }; !progress.over;)
		store_backup_wait(backup, &progress);
	cr_expect_eq(store_backup_end(backup, world.error), -EEXIST);
	cr_expect_not_null(strstr(world.error, STORE_BACKUP_REPORTS), "%s", world.error);
	cr_expect_eq(access(in_copy(STORE_BACKUP_REPORTS), F_OK), 0);
	cr_expect_neq(access(in_copy(STORE_BACKUP_INVENTORY), F_OK), 0);
	close(folder);
	world_end(&world);
}

static void
expect_not_restored(struct world *world, const char *word)
{
	cr_expect_lt(restore_now(world, true), 0);
	cr_expect_not_null(strstr(world->error, word), "%s", world->error);
}

Test(store_backup, a_copy_that_was_cut_or_changed_is_refused_and_the_store_stays)
{
	struct world world;
	FILE *file;

	begin(&world);
	cr_assert_eq(copy_store(&world, NULL), 0, "%s", world.error);
	store_close(world.store);
	file = fopen(in_copy(STORE_BACKUP_INVENTORY), "r+");
	fseek(file, 5000, SEEK_SET);
	fputc('x', file);
	fclose(file);
	expect_not_restored(&world, "not what the manifest tells");
	cr_assert_eq(truncate(in_copy(STORE_BACKUP_INVENTORY), 4096), 0);
	expect_not_restored(&world, "not what the manifest tells");
	cr_assert_eq(unlink(in_copy(STORE_BACKUP_INVENTORY)), 0);
	expect_not_restored(&world, STORE_BACKUP_INVENTORY);
	file = fopen(in_copy(STORE_BACKUP_MANIFEST), "w");
	fputs("{\"format\": 2}", file);
	fclose(file);
	expect_not_restored(&world, "newer version");
	file = fopen(in_copy(STORE_BACKUP_MANIFEST), "w");
	fputs("{\"format\": 1, \"made\": \"x\", \"files\": [1, 2]}", file);
	fclose(file);
	expect_not_restored(&world, "not as `store backup` writes it");
	cr_assert_eq(unlink(in_copy(STORE_BACKUP_MANIFEST)), 0);
	expect_not_restored(&world, "cut short");
	cr_assert_eq(mkfifo(in_copy(STORE_BACKUP_MANIFEST), 0600), 0);
	expect_not_restored(&world, STORE_BACKUP_MANIFEST);
	world_open(&world);
	cr_expect_eq(world.n_devices, 19);
	world_end(&world);
}

Test(store_backup, a_store_that_is_there_is_refused_or_moved_aside)
{
	struct store_restore restore;
	struct world world;
	char aside[160];

	begin(&world);
	cr_assert_eq(copy_store(&world, NULL), 0, "%s", world.error);
	cr_assert_eq(world_put_devices(&world, 50, 60), 0);
	restore = restore_of(&world, true);
	cr_expect_eq(store_restore(&restore, world.error), -EBUSY);
	cr_expect_not_null(strstr(world.error, "in use by process"), "%s", world.error);
	store_close(world.store);
	cr_expect_eq(restore_now(&world, false), -EEXIST);
	cr_expect_not_null(strstr(world.error, "--replace"), "%s", world.error);
	world_open(&world);
	cr_expect_eq(world.n_devices, 29);
	store_close(world.store);
	cr_assert_eq(store_restore(&restore, world.error), 0, "%s", world.error);
	snprintf(aside, sizeof aside, "%s%s", world.path, restore.aside);
	cr_expect_eq(access(aside, F_OK), 0);
	world_open(&world);
	cr_expect_eq(world.n_devices, 19);
	world_end(&world);
}

Test(store_backup, a_restore_that_died_between_two_renames_is_refused_until_it_is_done_again)
{
	struct world world;
	char reports[128];

	begin(&world);
	cr_assert_eq(copy_store(&world, NULL), 0, "%s", world.error);
	lose_store(&world);
	cr_assert_eq(restore_now(&world, false), 0);
	/* As it is when the reports have their place and the inventory has not. */
	snprintf(reports, sizeof reports, "%s-reports", world.path);
	cr_assert_eq(access(reports, F_OK), 0);
	cr_assert_eq(unlink(world.path), 0);
	cr_expect_null(store_open(world.path, world.error));
	cr_expect_not_null(strstr(world.error, "put back a copy"), "%s", world.error);
	cr_assert_eq(restore_now(&world, true), 0, "%s", world.error);
	world_open(&world);
	cr_expect_eq(world.n_devices, 19);
	world_end(&world);
}
