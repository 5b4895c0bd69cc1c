/*-------------------------------------------------------------------------
 *
 * token.c
 *	  authenticate(): from the claims of a token to the session's identity.
 *
 * It begins anew: whatever role, purpose or identity another client left in
 * the session behind a pooler is gone afterwards.  Role and purpose are those
 * of the token and of the call, or the session's defaults.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/token_internal.h"
#include "access/xact.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

/* A claim as a list of texts; raises where it is nested or too long. */
static List *
claim_texts(const JsonValue *claims, const char *claim)
{
	JsonValue  *value = json_member(claims, claim);
	List	   *texts;

	if (value == NULL)
		return NIL;
	if (!json_texts(value, &texts))
		token_refuse(psprintf("its claim \"%s\" is neither a value nor a list of values", claim));
	if (list_length(texts) > MAX_CLAIM_VALUES)
		token_refuse(psprintf("its claim \"%s\" has more than %d values", claim, MAX_CLAIM_VALUES));
	return texts;
}

/*
 * The roles that the token names, as numbers in texts; raises where one is
 * not a role that the session could SET ROLE to.
 */
static List *
named_roles(const Token *token)
{
	const char *claim = token->issuer->roles_claim;
	Oid			session = GetSessionUserId();
	List	   *roles = NIL;
	ListCell   *lc;

	foreach(lc, claim_texts(token->claims, claim))
	{
		Oid			role = get_role_oid(lfirst(lc), true);

		if (!OidIsValid(role) ||
			(!STEWARD_CAN_SET_ROLE(session, role) && !superuser_arg(session)))
			token_refuse(psprintf("its claim \"%s\" names a role that role \"%s\" may not SET ROLE to",
								  claim, GetUserNameFromId(session, false)));
		roles = lappend(roles, psprintf("%u", role));
	}
	if (roles == NIL)
		token_refuse(psprintf("it names no role (claim \"%s\")", claim));
	return roles;
}

/* The identity of a token as the value of the setting; see identity.c. */
static char *
identity_value(const Token *token, List *roles, bool local)
{
	const Issuer *issuer = token->issuer;
	StringInfoData buf;
	StringInfoData attributes;
	int			nattributes = 0;
	ListCell   *lc;

	initStringInfo(&buf);
	identity_append(&buf, issuer->name);
	identity_append(&buf, token->fingerprint);
	identity_append(&buf, psprintf("%u", GetSessionUserId()));
	identity_append(&buf, psprintf(INT64_FORMAT, token->expires));
	identity_append(&buf, local ? "transaction" : "session");
	identity_append(&buf, token->subject);

	if (issuer->roles_claim != NULL)
		identity_append_list(&buf, roles);
	else
		identity_append(&buf, "-1");
	if (issuer->purposes_claim != NULL)
		identity_append_list(&buf, claim_texts(token->claims, issuer->purposes_claim));
	else
		identity_append(&buf, "-1");

	initStringInfo(&attributes);
	foreach(lc, issuer->attribute_claims)
	{
		const char *claim = lfirst(lc);

		if (json_member(token->claims, claim) == NULL)
			continue;
		identity_append(&attributes, claim);
		identity_append_list(&attributes, claim_texts(token->claims, claim));
		nattributes++;
	}
	identity_append(&buf, psprintf("%d", nattributes));
	appendStringInfoString(&buf, attributes.data);
	return buf.data;
}

/*
 * Makes the session act as the role, or as it does by default where role is
 * NULL.  Left alone where that is so already: within a SECURITY DEFINER
 * function the role cannot be set.
 */
static void
become(const char *role, GucAction action)
{
	if (role != NULL ?
		get_role_oid(role, true) == GetOuterUserId() :
		GetOuterUserId() == GetSessionUserId())
		return;
	(void) set_config_option("role", role, PGC_USERSET, PGC_S_SESSION, action, true, 0, false);
}

/* Is the scope the transaction?  Raises for what is no scope. */
static bool
scope_is_transaction(const char *scope)
{
	if (strcmp(scope, "transaction") == 0)
		return true;
	if (strcmp(scope, "session") == 0)
		return false;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown scope \"%s\"", scope),
			 errhint("Scopes are transaction and session.")));
}

STEWARD_FUNCTION(steward_authenticate);

/* authenticate(token, scope, purpose): the subject. */
Datum
steward_authenticate(PG_FUNCTION_ARGS)
{
	Token		token;
	text	   *subject;
	List	   *roles = NIL;
	const char *first_role = NULL;
	char	   *value;
	bool		local;
	GucAction	action;

	/* Before anything can fail: whatever happens, the text is seen no more. */
	redact_activity();

	if (PG_ARGISNULL(0))
		token_refuse("there is none");
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("parameter \"scope\" must not be empty")));
	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot authenticate within a security-restricted operation")));
	local = scope_is_transaction(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	action = local ? GUC_ACTION_LOCAL : GUC_ACTION_SET;

	(void) steward_table(TABLE_ISSUER);
	AcceptInvalidationMessages();
	token_verify(VARDATA_ANY(PG_GETARG_TEXT_PP(0)), VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(0)), &token);
	if (token.issuer->roles_claim != NULL)
	{
		roles = named_roles(&token);
		first_role = GetUserNameFromId((Oid) strtoul(linitial(roles), NULL, 10), false);
	}
	value = identity_value(&token, roles, local);
	subject = cstring_to_text(token.subject);
	/* The issuer may be read anew from here on; it is not needed any more. */

	identity_set(value, local);
	become(first_role, action);
	(void) set_config_option("steward.purpose",
							 PG_ARGISNULL(2) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(2)),
							 PGC_USERSET, PGC_S_SESSION, action, true, 0, false);

	if (local && !IsTransactionBlock() && !IsSubTransaction())
		ereport(WARNING,
				(errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION),
				 errmsg("steward.authenticate() with scope \"transaction\" holds for this statement alone outside of a transaction block"),
				 errhint("Call it after BEGIN, or with scope => 'session'.")));
	PG_RETURN_TEXT_P(subject);
}
