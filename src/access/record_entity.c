/*-------------------------------------------------------------------------
 *
 * record_entity.c
 *	  The entities of an access: the persons whom the rows are about.
 *
 * touch_entity() is called for each row (entity_plan.c).  Each place in a plan
 * that calls it keeps a set of the values that it has seen, as they are; what
 * is new there is turned into its keyed hash and joins the list of the access.
 * So the list is complete at every moment, and can be written when nothing may
 * fail any more.  Past steward.entity_limit the list is given up, and nothing
 * is looked at any more.
 *
 * The hash is the first eight bytes of HMAC-SHA-256 of the value's text in
 * UTF-8, under a key derived from the database's entity key.  Text does not
 * depend on settings: so a person has the same hash in every relation,
 * whatever the type of the column.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/entity.h"
#include "access/genam.h"
#include "access/record.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "crypto/crypto.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define ENTITY_KEY_USE		"pg_steward entity key" /* what the wrapped key is
													 * bound to */
#define HASH_KEY_USE		"pg_steward entity hashes"

#define Anum_entity_key_wrapped		2

#define MAX_ENTITY_LIMIT	10000

/* Bytes of an integer as text. */
#define MAX_DIGITS			24

static int	entity_limit = 256;

/* HMAC's key, and for which table it was read. */
static CryptoHmacKey hmac_key;
static Oid	key_table = InvalidOid; /* InvalidOid: not known */
static bool key_usable = false;

/* ------------------------------------------------------------------------
 * The key
 * ------------------------------------------------------------------------
 */

/* Makes HMAC's key. */
static void
use_key(const uint8 *entity_key)
{
	uint8		key[CRYPTO_SHA256_LENGTH];

	crypto_hmac_sha256(entity_key, CRYPTO_KEY_LENGTH, HASH_KEY_USE, strlen(HASH_KEY_USE), key);
	crypto_hmac_prepare(&hmac_key, key);
	crypto_wipe(key, sizeof(key));
}

/* The key as it stands in its table; NULL where there is none. */
static bytea *
read_wrapped_key(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tup = systable_getnext(scan);
	bytea	   *wrapped = NULL;

	if (HeapTupleIsValid(tup))
	{
		bool		isnull;
		Datum		d = heap_getattr(tup, Anum_entity_key_wrapped, RelationGetDescr(rel), &isnull);

		wrapped = DatumGetByteaPCopy(d);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return wrapped;
}

/*
 * Reads the key, unless it is known.  Without it (the master key is not that
 * of the database, say) entities cannot be told, and the log says so; no
 * statement fails for it.
 */
static bool
have_key(bool missing_ok)
{
	Oid			relid;
	bytea	   *wrapped;
	MemoryContext context = CurrentMemoryContext;

	if (likely(OidIsValid(key_table)) && (key_usable || missing_ok))
		return key_usable;
	key_usable = false;
	relid = get_relname_relid("entity_key", steward_namespace());
	wrapped = OidIsValid(relid) ? read_wrapped_key(relid) : NULL;
	if (wrapped == NULL)
	{
		if (!missing_ok)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("this database has no key for entities"),
					 errhint("It is made by protect() when a table first names an entity column.")));
		return false;
	}
	PG_TRY();
	{
		Size		len;
		uint8	   *key = crypto_unwrap(wrapped, ENTITY_KEY_USE, &len);

		key_usable = len == CRYPTO_KEY_LENGTH;
		if (key_usable)
			use_key(key);
		crypto_wipe(key, len);
	}
	PG_CATCH();
	{
		if (!missing_ok)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		FlushErrorState();
	}
	PG_END_TRY();
	key_table = relid;
	return key_usable;
}

/* The key may be another one, or there may be one now. */
static void
forget_key(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == key_table)
		key_table = InvalidOid;
}

/* The hash of an entity, given as text in the server's encoding. */
static int64
hash_entity(const char *text, int len)
{
	char	   *utf8 = pg_server_to_any(text, len, PG_UTF8);
	uint8		digest[CRYPTO_SHA256_LENGTH];
	uint64		hash;

	crypto_hmac_prepared(&hmac_key, utf8, utf8 == text ? len : strlen(utf8), digest);
	if (utf8 != text)
		pfree(utf8);
	memcpy(&hash, digest, sizeof(hash));
	return (int64) pg_ntoh64(hash);
}

/* ------------------------------------------------------------------------
 * The list of an access
 * ------------------------------------------------------------------------
 */

/* An empty list for an access to the relation. */
Entities *
entities_make(MemoryContext context, Oid relid)
{
	Entities   *entities = MemoryContextAllocZero(context, sizeof(Entities));

	entities->relid = relid;
	entities->limit = entity_limit;
	entities->context = context;
	return entities;
}

