/*-------------------------------------------------------------------------
 *
 * pg_steward_verify.c
 *	  Checks an export of a log, without PostgreSQL.
 *
 * The export is read once, tile by tile, and no more of it is kept than a tile
 * and a record.  Entries are held against the tiles of level 0; from these the
 * tree is built anew, and every other tile and every checkpoint held against
 * it.
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
#define MAX_CHECKPOINT_LINE	8	/* its length, in decimal, and the end of the line */

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
	Tree		tree;

	/* hashes of the last, open tile of each level */
	uint8_t		open[MAX_LEVELS][TILE_WIDTH * HASH_LENGTH];
	int			nopen[MAX_LEVELS];
	uint64_t	tiles[MAX_LEVELS];

	bool		collect;		/* keep what it says of logs, and say nothing */
	bool		have_changes;
	uint64_t	problems;
	uint64_t	first_bad;		/* NO_RECORD: none is known */
	uint64_t	doubtful;		/* the first bad record is this or a later one */
	uint64_t	last_good;		/* the greatest checkpoint that fits */
	uint64_t	payloads;
	uint64_t	erased;
	uint64_t	missing;
} Log;

/* A checkpoint that was kept elsewhere. */
typedef struct Known
{
	const char *path;
	bool		used;
} Known;

#define NO_RECORD UINT64_MAX

static Keys given_keys;
static Keys given_witnesses;
static Known *known;
static int	nknown = 0;
static bool quiet = false;

/* ------------------------------------------------------------------------
 * Saying what is wrong
 * ------------------------------------------------------------------------
 */

static void complain(Log *log, uint64_t seq, const char *format,...) __attribute__((format(printf, 3, 4)));

static void
say(Log *log, uint64_t seq, const char *format, va_list args)
{
	log->problems++;
	if (log->problems > MAX_SHOWN || log->collect)
		return;
	printf("%s: ", log->format.log);
	if (seq != NO_RECORD)
		printf("record %llu: ", (unsigned long long) seq);
	vprintf(format, args);
	printf("\n");
	if (log->problems == MAX_SHOWN)
		printf("%s: further problems are counted only\n", log->format.log);
}

/* Something is wrong with a record (NO_RECORD: with none in particular). */
static void
complain(Log *log, uint64_t seq, const char *format,...)
{
	va_list		args;

	if (seq < log->first_bad)
		log->first_bad = seq;
	va_start(args, format);
	say(log, seq, format, args);
	va_end(args);
}

static void doubt(Log *log, uint64_t from, const char *format,...) __attribute__((format(printf, 3, 4)));

