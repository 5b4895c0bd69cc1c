/*-------------------------------------------------------------------------
 *
 * issuer.c
 *	  Who issues tokens, and which session roles need one.
 *
 * Both are read with catalog snapshots and cached until the tables change:
 * a key that is taken away counts nowhere from the commit on.  Secrets are
 * cached as they stand in the table, wrapped.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/token_internal.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* Columns of the tables read here, in the order of access_token--0.1--0.2.sql. */
#define Anum_issuer_name				1
#define Anum_issuer_issuer				2
#define Anum_issuer_audience			3
#define Anum_issuer_jwks				4
#define Anum_issuer_secret				5
#define Anum_issuer_secret_uri			6
#define Anum_issuer_attribute_claims	7
#define Anum_issuer_roles_claim			8
#define Anum_issuer_purposes_claim		9
#define Anum_issuer_leeway				10
#define Anum_token_requirement_role		1

static MemoryContext issuer_context = NULL;
static List *issuer_cache = NIL;	/* of Issuer, ordered by name */
static bool issuer_cache_valid = false;

static List *required_roles = NIL;	/* of Oid; InvalidOid stands for public */
static bool required_roles_valid = false;

/* ------------------------------------------------------------------------
 * Issuers
 * ------------------------------------------------------------------------
 */

static char *
read_text(HeapTuple tup, int attno, TupleDesc desc)
{
	bool		isnull;
	Datum		d = heap_getattr(tup, attno, desc, &isnull);

	return isnull ? NULL : TextDatumGetCString(d);
}

/* The public keys in a jsonb. */
static List *
read_keys(Datum d)
{
	Jsonb	   *jwks = DatumGetJsonbP(d);
	char	   *text = JsonbToCString(NULL, &jwks->root, VARSIZE(jwks));
	char	   *utf8 = pg_server_to_any(text, (int) strlen(text), PG_UTF8);

	return jwks_parse(utf8, strlen(utf8));
}

static Issuer *
read_issuer(HeapTuple tup, TupleDesc desc)
{
	Issuer	   *issuer = palloc0(sizeof(Issuer));
	bool		isnull;
	Datum		d;

	issuer->name = read_text(tup, Anum_issuer_name, desc);
	issuer->issuer = read_text(tup, Anum_issuer_issuer, desc);
	issuer->audience = read_text(tup, Anum_issuer_audience, desc);
	issuer->secret_uri = read_text(tup, Anum_issuer_secret_uri, desc);
	issuer->roles_claim = read_text(tup, Anum_issuer_roles_claim, desc);
	issuer->purposes_claim = read_text(tup, Anum_issuer_purposes_claim, desc);

	d = heap_getattr(tup, Anum_issuer_jwks, desc, &isnull);
	if (!isnull)
		issuer->keys = read_keys(d);
	d = heap_getattr(tup, Anum_issuer_secret, desc, &isnull);
	if (!isnull)
		issuer->secret = DatumGetByteaPCopy(d);
	if (issuer->secret != NULL)
		make_fingerprint(VARDATA_ANY(issuer->secret), VARSIZE_ANY_EXHDR(issuer->secret),
						 issuer->fingerprint);
	else if (issuer->secret_uri != NULL)
		make_fingerprint(issuer->secret_uri, strlen(issuer->secret_uri), issuer->fingerprint);

	d = heap_getattr(tup, Anum_issuer_attribute_claims, desc, &isnull);
	if (!isnull)
	{
		Datum	   *elems;
		int			n;

		deconstruct_array(DatumGetArrayTypeP(d), TEXTOID, -1, false, TYPALIGN_INT, &elems, NULL, &n);
		for (int i = 0; i < n; i++)
			issuer->attribute_claims = lappend(issuer->attribute_claims, TextDatumGetCString(elems[i]));
	}
	d = heap_getattr(tup, Anum_issuer_leeway, desc, &isnull);
	issuer->leeway = isnull ? 0 : DatumGetIntervalP(d)->time;
	return issuer;
}

/* Reads the table, into the current memory context. */
static List *
read_issuers(void)
{
	Relation	rel = table_open(steward_table(TABLE_ISSUER), AccessShareLock);
	SysScanDesc scan;
	HeapTuple	tup;
	List	   *read = NIL;

	scan = systable_beginscan(rel, steward_index(TABLE_ISSUER), true, NULL, 0, NULL);
	while (HeapTupleIsValid(tup = systable_getnext(scan)))
		read = lappend(read, read_issuer(tup, RelationGetDescr(rel)));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return read;
}

/*
 * All issuers, ordered by name; none with SQL of version 0.1.  Valid until invalidations are accepted and
 * this is called again.
 */
