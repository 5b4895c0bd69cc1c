/*-------------------------------------------------------------------------
 *
 * export.c
 *	  Exports of logs, which somebody else can verify: docs/leaf-encoding.md,
 *	  "Export".
 *
 * An export is a set of files, tiles and bundles of entries in the layout of
 * C2SP tlog-tiles.  export_log() writes them into a directory of the server,
 * export_entries() returns them as rows.  All of it is of the size of one
 * checkpoint and of one snapshot.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "common/file_perm.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "ledger/note.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

typedef struct Export
{
	const LogFormat *format;
	Snapshot	snapshot;
	TileReader *tiles;
	CheckpointRecord *checkpoint;
	uint64		size;			/* of the checkpoint */
	uint64		first;			/* records that are asked for */
	uint64		end;			/* the number after the last */
	MemoryContext context;		/* of one file */

	/* where files go: rows of a result, or a directory */
	ReturnSetInfo *result;
	const char *directory;
} Export;

/* ------------------------------------------------------------------------
 * Files
 * ------------------------------------------------------------------------
 */

static void
write_file(const char *directory, const char *path, const char *data, Size len)
{
	char		full[MAXPGPATH];
	char		parent[MAXPGPATH];
	int			fd;

	if (snprintf(full, sizeof(full), "%s/%s", directory, path) >= sizeof(full))
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("path \"%s/%s\" is too long", directory, path)));
	strlcpy(parent, full, sizeof(parent));
	get_parent_directory(parent);
	if (pg_mkdir_p(parent, pg_dir_create_mode) != 0 && errno != EEXIST)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not make directory \"%s\": %m", parent)));
	fd = OpenTransientFile(full, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY);
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not make file \"%s\": %m", full)));
	errno = 0;
	if (write(fd, data, len) != len)
	{
		if (errno == 0)
			errno = ENOSPC;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", full)));
	}
	if (CloseTransientFile(fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not close file \"%s\": %m", full)));
}

/* Adds a file to the export. */
static void
emit(Export *export, const char *path, const void *data, Size len)
{
	CHECK_FOR_INTERRUPTS();
	if (export->result != NULL)
	{
		Datum		values[2];
		bool		nulls[2] = {false};

		values[0] = CStringGetTextDatum(path);
		values[1] = PointerGetDatum(cstring_to_text_with_len(data, len));
		tuplestore_putvalues(export->result->setResult, export->result->setDesc, values, nulls);
	}
	else
		write_file(export->directory, path, data, len);
}

/* The path of a tile or bundle; width 0 or 256: a full one. */
static char *
tile_path(const char *folder, uint64 index, int width)
{
	char		groups[64];
	char	   *p = groups + sizeof(groups);

	*--p = '\0';
	for (bool last = true; last || index > 0; last = false)
	{
		char		group[8];
		int			n = snprintf(group, sizeof(group), last ? "%03d" : "x%03d/", (int) (index % 1000));

		p -= n;
		memcpy(p, group, n);
		index /= 1000;
	}
	return width == 0 || width == LEDGER_TILE_WIDTH ? psprintf("%s/%s", folder, p) :
		psprintf("%s/%s.p/%d", folder, p, width);
}

/* ------------------------------------------------------------------------
 * What is small
 * ------------------------------------------------------------------------
 */

static void
export_format(Export *export)
{
	const LogFormat *format = export->format;
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"log\": \"%s\", \"code\": %d, \"version\": %d, \"size\": " UINT64_FORMAT ", \"fields\": [",
					 format->name, format->code, format->version, export->size);
	for (int i = 0; i < format->nfields; i++)
		appendStringInfo(&json, "%s{\"name\": \"%s\", \"encoding\": \"%s\", \"group\": %d}", i == 0 ? "" : ", ",
						 format->fields[i].name, log_encoding_name(format->fields[i].type),
						 format->fields[i].group);
	appendStringInfoString(&json, "]}\n");
	emit(export, "log.json", json.data, json.len);
}

static char *
whole_note(const Export *export, const CheckpointRecord *record)
{
	return psprintf("%s%s", record->note, cosignature_lines(export->format, record));
}