/* Adds a hash, unless it is there. */
static void
add_hash(Entities *entities, int64 hash)
{
	int			low = 0;
	int			high = entities->n;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (entities->hashes[middle] == hash)
			return;
		if (entities->hashes[middle] < hash)
			low = middle + 1;
		else
			high = middle;
	}
	if (entities->n >= entities->limit)
	{
		entities->beyond = true;
		return;
	}
	if (entities->n == entities->max)
	{
		int			max = entities->max == 0 ? 4 : 2 * entities->max;

		entities->hashes = entities->max == 0 ?
			MemoryContextAlloc(entities->context, max * sizeof(int64)) :
			repalloc(entities->hashes, max * sizeof(int64));
		entities->max = max;
	}
	memmove(entities->hashes + low + 1, entities->hashes + low, (entities->n - low) * sizeof(int64));
	entities->hashes[low] = hash;
	entities->n++;
}

/* ------------------------------------------------------------------------
 * touch_entity()
 * ------------------------------------------------------------------------
 */

/* What one place in a plan that calls touch_entity() has seen. */
typedef struct Touch
{
	Entities   *entities;		/* NULL: nobody asks */
	Oid			type;			/* without domains */
	int16		typlen;
	bool		typbyval;
	FmgrInfo	output;			/* fn_oid is InvalidOid: not asked yet */
	bool		has_zero;
	uint64		last;
	int			n;
	int			nslots;
	uint64	   *slots;			/* values, or hashes of their bytes; 0: free */
	MemoryContext context;
} Touch;

/* The list that a call in a plan adds to. */
static Entities *
find_entities(FmgrInfo *flinfo, int ordinal, Oid relid)
{
	/* The expression belongs to the query, or to a recheck that it makes. */
	for (MemoryContext context = flinfo->fn_mcxt; context != NULL; context = MemoryContextGetParent(context))
	{
		for (TrackedQuery *query = open_queries; query != NULL; query = query->next)
		{
			Entities   *entities;

			if (query->memory != context)
				continue;
			entities = ordinal < query->ntouched ? query->touched[ordinal] : NULL;
			return entities != NULL && entities->relid == relid ? entities : NULL;
		}
	}
	return NULL;
}

static Touch *
begin_touch(FmgrInfo *flinfo, int ordinal, Oid relid)
{
	FuncExpr   *call = (FuncExpr *) flinfo->fn_expr;
	Touch	   *touch = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(Touch));

	flinfo->fn_extra = touch;
	if (call == NULL || !IsA(call, FuncExpr) || call->funcformat != TOUCH_BY_PLAN)
		return touch;
	touch->entities = find_entities(flinfo, ordinal, relid);
	if (touch->entities == NULL)
		return touch;
	if (!have_key(true))
	{
		touch->entities->beyond = true;
		return touch;
	}
	touch->type = get_fn_expr_argtype(flinfo, 2);
	if (touch->type >= FirstNormalObjectId)
		touch->type = getBaseType(touch->type);
	get_typlenbyval(touch->type, &touch->typlen, &touch->typbyval);
	touch->context = flinfo->fn_mcxt;
	return touch;
}

/* Where the value is, or would stand. */
static inline uint64 *
find_slot(uint64 *slots, int nslots, uint64 value)
{
	uint32		i = murmurhash32((uint32) (value ^ value >> 32)) & (nslots - 1);

	while (slots[i] != 0 && slots[i] != value)
		i = (i + 1) & (nslots - 1);
	return &slots[i];
}

/* Is the value new?  It is known from now on. */
static bool
is_new(Touch *touch, uint64 value)
{
	uint64	   *slot;

	if (value == 0)
	{
		bool		had = touch->has_zero;

		touch->has_zero = true;
		return !had;
	}
	if (value == touch->last)
		return false;
	touch->last = value;
	if (2 * touch->n >= touch->nslots)
	{
		int			nslots = touch->nslots == 0 ? 16 : 2 * touch->nslots;
		uint64	   *slots = MemoryContextAllocZero(touch->context, nslots * sizeof(uint64));

		for (int i = 0; i < touch->nslots; i++)
		{
			if (touch->slots[i] != 0)
				*find_slot(slots, nslots, touch->slots[i]) = touch->slots[i];
		}
		if (touch->slots != NULL)
			pfree(touch->slots);
		touch->slots = slots;
		touch->nslots = nslots;
	}
	slot = find_slot(touch->slots, touch->nslots, value);
	if (*slot == value)
		return false;
	*slot = value;
	touch->n++;
	return true;
}

/* The bytes of a value that is passed by reference, as one number. */
static uint64
number_of_bytes(const Touch *touch, Datum value)
{
	static uint64 seed = 0;
	const void *data;
	Size		len;

	/* Nobody is to find values that meet. */
	if (unlikely(seed == 0))
		crypto_random(&seed, sizeof(seed));
	if (touch->typlen == -1)
	{
		data = VARDATA_ANY(DatumGetPointer(value));
		len = VARSIZE_ANY_EXHDR(DatumGetPointer(value));
	}
	else
	{
		data = DatumGetPointer(value);
		len = touch->typlen == -2 ? strlen(data) : touch->typlen;
	}
	return DatumGetUInt64(hash_any_extended(data, len, seed));
}

