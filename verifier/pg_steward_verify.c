/*-------------------------------------------------------------------------
 *
 * pg_steward_verify.c
 *	  Checks an export of a log, without PostgreSQL.
 *
 * The export is read once, tile by tile.  The tree is built anew from the
 * entries; every tile, every checkpoint and every payload is held against it.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "verifier.h"

#include <dirent.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PATH_LENGTH		4096
#define MAX_SHOWN			20	/* problems of a log */
#define MAX_BUNDLE			((size_t) 1 << 40)

/* What the change log says was done to a log. */
typedef struct Action
{
	char	   *log;
	bool		redacted;		/* else records were dropped */
	uint64_t	first;
	uint64_t	last;
	bool		groups[MAX_GROUPS + 1];
} Action;

/* A checkpoint that the tree is held against. */
typedef struct Claim
{
	uint64_t	size;
	uint8_t		root[HASH_LENGTH];
	char		where[64];
} Claim;

/* One log, while it is checked. */
typedef struct Log
{
	const char *dir;
	Format		format;
	Keys		keys;
	Claim	   *claims;			/* smallest size first */
	int			nclaims;
	int			next_claim;
	uint64_t	size;

	/* the tree so far: roots of full subtrees, largest first */
	uint8_t		stack[64][HASH_LENGTH];
	int			nstack;
	uint64_t	count;

	/* hashes of the last, open tile of each level */
	uint8_t		open[MAX_LEVELS][TILE_WIDTH * HASH_LENGTH];
	int			nopen[MAX_LEVELS];
	uint64_t	tiles[MAX_LEVELS];

	bool		collect;		/* keep what it says of logs, and say nothing */
	uint64_t	problems;
	uint64_t	first_bad;		/* UINT64_MAX: none that has a number */
	uint64_t	payloads;
	uint64_t	erased;
	uint64_t	missing;
} Log;

static Keys given_keys;
static Keys witnesses;
static Action *actions = NULL;
static int	nactions = 0;
static bool have_changes = false;
static bool quiet = false;

/* ------------------------------------------------------------------------
 * Saying what is wrong
 * ------------------------------------------------------------------------
 */

static void complain(Log *log, uint64_t seq, const char *format,...) __attribute__((format(printf, 3, 4)));

static void
complain(Log *log, uint64_t seq, const char *format,...)
{
	va_list		args;

	log->problems++;
	if (seq < log->first_bad)
		log->first_bad = seq;
	if (log->problems > MAX_SHOWN || log->collect)
		return;
	printf("%s: ", log->format.log != NULL ? log->format.log : log->dir);
	if (seq != UINT64_MAX)
		printf("record %llu: ", (unsigned long long) seq);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	if (log->problems == MAX_SHOWN)
		printf("%s: further problems are counted only\n", log->format.log);
}

/* ------------------------------------------------------------------------
 * Paths
 * ------------------------------------------------------------------------
 */

static const char *
path_of(const Log *log, const char *name)
{
	static char path[MAX_PATH_LENGTH];

	if (snprintf(path, sizeof(path), "%s/%s", log->dir, name) >= (int) sizeof(path))
		fail("the path \"%s/%s\" is too long", log->dir, name);
	return path;
}

/* <kind>/<N> or <kind>/<N>.p/<W>, N in groups of three digits. */
static const char *
tile_path(const Log *log, const char *kind, uint64_t n, int width)
{
	static char name[200];
	int			groups[8];
	int			ngroups = 0;
	int			at;

	do
	{
		groups[ngroups++] = (int) (n % 1000);
		n /= 1000;
	} while (n > 0);
	at = snprintf(name, sizeof(name), "%s", kind);
	while (ngroups-- > 0)
		at += snprintf(name + at, sizeof(name) - (size_t) at, "/%s%03d", ngroups > 0 ? "x" : "", groups[ngroups]);
	if (width < TILE_WIDTH)
		(void) snprintf(name + at, sizeof(name) - (size_t) at, ".p/%d", width);
	return path_of(log, name);
}

