/*-------------------------------------------------------------------------
 *
 * ledger_internal.h
 *	  What the files of room "ledger" share.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_LEDGER_INTERNAL_H
#define STEWARD_LEDGER_INTERNAL_H

#include "access/htup_details.h"
#include "ledger/ledger.h"
#include "nodes/execnodes.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/rel.h"

#define LEDGER_SEED_LENGTH		16	/* bytes of column "salt" */
#define LEDGER_SALT_LENGTH		16	/* bytes of the salt of one group */
#define LEDGER_ENTRY_VERSION	1
#define LEDGER_ENTRY_HEADER		11	/* version, code, format version, seq */

/* format.c */
extern const LogFormat *ledger_format_at(int index);
extern Oid	log_field_type(LogFieldType type);
extern const char *log_encoding_name(LogFieldType type);
extern void put_time(StringInfo out, TimestampTz value);
extern void put_float(StringInfo out, double value);
extern void put_text(StringInfo out, const char *value, int len);
extern void put_json(StringInfo out, Jsonb *value);
extern const char *put_texts(StringInfo out, ArrayType *array);

/*
 * codec.c: from records to columns and back.  LogColumns tells where the
 * columns of one relation (a log or a partition) are.
 */
typedef struct LogColumns
{
	const LogFormat *format;
	int			natts;
	AttrNumber	seq;
	AttrNumber	logged_at;
	AttrNumber	salt;
	AttrNumber	erased;
	AttrNumber	field[LEDGER_MAX_FIELDS];
	int			last;			/* the greatest of them */
} LogColumns;

/* The bytes of a record: logged_at and plain fields, then each group. */
typedef struct LogLayout
{
	Size		start[LEDGER_MAX_GROUPS + 2];	/* of group g; of g + 1 its
												 * end; start[0] is 0 */
} LogLayout;

extern void log_columns_find(LogColumns *columns, const LogFormat *format, Relation rel);
extern const char *log_fields_encode(StringInfo out, const LogColumns *columns, int group,
									 const Datum *values, const bool *nulls);

/* row.c */
extern void log_row_of_record(const LogColumns *columns, TupleDesc desc, uint64 seq,
							  const LogRecord *record, const uint8 *seed,
							  TupleTableSlot *slot, LogLayout *layout);

/*
 * leaf.c: entries and their hashes.  A row is what the log's table holds of a
 * record, whole or with erased groups.
 */
extern void leaf_salt(const uint8 *seed, int group, uint8 *salt);
extern void leaf_commitment(const uint8 *salt, int group, const void *fields, Size len,
							uint8 *commitment);
extern void leaf_entry_begin(StringInfo entry, const LogFormat *format, uint64 seq);
extern void leaf_of_record(StringInfo work, const LogFormat *format, uint64 seq,
						   const LogRecord *record, const LogLayout *layout,
						   const uint8 *seed, uint8 *hash);
extern const char *leaf_entry_of_row(StringInfo entry, const LogColumns *columns,
									 const Datum *values, const bool *nulls,
									 uint32 *erased_groups, StringInfo work);
extern void leaf_hash(const void *entry, Size len, uint8 *hash);

/* put_*: big-endian numbers */
static inline void
put_int64(StringInfo out, int64 value)
{
	uint64		bytes = pg_hton64((uint64) value);

	appendBinaryStringInfo(out, (const char *) &bytes, sizeof(bytes));
}

static inline void
put_uint32(StringInfo out, uint32 value)
{
	uint32		bytes = pg_hton32(value);

	appendBinaryStringInfo(out, (const char *) &bytes, sizeof(bytes));
}

static inline int64
get_int64(const uint8 *bytes)
{
	uint64		value;

	memcpy(&value, bytes, sizeof(value));
	return (int64) pg_ntoh64(value);
}

static inline uint32
get_uint32(const uint8 *bytes)
{
	uint32		value;

	memcpy(&value, bytes, sizeof(value));
	return pg_ntoh32(value);
}

/* tree.c: hashes of RFC 6962 */
#define TREE_LEVELS				8	/* 256^8 leaves */

typedef struct TreeEnds
{
	uint64		size;

	/*
	 * At each level the hashes that make no full tile yet: of leaves at level
	 * 0, of full tiles of the level below at the others.
	 */
	int			count[TREE_LEVELS];
	uint8		hash[TREE_LEVELS][LEDGER_TILE_WIDTH][LEDGER_HASH_LENGTH];
} TreeEnds;

typedef void (*TreeTileWriter) (void *arg, int level, uint64 index, const uint8 *hashes);

extern void tree_node(const uint8 *left, const uint8 *right, uint8 *hash);
extern void tree_perfect(const uint8 *hashes, int n, uint8 *hash);
extern void tree_add(TreeEnds *ends, const uint8 *leaf, TreeTileWriter writer, void *arg);
extern void tree_root(const TreeEnds *ends, uint8 *root);

