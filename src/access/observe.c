#include "postgres.h"
#include "access/access_internal.h"
#include "nodes/makefuncs.h"
Size observe_shmem_size(void)
{
	return 0;
}
void observe_shmem_init(void)
{
}
void observe_init(void)
{
}
Expr *observe_expression(Expr *condition, Oid relid, const char *policy, int command)
{
	return (Expr *) makeBoolConst(true, false);
}