/* ------------------------------------------------------------------------
 * The tree
 * ------------------------------------------------------------------------
 */

/* Root of the first log->count leaves. */
static void
root_so_far(const Log *log, uint8_t *root)
{
	if (log->nstack == 0)
	{
		sha256(root, 0);
		return;
	}
	memcpy(root, log->stack[log->nstack - 1], HASH_LENGTH);
	for (int i = log->nstack - 2; i >= 0; i--)
		hash_node(root, log->stack[i], root);
}

/* Holds the tree against the checkpoints of its present size. */
static void
check_claims(Log *log)
{
	uint8_t		root[HASH_LENGTH];

	if (log->next_claim == log->nclaims || log->claims[log->next_claim].size != log->count)
		return;
	root_so_far(log, root);
	for (; log->next_claim < log->nclaims && log->claims[log->next_claim].size == log->count; log->next_claim++)
		if (memcmp(root, log->claims[log->next_claim].root, HASH_LENGTH) != 0)
			complain(log, UINT64_MAX, "the root of the first %llu records is not that of %s",
					 (unsigned long long) log->count, log->claims[log->next_claim].where);
}

/* Compares a tile of a higher level with what was computed. */
static void
check_tile(Log *log, int level, uint64_t n, int width)
{
	char		kind[20];
	Bytes		tile;

	(void) snprintf(kind, sizeof(kind), "tile/%d", level);
	if (!read_file(tile_path(log, kind, n, width), TILE_WIDTH * HASH_LENGTH, &tile))
	{
		complain(log, UINT64_MAX, "tile %llu of level %d is missing", (unsigned long long) n, level);
		return;
	}
	if (tile.len != (size_t) width * HASH_LENGTH || memcmp(tile.data, log->open[level], tile.len) != 0)
		complain(log, UINT64_MAX, "tile %llu of level %d does not hold the hashes of the tree",
				 (unsigned long long) n, level);
	release(&tile);
}

/* Adds a hash to the open tile of a level, and its root to the next one when it is full. */
static void
add_to_level(Log *log, int level, const uint8_t *hash)
{
	memcpy(log->open[level] + (size_t) log->nopen[level]++ * HASH_LENGTH, hash, HASH_LENGTH);
	if (log->nopen[level] < TILE_WIDTH)
		return;
	if (level > 0)
		check_tile(log, level, log->tiles[level], TILE_WIDTH);
	log->tiles[level]++;
	log->nopen[level] = 0;
	if (level + 1 < MAX_LEVELS)
	{
		uint8_t		nodes[TILE_WIDTH * HASH_LENGTH];

		memcpy(nodes, log->open[level], sizeof(nodes));
		for (int n = TILE_WIDTH; n > 1; n /= 2)
			for (int i = 0; i < n / 2; i++)
				hash_node(nodes + i * HASH_LENGTH, nodes + 2 * i * HASH_LENGTH, nodes + (2 * i + 1) * HASH_LENGTH);
		add_to_level(log, level + 1, nodes);
	}
}

/* Adds a leaf by its hash. */
static void
add_leaf(Log *log, const uint8_t *hash)
{
	memcpy(log->stack[log->nstack++], hash, HASH_LENGTH);
	for (uint64_t n = log->count; n & 1; n >>= 1)
	{
		hash_node(log->stack[log->nstack - 2], log->stack[log->nstack - 2], log->stack[log->nstack - 1]);
		log->nstack--;
	}
	log->count++;
	add_to_level(log, 0, hash);
	check_claims(log);
}

/* ------------------------------------------------------------------------
 * What the change log says
 * ------------------------------------------------------------------------
 */

/* A field of the record by its name, as text; false where it is NULL. */
static bool
value_text(const Format *format, const Value *values, const char *name, const char **text, size_t *len)
{
	for (int i = 0; i < format->nfields; i++)
		if (strcmp(format->fields[i].name, name) == 0 && values[i].data != NULL && values[i].len >= 4)
		{
			*text = (const char *) values[i].data + 4;
			*len = values[i].len - 4;
			return true;
		}
	return false;
}

