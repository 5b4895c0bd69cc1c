/*-------------------------------------------------------------------------
 *
 * use.c
 *	  Who may use a model, and models that are stopped: grants, quarantine.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "registry/registry_internal.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#define MAX_LIST_LENGTH 1000

static char *
array_text(Datum array)
{
	Oid			output;
	bool		varlena;

	getTypeOutputInfo(TEXTARRAYOID, &output, &varlena);
	return OidOutputFunctionCall(output, array);
}

/* A text[] argument as the text of the array, or NULL; raises where it is no proper list. */
static char *
list_argument(FunctionCallInfo fcinfo, int n, const char *what)
{
	ArrayType  *array;

	if (PG_ARGISNULL(n))
		return NULL;
	array = PG_GETARG_ARRAYTYPE_P(n);
	if (ARR_NDIM(array) != 1 || array_contains_nulls(array) ||
		ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) > MAX_LIST_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must name between 1 and %d", what, MAX_LIST_LENGTH)));
	return array_text(PG_GETARG_DATUM(n));
}

static void
require_model(const char *model)
{
	registry_execute("SELECT steward.require_model($1)", 1, &model);
}

/* The OID of a role that is named, as text; "0" stands for everybody. */
static char *
role_named(const char *role)
{
	registry_execute("SELECT steward.role_named($1)::pg_catalog.oid", 1, &role);
	return registry_value(0, 1);
}

STEWARD_FUNCTION(steward_grant_model);
STEWARD_FUNCTION(steward_revoke_model);
STEWARD_FUNCTION(steward_unrestrict_model);
STEWARD_FUNCTION(steward_quarantine);
STEWARD_FUNCTION(steward_release);

/* grant_model(model, to_role, purposes, operations) */
Datum
steward_grant_model(PG_FUNCTION_ARGS)
{
	char	   *model = registry_argument(fcinfo, 0);
	char	   *purposes = list_argument(fcinfo, 2, "purposes");
	char	   *operations = list_argument(fcinfo, 3, "operations");
	char	   *role;

	registry_require(STEWARD_OFFICER, STEWARD_ADMIN, STEWARD_ADMIN);
	if (operations == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("operations must not be null"),
				 errhint("Operations are infer and read.")));
	registry_begin("grant_model()");
	require_model(model);
	role = role_named(registry_argument(fcinfo, 1));
	if (purposes != NULL)
		registry_execute("SELECT steward.require_purpose(p) FROM pg_catalog.unnest($1::pg_catalog.text[]) p", 1, (const char *[]) {purposes});
	registry_execute("SELECT o FROM pg_catalog.unnest($1::pg_catalog.text[]) o WHERE o NOT IN ('infer', 'read')", 1, (const char *[]) {operations});
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown operation \"%s\"", registry_value(0, 1)),
				 errhint("Operations are infer and read.")));
	registry_write("INSERT INTO steward.model_restriction (model) VALUES ($1) ON CONFLICT DO NOTHING", 1, (const char *[]) {model});
	registry_write("INSERT INTO steward.model_grant AS g (model, to_role, purposes, operations, granted_by) "
				   "VALUES ($1, $2::pg_catalog.oid, $3::pg_catalog.text[], $4::pg_catalog.text[], $5) "
				   "ON CONFLICT ON CONSTRAINT model_grant_pkey DO UPDATE SET purposes = excluded.purposes, "
				   "operations = excluded.operations, granted_by = excluded.granted_by, granted_at = excluded.granted_at",
				   5, (const char *[]) {model, role, purposes, operations, registry_subject()});
	registry_end();
	PG_RETURN_VOID();
}

/* revoke_model(model, from_role) */
Datum
steward_revoke_model(PG_FUNCTION_ARGS)
{
	char	   *model = registry_argument(fcinfo, 0);
	char	   *role = registry_argument(fcinfo, 1);

	registry_require(STEWARD_OFFICER, STEWARD_ADMIN, STEWARD_ADMIN);
	registry_begin("revoke_model()");
	require_model(model);
	if (registry_write("DELETE FROM ONLY steward.model_grant g WHERE g.model OPERATOR(pg_catalog.=) $1 AND g.to_role::pg_catalog.oid OPERATOR(pg_catalog.=) $2::pg_catalog.oid",
					   2, (const char *[]) {model, role_named(role)}) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" is not granted to \"%s\"", model, role)));
	registry_end();
	PG_RETURN_VOID();
}

