/*-------------------------------------------------------------------------
 *
 * tree.c
 *	  The hash tree of RFC 6962, section 2.1, over leaves that only come.
 *
 * Its full parts are cut into tiles of 256 hashes (C2SP tlog-tiles): level 0
 * holds the hashes of leaves, level L the hashes of full tiles of level L - 1.
 * Who appends needs the hashes that fill no tile yet and nothing else.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ledger/ledger_internal.h"

#define TAG_NODE	0x01

/* The hash of an inner node. */
void
tree_node(const uint8 *left, const uint8 *right, uint8 *hash)
{
	uint8		data[1 + 2 * LEDGER_HASH_LENGTH];

	data[0] = TAG_NODE;
	memcpy(data + 1, left, LEDGER_HASH_LENGTH);
	memcpy(data + 1 + LEDGER_HASH_LENGTH, right, LEDGER_HASH_LENGTH);
	crypto_sha256(data, sizeof(data), hash);
}

/* The hash over n hashes of one level, n being a power of two up to 256. */
void
tree_perfect(const uint8 *hashes, int n, uint8 *hash)
{
	uint8		work[LEDGER_TILE_WIDTH * LEDGER_HASH_LENGTH];

	Assert(n > 0 && n <= LEDGER_TILE_WIDTH && (n & (n - 1)) == 0);
	memcpy(work, hashes, n * LEDGER_HASH_LENGTH);
	for (; n > 1; n /= 2)
		for (int i = 0; i < n / 2; i++)
			tree_node(work + 2 * i * LEDGER_HASH_LENGTH,
					  work + (2 * i + 1) * LEDGER_HASH_LENGTH,
					  work + i * LEDGER_HASH_LENGTH);
	memcpy(hash, work, LEDGER_HASH_LENGTH);
}

/* Adds a leaf by its hash; gives each tile that it fills to the writer. */
void
tree_add(TreeEnds *ends, const uint8 *leaf, TreeTileWriter writer, void *arg)
{
	uint8		hash[LEDGER_HASH_LENGTH];
	uint64		index = ends->size;

	memcpy(hash, leaf, LEDGER_HASH_LENGTH);
	for (int level = 0; level < TREE_LEVELS; level++)
	{
		memcpy(ends->hash[level][ends->count[level]++], hash, LEDGER_HASH_LENGTH);
		if (ends->count[level] < LEDGER_TILE_WIDTH)
			break;
		index /= LEDGER_TILE_WIDTH;
		writer(arg, level, index, ends->hash[level][0]);
		tree_perfect(ends->hash[level][0], LEDGER_TILE_WIDTH, hash);
		ends->count[level] = 0;
	}
	ends->size++;
}

/*
 * The root.  The tree is a row of perfect trees that get smaller from left to
 * right, one for each bit of the size; they are joined from the right.
 */
void
tree_root(const TreeEnds *ends, uint8 *root)
{
	bool		any = false;

	if (ends->size == 0)
	{
		crypto_sha256("", 0, root);
		return;
	}
	for (int level = 0; level < TREE_LEVELS; level++)
	{
		int			end = ends->count[level];

		for (int width = 1; width < LEDGER_TILE_WIDTH; width *= 2)
		{
			uint8		hash[LEDGER_HASH_LENGTH];

			if ((ends->count[level] & width) == 0)
				continue;
			end -= width;
			tree_perfect(ends->hash[level][end], width, hash);
			if (any)
				tree_node(hash, root, root);
			else
				memcpy(root, hash, LEDGER_HASH_LENGTH);
			any = true;
		}
	}
}

/* The hash of a perfect tree of 2^log leaves, the one of that index. */
static void
perfect_hash(TreeReader reader, void *arg, int log, uint64 index, uint8 *hash)
{
	uint8		hashes[LEDGER_TILE_WIDTH * LEDGER_HASH_LENGTH];
	int			level = log / 8;
	int			n = 1 << (log % 8);

	reader(arg, level, index * n, n, hashes);
	tree_perfect(hashes, n, hash);
}

/*
 * The root over the leaves from start to end (exclusively).  start is a
 * multiple of the least power of two that is not below their number.
 */
void
tree_range(TreeReader reader, void *arg, uint64 start, uint64 end, uint8 *hash)
{
	bool		any = false;

	Assert(start < end);
	/* perfect trees from the smallest, which is the last, to the largest */
	for (int log = 0; log < 64 && start < end; log++)
	{
		uint8		part[LEDGER_HASH_LENGTH];

		if (((end - start) & (UINT64CONST(1) << log)) == 0)
			continue;
		end -= UINT64CONST(1) << log;
		perfect_hash(reader, arg, log, end >> log, part);
		if (any)
			tree_node(part, hash, hash);
		else
			memcpy(hash, part, LEDGER_HASH_LENGTH);
		any = true;
	}
}

/* The largest power of two below n, which is 2 at least. */
static uint64
split_of(uint64 n)
{
	uint64		k = 1;

	while (k < n - k)
		k *= 2;
	return k;
}

static List *
add_range(List *path, TreeReader reader, void *arg, uint64 start, uint64 end)
{
	uint8	   *hash = palloc(LEDGER_HASH_LENGTH);

	tree_range(reader, arg, start, end, hash);
	return lcons(hash, path);
}

/* PATH(index, D[size]) of RFC 6962: hashes from the leaf's neighbour upwards. */
List *
tree_inclusion(TreeReader reader, void *arg, uint64 index, uint64 size)
{
	uint64		start = 0;
	uint64		end = size;
	List	   *path = NIL;

	while (end - start > 1)
	{
		uint64		middle = start + split_of(end - start);

		if (index < middle)
		{
			path = add_range(path, reader, arg, middle, end);
			end = middle;
		}
		else
		{
			path = add_range(path, reader, arg, start, middle);
			start = middle;
		}
	}
	return path;
}

/* PROOF(old_size, D[size]) of RFC 6962; nothing where the sizes say it all. */
List *
tree_consistency(TreeReader reader, void *arg, uint64 old_size, uint64 size)
{
	uint64		start = 0;
	uint64		end = size;
	bool		whole = true;	/* the old tree is a tree of the new one */
	List	   *path = NIL;

	if (old_size == 0 || old_size == size)
		return NIL;
	while (end != old_size)
	{
		uint64		middle = start + split_of(end - start);

		if (old_size <= middle)
		{
			path = add_range(path, reader, arg, middle, end);
			end = middle;
		}
		else
		{
			path = add_range(path, reader, arg, start, middle);
			start = middle;
			whole = false;
		}
	}
	if (!whole)
		path = add_range(path, reader, arg, start, end);
	return path;
}