static bool
is_text(const char *text, size_t len, const char *what)
{
	return len == strlen(what) && memcmp(text, what, len) == 0;
}

/* Keeps what a record of the change log says about logs. */
static void
note_action(const Format *format, const Value *values)
{
	const char *kind;
	const char *action;
	const char *name;
	const char *after;
	size_t		kind_len;
	size_t		action_len;
	size_t		name_len;
	size_t		after_len;
	Action		found;
	Json		json;
	const Json *groups;
	bool		ok = false;

	if (!value_text(format, values, "object_kind", &kind, &kind_len) ||
		!value_text(format, values, "action", &action, &action_len) ||
		!value_text(format, values, "object_name", &name, &name_len) ||
		!value_text(format, values, "after", &after, &after_len))
		return;
	memset(&found, 0, sizeof(found));
	found.redacted = is_text(kind, kind_len, "log record") && is_text(action, action_len, "redact");
	if (!found.redacted && !(is_text(kind, kind_len, "log") && is_text(action, action_len, "drop records")))
		return;
	if (!json_parse(after, after_len, &json))
		return;
	if (found.redacted)
	{
		const char *slash = memchr(name, '/', name_len);

		groups = json_member(&json, "groups");
		if (slash != NULL && groups != NULL && groups->type == JSON_ARRAY &&
			parse_decimal(slash + 1, name_len - (size_t) (slash + 1 - name), &found.first))
		{
			uint64_t	group;

			ok = true;
			found.last = found.first;
			name_len = (size_t) (slash - name);
			for (int i = 0; i < groups->n; i++)
				if (json_uint(&groups->items[i], &group) && group <= MAX_GROUPS)
					found.groups[group] = true;
		}
	}
	else
		ok = json_uint(json_member(&json, "from_seq"), &found.first) &&
			json_uint(json_member(&json, "to_seq"), &found.last);
	json_free(&json);
	if (!ok)
		return;
	found.log = allocate(name_len + 1);
	memcpy(found.log, name, name_len);
	found.log[name_len] = '\0';
	actions = reallocate(actions, (size_t) (nactions + 1) * sizeof(Action));
	actions[nactions++] = found;
}

/* Was the erasure of that group logged? */
static bool
is_redacted(const Log *log, uint64_t seq, int group)
{
	for (int i = 0; i < nactions; i++)
		if (actions[i].redacted && actions[i].first == seq && actions[i].groups[group] &&
			strcmp(actions[i].log, log->format.log) == 0)
			return true;
	return false;
}

/* Was it logged that these records were dropped? */
static bool
is_dropped(const Log *log, uint64_t first, uint64_t last)
{
	for (int i = 0; i < nactions; i++)
		if (!actions[i].redacted && actions[i].first <= first && actions[i].last >= last &&
			strcmp(actions[i].log, log->format.log) == 0)
			return true;
	return false;
}

/* ------------------------------------------------------------------------
 * Records
 * ------------------------------------------------------------------------
 */

/*
 * Checks the payload of a record; at: its place in the bundle.  Returns the
 * place of the next one.
 */
static size_t
check_payload(Log *log, uint64_t seq, const Bytes *bundle, size_t at, const uint8_t *commitments, Value *values)
{
	bool		erased[MAX_GROUPS + 1] = {false};
	const char *problem;
	size_t		len;

	if (bundle->len - at < 4 || get_uint(bundle->data + at, 4) > bundle->len - at - 4)
	{
		complain(log, seq, "its payload is missing or cut off");
		return bundle->len;
	}
	len = (size_t) get_uint(bundle->data + at, 4);
	problem = payload_check(&log->format, bundle->data + at + 4, len, commitments, values, erased);
	if (problem != NULL)
		complain(log, seq, "%s", problem);
	log->payloads++;
	for (int g = 1; g <= log->format.ngroups; g++)
	{
		if (!erased[g])
			continue;
		log->erased++;
		if (!have_changes)
			complain(log, seq, "group %d was erased; whether that was logged, the export of change_log tells: --changes", g);
		else if (!is_redacted(log, seq, g))
			complain(log, seq, "group %d was erased, and no redaction was logged", g);
	}
	return at + 4 + len;
}