/* The checkpoints up to the size of the export, one after the other. */
static void
export_checkpoints(Export *export)
{
	Relation	rel = table_open(ledger_table("checkpoint_record", false), AccessShareLock);
	Relation	index = index_open(STEWARD_PRIMARY_KEY(rel), AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	StringInfoData all;
	char	   *note = whole_note(export, export->checkpoint);

	emit(export, "checkpoint", note, strlen(note));
	initStringInfo(&all);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(export->format->code));
	scan = systable_beginscan_ordered(rel, index, export->snapshot, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		CheckpointRecord *record = checkpoint_from_tuple(tuple, RelationGetDescr(rel));

		if (record->size > export->size)
			break;
		note = whole_note(export, record);
		appendStringInfo(&all, "%zu\n%s", strlen(note), note);
		pfree(note);
		pfree(record->note);
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	emit(export, "checkpoints", all.data, all.len);
}

/* A file of the lines that a query returns. */
static void
export_lines(Export *export, const char *path, const char *query)
{
	Oid			type = TEXTOID;
	Datum		value = CStringGetTextDatum(export->format->name);
	StringInfoData lines;

	initStringInfo(&lines);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(query, 1, &type, &value, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "\"%s\" could not be exported", path);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *line = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
		Size		len = strlen(line);

		line = note_from_text(line, &len);
		appendBinaryStringInfo(&lines, line, len);
		appendStringInfoChar(&lines, '\n');
	}
	SPI_finish();
	emit(export, path, lines.data, lines.len);
}

/* ------------------------------------------------------------------------
 * Tiles and bundles
 * ------------------------------------------------------------------------
 */

static void
export_tiles(Export *export)
{
	uint8		hashes[LEDGER_TILE_WIDTH * LEDGER_HASH_LENGTH];

	for (int level = 0; level < TREE_LEVELS && export->size >> (8 * level) > 0; level++)
	{
		uint64		nhashes = export->size >> (8 * level);
		char	   *folder = psprintf("tile/%d", level);

		for (uint64 index = export->first >> (8 * level) >> 8;
			 index * LEDGER_TILE_WIDTH < nhashes && index << (8 * level) << 8 < export->end; index++)
		{
			int			width = Min(nhashes - index * LEDGER_TILE_WIDTH, LEDGER_TILE_WIDTH);
			MemoryContext old = MemoryContextSwitchTo(export->context);

			tile_reader_read(export->tiles, level, index * LEDGER_TILE_WIDTH, width, hashes);
			emit(export, tile_path(folder, index, width), hashes, width * LEDGER_HASH_LENGTH);
			MemoryContextSwitchTo(old);
			MemoryContextReset(export->context);
		}
	}
}

static void
put_uint16(StringInfo out, int value)
{
	appendStringInfoChar(out, (char) (value >> 8));
	appendStringInfoChar(out, (char) (value & 0xff));
}

/* Appends what stands behind the commitments of a row. */
static const char *
put_payload(StringInfo out, const LogColumns *columns, const Datum *values, const bool *nulls)
{
	const LogFormat *format = columns->format;
	const uint8 *old = NULL;
	const uint8 *seed = NULL;
	int			at = out->len;
	uint32		len;

	put_uint32(out, 0);
	if (!nulls[columns->salt - 1])
		seed = (const uint8 *) VARDATA_ANY(PG_DETOAST_DATUM_PACKED(values[columns->salt - 1]));
	else if (!nulls[columns->erased - 1])
		old = (const uint8 *) VARDATA_ANY(PG_DETOAST_DATUM_PACKED(values[columns->erased - 1]));
	for (int g = 1; g <= format->ngroups; g++)
	{
		uint8		salt[LEDGER_SALT_LENGTH];
		int			fields_at;
		const char *problem;

		if (seed != NULL)
			leaf_salt(seed, g, salt);
		else if (*old == 0)
		{
			memcpy(salt, old + 1, LEDGER_SALT_LENGTH);
			old += 1 + LEDGER_SALT_LENGTH;
		}
		else
		{
			appendStringInfoChar(out, 1);
			old += 1 + LEDGER_HASH_LENGTH;
			continue;
		}
		appendStringInfoChar(out, 0);
		appendBinaryStringInfo(out, (const char *) salt, sizeof(salt));
		fields_at = out->len;
		put_uint32(out, 0);
		problem = log_fields_encode(out, columns, g, values, nulls);
		if (problem != NULL)
			return problem;
		len = out->len - fields_at - 4;
		for (int i = 0; i < 4; i++)
			out->data[fields_at + i] = (char) ((len >> (8 * (3 - i))) & 0xff);
	}
	len = out->len - at - 4;
	for (int i = 0; i < 4; i++)
		out->data[at + i] = (char) ((len >> (8 * (3 - i))) & 0xff);
	return NULL;
}

