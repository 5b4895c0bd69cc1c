/*-------------------------------------------------------------------------
 *
 * mask_hash.c
 *	  mask_hash(): keyed pseudonyms in place of values.
 *
 * The key is a database's own: 32 random bytes in steward.mask_key, wrapped
 * under the master key, made when the first mask or policy that hashes is
 * written; so whoever reads, also on a standby, finds it there.  A backend
 * unwraps it once and forgets it when the table changes, or at its end.
 *
 * Whoever could call the function on values of his choice would find out what
 * hides behind a hash by trying.  So it runs for those who may write masks,
 * and in what they wrote: where an expression of a mask or policy is made
 * ready for plans, calls are marked (mask_hash_admit()) in a way that no SQL
 * can say: they claim to be one of the calls that have a syntax of their own
 * (COERCE_SQL_SYNTAX), which the parser makes for functions of pg_catalog
 * only.  The mark goes wherever the plan goes; EXECUTE is for everybody,
 * since masks run with the rights of the person who reads.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/mask.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "crypto/crypto.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_node.h"
#include "port/pg_bswap.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#define Anum_mask_key_wrapped	2

#define KEY_CONTEXT		"mask_hash"

#define HASH_LENGTH		16		/* bytes that a hash keeps of its HMAC */
#define TEXT_LENGTH		22		/* characters of them in base64url */
#define NUMERIC_DIGITS	36

static CryptoPseudonyms *pseudonyms = NULL;
static bytea *pseudonyms_key = NULL;	/* wrapped, as they were opened with */
static bool pseudonyms_valid = false;

/* ------------------------------------------------------------------------
 * The key
 * ------------------------------------------------------------------------
 */

static void
forget_by_relation(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || !steward_is_known() ||
		relid == steward_known_table(TABLE_MASK_KEY))
		pseudonyms_valid = false;
}

/* Wipes the key. */
static void
forget_key(int code, Datum arg)
{
	pseudonyms_valid = false;
	if (pseudonyms != NULL)
		crypto_pseudonyms_close(pseudonyms);
	pseudonyms = NULL;
}

/* Registers the invalidations.  Called at server start. */
void
mask_hash_init(void)
{
	steward_watch_relations(forget_by_relation);
}

/* The wrapped key, in the current memory context; NULL: there is none. */
static bytea *
read_key(void)
{
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tup;
	bytea	   *wrapped = NULL;

	if (!steward_has_table(TABLE_MASK_KEY))
		return NULL;
	rel = table_open(steward_table(TABLE_MASK_KEY), AccessShareLock);
	scan = systable_beginscan(rel, steward_index(TABLE_MASK_KEY), true, NULL, 0, NULL);
	if (HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		d = heap_getattr(tup, Anum_mask_key_wrapped, RelationGetDescr(rel), &isnull);

		wrapped = isnull ? NULL : DatumGetByteaPCopy(d);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return wrapped;
}

static void
key_error_callback(void *arg)
{
	errcontext("key of steward.mask_hash()");
}

/* Opens the pseudonyms under the key that the table holds. */
static void
open_key(void)
{
	ErrorContextCallback callback = {error_context_stack, key_error_callback, NULL};
	bytea	   *wrapped = read_key();
	static bool registered = false;
	uint8	   *key;
	Size		len;

	if (wrapped == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this database has no key for steward.mask_hash()"),
				 errhint("It is made with the first mask that hashes: an administrator creates the mask anew, with replace => true.")));
	if (pseudonyms != NULL && VARSIZE_ANY(wrapped) == VARSIZE_ANY(pseudonyms_key) &&
		memcmp(wrapped, pseudonyms_key, VARSIZE_ANY(wrapped)) == 0)
		return;

	error_context_stack = &callback;
	key = crypto_unwrap(wrapped, KEY_CONTEXT, &len);
	if (len != CRYPTO_KEY_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a key is %zu bytes long instead of %d", len, CRYPTO_KEY_LENGTH)));
	if (!registered)
		on_proc_exit(forget_key, (Datum) 0);
	registered = true;
	if (pseudonyms != NULL)
		forget_key(0, (Datum) 0);
	if (pseudonyms_key != NULL)
		pfree(pseudonyms_key);
	pseudonyms_key = NULL;
	pseudonyms_key = MemoryContextAlloc(TopMemoryContext, VARSIZE_ANY(wrapped));
	memcpy(pseudonyms_key, wrapped, VARSIZE_ANY(wrapped));
	pseudonyms = crypto_pseudonyms_open(key);
	crypto_wipe(key, len);
	error_context_stack = callback.previous;
}

/* The pseudonyms, ready. */
static inline CryptoPseudonyms *
ready(void)
{
	if (unlikely(!pseudonyms_valid))
	{
		/* What arrives while reading must leave it invalid. */
		pseudonyms_valid = true;
		PG_TRY();
		{
			open_key();
		}
		PG_CATCH();
		{
			pseudonyms_valid = false;
			PG_RE_THROW();
		}
		PG_END_TRY();
		if (unlikely(pseudonyms == NULL))
			elog(ERROR, "key of mask_hash() was lost");
	}
	return pseudonyms;
}

STEWARD_FUNCTION(steward_new_mask_key);

/* new_mask_key(): a key that nobody knows, wrapped. */
Datum
steward_new_mask_key(PG_FUNCTION_ARGS)
{
	uint8		key[CRYPTO_KEY_LENGTH];
	bytea	   *wrapped;

	crypto_random(key, sizeof(key));
	wrapped = crypto_wrap(key, sizeof(key), KEY_CONTEXT);
	crypto_wipe(key, sizeof(key));
	PG_RETURN_BYTEA_P(wrapped);
}

/* Does a raw expression call a function of the name mask_hash? */
static bool
names_mask_hash(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncCall) &&
		strcmp(strVal(llast(((FuncCall *) node)->funcname)), "mask_hash") == 0)
		return true;
	return raw_expression_tree_walker(node, names_mask_hash, context);
}