/* Checks the leaves of one tile of level 0. */
static void
check_leaves(Log *log, uint64_t n, int width)
{
	uint64_t	first = n * TILE_WIDTH;
	Bytes		tile;
	Bytes		entries;
	Bytes		payloads;
	bool		have_tile;
	bool		have_entries;
	bool		have_payloads;
	size_t		at = 0;
	size_t		payload_at = 0;

	have_tile = read_file(tile_path(log, "tile/0", n, width), TILE_WIDTH * HASH_LENGTH, &tile);
	if (have_tile && tile.len != (size_t) width * HASH_LENGTH)
	{
		complain(log, first, "tile %llu of level 0 is of a wrong length", (unsigned long long) n);
		release(&tile);
		have_tile = false;
	}
	else if (!have_tile)
		complain(log, first, "tile %llu of level 0 is missing", (unsigned long long) n);
	have_entries = read_file(tile_path(log, "tile/entries", n, width), TILE_WIDTH * 65537, &entries);
	have_payloads = have_entries && read_file(tile_path(log, "payload", n, width), MAX_BUNDLE, &payloads);
	if (!have_entries)
	{
		log->missing += (uint64_t) width;
		if (!have_changes)
			complain(log, first, "%d records are missing; whether that was logged, the export of change_log tells: --changes", width);
		else if (!is_dropped(log, first, first + (uint64_t) width - 1))
			complain(log, first, "%d records are missing, and no retention was logged", width);
	}
	else if (!have_payloads)
		complain(log, first, "the payloads of %d records are missing", width);

	for (int i = 0; i < width; i++)
	{
		uint64_t	seq = first + (uint64_t) i;
		uint8_t		hash[HASH_LENGTH];
		Value		values[MAX_FIELDS];
		const uint8_t *commitments;
		const char *problem;
		size_t		len;

		if (!have_entries)
		{
			if (!have_tile)
				memset(hash, 0, sizeof(hash));
			else
				memcpy(hash, tile.data + (size_t) i * HASH_LENGTH, HASH_LENGTH);
			add_leaf(log, hash);
			continue;
		}
		if (entries.len - at < 2 || get_uint(entries.data + at, 2) > entries.len - at - 2)
		{
			complain(log, seq, "its entry is missing or cut off");
			if (have_tile)
				memcpy(hash, tile.data + (size_t) i * HASH_LENGTH, HASH_LENGTH);
			else
				memset(hash, 0, sizeof(hash));
			at = entries.len;
			add_leaf(log, hash);
			continue;
		}
		len = (size_t) get_uint(entries.data + at, 2);
		at += 2;
		sha256(hash, 2, "\x00", (size_t) 1, entries.data + at, len);
		if (have_tile && memcmp(hash, tile.data + (size_t) i * HASH_LENGTH, HASH_LENGTH) != 0)
			complain(log, seq, "its entry is not the one in the tree");
		memset(values, 0, sizeof(values));
		problem = entry_check(&log->format, seq, entries.data + at, len, values, &commitments);
		if (problem != NULL)
			complain(log, seq, "%s", problem);
		else if (have_payloads)
			payload_at = check_payload(log, seq, &payloads, payload_at, commitments, values);
		if (problem == NULL && log->collect)
			note_action(&log->format, values);
		at += len;
		add_leaf(log, hash);
	}
	if (have_entries && at != entries.len)
		complain(log, first, "the entries of tile %llu are followed by something else", (unsigned long long) n);
	if (have_payloads && payload_at != payloads.len)
		complain(log, first, "the payloads of tile %llu are followed by something else", (unsigned long long) n);
	if (have_tile)
		release(&tile);
	if (have_entries)
		release(&entries);
	if (have_payloads)
		release(&payloads);
}

/* ------------------------------------------------------------------------
 * Checkpoints
 * ------------------------------------------------------------------------
 */

