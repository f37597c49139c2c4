/* mr_python_lane.h: the door of the fast lane, for the package py_mini_racer alone. No part of the C ABI. */
#ifndef MR_PYTHON_LANE_H_
#define MR_PYTHON_LANE_H_

#include "mini_racer.h"
#include "mr_python_abi.h"

/* Opens the lane for a package that keeps its things in the dict `package`, and puts into it what the lane has: encode, encode_array, decode, decode_at, and the types
 * Crossing, Handle, Mapped, Function. 1; 0: this is no Python that the lane can be for; -1: with a Python exception. Once. Threads: one with the GIL. */
MR_API int mr_python_open(mr__object *package);

/* A callback, with the GIL: does it when it is a plain function with scalars. 1: done; 0: it is not for the lane, which has done nothing; -1: with a Python exception. */
int mr__lane_call(mr_context context, uint64_t number, const uint8_t *in, uint64_t size, mr_reply *reply);

/* The Context that a Context or a face of it belongs to, with a reference, and its id; NULL: it is none of ours. */
mr__object *mr__lane_home(mr__object *context, mr_context *id);

#endif /* MR_PYTHON_LANE_H_ */