/* Something is wrong with this record or a later one. */
static void
doubt(Log *log, uint64_t from, const char *format,...)
{
	va_list		args;

	if (from < log->doubtful)
		log->doubtful = from;
	va_start(args, format);
	say(log, NO_RECORD, format, args);
	va_end(args);
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

/* Holds the tree against the checkpoints of its present size. */
static void
check_claims(Log *log)
{
	uint8_t		root[HASH_LENGTH];
	uint64_t	count = log->tree.count;

	if (log->next_claim == log->nclaims || log->claims[log->next_claim].size != count)
		return;
	tree_root(&log->tree, root);
	for (; log->next_claim < log->nclaims && log->claims[log->next_claim].size == count; log->next_claim++)
	{
		if (memcmp(root, log->claims[log->next_claim].root, HASH_LENGTH) == 0)
			log->last_good = count;
		else
			doubt(log, log->last_good, "the root of the first %llu records is not that of %s",
				  (unsigned long long) count, log->claims[log->next_claim].where);
	}
}

/* Compares a tile of a higher level with what was computed. */
static void
check_tile(Log *log, int level, uint64_t n, int width)
{
	char		kind[20];
	Bytes		tile;
	size_t		same = 0;

	(void) snprintf(kind, sizeof(kind), "tile/%d", level);
	if (!read_file(tile_path(log, kind, n, width), TILE_WIDTH * HASH_LENGTH, &tile))
	{
		doubt(log, n * TILE_WIDTH << 8 * level, "tile %llu of level %d is missing", (unsigned long long) n, level);
		return;
	}
	if (tile.len != (size_t) width * HASH_LENGTH)
		doubt(log, n * TILE_WIDTH << 8 * level, "tile %llu of level %d is of a wrong length",
			  (unsigned long long) n, level);
	else
	{
		while (same < (size_t) width &&
			   memcmp(tile.data + same * HASH_LENGTH, log->open[level] + same * HASH_LENGTH, HASH_LENGTH) == 0)
			same++;
		if (same < (size_t) width)
			doubt(log, (n * TILE_WIDTH + same) << 8 * level,
				  "tile %llu of level %d does not hold the hashes of the tree", (unsigned long long) n, level);
	}
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
	tree_add(&log->tree, hash);
	add_to_level(log, 0, hash);
	check_claims(log);
}

/* ------------------------------------------------------------------------
 * Records
 * ------------------------------------------------------------------------
 */

/* A file of records, each behind its length. */
typedef struct Bundle
{
	FILE	   *file;			/* NULL: there is none, or nothing is left */
	bool		exists;
	int			length_bytes;
	uint64_t	left;
	Bytes		record;
	size_t		capacity;
} Bundle;

static void
bundle_open(Bundle *bundle, const Log *log, const char *kind, uint64_t n, int width, int length_bytes)
{
	memset(bundle, 0, sizeof(Bundle));
	bundle->length_bytes = length_bytes;
	bundle->file = open_file(tile_path(log, kind, n, width), &bundle->left);
	bundle->exists = bundle->file != NULL;
}

static void
bundle_close(Bundle *bundle)
{
	if (bundle->file != NULL)
		fclose(bundle->file);
	bundle->file = NULL;
	release(&bundle->record);
}

/* Reads the next record; false where it is cut off. */
static bool
bundle_next(Bundle *bundle)
{
	uint8_t		length[8];
	size_t		n = (size_t) bundle->length_bytes;

	if (bundle->file == NULL || bundle->left < n || fread(length, 1, n, bundle->file) != n)
		return false;
	bundle->left -= n;
	bundle->record.len = (size_t) get_uint(length, bundle->length_bytes);
	if (bundle->record.len > bundle->left)
		return false;
	if (bundle->record.len >= bundle->capacity)
	{
		bundle->capacity = bundle->record.len + 1;
		bundle->record.data = reallocate(bundle->record.data, bundle->capacity);
	}
	if (fread(bundle->record.data, 1, bundle->record.len, bundle->file) != bundle->record.len)
		return false;
	bundle->left -= bundle->record.len;
	return true;
}

/* Checks the groups of a record against the commitments of its entry. */
static void
check_payload(Log *log, uint64_t seq, const Bytes *payload, const uint8_t *commitments, Value *values)
{
	bool		erased[MAX_GROUPS + 1] = {false};
	const char *problem;

	problem = payload_check(&log->format, payload->data, payload->len, commitments, values, erased);
	if (problem != NULL)
		complain(log, seq, "%s", problem);
	log->payloads++;
	for (int g = 1; g <= log->format.ngroups; g++)
	{
		if (!erased[g])
			continue;
		log->erased++;
		if (log->collect)
			continue;
		if (!log->have_changes)
			complain(log, seq, "group %d was erased; whether that was logged, the export of change_log tells: --changes", g);
		else if (!evidence_redacted(log->format.log, seq, g))
			complain(log, seq, "group %d was erased, and no redaction was logged", g);
	}
}

/* Says that the records of a tile are missing, unless they were dropped. */
static void
check_missing(Log *log, uint64_t first, int width)
{
	log->missing += (uint64_t) width;
	if (log->collect)
		return;
	if (!log->have_changes)
		complain(log, first, "%d records are missing; whether that was logged, the export of change_log tells: --changes", width);
	else if (!evidence_dropped(log->format.log, first, first + (uint64_t) width - 1))
		complain(log, first, "%d records are missing, and no retention was logged", width);
}

/* Reads one record; false where it cannot be gone on from there.  hash: that of its entry. */
static bool
check_record(Log *log, uint64_t seq, Bundle *entries, Bundle *payloads, const uint8_t *in_tile, uint8_t *hash)
{
	Value		values[MAX_FIELDS];
	const uint8_t *commitments;
	const char *problem;

	if (!bundle_next(entries))
	{
		complain(log, seq, "its entry is missing or cut off");
		return false;
	}
	sha256(hash, 2, "\x00", (size_t) 1, entries->record.data, entries->record.len);
	if (in_tile != NULL && memcmp(hash, in_tile, HASH_LENGTH) != 0)
		complain(log, seq, "its entry is not the one in the tree");
	if (!bundle_next(payloads))
	{
		complain(log, seq, "its payload is missing or cut off");
		return false;
	}
	memset(values, 0, sizeof(values));
	problem = entry_check(&log->format, seq, entries->record.data, entries->record.len, values, &commitments);
	if (problem != NULL)
		complain(log, seq, "%s", problem);
	else
	{
		check_payload(log, seq, &payloads->record, commitments, values);
		if (log->collect)
			evidence_add(&log->format, values);
	}
	return true;
}

/* Checks the leaves of one tile of level 0; false where nothing is known of them. */
static bool
check_leaves(Log *log, uint64_t n, int width)
{
	uint64_t	first = n * TILE_WIDTH;
	Bytes		tile;
	Bundle		entries;
	Bundle		payloads;
	bool		have_tile;
	bool		readable = true;
	bool		known_hashes;

	have_tile = read_file(tile_path(log, "tile/0", n, width), TILE_WIDTH * HASH_LENGTH, &tile);
	if (!have_tile)
		complain(log, first, "tile %llu of level 0 is missing", (unsigned long long) n);
	else if (tile.len != (size_t) width * HASH_LENGTH)
	{
		complain(log, first, "tile %llu of level 0 is of a wrong length", (unsigned long long) n);
		release(&tile);
		have_tile = false;
	}
	bundle_open(&entries, log, "tile/entries", n, width, 2);
	bundle_open(&payloads, log, "payload", n, width, 4);
	if (!entries.exists && !payloads.exists)
		check_missing(log, first, width);
	else if (!entries.exists)
		complain(log, first, "the entries of %d records are missing", width);
	else if (!payloads.exists)
		complain(log, first, "the payloads of %d records are missing", width);
	known_hashes = have_tile || (entries.exists && payloads.exists);

	for (int i = 0; i < width && known_hashes; i++)
	{
		const uint8_t *in_tile = have_tile ? tile.data + (size_t) i * HASH_LENGTH : NULL;
		uint8_t		hash[HASH_LENGTH];

		if (entries.exists && payloads.exists && readable)
			readable = check_record(log, first + (uint64_t) i, &entries, &payloads, in_tile, hash);
		known_hashes = have_tile || readable;
		if (known_hashes)
			add_leaf(log, in_tile != NULL ? in_tile : hash);
	}
	if (entries.exists && payloads.exists && readable && known_hashes && entries.left + payloads.left > 0)
		complain(log, first + (uint64_t) width - 1, "behind it stands something else");
	bundle_close(&entries);
	bundle_close(&payloads);
	if (have_tile)
		release(&tile);
	return known_hashes;
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

/* Adds the verifier keys of a file, one a line; moments: since and until when stand behind. */
static void
read_keys(const char *path, Keys *keys, uint8_t type, bool moments)
{
	Bytes		bytes;
	const char *at;
	const char *end;

	if (!read_file(path, MAX_TEXT_FILE, &bytes))
		fail("there is no file \"%s\"", path);
	if (bytes.len > MAX_TEXT_FILE)
		fail("\"%s\" is too long", path);
	at = (const char *) bytes.data;
	end = at + bytes.len;
	while (at < end)
	{
		const char *newline = memchr(at, '\n', (size_t) (end - at));
		const char *stop;
		const char *problem;

		if (newline == NULL)
			fail("\"%s\" is cut off", path);
		stop = moments ? memchr(at, ' ', (size_t) (newline - at)) : newline;
		if (stop == NULL)
			fail("a line of \"%s\" is no key", path);
		if (!keys_add(keys, type, at, (size_t) (stop - at), &problem))
			fail("a key in \"%s\" cannot be used: %s", path, problem);
		at = newline + 1;
	}
	release(&bytes);
}

/* Takes a checkpoint of the log into those that the tree is held against. */
static void
take_checkpoint(Log *log, const Checkpoint *checkpoint, const char *where)
{
	if (checkpoint->size > log->size)
		doubt(log, log->size, "%s is of %llu records, the log has only %llu", where,
			  (unsigned long long) checkpoint->size, (unsigned long long) log->size);
	else
		add_claim(log, checkpoint, where);
}

/* Reads the notes of the file "checkpoints". */
static void
read_checkpoints(Log *log, const Keys *log_witnesses)
{
	const char *path = path_of(log, "checkpoints");
	uint64_t	left;
	FILE	   *file = open_file(path, &left);
	char	   *note = allocate(MAX_NOTE);
	char		line[MAX_CHECKPOINT_LINE + 2];

	if (file == NULL)
		fail("there is no file \"%s\"", path);
	for (int n = 1; fgets(line, sizeof(line), file) != NULL; n++)
	{
		size_t		line_len = strlen(line);
		uint64_t	len;
		Checkpoint	checkpoint;
		const char *problem;
		char		where[64];

		(void) snprintf(where, sizeof(where), "note %d of \"checkpoints\"", n);
		if (line[0] == '\0' || line[line_len - 1] != '\n' || !parse_decimal(line, line_len - 1, &len) ||
			len > MAX_NOTE || fread(note, 1, (size_t) len, file) != (size_t) len)
		{
			complain(log, NO_RECORD, "%s is cut off", where);
			break;
		}
		if (!checkpoint_read(note, (size_t) len, log->format.log, &log->keys, log_witnesses, &checkpoint, &problem))
			complain(log, NO_RECORD, "%s: %s", where, problem);
		else
			take_checkpoint(log, &checkpoint, where);
		free(checkpoint.origin);
	}
	free(note);
	fclose(file);
}

/*
 * Reads the checkpoints that were kept elsewhere and are of this log, by the
 * origin in their first line.
 */
static void
read_known(Log *log, const Keys *log_witnesses)
{
	for (int i = 0; i < nknown; i++)
	{
		Bytes		bytes;
		Checkpoint	checkpoint;
		const char *problem;
		const char *newline;
		size_t		len = strlen(log->format.log);

		if (!read_file(known[i].path, MAX_NOTE, &bytes))
			fail("there is no file \"%s\"", known[i].path);
		newline = memchr(bytes.data, '\n', bytes.len);
		if (newline != NULL && (size_t) (newline - (const char *) bytes.data) > len &&
			newline[-(ptrdiff_t) len - 1] == '/' && memcmp(newline - len, log->format.log, len) == 0)
		{
			known[i].used = true;
			if (!checkpoint_read((const char *) bytes.data, bytes.len, log->format.log, &log->keys, log_witnesses,
								 &checkpoint, &problem))
				complain(log, NO_RECORD, "the known checkpoint: %s", problem);
			else
				take_checkpoint(log, &checkpoint, "the known checkpoint");
			free(checkpoint.origin);
		}
		release(&bytes);
	}
}

/* ------------------------------------------------------------------------
 * A log
 * ------------------------------------------------------------------------
 */

/* Reads log.json. */
static void
read_format(Log *log)
{
	Bytes		bytes;
	const char *problem;

	if (!read_file(path_of(log, "log.json"), MAX_TEXT_FILE, &bytes))
		fail("\"%s\" is no export of a log: it has no log.json", log->dir);
	if (bytes.len > MAX_TEXT_FILE)
		fail("\"%s/log.json\" is too long", log->dir);
	if (!format_read(&bytes, &log->format, &problem))
		fail("\"%s/log.json\" cannot be used: %s", log->dir, problem);
	release(&bytes);
}

/* Prints what was checked. */
static void
print_summary(Log *log, bool is_listed, const Keys *log_witnesses)
{
	uint8_t		root[HASH_LENGTH];

	tree_root(&log->tree, root);
	printf("%s: %llu records, root ", log->format.log, (unsigned long long) log->size);
	for (int i = 0; i < HASH_LENGTH; i++)
		printf("%02x", root[i]);
	printf(", %d checkpoints, %llu payloads, %llu groups erased, %llu records dropped\n",
		   log->nclaims, (unsigned long long) log->payloads,
		   (unsigned long long) log->erased, (unsigned long long) log->missing);
	for (int i = 0; i < log_witnesses->n; i++)
	{
		const Key  *witness = &log_witnesses->keys[i];

		if (witness->has_cosigned)
			printf("%s: %s has cosigned the first %llu records\n", log->format.log, witness->name,
				   (unsigned long long) witness->cosigned);
		else
			printf("%s: %s has cosigned nothing\n", log->format.log, witness->name);
	}
	if (!is_listed)
		printf("%s: its format is not known to this program and taken from log.json on trust\n", log->format.log);
	if (given_keys.n == 0)
		printf("%s: its keys are those that the export names: compare them with ones that you got elsewhere (--key)\n",
			   log->format.log);
}

/*
 * Checks the export in the folder.  collect: nothing is said, but what the
 * change log says of logs is kept.
 */
static bool
check_log(const char *dir, bool collect, bool have_changes)
{
	static Log	log;			/* too large for the stack */
	Keys		log_witnesses = given_witnesses;
	Bytes		bytes;
	Checkpoint	checkpoint;
	const char *problem;
	bool		is_listed;

	memset(&log, 0, sizeof(log));
	log.dir = dir;
	log.first_bad = log.doubtful = NO_RECORD;
	log.collect = collect;
	log.have_changes = have_changes;
	read_format(&log);

	if (given_keys.n > 0)
		log.keys = given_keys;
	else
		read_keys(path_of(&log, "keys"), &log.keys, KEY_ED25519, true);
	if (given_witnesses.n == 0)
		read_keys(path_of(&log, "witnesses"), &log_witnesses, KEY_COSIGNATURE, false);
	for (int i = 0; i < log_witnesses.n; i++)
		log_witnesses.keys[i].has_cosigned = false;

	if (!read_file(path_of(&log, "checkpoint"), MAX_NOTE, &bytes))
		fail("\"%s\" is no export of a log: it has no checkpoint", dir);
	if (!format_is_right(&log.format, &is_listed))
		complain(&log, NO_RECORD, "log.json differs from the format of its code and version");
	else if (!checkpoint_read((const char *) bytes.data, bytes.len, log.format.log, &log.keys, &log_witnesses,
							  &checkpoint, &problem))
		complain(&log, NO_RECORD, "the checkpoint: %s", problem);
	else if (log.format.size != checkpoint.size)
		complain(&log, NO_RECORD, "log.json tells of %llu records, the checkpoint of %llu",
				 (unsigned long long) log.format.size, (unsigned long long) checkpoint.size);
	release(&bytes);
	if (log.problems == 0)
	{
		bool		going = true;

		log.size = checkpoint.size;
		add_claim(&log, &checkpoint, "the checkpoint");
		free(checkpoint.origin);
		read_checkpoints(&log, &log_witnesses);
		if (!collect)
			read_known(&log, &log_witnesses);
		qsort(log.claims, (size_t) log.nclaims, sizeof(Claim), compare_claims);

		check_claims(&log);
		for (uint64_t n = 0; n * TILE_WIDTH < log.size && going; n++)
			going = check_leaves(&log, n, (int) (log.size - n * TILE_WIDTH < TILE_WIDTH ? log.size - n * TILE_WIDTH : TILE_WIDTH));
		for (int level = 1; level < MAX_LEVELS && going; level++)
			if (log.nopen[level] > 0)
				check_tile(&log, level, log.tiles[level], log.nopen[level]);
	}
	free(log.claims);
	if (collect)
		return log.problems == 0;

	if (log.problems == 0)
	{
		if (!quiet)
			print_summary(&log, is_listed, &log_witnesses);
		printf("%s: verified\n", log.format.log);
	}
	else
	{
		printf("%s: NOT verified: %llu problem%s", log.format.log, (unsigned long long) log.problems,
			   log.problems == 1 ? "" : "s");
		if (log.first_bad != NO_RECORD)
			printf(", the first bad record is %llu", (unsigned long long) log.first_bad);
		else if (log.doubtful != NO_RECORD)
			printf(", the first bad record is %llu or a later one", (unsigned long long) log.doubtful);
		printf("\n");
	}
	return log.problems == 0;
}

/* Checks an offline proof. */
static bool
check_proof(const char *proof_path, const char *entry_path)
{
	Bytes		proof;
	Bytes		entry;
	Checkpoint	checkpoint = {0};
	uint64_t	index = 0;
	const char *problem;

	if (!read_file(proof_path, 2 * MAX_NOTE, &proof))
		fail("there is no file \"%s\"", proof_path);
	if (!read_file(entry_path, 65536, &entry))
		fail("there is no file \"%s\"", entry_path);
	problem = proof_check(&proof, &entry, &given_keys, &given_witnesses, &index, &checkpoint);
	if (problem == NULL)
		printf("record %llu is in %s of %llu records: verified\n", (unsigned long long) index,
			   checkpoint.origin, (unsigned long long) checkpoint.size);
	else
		printf("NOT verified: %s\n", problem);
	free(checkpoint.origin);
	release(&proof);
	release(&entry);
	return problem == NULL;
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
			"usage: pg_steward_verify [OPTION]... DIR...\n"
			"       pg_steward_verify --key=KEY... --proof=FILE --entry=FILE\n\n"
			"DIR is what steward.export_log() wrote, of one log; or a folder with such folders.\n\n"
			"  -k, --key=KEY           verifier key of the log (name+id+key), again for each;\n"
			"                          without it, the keys in the export are taken on trust\n"
			"  -w, --witness=KEY       verifier key of a witness, again for each;\n"
			"                          without it, those in the export are taken on trust\n"
			"  -c, --known=FILE        a checkpoint that was kept elsewhere: the log of its origin\n"
			"                          must contain it; again for each\n"
			"  -g, --changes=DIR       the export of change_log, which says what was erased and dropped;\n"
			"                          without it, that among the folders\n"
			"  -p, --proof=FILE        an offline proof (tlog-proof)\n"
			"  -e, --entry=FILE        the entry that the proof is of\n"
			"  -q, --quiet             say only what is wrong, and whether the logs are verified\n"
			"  -h, --help              show this\n\n"
			"Exit status: 0 verified, 1 not verified, 2 the export cannot be read.\n"
			"The formats are specified in docs/leaf-encoding.md of pg_steward.\n");
}

static char **dirs = NULL;
static int	ndirs = 0;

static void
add_dir(const char *dir)
{
	dirs = reallocate(dirs, (size_t) (ndirs + 1) * sizeof(char *));
	dirs[ndirs] = allocate(strlen(dir) + 1);
	strcpy(dirs[ndirs++], dir);
}

static bool
is_export(const char *dir)
{
	char		path[MAX_PATH_LENGTH];

	if (snprintf(path, sizeof(path), "%s/log.json", dir) >= (int) sizeof(path))
		fail("the path \"%s\" is too long", dir);
	return file_exists(path);
}

/* Finds the exports: the folder itself, or those right below it. */
static void
find_exports(const char *dir)
{
	struct dirent **names;
	int			found = 0;
	int			n;

	if (is_export(dir))
	{
		add_dir(dir);
		return;
	}
	n = scandir(dir, &names, NULL, alphasort);
	if (n < 0)
		fail("\"%s\" is no folder that can be read", dir);
	for (int i = 0; i < n; i++)
	{
		char		path[MAX_PATH_LENGTH];

		if (snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name) >= (int) sizeof(path))
			fail("the path \"%s/%s\" is too long", dir, names[i]->d_name);
		if (names[i]->d_name[0] != '.' && is_export(path))
		{
			add_dir(path);
			found++;
		}
		free(names[i]);
	}
	free(names);
	if (found == 0)
		fail("there is no export of a log in \"%s\"", dir);
}