static void
add_claim(Log *log, const Checkpoint *checkpoint, const char *where)
{
	Claim	   *claim;

	log->claims = reallocate(log->claims, (size_t) (log->nclaims + 1) * sizeof(Claim));
	claim = &log->claims[log->nclaims++];
	claim->size = checkpoint->size;
	memcpy(claim->root, checkpoint->root, HASH_LENGTH);
	(void) snprintf(claim->where, sizeof(claim->where), "%s", where);
}

static int
compare_claims(const void *a, const void *b)
{
	uint64_t	x = ((const Claim *) a)->size;
	uint64_t	y = ((const Claim *) b)->size;

	return x < y ? -1 : x > y;
}

/* Adds the verifier keys of a file, one a line; what follows a space is left out. */
static void
read_keys(const char *path, Keys *keys, bool required)
{
	Bytes		bytes;
	const char *at;
	const char *end;

	if (!read_file(path, 16 * 1024 * 1024, &bytes))
	{
		if (required)
			fail("there is no file \"%s\"", path);
		return;
	}
	at = (const char *) bytes.data;
	end = at + bytes.len;
	while (at < end)
	{
		const char *newline = memchr(at, '\n', (size_t) (end - at));
		const char *stop = newline != NULL ? newline : end;
		const char *space = memchr(at, ' ', (size_t) (stop - at));
		const char *problem;

		if (stop > at && !keys_add(keys, at, (size_t) ((space != NULL ? space : stop) - at), &problem))
			fail("a key in \"%s\" cannot be used: %s", path, problem);
		at = stop + 1;
	}
	release(&bytes);
}

/* Reads the notes of the file "checkpoints". */
static void
read_checkpoints(Log *log)
{
	Bytes		bytes;
	size_t		at = 0;
	int			n = 0;

	if (!read_file(path_of(log, "checkpoints"), (size_t) 1 << 36, &bytes))
		return;
	while (at < bytes.len)
	{
		const uint8_t *newline = memchr(bytes.data + at, '\n', bytes.len - at);
		uint64_t	len;
		Checkpoint	checkpoint;
		const char *problem;
		char		where[64];

		n++;
		(void) snprintf(where, sizeof(where), "checkpoint %d of \"checkpoints\"", n);
		if (newline == NULL ||
			!parse_decimal((const char *) bytes.data + at, (size_t) (newline - bytes.data) - at, &len) ||
			len > bytes.len - (size_t) (newline + 1 - bytes.data))
		{
			complain(log, UINT64_MAX, "%s is cut off", where);
			break;
		}
		at = (size_t) (newline + 1 - bytes.data);
		if (!checkpoint_read((const char *) bytes.data + at, (size_t) len, &log->keys, &witnesses, &checkpoint, &problem))
			complain(log, UINT64_MAX, "%s: %s", where, problem);
		else if (checkpoint.size > log->size)
			complain(log, UINT64_MAX, "%s is of %llu records, more than the log has", where,
					 (unsigned long long) checkpoint.size);
		else
			add_claim(log, &checkpoint, where);
		free(checkpoint.origin);
		at += (size_t) len;
	}
	release(&bytes);
}

/* Reads a checkpoint that was kept elsewhere. */
static void
read_known(Log *log, const char *path)
{
	Bytes		bytes;
	Checkpoint	checkpoint;
	const char *problem;

	if (!read_file(path, MAX_NOTE, &bytes))
		fail("there is no file \"%s\"", path);
	if (!checkpoint_read((const char *) bytes.data, bytes.len, &log->keys, &witnesses, &checkpoint, &problem))
		complain(log, UINT64_MAX, "the known checkpoint: %s", problem);
	else if (checkpoint.size > log->size)
		complain(log, UINT64_MAX, "the known checkpoint is of %llu records; the log has only %llu",
				 (unsigned long long) checkpoint.size, (unsigned long long) log->size);
	else
		add_claim(log, &checkpoint, "the known checkpoint");
	free(checkpoint.origin);
	release(&bytes);
}

/* ------------------------------------------------------------------------
 * A log
 * ------------------------------------------------------------------------
 */

