/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  The identity that a token gave the session.
 *
 * It is the value of a setting that our own code alone can set, so that
 * savepoints, nested functions, parallel workers, RESET ALL and DISCARD ALL
 * treat it as any setting.  The value is a sequence of fields, each as
 * "length:bytes,":
 *
 *	  issuer, fingerprint of the key, session role, expiry, scope,
 *	  subject, roles (a list of OIDs), purposes (a list),
 *	  number of attributes, and for each its key and its values (a list)
 *
 * A list is its length, or -1 for "whatever", and its items.  The check hook
 * turns the value into an Identity, which the setting keeps beside it.
 *
 * An identity counts while its expiry lies ahead by the wall clock, its
 * issuer still has the key, and the session role is that of authenticate().
 * One that no longer counts does not fall back to a session without a token:
 * governed data is refused until authenticate() or RESET ALL.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/token_internal.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "tcop/pquery.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/portal.h"

/* Fields before the lists. */
enum
{
	FIELD_ISSUER,
	FIELD_FINGERPRINT,
	FIELD_SESSION,
	FIELD_EXPIRES,
	FIELD_SCOPE,
	FIELD_SUBJECT,
	FIELD_FIXED_COUNT
};

typedef struct Identity
{
	Oid			session;
	TimestampTz expires;
	int			roles;			/* number of the field with the list's length */
	int			purposes;
	int			attributes;
	int			nfields;
	char	  **fields;			/* in the same chunk as this */
} Identity;

static char *identity_guc = NULL;
static Identity *identity = NULL;
static bool may_set = false;

/* ------------------------------------------------------------------------
 * The setting
 * ------------------------------------------------------------------------
 */

/* Adds a field to a value. */
void
identity_append(StringInfo buf, const char *field)
{
	appendStringInfo(buf, "%zu:%s,", strlen(field), field);
}

/* Adds a list of char * to a value. */
void
identity_append_list(StringInfo buf, List *fields)
{
	ListCell   *lc;

	identity_append(buf, psprintf("%d", list_length(fields)));
	foreach(lc, fields)
		identity_append(buf, lfirst(lc));
}

/* Length of the list that begins at a field; 0 for "whatever". */
static int
list_size(const Identity *id, int field)
{
	int			n = atoi(id->fields[field]);

	return n < 0 ? 0 : n;
}

/* Steps over a list; -1 where the fields end before it does. */
static int
after_list(const Identity *id, int field)
{
	if (field < 0 || field >= id->nfields || list_size(id, field) > id->nfields - field - 1)
		return -1;
	return field + 1 + list_size(id, field);
}

/* Finds the lists among the fields; false where they are not as they should. */
static bool
find_lists(Identity *id)
{
	int			next;
	int			n;

	if (id->nfields <= FIELD_FIXED_COUNT)
		return false;
	id->session = (Oid) strtoul(id->fields[FIELD_SESSION], NULL, 10);
	id->expires = (TimestampTz) strtoll(id->fields[FIELD_EXPIRES], NULL, 10);
	id->roles = FIELD_FIXED_COUNT;
	id->purposes = after_list(id, id->roles);
	id->attributes = after_list(id, id->purposes);
	if (id->attributes < 0 || id->attributes >= id->nfields)
		return false;
	next = id->attributes + 1;
	n = list_size(id, id->attributes);
	for (int i = 0; i < n && next >= 0; i++)
		next = after_list(id, next + 1);
	return next == id->nfields;
}

/*
 * Makes the Identity of a value, in one chunk that the setting will free;
 * NULL where the value is malformed or there is no memory.
 */
static Identity *
parse_value(const char *value)
{
	Size		len = strlen(value);
	int			max = (int) (len / 3);	/* a field takes three bytes or more */
	Size		head = MAXALIGN(sizeof(Identity)) + MAXALIGN(sizeof(char *) * max);
	Identity   *id = STEWARD_GUC_MALLOC(head + len + 1);
	char	   *p;
	char	   *end;

	if (id == NULL)
		return NULL;
	memset(id, 0, sizeof(Identity));
	id->fields = (char **) ((char *) id + MAXALIGN(sizeof(Identity)));
	p = (char *) id + head;
	end = p + len;
	memcpy(p, value, len + 1);
	while (p < end)
	{
		char	   *colon;
		unsigned long n = strtoul(p, &colon, 10);

		if (colon == p || *colon != ':' || n >= end - colon - 1 ||
			colon[1 + n] != ',' || id->nfields >= max)
			return NULL;
		colon[1 + n] = '\0';
		id->fields[id->nfields++] = colon + 1;
		p = colon + 1 + n + 1;
	}
	return find_lists(id) ? id : NULL;
}

/* Only our own code, and a parallel worker that takes over, may set it. */
static bool
check_identity(char **newval, void **extra, GucSource source)
{
	if ((*newval)[0] == '\0')
		return true;
	if (!may_set && !InitializingParallelWorker)
	{
		GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
		GUC_check_errmsg("the identity of a session cannot be set");
		GUC_check_errhint("It is given by steward.authenticate().");
		return false;
	}
	*extra = parse_value(*newval);
	if (*extra == NULL)
		GUC_check_errmsg("the identity of the session cannot be read");
	return *extra != NULL;
}

static void
assign_identity(const char *newval, void *extra)
{
	identity = extra;
}

