/* The session pool: small capacities and few heads force full pools, reuse and long chains. */
#include <errno.h>
#include <stdlib.h>

#include <criterion/criterion.h>

/* To reach the chains: some tests make all peers share one. */
#include "dataplane/core/tables/session_table.c"

struct element {
	struct session_node node;
	uint8_t secret[100];
};

static struct session_table *
make(uint32_t capacity)
{
	struct session_table_config config = { .capacity = capacity,
					       .element_size = sizeof(struct element),
					       .seed = { 7 } };
	size_t size = session_table_size(&config);
	void *memory = aligned_alloc(64, size);

	cr_assert_not_null(memory);
	memset(memory, 0, size);
	return session_table_init(memory, &config);
}

static struct peer
peer(unsigned n)
{
	return (struct peer){ .addr = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = (uint8_t)n },
			      .port = (uint16_t)(1000 + n / 256) };
}

static struct session_node *
find(const struct session_table *table, unsigned n)
{
	struct peer p = peer(n);

	return session_table_find(table, session_table_hash(table, &p), &p);
}

static struct session_node *
open_one(struct session_table *table, unsigned n)
{
	struct peer p = peer(n);

	return session_table_open(table, session_table_hash(table, &p), &p);
}

Test(session_table, an_empty_table_finds_nobody)
{
	struct session_table *table = make(1);

	cr_assert_null(find(table, 1));
	cr_assert_null(session_table_at(table, 0));
	cr_assert_null(session_table_at(table, 1));
	cr_assert_null(session_table_at(table, UINT32_MAX));
	cr_assert_null(session_table_oldest_unpinned(table));
	cr_assert_not(session_table_full(table));
	session_table_prefetch(table, 1);
	session_table_prefetch_session(table, 1);
	free(table);
}

Test(session_table, a_full_pool_opens_nothing_until_one_is_closed)
{
	struct session_table *table = make(2);
	struct session_node *one = open_one(table, 1);

	cr_assert_not_null(open_one(table, 2));
	cr_assert(session_table_full(table));
	cr_assert_null(open_one(table, 3));
	cr_assert_null(find(table, 3));
	session_table_close(table, one);
	cr_assert_null(find(table, 1));
	cr_assert_not_null(open_one(table, 3));
	cr_assert_not_null(find(table, 2));
	cr_assert_not_null(find(table, 3));
	free(table);
}

Test(session_table, a_reused_slot_is_wiped_and_has_another_serial)
{
	struct session_table *table = make(1);
	struct element *element = (struct element *)open_one(table, 1);
	uint32_t serial = element->node.serial;

	cr_assert_eq(session_table_slot(table, &element->node), 0);
	memset(element->secret, 0xaa, sizeof element->secret);
	session_table_close(table, &element->node);
	cr_assert_null(session_table_at(table, 0));
	for (size_t i = 0; i < sizeof element->secret; i++)
		cr_assert_eq(element->secret[i], 0, "wiped at once, not at reuse");
	element = (struct element *)open_one(table, 2);
	cr_assert_eq(session_table_at(table, 0), &element->node);
	cr_assert_neq(element->node.serial, serial);
	free(table);
}

Test(session_table, peers_differ_by_every_field)
{
	struct session_table *table = make(4);
	struct peer a = peer(1), b = a, c = a;

	b.port++;
	c.listener++;
	cr_assert_not_null(session_table_open(table, session_table_hash(table, &a), &a));
	cr_assert_null(session_table_find(table, session_table_hash(table, &b), &b));
	cr_assert_null(session_table_find(table, session_table_hash(table, &c), &c));
	free(table);
}

Test(session_table, one_chain_holds_all_when_hashes_collide)
{
	struct session_table *table = make(6);
	struct session_node *nodes[6];

	for (unsigned i = 0; i < 6; i++)
		nodes[i] = open_one(table, i);
	/* Six peers on two heads: chains of three and more, whatever the seed. */
	for (unsigned i = 0; i < 6; i++)
		leave_chain(table, nodes[i]);
	table->heads_mask = 0;
	for (unsigned i = 0; i < 6; i++) {
		struct peer p = peer(i);

		join_chain(table, nodes[i], session_table_hash(table, &p), &p);
	}
	session_table_close(table, nodes[5]); /* head of the chain */
	session_table_close(table, nodes[0]); /* its end */
	session_table_close(table, nodes[3]); /* its middle */
	for (unsigned i = 0; i < 6; i++)
		cr_assert_eq(find(table, i), i == 0 || i == 3 || i == 5 ? NULL : nodes[i]);
	free(table);
}

Test(session_table, the_same_half_hash_does_not_confuse_peers)
{
	struct session_table *table = make(2);
	struct peer a = peer(1), b = peer(2);

	cr_assert_not_null(session_table_open(table, 0, &a));
	cr_assert_null(session_table_find(table, 0, &b));
	free(table);
}