/*
 * Checks the export in the folder.  collect: nothing is said, but what the
 * change log says of logs is kept.
 */
static bool
check_log(const char *dir, const char *known, bool collect)
{
	static Log	log;			/* too large for the stack */
	Bytes		bytes;
	Checkpoint	checkpoint;
	const char *problem;
	uint8_t		root[HASH_LENGTH];

	memset(&log, 0, sizeof(log));
	log.dir = dir;
	log.first_bad = UINT64_MAX;
	log.collect = collect;
	if (!read_file(path_of(&log, "log.json"), 16 * 1024 * 1024, &bytes))
		fail("\"%s\" is no export of a log: it has no log.json", dir);
	if (!format_read(&bytes, &log.format, &problem))
		fail("\"%s/log.json\" cannot be used: %s", dir, problem);
	release(&bytes);

	if (given_keys.n > 0)
		log.keys = given_keys;
	else
		read_keys(path_of(&log, "keys"), &log.keys, true);
	if (!collect)
		read_keys(path_of(&log, "witnesses"), &witnesses, false);

	if (!read_file(path_of(&log, "checkpoint"), MAX_NOTE, &bytes))
		fail("\"%s\" is no export of a log: it has no checkpoint", dir);
	if (!checkpoint_read((const char *) bytes.data, bytes.len, &log.keys, &witnesses, &checkpoint, &problem))
	{
		complain(&log, UINT64_MAX, "the checkpoint: %s", problem);
		if (!collect)
			printf("%s: NOT verified\n", log.format.log);
		return false;
	}
	release(&bytes);
	log.size = checkpoint.size;
	add_claim(&log, &checkpoint, "the checkpoint");
	if (log.format.size != log.size)
		complain(&log, UINT64_MAX, "log.json tells of %llu records, the checkpoint of %llu",
				 (unsigned long long) log.format.size, (unsigned long long) log.size);
	read_checkpoints(&log);
	if (known != NULL)
		read_known(&log, known);
	qsort(log.claims, (size_t) log.nclaims, sizeof(Claim), compare_claims);

	check_claims(&log);
	for (uint64_t n = 0; n * TILE_WIDTH < log.size; n++)
		check_leaves(&log, n, (int) (log.size - n * TILE_WIDTH < TILE_WIDTH ? log.size - n * TILE_WIDTH : TILE_WIDTH));
	for (int level = 1; level < MAX_LEVELS; level++)
		if (log.nopen[level] > 0)
			check_tile(&log, level, log.tiles[level], log.nopen[level]);

	free(log.claims);
	if (collect)
		return log.problems == 0;
	root_so_far(&log, root);
	if (!quiet)
	{
		printf("%s: %llu records, root ", log.format.log, (unsigned long long) log.size);
		for (int i = 0; i < HASH_LENGTH; i++)
			printf("%02x", root[i]);
		printf(", %d checkpoints, %d cosignatures of known witnesses, %llu payloads, %llu groups erased, %llu records dropped\n",
			   log.nclaims, checkpoint.cosignatures, (unsigned long long) log.payloads,
			   (unsigned long long) log.erased, (unsigned long long) log.missing);
	}
	if (log.problems == 0)
		printf("%s: verified\n", log.format.log);
	else if (log.first_bad != UINT64_MAX)
		printf("%s: NOT verified: %llu problems, the first bad record is %llu\n", log.format.log,
			   (unsigned long long) log.problems, (unsigned long long) log.first_bad);
	else
		printf("%s: NOT verified: %llu problems\n", log.format.log, (unsigned long long) log.problems);
	free(checkpoint.origin);
	return log.problems == 0;
}

/* ------------------------------------------------------------------------
 * The program
 * ------------------------------------------------------------------------
 */