/*
 * Gives n hashes of one level from index "first" on; they lie in one tile of
 * 256.
 */
typedef void (*TreeReader) (void *arg, int level, uint64 first, int n, uint8 *hashes);

extern void tree_range(TreeReader reader, void *arg, uint64 start, uint64 end, uint8 *hash);
extern List *tree_inclusion(TreeReader reader, void *arg, uint64 index, uint64 size);
extern List *tree_consistency(TreeReader reader, void *arg, uint64 old_size, uint64 size);

/* partition.c */
extern int	ledger_minimum_days;	/* steward.minimum_retention; -1: as the
									 * law asks */

typedef struct LogPartition
{
	Oid			relid;
	uint64		first;
	uint64		end;			/* the number after the last */
} LogPartition;

extern Oid	ledger_table(const char *name, bool missing_ok);
extern void ledger_make_partition_for(const LogFormat *format, uint64 seq);
extern Oid	ledger_partition_of(Relation log, uint64 seq, uint64 *first, uint64 *end);
extern List *ledger_partitions(Relation log);
extern uint64 ledger_rows_end(Relation log, Snapshot snapshot);
extern void partition_init(void);

/* tile.c */
extern void tile_store(const LogFormat *format, int level, uint64 index, const uint8 *hashes);
extern bool tile_read(const LogFormat *format, int level, uint64 index, Snapshot snapshot,
					  uint8 *hashes);
extern uint64 tile_count(const LogFormat *format, int level, Snapshot snapshot);

/* leaf_table.c: the hashes of leaves that fill no tile yet */
extern void leaf_table_add(const LogFormat *format, uint64 first, int n, const uint8 *hashes);
extern void leaf_table_forget(const LogFormat *format, uint64 before);
extern int	leaf_table_read(const LogFormat *format, uint64 start, Snapshot snapshot, uint8 *hashes);

extern uint64 leaf_table_end(const LogFormat *format, Snapshot snapshot);

/* ledger.c */
extern void ledger_insert_row(const char *table, Datum *values, bool *nulls);
extern void ledger_record_change(const char *kind, const char *name, const char *action,
								 const char *after);
extern void ledger_require_role(StewardRole role, StewardRole other);
extern void ledger_identity(LedgerIdentity *identity);
extern bool ledger_damage_accepted(void);

/* append_index.c */
extern void ledger_insert_into_indexes(ResultRelInfo *info, TupleTableSlot **slots, int n,
									   EState *estate);

/* append.c */
extern void ledger_read_ends(const LogFormat *format, Snapshot snapshot, TreeEnds *ends);
extern const LogFormat *ledger_format_of(const Ledger *ledger);
extern const TreeEnds *ledger_ends(const Ledger *ledger);

/* proof.c: the hashes of a tree, from its tiles and its open ends */
typedef struct TileReader
{
	const LogFormat *format;
	Snapshot	snapshot;
	TreeEnds	ends;
	int			level;			/* of the tile that is held; -1: none */
	uint64		tile;
	uint8		hashes[LEDGER_TILE_WIDTH * LEDGER_HASH_LENGTH];
} TileReader;

extern TileReader *tile_reader_open(const LogFormat *format, Snapshot snapshot);
extern void tile_reader_read(void *arg, int level, uint64 first, int n, uint8 *hashes);

/* checkpoint.c */
typedef struct LedgerKey
{
	char	   *name;
	uint8		public_key[CRYPTO_PUBLIC_KEY_LENGTH];
	TimestampTz valid_from;
} LedgerKey;

typedef struct CheckpointRecord
{
	uint64		size;
	TimestampTz signed_at;
	uint8		root[LEDGER_HASH_LENGTH];
	char	   *origin;
	char	   *note;
} CheckpointRecord;

extern List *ledger_keys(Snapshot snapshot);
extern CheckpointRecord *checkpoint_from_tuple(HeapTuple tuple, TupleDesc desc);
extern CheckpointRecord *checkpoint_last(const LogFormat *format, Snapshot snapshot);
extern List *checkpoints_of_size(const LogFormat *format, uint64 size, Snapshot snapshot);
extern char *checkpoint_now(const LogFormat *format);

/* cosignature.c */
extern char *cosignature_lines(const LogFormat *format, const CheckpointRecord *record);

/* evidence.c: what the change log tells of erased and dropped records */
typedef struct DroppedRange
{
	uint64		first;
	uint64		last;
} DroppedRange;

typedef struct Evidence
{
	HTAB	   *redacted;		/* of RedactedRecord, by number */
	List	   *dropped;		/* of DroppedRange */
} Evidence;

extern Evidence *evidence_read(const LogFormat *format);
extern uint32 evidence_redacted(const Evidence *evidence, uint64 seq);
extern bool evidence_dropped(const Evidence *evidence, uint64 first, uint64 last);

#endif							/* STEWARD_LEDGER_INTERNAL_H */
