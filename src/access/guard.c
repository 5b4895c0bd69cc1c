#include "postgres.h"
#include "access/access_internal.h"
GuardState *access_before_utility(PlannedStmt *pstmt, const char *query_string, ProcessUtilityContext context)
{
	return NULL;
}
void access_after_utility(GuardState *state)
{
}
void access_object_dropped(Oid classid, Oid objid, int subid)
{
}
bool guard_is_suspended(void)
{
	return false;
}
