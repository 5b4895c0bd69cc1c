/*-------------------------------------------------------------------------
 *
 * record_names.c
 *	  Names of relations, columns and persons, as fields of the access log.
 *
 * They are made once and kept as bytes until something they name changes, for
 * statements come by thousands a second and do the same.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/record.h"
#include "catalog/pg_type.h"
#include "libpq/libpq-be.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* Sets of columns that are kept of one relation. */
#define MAX_COLUMN_SETS		8

/* Bytes of the names of columns in one record; beyond, the rest is "...". */
#define MAX_COLUMN_NAMES	4000

typedef struct ColumnSet
{
	int			nwords;
	uint32	   *words;
	RecordBytes *names;
} ColumnSet;

typedef struct RelationNames
{
	Oid			relid;			/* hash key */
	RecordBytes *relation;
	int			nsets;
	int			next;			/* which one makes room */
	ColumnSet	sets[MAX_COLUMN_SETS];
} RelationNames;

static HTAB *relations = NULL;
static RelationNames *last_entry = NULL;

/* Changes whenever names were forgotten. */
static uint64 generation = 0;

/* The person of the last record, and what is known of it. */
static struct
{
	RecordBytes *bytes;			/* NULL: nothing */
	Oid			session;
	Oid			subject;
	uint64		roles;			/* subject_generation() */
	char	   *application;
}			person;

static char *purpose_name = NULL;
static RecordBytes *purpose_bytes = NULL;

/* ------------------------------------------------------------------------
 * Bytes
 * ------------------------------------------------------------------------
 */

/* Somebody else uses them too. */
RecordBytes *
record_bytes_keep(RecordBytes *bytes)
{
	if (bytes != NULL)
		bytes->refs++;
	return bytes;
}

/* Somebody no longer does. */
void
record_bytes_release(RecordBytes **bytes)
{
	if (*bytes != NULL && --(*bytes)->refs == 0)
		pfree(*bytes);
	*bytes = NULL;
}

