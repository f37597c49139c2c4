/* mr_python_json.h: JSON texts of JavaScript's as Python's objects. The fast lane's twin of json.loads(). With the GIL. */
#ifndef MR_PYTHON_JSON_H_
#define MR_PYTHON_JSON_H_

#include "mr_python_abi.h"

/* What json.loads(text) gives; a new reference. NULL: with an exception, or without one when json.loads has to be asked. `text`: a str. */
mr__object *mr__python_json(mr__object *text);

#endif /* MR_PYTHON_JSON_H_ */
