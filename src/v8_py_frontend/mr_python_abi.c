/* mr_python_abi.c: finds CPython's functions, types and exceptions in the running process. Owns `py`, which is filled in before anything else calls Python. */
#include "mr_python_abi.h"

#include <dlfcn.h>

mr__python py;

bool
mr__python_find(void)
{
  void *process = dlopen(NULL, RTLD_NOW);
  if (!process) return false;
#define FIND(result, name, parameters) \
  if (!(*(void **)&py.name = dlsym(process, #name))) return false;
  MR__PYTHON_FUNCTIONS(FIND)
#undef FIND
#define FIND(result, name, parameters) *(void **)&py.name = dlsym(process, #name);
  MR__PYTHON_EXTRAS(FIND)
#undef FIND
#define FIND(member, symbol) \
  if (!(py.member = dlsym(process, #symbol))) return false;
  MR__PYTHON_OBJECTS(FIND)
#undef FIND
#define FIND(member, symbol)                                     \
  {                                                              \
    mr__object **found = (mr__object **)dlsym(process, #symbol); \
    if (!found || !(py.member = *found)) return false;           \
  }
  MR__PYTHON_POINTERS(FIND)
#undef FIND
  return true;
}