List *
issuers(void)
{
	MemoryContext context;
	MemoryContext old;
	List	   *volatile read = NIL;

	if (!steward_has_table(TABLE_ISSUER))
		return NIL;
	if (issuer_cache_valid)
		return issuer_cache;

	/* What arrives while reading must leave the cache invalid. */
	issuer_cache_valid = true;
	context = AllocSetContextCreate(CurrentMemoryContext, "pg_steward issuers", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	PG_TRY();
	{
		read = read_issuers();
	}
	PG_CATCH();
	{
		issuer_cache_valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);

	MemoryContextSetParent(context, TopMemoryContext);
	if (issuer_context != NULL)
		MemoryContextDelete(issuer_context);
	issuer_context = context;
	issuer_cache = read;
	return issuer_cache;
}

/* The issuer of this name; NULL where there is none. */
const Issuer *
issuer_named(const char *name)
{
	ListCell   *lc;

	foreach(lc, issuers())
	{
		Issuer	   *issuer = lfirst(lc);

		if (strcmp(issuer->name, name) == 0)
			return issuer;
	}
	return NULL;
}

/* Is the key of this fingerprint still one of the issuer's? */
bool
issuer_knows_key(const Issuer *issuer, const char *fingerprint)
{
	ListCell   *lc;

	if (issuer->keys == NIL)
		return strcmp(issuer->fingerprint, fingerprint) == 0;
	foreach(lc, issuer->keys)
	{
		if (strcmp(((VerifyKey *) lfirst(lc))->fingerprint, fingerprint) == 0)
			return true;
	}
	return false;
}

/* What a wrapped secret is bound to. */
static char *
secret_context(const char *name)
{
	return psprintf("issuer:%s", name);
}

/* The issuer's secret.  Wipe it after use. */
uint8 *
issuer_secret(const Issuer *issuer, Size *len)
{
	uint8	   *secret;

	if (issuer->secret != NULL)
		return crypto_unwrap(issuer->secret, secret_context(issuer->name), len);
	secret = crypto_read_secret(issuer->secret_uri, len);
	if (*len < MIN_SECRET_LENGTH)
	{
		crypto_wipe(secret, *len);
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("secret of issuer \"%s\" is shorter than %d bytes", issuer->name, MIN_SECRET_LENGTH)));
	}
	return secret;
}

/* ------------------------------------------------------------------------
 * Roles that need a token
 * ------------------------------------------------------------------------
 */

static List *
read_required_roles(void)
{
	Relation	rel = table_open(steward_table(TABLE_TOKEN_REQUIREMENT), AccessShareLock);
	SysScanDesc scan;
	HeapTuple	tup;
	List	   *roles = NIL;

	scan = systable_beginscan(rel, steward_index(TABLE_TOKEN_REQUIREMENT), true, NULL, 0, NULL);
	while (HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		role = heap_getattr(tup, Anum_token_requirement_role, RelationGetDescr(rel), &isnull);

		roles = lappend_oid(roles, DatumGetObjectId(role));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return roles;
}

/* Makes the cache usable. */
static void
ready_required_roles(void)
{
	List	   *roles;
	MemoryContext old;

	if (required_roles_valid)
		return;

	/* What arrives while reading must leave the cache invalid. */
	required_roles_valid = true;
	PG_TRY();
	{
		roles = read_required_roles();
		old = MemoryContextSwitchTo(TopMemoryContext);
		list_free(required_roles);
		required_roles = list_copy(roles);
		MemoryContextSwitchTo(old);
	}
	PG_CATCH();
	{
		required_roles_valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/*
 * Does a session of this role need a token?  It does as a member of a role
 * that does, inherited or not: what it could reach by SET ROLE must not be
 * open without.
 */
bool
token_is_required(Oid session)
{
	ListCell   *lc;

	if (!steward_has_table(TABLE_TOKEN_REQUIREMENT))
		return false;
	ready_required_roles();
	foreach(lc, required_roles)
	{
		Oid			role = lfirst_oid(lc);

		if (!OidIsValid(role) ?
			!steward_bypasses(session) :
			is_member_of_role_nosuper(session, role))
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------------
 * Invalidation and SQL
 * ------------------------------------------------------------------------
 */

static void
forget_by_relation(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || !steward_is_known())
		issuer_cache_valid = required_roles_valid = false;
	else if (relid == steward_known_table(TABLE_ISSUER))
		issuer_cache_valid = false;
	else if (relid == steward_known_table(TABLE_TOKEN_REQUIREMENT))
		required_roles_valid = false;
}

/* Registers the invalidations.  Called at server start. */
void
issuer_init(void)
{
	steward_watch_relations(forget_by_relation);
}

STEWARD_FUNCTION(steward_wrap_issuer_secret);
STEWARD_FUNCTION(steward_check_secret_uri);

/* wrap_issuer_secret(name, secret): the secret as it is kept in the table. */
Datum
steward_wrap_issuer_secret(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bytea	   *secret = PG_GETARG_BYTEA_PP(1);

	if (VARSIZE_ANY_EXHDR(secret) < MIN_SECRET_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("secret is shorter than %d bytes", MIN_SECRET_LENGTH),
				 errhint("A secret for HS256 is as random and as long as its hash: 32 bytes or more.")));
	PG_RETURN_BYTEA_P(crypto_wrap(VARDATA_ANY(secret), VARSIZE_ANY_EXHDR(secret),
								  secret_context(name)));
}

/* check_secret_uri(uri): raises where it names no file of the key directory. */
Datum
steward_check_secret_uri(PG_FUNCTION_ARGS)
{
	crypto_check_secret_uri(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}
