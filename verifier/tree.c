/*-------------------------------------------------------------------------
 *
 * tree.c
 *	  Roots of trees (RFC 6962), and offline proofs (C2SP tlog-proof).
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "verifier.h"

#include <stdlib.h>
#include <string.h>

#define PROOF_HEAD "c2sp.org/tlog-proof@v1\n"

/* Adds a leaf by its hash. */
void
tree_add(Tree *tree, const uint8_t *hash)
{
	memcpy(tree->stack[tree->nstack++], hash, HASH_LENGTH);
	for (uint64_t n = tree->count; n & 1; n >>= 1)
	{
		hash_node(tree->stack[tree->nstack - 2], tree->stack[tree->nstack - 2], tree->stack[tree->nstack - 1]);
		tree->nstack--;
	}
	tree->count++;
}

/* The root of what was added. */
void
tree_root(const Tree *tree, uint8_t *root)
{
	if (tree->nstack == 0)
	{
		sha256(root, 0);
		return;
	}
	memcpy(root, tree->stack[tree->nstack - 1], HASH_LENGTH);
	for (int i = tree->nstack - 2; i >= 0; i--)
		hash_node(root, tree->stack[i], root);
}

/* Takes a line of the proof that begins with this; false where it does not. */
static bool
take_line(const char **at, const char *end, const char *start, const char **rest, size_t *len)
{
	const char *newline = memchr(*at, '\n', (size_t) (end - *at));
	size_t		start_len = strlen(start);

	if (newline == NULL || (size_t) (newline - *at) < start_len || memcmp(*at, start, start_len) != 0)
		return false;
	*rest = *at + start_len;
	*len = (size_t) (newline - *rest);
	*at = newline + 1;
	return true;
}

/*
 * Checks that an entry is in a log, by a tlog-proof; returns what is wrong, or
 * NULL.  *index: the record that the proof is of.
 */
const char *
proof_check(const Bytes *proof, const Bytes *entry, const Keys *log_keys, const Keys *witnesses,
			uint64_t *index, Checkpoint *checkpoint)
{
	static const char *const no_proof = "it is no tlog-proof";
	const char *at = (const char *) proof->data;
	const char *end = at + proof->len;
	const char *line;
	const char *problem;
	const char *path;
	const char *path_end;
	uint8_t		hash[HASH_LENGTH];
	size_t		len;
	size_t		hash_len;
	uint64_t	fn;
	uint64_t	sn;

	if (proof->len < strlen(PROOF_HEAD) || memcmp(at, PROOF_HEAD, strlen(PROOF_HEAD)) != 0)
		return no_proof;
	at += strlen(PROOF_HEAD);
	if (take_line(&at, end, "extra ", &line, &len))
	{
		uint8_t    *extra = allocate(len);
		bool		ok = base64_decode(line, len, extra, len, &hash_len);

		free(extra);
		if (!ok)
			return no_proof;
	}
	if (!take_line(&at, end, "index ", &line, &len) || !parse_decimal(line, len, index))
		return no_proof;
	path = at;
	do
	{
		path_end = at;
		if (!take_line(&at, end, "", &line, &len))
			return no_proof;
	} while (len > 0);
	if (!checkpoint_read(at, (size_t) (end - at), NULL, log_keys, witnesses, checkpoint, &problem))
		return problem;
	if (*index >= checkpoint->size)
		return "its checkpoint does not cover the record";
	if (entry->len < 19 || entry->len > 65535 || entry->data[0] != 1 || get_uint(entry->data + 3, 8) != *index)
		return "the entry is not that of the record";

	/* RFC 9162, section 2.1.3.2 */
	sha256(hash, 2, "\x00", (size_t) 1, entry->data, entry->len);
	fn = *index;
	sn = checkpoint->size - 1;
	while (path < path_end)
	{
		uint8_t		sibling[HASH_LENGTH];

		(void) take_line(&path, path_end, "", &line, &len);
		if (!base64_decode(line, len, sibling, HASH_LENGTH, &hash_len) || hash_len != HASH_LENGTH)
			return no_proof;
		if (sn == 0)
			return "the proof is too long";
		if ((fn & 1) != 0 || fn == sn)
		{
			hash_node(hash, sibling, hash);
			for (; fn != 0 && (fn & 1) == 0; fn >>= 1)
				sn >>= 1;
		}
		else
			hash_node(hash, hash, sibling);
		fn >>= 1;
		sn >>= 1;
	}
	if (sn != 0 || memcmp(hash, checkpoint->root, HASH_LENGTH) != 0)
		return "the entry is not in the tree of the checkpoint";
	return NULL;
}