/*
 * Makes the key where a raw expression that is about to become a mask or a
 * policy needs it and there is none yet.
 */
void
mask_hash_prepare(Node *raw)
{
	if (names_mask_hash(raw, NULL) && steward_has_table(TABLE_MASK_KEY) && read_key() == NULL)
		(void) OidFunctionCall0(steward_function("make_mask_key", 0, NULL));
}

/* ------------------------------------------------------------------------
 * Expressions that hash
 * ------------------------------------------------------------------------
 */

/* Is it mask_hash()? */
bool
is_mask_hash_function(Oid funcid)
{
	return get_func_namespace(funcid) == steward_namespace() &&
		strcmp(get_func_name(funcid), "mask_hash") == 0;
}

static bool
is_mask_hash(Node *node)
{
	return IsA(node, FuncExpr) && is_mask_hash_function(((FuncExpr *) node)->funcid);
}

static bool
admit_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, admit_walker, context, 0);
	if (is_mask_hash(node))
		((FuncExpr *) node)->funcformat = COERCE_SQL_SYNTAX;
	return expression_tree_walker(node, admit_walker, context);
}

/*
 * Marks the calls of mask_hash() in an expression that an administrator
 * wrote, so that they run for everybody.  Views that it reads are of others,
 * and must not be in it yet.
 */
void
mask_hash_admit(Node *expr)
{
	(void) admit_walker(expr, NULL);
}

/* Was the call marked? */
static bool
is_admitted(FmgrInfo *flinfo)
{
	FuncExpr   *call = (FuncExpr *) flinfo->fn_expr;

	return call != NULL && IsA(call, FuncExpr) && call->funcid == flinfo->fn_oid &&
		call->funcformat == COERCE_SQL_SYNTAX;
}

static bool
is_string_type(Oid type)
{
	return type == TEXTOID || type == VARCHAROID || type == BPCHAROID;
}

static bool
is_supported(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case BYTEAOID:
		case UUIDOID:
			return true;
		default:
			return is_string_type(type);
	}
}

/* Raises that there are no hashes of this type, with what to use in its place. */
pg_noreturn static void
raise_unsupported(Oid type, ParseState *pstate, int location)
{
	const char *hint;

	switch (getBaseType(type))
	{
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			hint = "Use steward.mask_date().";
			break;
		case FLOAT4OID:
		case FLOAT8OID:
			hint = "Use steward.mask_bucket().";
			break;
		default:
			hint = is_supported(getBaseType(type)) ?
				psprintf("Cast the value to %s.", format_type_be(getBaseType(type))) :
				"It takes smallint, integer, bigint, numeric, text, character varying, character, bytea and uuid; mask others with a constant or NULL.";
	}
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("steward.mask_hash() does not take values of type %s", format_type_be(type)),
			 errhint("%s", hint),
			 pstate == NULL ? 0 : parser_errposition(pstate, location)));
}

/* How many digits before the point the numbers of a type may need. */
static int
digits_of(Oid type)
{
	return type == INT2OID ? 5 : type == INT4OID ? 10 : type == INT8OID ? 19 :
		type == NUMERICOID ? NUMERIC_DIGITS : 0;
}