/* Gives the session an identity, for the transaction or for good. */
void
identity_set(const char *value, bool local)
{
	may_set = true;
	PG_TRY();
	{
		(void) set_config_option("steward.identity", value, PGC_SUSET, PGC_S_SESSION,
								 local ? GUC_ACTION_LOCAL : GUC_ACTION_SET, true, 0, false);
	}
	PG_FINALLY();
	{
		may_set = false;
	}
	PG_END_TRY();
}

/* Defines the setting.  Called at server start. */
void
identity_init(void)
{
	DefineCustomStringVariable("steward.identity",
							   "Internal: the identity that steward.authenticate() gave the session.",
							   NULL,
							   &identity_guc,
							   "",
							   PGC_SUSET,
							   GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE |
							   GUC_SUPERUSER_ONLY,
							   check_identity, assign_identity, NULL);
}

/* ------------------------------------------------------------------------
 * Does it count?
 * ------------------------------------------------------------------------
 */

/* What is wrong with the identity at this moment; NULL where nothing is. */
static const char *
identity_problem(void)
{
	const Issuer *issuer;

	if (wall_clock() >= identity->expires)
		return "it has expired";
	if (identity->session != GetSessionUserId())
		return "the session role has changed";
	issuer = issuer_named(identity->fields[FIELD_ISSUER]);
	if (issuer == NULL || !issuer_knows_key(issuer, identity->fields[FIELD_FINGERPRINT]))
		return "its issuer no longer has the key that signed it";
	return NULL;
}

static bool
identity_counts(void)
{
	return identity != NULL && identity_problem() == NULL;
}

/*
 * Is it the person in front of the session who acts, and not the owner of a
 * trusted object or of a definer function that a superuser called?
 */
static bool
person_acts(void)
{
	return !subject_is_pushed() && access_subject() == GetOuterUserId();
}

/* The subject that the token names; NULL where none counts or another acts. */
const char *
identity_subject(void)
{
	return identity_counts() && person_acts() ? identity->fields[FIELD_SUBJECT] : NULL;
}

/* The issuer of the token that counts, or NULL. */
const char *
identity_issuer(void)
{
	return identity_counts() && person_acts() ? identity->fields[FIELD_ISSUER] : NULL;
}

static bool
list_has(int field, const char *item)
{
	int			n = list_size(identity, field);

	for (int i = 1; i <= n; i++)
	{
		if (strcmp(identity->fields[field + i], item) == 0)
			return true;
	}
	return false;
}

static bool
is_unlimited(int field)
{
	return identity->fields[field][0] == '-';
}

/*
 * Does the token leave the purpose usable?  True without a token; a token
 * that no longer counts leaves none.
 */
bool
identity_allows_purpose(const char *purpose)
{
	if (identity == NULL)
		return true;
	return identity_counts() &&
		(is_unlimited(identity->purposes) || list_has(identity->purposes, purpose));
}

/*
 * The attribute that the token gives its subject, as text[]; 0 where it gives
 * none, or where another acts than the person in front of the session.
 */
Datum
identity_attribute(const char *key)
{
	int			field;
	int			n;

	if (!identity_counts() || !person_acts())
		return (Datum) 0;
	field = identity->attributes + 1;
	n = list_size(identity, identity->attributes);
	for (int i = 0; i < n; i++)
	{
		if (strcmp(identity->fields[field], key) == 0)
		{
			int			nvalues = list_size(identity, field + 1);
			Datum	   *values = palloc(sizeof(Datum) * Max(nvalues, 1));

			for (int j = 0; j < nvalues; j++)
				values[j] = CStringGetTextDatum(identity->fields[field + 2 + j]);
			return PointerGetDatum(construct_array(values, nvalues, TEXTOID, -1, false, TYPALIGN_INT));
		}
		field = after_list(identity, field + 1);
	}
	return (Datum) 0;
}

/* Does a session of this role need a token, and is there none that counts? */
bool
token_required_and_missing(Oid session)
{
	return !identity_counts() && !steward_is_acting_as() && token_is_required(session);
}

/*
 * Refuses governed data to a session whose token does not let it in: it
 * needs one and has none, the one it had no longer counts, or acts as a role
 * that the token does not name.  Asked when a statement starts.
 */
void
identity_require(void)
{
	Oid			outer = GetOuterUserId();

	AcceptInvalidationMessages();
	if (identity == NULL && (steward_is_acting_as() || !token_is_required(GetSessionUserId())))
		return;
	if (steward_bypasses(outer))
		return;
	if (identity == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a session of role \"%s\" sees governed data only with a token",
						GetUserNameFromId(GetSessionUserId(), true)),
				 errhint("Present a token first: SELECT steward.authenticate($1), in the same transaction or, with scope 'session', in the same session.")));
	if (identity_problem() != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the token of this session no longer counts: %s", identity_problem()),
				 errhint("Present a new one with steward.authenticate(), or give the identity up with RESET ALL.")));
	if (!is_unlimited(identity->roles) && !list_has(identity->roles, psprintf("%u", outer)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the token of this session does not name role \"%s\"",
						GetUserNameFromId(outer, true)),
				 errhint("SET ROLE to one of the roles that the token names.")));

	/* What a pooler's next client could fetch must not be left behind. */
	if (strcmp(identity->fields[FIELD_SCOPE], "transaction") == 0 && ActivePortal != NULL &&
		(ActivePortal->cursorOptions & CURSOR_OPT_HOLD) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a cursor WITH HOLD on governed data would outlive the token of this transaction"),
				 errhint("Declare it without HOLD, or authenticate with scope => 'session'.")));
}