static void
usage(FILE *out)
{
	fprintf(out,
			"pg_steward_verify checks exports of pg_steward's logs.\n\n"
			"usage: pg_steward_verify [OPTION]... DIR...\n\n"
			"DIR is what steward.export_log() wrote, of one log; or a folder with such folders.\n\n"
			"  -k, --key=KEY           verifier key of the log (name+id+key), again for each;\n"
			"                          without it, the keys in the export are taken on trust\n"
			"  -w, --witness=KEY       verifier key of a witness, again for each\n"
			"  -c, --known=FILE        a checkpoint that was kept elsewhere: the log must contain it\n"
			"  -g, --changes=DIR       the export of change_log, which says what was erased and dropped\n"
			"  -q, --quiet             say only what is wrong, and whether the logs are verified\n"
			"  -h, --help              show this\n\n"
			"Exit status: 0 verified, 1 not verified, 2 the export cannot be read.\n"
			"The formats are specified in docs/leaf-encoding.md of pg_steward.\n");
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"key", required_argument, NULL, 'k'},
		{"witness", required_argument, NULL, 'w'},
		{"known", required_argument, NULL, 'c'},
		{"changes", required_argument, NULL, 'g'},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}
	};
	const char *known = NULL;
	const char *changes = NULL;
	const char *problem;
	char	  **dirs = NULL;
	int			ndirs = 0;
	bool		ok = true;
	int			c;

	while ((c = getopt_long(argc, argv, "k:w:c:g:qh", options, NULL)) != -1)
	{
		switch (c)
		{
			case 'k':
			case 'w':
				if (!keys_add(c == 'k' ? &given_keys : &witnesses, optarg, strlen(optarg), &problem))
					fail("the key \"%s\" cannot be used: %s", optarg, problem);
				break;
			case 'c':
				known = optarg;
				break;
			case 'g':
				changes = optarg;
				break;
			case 'q':
				quiet = true;
				break;
			case 'h':
				usage(stdout);
				return 0;
			default:
				usage(stderr);
				return 2;
		}
	}
	if (optind == argc)
	{
		usage(stderr);
		return 2;
	}

	/* folders of one log, or folders of these */
	for (int i = optind; i < argc; i++)
	{
		char		path[MAX_PATH_LENGTH];
		struct dirent **names;
		int			n;

		(void) snprintf(path, sizeof(path), "%s/log.json", argv[i]);
		if (file_exists(path))
		{
			dirs = reallocate(dirs, (size_t) (ndirs + 1) * sizeof(char *));
			dirs[ndirs++] = argv[i];
			continue;
		}
		n = scandir(argv[i], &names, NULL, alphasort);
		if (n < 0)
			fail("\"%s\" is no folder that can be read", argv[i]);
		for (int j = 0; j < n; j++)
		{
			(void) snprintf(path, sizeof(path), "%s/%s/log.json", argv[i], names[j]->d_name);
			if (names[j]->d_name[0] != '.' && file_exists(path))
			{
				*strrchr(path, '/') = '\0';
				dirs = reallocate(dirs, (size_t) (ndirs + 1) * sizeof(char *));
				dirs[ndirs] = allocate(strlen(path) + 1);
				strcpy(dirs[ndirs++], path);
				if (strcmp(names[j]->d_name, "change_log") == 0 && changes == NULL)
					changes = dirs[ndirs - 1];
			}
			free(names[j]);
		}
		free(names);
	}
	if (ndirs == 0)
		fail("there is no export of a log in \"%s\"", argv[optind]);
	if (known != NULL && ndirs > 1)
		fail("a known checkpoint is of one log: name that log's folder");
	if (given_keys.n == 0 && !quiet)
		printf("The keys are those that the export itself names: compare them with ones that you got elsewhere (--key).\n");

	/* the change log first: it says what was done to the others, and to itself */
	if (changes != NULL)
	{
		bool		listed = false;

		for (int i = 0; i < ndirs; i++)
			listed = listed || strcmp(dirs[i], changes) == 0;
		if (!listed)
		{
			dirs = reallocate(dirs, (size_t) (ndirs + 1) * sizeof(char *));
			dirs[ndirs++] = (char *) changes;
		}
		have_changes = true;
		(void) check_log(changes, NULL, true);
	}
	for (int i = 0; i < ndirs; i++)
		ok = check_log(dirs[i], known, false) && ok;
	return ok ? 0 : 1;
}