/* Gives out one bundle of entries and payloads. */
static void
emit_bundle(Export *export, uint64 index, int width, StringInfo entries, StringInfo payloads)
{
	emit(export, tile_path("tile/entries", index, width), entries->data, entries->len);
	emit(export, tile_path("payload", index, width), payloads->data, payloads->len);
	resetStringInfo(entries);
	resetStringInfo(payloads);
	MemoryContextReset(export->context);
}

/* Exports the records of one partition. */
static void
export_partition(Export *export, const LogPartition *partition)
{
	Relation	rel = table_open(partition->relid, AccessShareLock);
	Relation	index = index_open(STEWARD_PRIMARY_KEY(rel), AccessShareLock);
	uint64		seq = Max(partition->first, export->first - export->first % LEDGER_TILE_WIDTH);
	uint64		end = Min(partition->end, export->size);
	LogColumns	columns;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	StringInfoData entry;
	StringInfoData work;
	StringInfoData entries;
	StringInfoData payloads;
	Datum	   *values = palloc(RelationGetDescr(rel)->natts * sizeof(Datum));
	bool	   *nulls = palloc(RelationGetDescr(rel)->natts * sizeof(bool));

	/* whole bundles, also those of which only a part is asked for */
	end = Min(end, (export->end + LEDGER_TILE_WIDTH - 1) / LEDGER_TILE_WIDTH * LEDGER_TILE_WIDTH);
	initStringInfo(&entry);
	initStringInfo(&work);
	initStringInfo(&entries);
	initStringInfo(&payloads);
	log_columns_find(&columns, export->format, rel);
	ScanKeyInit(&key, columns.seq, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(seq));
	scan = systable_beginscan_ordered(rel, index, export->snapshot, 1, &key);
	while (seq < end)
	{
		const char *problem = "it is missing";
		uint32		erased;
		MemoryContext old;

		tuple = systable_getnext_ordered(scan, ForwardScanDirection);
		old = MemoryContextSwitchTo(export->context);
		if (HeapTupleIsValid(tuple))
		{
			heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
			if (DatumGetInt64(values[columns.seq - 1]) == seq)
				problem = leaf_entry_of_row(&entry, &columns, values, nulls, &erased, &work);
		}
		if (problem == NULL)
		{
			put_uint16(&entries, entry.len);
			appendBinaryStringInfo(&entries, entry.data, entry.len);
			problem = put_payload(&payloads, &columns, values, nulls);
		}
		if (problem != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("record " UINT64_FORMAT " of log \"%s\" is damaged: %s",
							seq, export->format->name, problem),
					 errhint("verify() tells more.")));
		MemoryContextSwitchTo(old);
		seq++;
		if (seq % LEDGER_TILE_WIDTH == 0 || seq == export->size)
			emit_bundle(export, (seq - 1) / LEDGER_TILE_WIDTH, seq % LEDGER_TILE_WIDTH, &entries, &payloads);
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
}

static void
export_records(Export *export)
{
	Relation	log = table_open(ledger_table(export->format->name, false), AccessShareLock);
	ListCell   *lc;

	foreach(lc, ledger_partitions(log))
	{
		LogPartition *partition = lfirst(lc);

		if (partition->end > export->first && partition->first < Min(export->end, export->size))
			export_partition(export, partition);
	}
	table_close(log, AccessShareLock);
}

/* ------------------------------------------------------------------------
 * The functions
 * ------------------------------------------------------------------------
 */