/* Does every hash of a type fit a column of this type, uncut? */
static bool
fits(Oid hash, Oid type, int32 typmod)
{
	bool		limited = typmod >= (int32) VARHDRSZ;

	if (is_string_type(type))
		return is_string_type(hash) && (!limited || typmod - (int32) VARHDRSZ >= TEXT_LENGTH);
	switch (type)
	{
		case INT4OID:
			return hash == INT2OID || hash == INT4OID;
		case INT8OID:
			return hash == INT2OID || hash == INT4OID || hash == INT8OID;
		case NUMERICOID:
			if (limited)
			{
				int			precision = ((typmod - (int32) VARHDRSZ) >> 16) & 0xffff;
				int			scale = (typmod - (int32) VARHDRSZ) & 0x7ff;

				/* eleven bits with a sign */
				scale = (scale ^ 1024) - 1024;
				return digits_of(hash) > 0 && scale >= 0 && precision - scale >= digits_of(hash);
			}
			return digits_of(hash) > 0;
		default:
			return hash == type;
	}
}

typedef struct CheckContext
{
	ParseState *pstate;
	Oid			type;			/* of the column; base type of a domain */
	int32		typmod;
	Oid			domain;			/* the column is of a domain with constraints */
} CheckContext;

/* Checks the calls whose hash is what the column shows. */
static void
check_results(Node *node, CheckContext *context)
{
	ListCell   *lc;

	if (node == NULL)
		return;
	check_stack_depth();
	if (is_mask_hash(node))
	{
		Oid			hash = exprType(node);

		if (OidIsValid(context->domain))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("hashes need not fulfil the constraints of domain %s", format_type_be(context->domain)),
					 errhint("Mask with a constant, or have the column be of the type under the domain."),
					 parser_errposition(context->pstate, exprLocation(node))));
		if (!fits(hash, context->type, context->typmod))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("a hash of type %s does not fit a column of type %s",
							format_type_be(hash), format_type_with_typemod(context->type, context->typmod)),
					 is_string_type(hash) && is_string_type(context->type) ?
					 errhint("It has %d characters. Widen the column, or cut the hash with left() where it may collide.", TEXT_LENGTH) :
					 errhint("Hash a value of the column's type."),
					 parser_errposition(context->pstate, exprLocation(node))));
		return;
	}
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			if (((FuncExpr *) node)->funcformat == COERCE_IMPLICIT_CAST)
				check_results(linitial(((FuncExpr *) node)->args), context);
			break;
		case T_CoerceViaIO:
			if (((CoerceViaIO *) node)->coerceformat == COERCE_IMPLICIT_CAST)
				check_results((Node *) ((CoerceViaIO *) node)->arg, context);
			break;
		case T_RelabelType:
			check_results((Node *) ((RelabelType *) node)->arg, context);
			break;
		case T_CollateExpr:
			check_results((Node *) ((CollateExpr *) node)->arg, context);
			break;
		case T_CoerceToDomain:
			check_results((Node *) ((CoerceToDomain *) node)->arg, context);
			break;
		case T_NullIfExpr:
			check_results(linitial(((NullIfExpr *) node)->args), context);
			break;
		case T_CoalesceExpr:
			foreach(lc, ((CoalesceExpr *) node)->args)
				check_results(lfirst(lc), context);
			break;
		case T_MinMaxExpr:
			foreach(lc, ((MinMaxExpr *) node)->args)
				check_results(lfirst(lc), context);
			break;
		case T_CaseExpr:
			foreach(lc, ((CaseExpr *) node)->args)
				check_results((Node *) lfirst_node(CaseWhen, lc)->result, context);
			check_results((Node *) ((CaseExpr *) node)->defresult, context);
			break;
		default:
			break;
	}
}

/* Checks what is hashed. */
static bool
check_values(Node *node, ParseState *pstate)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, check_values, pstate, 0);
	if (is_mask_hash(node) && !is_supported(exprType(node)))
		raise_unsupported(exprType(node), pstate, exprLocation(node));
	return expression_tree_walker(node, check_values, pstate);
}

/*
 * Raises where an expression hashes what cannot be hashed, or where the hash
 * would not fit the column of this type (InvalidOid: it is no mask): better
 * when the mask is written than when somebody reads.
 */
void
mask_hash_check(ParseState *pstate, Node *expr, Oid type, int32 typmod)
{
	CheckContext context = {pstate, type, typmod, InvalidOid};

	(void) check_values(expr, pstate);
	if (!OidIsValid(type))
		return;
	if (get_typtype(type) == TYPTYPE_DOMAIN)
	{
		context.domain = DomainHasConstraints(type) ? type : InvalidOid;
		context.type = getBaseTypeAndTypmod(type, &context.typmod);
	}
	check_results(expr, &context);
}

/* ------------------------------------------------------------------------
 * Hashing
 * ------------------------------------------------------------------------
 */

