#include "postgres.h"
#include "access/access_internal.h"
bool
access_copy(PlannedStmt *pstmt, const char *query_string, ProcessUtilityContext context, QueryCompletion *qc)
{
	return false;
}