/* Are they the same? */
bool
record_bytes_equal(const RecordBytes *a, const RecordBytes *b)
{
	if (a == b)
		return true;
	return a != NULL && b != NULL && a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* A copy of what a builder has made. */
static RecordBytes *
bytes_of(LogRecordBuilder *builder)
{
	RecordBytes *bytes = MemoryContextAlloc(TopMemoryContext,
											offsetof(RecordBytes, data) + builder->data.len);

	bytes->refs = 1;
	bytes->len = builder->data.len;
	memcpy(bytes->data, builder->data.data, builder->data.len);
	pfree(builder->data.data);
	return bytes;
}

/* A builder of fields from this one on. */
static void
begin_fields(LogRecordBuilder *builder, int field)
{
	log_record_begin(builder, &access_event_format, 0);
	resetStringInfo(&builder->data);
	builder->next = field;
}

/* A field that is a text of len bytes, or up to its end where len is -1. */
RecordBytes *
record_bytes_of_text(int field, const char *text, int len)
{
	LogRecordBuilder builder;

	begin_fields(&builder, field);
	log_record_text(&builder, field, text, len);
	return bytes_of(&builder);
}

/* A field that is an array of texts; a NULL among them is NULL. */
RecordBytes *
record_bytes_of_texts(int field, List *texts)
{
	int			n = list_length(texts);
	Datum	   *elems = palloc(sizeof(Datum) * Max(n, 1));
	bool	   *nulls = palloc0(sizeof(bool) * Max(n, 1));
	int			lower = 1;
	LogRecordBuilder builder;
	ListCell   *lc;

	foreach(lc, texts)
	{
		nulls[foreach_current_index(lc)] = lfirst(lc) == NULL;
		if (lfirst(lc) != NULL)
			elems[foreach_current_index(lc)] = CStringGetTextDatum(lfirst(lc));
	}
	begin_fields(&builder, field);
	log_record_texts(&builder, field,
					 n == 0 ? PointerGetDatum(construct_empty_array(TEXTOID)) :
					 PointerGetDatum(construct_md_array(elems, nulls, 1, &n, &lower, TEXTOID,
														-1, false, TYPALIGN_INT)));
	return bytes_of(&builder);
}

/* ------------------------------------------------------------------------
 * Relations and columns
 * ------------------------------------------------------------------------
 */

static void
forget_entry(RelationNames *entry)
{
	last_entry = NULL;
	record_bytes_release(&entry->relation);
	for (int i = 0; i < entry->nsets; i++)
	{
		record_bytes_release(&entry->sets[i].names);
		pfree(entry->sets[i].words);
	}
	(void) hash_search(relations, &entry->relid, HASH_REMOVE, NULL);
}

static void
forget_by_relation(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	RelationNames *entry;

	generation++;
	if (relations == NULL)
		return;
	if (OidIsValid(relid))
	{
		entry = hash_search(relations, &relid, HASH_FIND, NULL);
		if (entry != NULL)
			forget_entry(entry);
		return;
	}
	hash_seq_init(&status, relations);
	while ((entry = hash_seq_search(&status)) != NULL)
		forget_entry(entry);
}

static void
forget_all(Datum arg, int cacheid, uint32 hashvalue)
{
	forget_by_relation(arg, InvalidOid);
}

/* relation_name: with its schema, quoted where SQL wants it. */
static RecordBytes *
relation_name(Oid relid)
{
	char	   *name = get_rel_name(relid);
	char	   *namespace = get_namespace_name(get_rel_namespace(relid));

	if (name == NULL)
		return record_bytes_of_text(ACCESS_RELATION_NAME, "?", 1);
	return record_bytes_of_text(ACCESS_RELATION_NAME, quote_qualified_identifier(namespace, name), -1);
}

/* columns: names in the order of the table. */
static RecordBytes *
column_names(Oid relid, const uint32 *columns, int nwords)
{
	bool		whole_row = nwords > 0 && (columns[0] & 1) != 0;
	int			last = whole_row ? MaxHeapAttributeNumber : nwords * 32 - 1;
	int			bytes = 0;
	List	   *names = NIL;

	for (int attno = 1; attno <= last; attno++)
	{
		char	   *name;

		if (!whole_row && (columns[attno / 32] & ((uint32) 1 << (attno % 32))) == 0)
			continue;
		if (!SearchSysCacheExists2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attno)))
			break;
		name = get_attname(relid, attno, true);
		if (name == NULL)
			continue;			/* dropped */
		bytes += strlen(name) + 5;
		if (bytes > MAX_COLUMN_NAMES)
		{
			names = lappend(names, "...");
			break;
		}
		names = lappend(names, name);
	}
	return record_bytes_of_texts(ACCESS_COLUMNS, names);
}