Test(session_table, the_unpinned_are_evicted_in_order)
{
	struct session_table *table = make(4);
	struct session_node *nodes[4];

	for (unsigned i = 0; i < 4; i++)
		nodes[i] = open_one(table, i);
	cr_assert_null(session_table_oldest_unpinned(table), "all are pinned");
	session_table_unpin(table, nodes[2]);
	session_table_unpin(table, nodes[0]);
	session_table_unpin(table, nodes[1]);
	session_table_unpin(table, nodes[2]); /* keeps its place */
	cr_assert_eq(session_table_unpinned(table), 3);
	cr_assert_eq(session_table_oldest_unpinned(table), nodes[2]);
	session_table_pin(table, nodes[0]); /* from the middle */
	session_table_pin(table, nodes[0]);
	session_table_close(table, nodes[2]); /* the oldest */
	cr_assert_eq(session_table_oldest_unpinned(table), nodes[1]);
	session_table_unpin(table, nodes[0]);
	session_table_pin(table, nodes[0]); /* the newest */
	session_table_close(table, nodes[1]);
	cr_assert_null(session_table_oldest_unpinned(table));
	cr_assert_eq(session_table_unpinned(table), 0);
	cr_assert_eq(session_table_count(table), 2);
	free(table);
}

Test(session_table, a_session_moves_to_another_address)
{
	struct session_table *table = make(3);
	struct session_node *node = open_one(table, 1), *other = open_one(table, 2);
	struct peer taken = peer(2), fresh = peer(9), same = peer(1);

	cr_assert_eq(session_table_rekey(table, node, session_table_hash(table, &taken), &taken),
		     -EEXIST);
	cr_assert_eq(find(table, 1), node, "nothing was changed");
	cr_assert_eq(session_table_rekey(table, node, session_table_hash(table, &same), &same), 0);
	cr_assert_eq(find(table, 1), node);
	cr_assert_eq(session_table_rekey(table, node, session_table_hash(table, &fresh), &fresh),
		     0);
	cr_assert_null(find(table, 1));
	cr_assert_eq(find(table, 9), node);
	cr_assert_eq(find(table, 2), other);
	session_table_close(table, node);
	cr_assert_null(find(table, 9));
	free(table);
}

Test(session_table, fini_wipes)
{
	struct session_table *table = make(2);
	struct element *element = (struct element *)open_one(table, 1);

	memset(element->secret, 0xaa, sizeof element->secret);
	session_table_fini(table);
	cr_assert_eq(element->secret[50], 0);
	cr_assert_eq(table->key.k0, 0);
	free(table);
}

enum { CAPACITY = 37, PEERS = 400 };

/* Opens, closes, pins and moves at random; `slots` says where each peer's session must be. */
static void
step(struct session_table *table, struct session_node *slots[PEERS], unsigned a, unsigned b)
{
	struct peer p = peer(b);

	if (!slots[a]) {
		bool full = session_table_full(table);

		slots[a] = open_one(table, a);
		cr_assert_eq(slots[a] == NULL, full);
	} else if (b % 4 == 0) {
		session_table_close(table, slots[a]);
		slots[a] = NULL;
	} else if (b % 4 == 1) {
		session_table_unpin(table, slots[a]);
	} else if (b % 4 == 2) {
		session_table_pin(table, slots[a]);
	} else if (a != b &&
		   session_table_rekey(table, slots[a], session_table_hash(table, &p), &p) == 0) {
		cr_assert_null(slots[b]);
		slots[b] = slots[a];
		slots[a] = NULL;
	}
}

Test(session_table, agrees_with_a_model_under_random_operations)
{
	struct session_table *table = make(CAPACITY);
	struct session_node *slots[PEERS] = { 0 };
	uint64_t state = 1;

	for (unsigned round = 0; round < 100000; round++) {
		uint32_t live = 0, unpinned = 0;

		state = state * 6364136223846793005u + 1442695040888963407u;
		/* Few peers are tried often enough to be found again, many enough to fill the
		 * pool. */
		step(table, slots, (state >> 40) % 80 * (PEERS / 80),
		     (unsigned)(state >> 20) % PEERS);
		if (round % 97)
			continue;
		for (unsigned i = 0; i < PEERS; i++) {
			cr_assert_eq(find(table, i), slots[i]);
			live += slots[i] != NULL;
			unpinned += slots[i] && slots[i]->state == SESSION_UNPINNED;
		}
		cr_assert_eq(session_table_count(table), live);
		cr_assert_eq(session_table_unpinned(table), unpinned);
		for (struct session_node *n = session_table_oldest_unpinned(table); n; unpinned--)
			n = n->newer ? node_at(table, n->newer - 1) : NULL;
		cr_assert_eq(unpinned, 0);
	}
	free(table);
}