/* unrestrict_model(model, reason) */
Datum
steward_unrestrict_model(PG_FUNCTION_ARGS)
{
	char	   *model = registry_argument(fcinfo, 0);
	char	   *reason = registry_argument(fcinfo, 1);

	registry_require(STEWARD_OFFICER, STEWARD_ADMIN, STEWARD_ADMIN);
	registry_begin("unrestrict_model()");
	registry_check_reason("reason", reason, true);
	require_model(model);
	registry_write("DELETE FROM ONLY steward.model_grant g WHERE g.model OPERATOR(pg_catalog.=) $1", 1, (const char *[]) {model});
	registry_write("DELETE FROM ONLY steward.model_restriction r WHERE r.model OPERATOR(pg_catalog.=) $1", 1, (const char *[]) {model});
	registry_execute("SELECT steward.record_change('grant of model', $1, 'unrestrict', NULL, pg_catalog.jsonb_build_object('reason', $2))",
					 2, (const char *[]) {model, reason});
	registry_end();
	PG_RETURN_VOID();
}

/* Raises unless the version, or with NULL the model, is registered. */
static void
require_model_or_version(const char *model, const char *version)
{
	if (version == NULL)
		require_model(model);
	else
		registry_require_version(model, version);
}

/* Raises where the version, or all of the model, is stopped; while statements run. */
void
require_not_quarantined(const char *model, const char *version)
{
	registry_execute("SELECT q.reason FROM ONLY steward.model_quarantine q WHERE q.model OPERATOR(pg_catalog.=) $1 "
					 "AND (q.version IS NULL OR q.version OPERATOR(pg_catalog.=) $2)",
					 2, (const char *[]) {model, version});
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version \"%s\" of model \"%s\" is quarantined", version, model),
				 errhint("An officer ends that with steward.release().")));
}

/* quarantine(model, version, reason) */
Datum
steward_quarantine(PG_FUNCTION_ARGS)
{
	char	   *model = registry_argument(fcinfo, 0);
	char	   *version = registry_argument(fcinfo, 1);
	char	   *reason = registry_argument(fcinfo, 2);

	registry_require(STEWARD_OFFICER, STEWARD_ENGINEER, STEWARD_ADMIN);
	registry_begin("quarantine()");
	registry_check_reason("reason", reason, true);
	require_model_or_version(model, version);
	if (registry_write("INSERT INTO steward.model_quarantine (model, version, reason, quarantined_by, session_role) "
					   "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
					   5, (const char *[]) {model, version, reason, registry_subject(),
	GetUserNameFromId(GetSessionUserId(), false)}) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" is quarantined already", model)));
	registry_end();
	PG_RETURN_VOID();
}

/* release(model, version, reason) */
Datum
steward_release(PG_FUNCTION_ARGS)
{
	char	   *model = registry_argument(fcinfo, 0);
	char	   *version = registry_argument(fcinfo, 1);
	char	   *reason = registry_argument(fcinfo, 2);

	registry_require(STEWARD_OFFICER, STEWARD_OFFICER, STEWARD_OFFICER);
	registry_begin("release()");
	registry_require_own_statement("release");
	registry_check_reason("reason", reason, true);
	require_model_or_version(model, version);
	if (registry_write("DELETE FROM ONLY steward.model_quarantine q WHERE q.model OPERATOR(pg_catalog.=) $1 AND q.version IS NOT DISTINCT FROM $2",
					   2, (const char *[]) {model, version}) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" is not quarantined", model),
				 errhint("steward.model_quarantine shows what is, the whole model or a version.")));
	registry_execute("SELECT steward.record_change('quarantine', $1, 'release', NULL, pg_catalog.jsonb_build_object('version', $2, 'reason', $3))",
					 3, (const char *[]) {model, version, reason});
	registry_end();
	PG_RETURN_VOID();
}
