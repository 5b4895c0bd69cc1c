#include "postgres.h"
#include "hooks.h"
void hooks_install(void) {}