/* The hash of a text: 128 bits in base64url. */
static Datum
text_pseudonym(char *value, int len)
{
	uint8		mac[CRYPTO_SHA256_LENGTH];
	char	   *utf8 = value;
	char	   *encoded;
	text	   *result;

	/* The same text has the same hash in a database of another encoding. */
	if (GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII)
		utf8 = (char *) pg_do_encoding_conversion((unsigned char *) utf8, len,
												  GetDatabaseEncoding(), PG_UTF8);
	crypto_pseudonym(ready(), PSEUDONYM_TEXT, utf8,
					 utf8 == value ? (Size) len : strlen(utf8), mac);
	encoded = base64url_encode(mac, HASH_LENGTH);
	result = cstring_to_text_with_len(encoded, TEXT_LENGTH);
	pfree(encoded);
	return PointerGetDatum(result);
}

static Datum
bytea_pseudonym(const bytea *value)
{
	bytea	   *result = palloc(VARHDRSZ + CRYPTO_SHA256_LENGTH);

	SET_VARSIZE(result, VARHDRSZ + CRYPTO_SHA256_LENGTH);
	crypto_pseudonym(ready(), PSEUDONYM_BYTEA, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value),
					 (uint8 *) VARDATA(result));
	return PointerGetDatum(result);
}

/* Version 8 of RFC 9562: the bits between version and variant are our own. */
static Datum
uuid_pseudonym(const pg_uuid_t *value)
{
	uint8		mac[CRYPTO_SHA256_LENGTH];
	pg_uuid_t  *result = palloc(sizeof(pg_uuid_t));

	crypto_pseudonym(ready(), PSEUDONYM_UUID, value->data, UUID_LEN, mac);
	memcpy(result->data, mac, UUID_LEN);
	result->data[6] = (result->data[6] & 0x0f) | 0x80;
	result->data[8] = (result->data[8] & 0x3f) | 0x80;
	return PointerGetDatum(result);
}

/* A whole number of at most NUMERIC_DIGITS digits; 1.0 and 1.00 are equal. */
static Datum
numeric_pseudonym(Numeric value)
{
	uint8		mac[CRYPTO_SHA256_LENGTH];
	char	   *normal = numeric_normalize(value);
	char		digits[NUMERIC_DIGITS + 1];
	uint64		part[2];

	crypto_pseudonym(ready(), PSEUDONYM_NUMERIC, normal, strlen(normal), mac);
	pfree(normal);
	memcpy(part, mac, sizeof(part));
	snprintf(digits, sizeof(digits), "%018llu%018llu",
			 (unsigned long long) (pg_ntoh64(part[0]) % UINT64CONST(1000000000000000000)),
			 (unsigned long long) (pg_ntoh64(part[1]) % UINT64CONST(1000000000000000000)));
	return DirectFunctionCall3(numeric_in, CStringGetDatum(digits),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

/* What a call keeps between values. */
typedef struct HashCall
{
	Oid			type;
} HashCall;

/* Looks once a statement whether the call may be made, and on what. */
static HashCall *
begin_hashing(FmgrInfo *flinfo)
{
	HashCall   *state = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(HashCall));

	if (!is_admitted(flinfo) && !steward_subject_has(STEWARD_ADMIN))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function mask_hash"),
				 errdetail("It runs in the expressions of masks and policies, and for those who may write them: whoever hashed values of his choice could find out what a hash hides.")));
	state->type = get_fn_expr_argtype(flinfo, 0);
	if (!is_supported(state->type))
		raise_unsupported(state->type, NULL, -1);
	flinfo->fn_extra = state;
	return state;
}

STEWARD_FUNCTION(steward_mask_hash);

/* mask_hash(value): the pseudonym of a value, of the same type. */
Datum
steward_mask_hash(PG_FUNCTION_ARGS)
{
	HashCall   *state = fcinfo->flinfo->fn_extra;

	if (unlikely(state == NULL))
		state = begin_hashing(fcinfo->flinfo);
	switch (state->type)
	{
		case INT2OID:
			PG_RETURN_INT16((int16) crypto_permute(ready(), 16, (uint16) PG_GETARG_INT16(0)));
		case INT4OID:
			PG_RETURN_INT32((int32) crypto_permute(ready(), 32, (uint32) PG_GETARG_INT32(0)));
		case INT8OID:
			PG_RETURN_INT64((int64) crypto_permute(ready(), 64, (uint64) PG_GETARG_INT64(0)));
		case NUMERICOID:
			return numeric_pseudonym(PG_GETARG_NUMERIC(0));
		case UUIDOID:
			return uuid_pseudonym(PG_GETARG_UUID_P(0));
		case BYTEAOID:
			return bytea_pseudonym(PG_GETARG_BYTEA_PP(0));
		default:
			{
				text	   *value = PG_GETARG_TEXT_PP(0);
				char	   *start = VARDATA_ANY(value);
				int			len = VARSIZE_ANY_EXHDR(value);

				/* Blanks at the end of a character(n) mean nothing. */
				return text_pseudonym(start, state->type == BPCHAROID ? bpchartruelen(start, len) : len);
			}
	}
}