/* Is it the export of the change log? */
static bool
is_change_log(const char *dir)
{
	static Log	log;

	memset(&log, 0, sizeof(log));
	log.dir = dir;
	read_format(&log);
	return strcmp(log.format.log, "change_log") == 0;
}

/* Checks all logs; the change log first: it says what was done to the others, and to itself. */
static bool
check_all(const char *changes)
{
	bool		have_changes = false;
	bool		ok = true;

	for (int i = 0; i < ndirs && changes == NULL; i++)
		if (is_change_log(dirs[i]))
			changes = dirs[i];
	if (changes != NULL)
	{
		bool		listed = false;

		for (int i = 0; i < ndirs; i++)
			listed = listed || strcmp(dirs[i], changes) == 0;
		if (!listed)
			add_dir(changes);
		have_changes = check_log(changes, true, false) && is_change_log(changes);
		if (!have_changes)
		{
			printf("\"%s\" is no change log that can be trusted\n", changes);
			evidence_clear();
			ok = false;
		}
	}
	for (int i = 0; i < ndirs; i++)
		ok = check_log(dirs[i], false, have_changes) && ok;
	for (int i = 0; i < nknown; i++)
		if (!known[i].used)
		{
			printf("\"%s\" is no checkpoint of these logs\n", known[i].path);
			ok = false;
		}
	return ok;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"key", required_argument, NULL, 'k'},
		{"witness", required_argument, NULL, 'w'},
		{"known", required_argument, NULL, 'c'},
		{"changes", required_argument, NULL, 'g'},
		{"proof", required_argument, NULL, 'p'},
		{"entry", required_argument, NULL, 'e'},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}
	};
	const char *changes = NULL;
	const char *proof = NULL;
	const char *entry = NULL;
	const char *problem;
	int			c;

	while ((c = getopt_long(argc, argv, "k:w:c:g:p:e:qh", options, NULL)) != -1)
	{
		switch (c)
		{
			case 'k':
				if (!keys_add(&given_keys, KEY_ED25519, optarg, strlen(optarg), &problem))
					fail("the key \"%s\" cannot be used: %s", optarg, problem);
				break;
			case 'w':
				if (!keys_add(&given_witnesses, KEY_COSIGNATURE, optarg, strlen(optarg), &problem))
					fail("the key \"%s\" cannot be used: %s", optarg, problem);
				break;
			case 'c':
				known = reallocate(known, (size_t) (nknown + 1) * sizeof(Known));
				known[nknown++] = (Known) {.path = optarg};
				break;
			case 'g':
				changes = optarg;
				break;
			case 'p':
				proof = optarg;
				break;
			case 'e':
				entry = optarg;
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
	if ((proof == NULL) != (entry == NULL) || (proof == NULL) == (optind == argc))
	{
		usage(stderr);
		return 2;
	}
	if (proof != NULL)
	{
		if (given_keys.n == 0)
			fail("a proof needs the key of the log: --key");
		return check_proof(proof, entry) ? 0 : 1;
	}
	for (int i = optind; i < argc; i++)
		find_exports(argv[i]);
	return check_all(changes) ? 0 : 1;
}