/* Exports records from first to end, as the newest checkpoint has them. */
static void
run_export(Export *export, const LogFormat *format, uint64 first, uint64 end)
{
	Relation	log = table_open(ledger_table(format->name, false), AccessShareLock);

	if (!RecoveryInProgress() && !XactReadOnly)
		(void) checkpoint_now(format);

	/* the lock holds retention off; the snapshot comes after it */
	export->format = format;
	export->snapshot = RegisterSnapshot(GetLatestSnapshot());
	export->tiles = tile_reader_open(format, export->snapshot);
	export->checkpoint = checkpoint_last(format, export->snapshot);
	if (export->checkpoint == NULL || export->checkpoint->size > export->tiles->ends.size)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("log \"%s\" has no checkpoint that fits it", format->name),
				 errhint("Sign one with checkpoint(log); verify() tells more.")));
	export->size = export->checkpoint->size;
	export->first = first;
	export->end = Min(end, export->size);
	export->context = AllocSetContextCreate(CurrentMemoryContext, "pg_steward export", ALLOCSET_DEFAULT_SIZES);

	export_format(export);
	export_checkpoints(export);
	export_lines(export, "keys",
				 "SELECT steward.verifier_key(name, 1, public_key) || ' ' || pg_catalog.floor(extract(epoch FROM valid_from))::bigint || ' ' || "
				 "coalesce(pg_catalog.floor(extract(epoch FROM pg_catalog.lead(valid_from) OVER (PARTITION BY name ORDER BY valid_from)))::bigint::text, '-') "
				 "FROM steward.ledger_key WHERE pg_catalog.split_part(name, '/', 2) = $1 ORDER BY valid_from, name");
	export_lines(export, "witnesses",
				 "SELECT verifier_key FROM steward.witness WHERE $1 IS NOT NULL ORDER BY name");
	export_tiles(export);
	export_records(export);
	UnregisterSnapshot(export->snapshot);
	table_close(log, NoLock);
}

STEWARD_FUNCTION(steward_export_entries);

/* export_entries(log, from_seq, to_seq) */
Datum
steward_export_entries(PG_FUNCTION_ARGS)
{
	Export		export = {0};
	int64		from = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
	int64		to = PG_ARGISNULL(2) ? PG_INT64_MAX - 1 : PG_GETARG_INT64(2);

	ledger_require_role(STEWARD_AUDITOR, STEWARD_ADMIN);
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("log must not be null")));
	if (from < 0 || to < from || to == PG_INT64_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("numbers must be 0 <= from_seq <= to_seq")));
	InitMaterializedSRF(fcinfo, 0);
	export.result = (ReturnSetInfo *) fcinfo->resultinfo;
	run_export(&export, ledger_format(text_to_cstring(PG_GETARG_TEXT_PP(0)), false), from, (uint64) to + 1);
	return (Datum) 0;
}

STEWARD_FUNCTION(steward_export_log);

/* export_log(log, directory) */
Datum
steward_export_log(PG_FUNCTION_ARGS)
{
	Export		export = {0};
	const LogFormat *format;
	char	   *directory;

	ledger_require_role(STEWARD_AUDITOR, STEWARD_ADMIN);
	format = ledger_format(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	if (!has_privs_of_role(steward_outer_user(), ROLE_PG_WRITE_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not write files of the server", GetUserNameFromId(steward_outer_user(), false)),
				 errhint("It takes the rights of role \"pg_write_server_files\"; export_entries(log) returns the same over the wire.")));
	directory = text_to_cstring(PG_GETARG_TEXT_PP(1));
	canonicalize_path(directory);
	if (!is_absolute_path(directory) || path_contains_parent_reference(directory) ||
		path_is_prefix_of_path(DataDir, directory))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is no absolute path outside of the data directory", directory)));
	switch (pg_check_dir(directory))
	{
		case 0:
			if (pg_mkdir_p(pstrdup(directory), pg_dir_create_mode) != 0)
				ereport(ERROR,
						(errcode_for_file_access(),
						 errmsg("could not make directory \"%s\": %m", directory)));
			break;
		case 1:
			break;
		case -1:
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read directory \"%s\": %m", directory)));
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_FILE),
					 errmsg("directory \"%s\" is not empty", directory),
					 errhint("Name a new directory.")));
	}
	export.directory = directory;
	run_export(&export, format, 0, PG_INT64_MAX);
	PG_RETURN_VOID();
}