/* The fields relation_name and columns; both are to be released. */
void
record_names(Oid relid, const uint32 *columns, int nwords,
			 RecordBytes **relation, RecordBytes **names)
{
	RelationNames *entry;
	ColumnSet  *set;
	uint64		before;
	bool		found;
	uint32	   *words;

	if (relations == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(Oid),.entrysize = sizeof(RelationNames)};

		relations = hash_create("pg_steward names", 64, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	entry = last_entry != NULL && last_entry->relid == relid ? last_entry :
		hash_search(relations, &relid, HASH_FIND, NULL);
	last_entry = entry;
	for (int i = 0; entry != NULL && i < entry->nsets; i++)
	{
		set = &entry->sets[i];
		if (set->nwords == nwords && memcmp(set->words, columns, nwords * sizeof(uint32)) == 0)
		{
			*relation = record_bytes_keep(entry->relation);
			*names = record_bytes_keep(set->names);
			return;
		}
	}

	before = generation;
	*relation = relation_name(relid);
	*names = column_names(relid, columns, nwords);

	/* What was forgotten while it was read is not kept. */
	if (before != generation)
		return;
	words = MemoryContextAlloc(TopMemoryContext, Max(nwords, 1) * sizeof(uint32));
	memcpy(words, columns, nwords * sizeof(uint32));
	entry = hash_search(relations, &relid, HASH_ENTER, &found);
	if (!found)
	{
		entry->relation = record_bytes_keep(*relation);
		entry->nsets = 0;
		entry->next = 0;
	}
	if (entry->nsets < MAX_COLUMN_SETS)
		set = &entry->sets[entry->nsets++];
	else
	{
		set = &entry->sets[entry->next];
		entry->next = (entry->next + 1) % MAX_COLUMN_SETS;
		record_bytes_release(&set->names);
		pfree(set->words);
	}
	set->nwords = nwords;
	set->words = words;
	set->names = record_bytes_keep(*names);
}

/* ------------------------------------------------------------------------
 * Persons and purposes
 * ------------------------------------------------------------------------
 */

/* The fields of group 1, about who acts as the subject; to be released. */
RecordBytes *
record_person(Oid subject)
{
	Oid			session = GetSessionUserId();
	bool		is_acting = subject == access_subject();
	const char *token_subject = is_acting ? identity_subject() : NULL;
	const char *token_issuer = is_acting ? identity_issuer() : NULL;
	const char *application = application_name == NULL ? "" : application_name;
	uint64		roles = subject_generation();
	char	   *subject_role;
	LogRecordBuilder builder;

	if (person.bytes != NULL && token_subject == NULL && person.session == session &&
		person.subject == subject && person.roles == roles &&
		strcmp(person.application, application) == 0)
		return record_bytes_keep(person.bytes);

	subject_role = GetUserNameFromId(subject, true);
	begin_fields(&builder, ACCESS_SESSION_ROLE);
	log_record_text(&builder, ACCESS_SESSION_ROLE, GetUserNameFromId(session, true), -1);
	log_record_text(&builder, ACCESS_SUBJECT_ROLE, subject_role, -1);
	log_record_text(&builder, ACCESS_SUBJECT, token_subject != NULL ? token_subject : subject_role, -1);
	log_record_text(&builder, ACCESS_TOKEN_ISSUER, token_issuer, -1);
	log_record_text(&builder, ACCESS_APPLICATION_NAME, application[0] == '\0' ? NULL : application, -1);
	log_record_text(&builder, ACCESS_CLIENT_ADDR,
					MyProcPort == NULL || MyProcPort->remote_host == NULL ||
					strcmp(MyProcPort->remote_host, "[local]") == 0 ? NULL : MyProcPort->remote_host, -1);
	for (; builder.next <= ACCESS_CLIENT_ADDR; builder.next++)
		appendStringInfoChar(&builder.data, 0);

	/* A person behind a token is another one each time. */
	if (token_subject != NULL)
		return bytes_of(&builder);
	record_bytes_release(&person.bytes);
	if (person.application != NULL)
		pfree(person.application);
	person.application = NULL;
	person.application = MemoryContextStrdup(TopMemoryContext, application);
	person.bytes = bytes_of(&builder);
	person.session = session;
	person.subject = subject;
	person.roles = roles;
	return record_bytes_keep(person.bytes);
}

/* The field purpose, NULL for none; to be released. */
RecordBytes *
record_purpose(const char *purpose)
{
	if (purpose == NULL)
		return NULL;
	if (purpose_name == NULL || strcmp(purpose_name, purpose) != 0)
	{
		char	   *name = MemoryContextStrdup(TopMemoryContext, purpose);

		record_bytes_release(&purpose_bytes);
		if (purpose_name != NULL)
			pfree(purpose_name);
		purpose_name = name;
		purpose_bytes = record_bytes_of_text(ACCESS_PURPOSE, purpose, -1);
	}
	return record_bytes_keep(purpose_bytes);
}

/* Registers the invalidations.  Called once, while libraries are preloaded. */
void
record_names_init(void)
{
	steward_watch_relations(forget_by_relation);
	CacheRegisterSyscacheCallback(NAMESPACEOID, forget_all, (Datum) 0);
}