/* What the output function of the type says. */
static char *
output_of(Touch *touch, Datum value)
{
	if (!OidIsValid(touch->output.fn_oid))
	{
		Oid			output;
		bool		is_varlena;

		getTypeOutputInfo(touch->type, &output, &is_varlena);
		fmgr_info_cxt(output, &touch->output, touch->context);
	}
	return OutputFunctionCall(&touch->output, value);
}

/* The text of a value, whatever the settings of the session. */
static char *
text_of(Touch *touch, Datum value)
{
	char	   *result;
	int			nest;

	switch (touch->type)
	{
		case BYTEAOID:
			{
				Size		len = VARSIZE_ANY_EXHDR(DatumGetPointer(value));

				result = palloc(2 * len + 3);
				strcpy(result, "\\x");
				result[2 + hex_encode(VARDATA_ANY(DatumGetPointer(value)), len, result + 2)] = '\0';
				return result;
			}
		case BPCHAROID:
			result = output_of(touch, value);
			result[bpchartruelen(result, strlen(result))] = '\0';
			return result;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			result = palloc(MAX_DIGITS);
			pg_lltoa(touch->type == INT8OID ? DatumGetInt64(value) :
					 touch->type == INT4OID ? DatumGetInt32(value) : DatumGetInt16(value), result);
			return result;
		case TEXTOID:
		case VARCHAROID:
			return TextDatumGetCString(value);
		case UUIDOID:
		case NUMERICOID:
		case NAMEOID:
			return output_of(touch, value);
	}
	nest = NewGUCNestLevel();
	(void) set_config_option("datestyle", "ISO, YMD", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("intervalstyle", "postgres", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("timezone", "UTC", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("extra_float_digits", "1", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("bytea_output", "hex", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	result = output_of(touch, value);
	AtEOXact_GUC(true, nest);
	return result;
}

STEWARD_FUNCTION(steward_touch_entity);
STEWARD_FUNCTION(steward_new_entity_key);
STEWARD_FUNCTION(steward_entity_hash);

/*
 * touch_entity(ordinal, relation, value): notes that the access has met the
 * entity, and is true.  Only plans can call it to any effect.
 */
Datum
steward_touch_entity(PG_FUNCTION_ARGS)
{
	Touch	   *touch = fcinfo->flinfo->fn_extra;
	Datum		value;
	char	   *string;

	if (unlikely(touch == NULL))
	{
		if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
			PG_RETURN_BOOL(true);
		touch = begin_touch(fcinfo->flinfo, PG_GETARG_INT32(0), PG_GETARG_OID(1));
	}
	if (touch->entities == NULL || touch->entities->beyond || PG_ARGISNULL(2))
		PG_RETURN_BOOL(true);

	value = PG_GETARG_DATUM(2);
	if (touch->typlen == -1)
		value = PointerGetDatum(PG_DETOAST_DATUM_PACKED(value));
	if (likely(!is_new(touch, touch->typbyval ? (uint64) value : number_of_bytes(touch, value))))
		PG_RETURN_BOOL(true);
	string = text_of(touch, value);
	add_hash(touch->entities, hash_entity(string, strlen(string)));
	pfree(string);
	PG_RETURN_BOOL(true);
}

/* new_entity_key(): a random key, wrapped. */
Datum
steward_new_entity_key(PG_FUNCTION_ARGS)
{
	uint8		key[CRYPTO_KEY_LENGTH];
	bytea	   *wrapped;

	crypto_random(key, sizeof(key));
	wrapped = crypto_wrap(key, sizeof(key), ENTITY_KEY_USE);
	crypto_wipe(key, sizeof(key));
	PG_RETURN_BYTEA_P(wrapped);
}

/* entity_hash(entity): the hash by which the access log knows the entity. */
Datum
steward_entity_hash(PG_FUNCTION_ARGS)
{
	text	   *entity = PG_GETARG_TEXT_PP(0);

	(void) have_key(false);
	if (!key_usable)
		elog(ERROR, "the key for entities has a wrong length");
	PG_RETURN_INT64(hash_entity(VARDATA_ANY(entity), VARSIZE_ANY_EXHDR(entity)));
}

/* Defines the setting, watches the key.  Called once, while libraries are preloaded. */
void
record_entity_init(void)
{
	DefineCustomIntVariable("steward.entity_limit",
							"How many persons an access is logged with at most.",
							"Where rows about more of them are read, the access log says that the access "
							"may have met anybody (entity_scope \"scan\").",
							&entity_limit,
							256, 0, MAX_ENTITY_LIMIT,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	steward_watch_relations(forget_key);
}
