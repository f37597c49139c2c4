/* mr_api.c: the public functions that run JavaScript. Each makes a request of its arguments and hands it to the one way in, mr__run(). Any thread. */
#include "mr_level.h"

/* Of a call that does not even begin; its result is empty, as after any failure. */
static mr_status
refuse(mr_status why, mr_result *result)
{
  if (!result || result->struct_size < sizeof *result) return MR_BAD_ARGUMENT;
  mr_result_free(result);
  result->taken = 0;
  return why;
}

/* A request whose input is `size` bytes at `in`. */
static mr_status
run(mr_context context, mr_handle target, mrv8_operation operation, const void *in, size_t size, const mr_options *options, mr_result *result)
{
  if (!in && size) return refuse(MR_BAD_ARGUMENT, result);
  mrv8_request request = {.operation = operation, .in = in, .in_size = size};
  return mr__run(context, target, &request, options, result);
}

/* A request to a value; a target of 0 would mean the context. */
static mr_status
run_on(mr_context context, mr_handle target, mrv8_operation operation, const void *in, size_t size, const mr_options *options, mr_result *result)
{
  return target ? run(context, target, operation, in, size, options, result) : refuse(MR_BAD_HANDLE, result);
}

mr_status
mr_eval(mr_context context, const void *code, size_t size, const mr_options *options, mr_result *result)
{
  return run(context, 0, MRV8_EVAL, code, size, options, result);
}

mr_status
mr_compile(mr_context context, const void *code, size_t size, const mr_options *options, mr_result *result)
{
  return run(context, 0, MRV8_COMPILE, code, size, options, result);
}

mr_status
mr_run(mr_context context, mr_handle script, const mr_options *options, mr_result *result)
{
  return run_on(context, script, MRV8_RUN, NULL, 0, options, result);
}

mr_status
mr_code_cache(mr_context context, mr_handle script, const mr_options *options, mr_result *result)
{
  return run_on(context, script, MRV8_CODE_CACHE, NULL, 0, options, result);
}

mr_status
mr_call(mr_context context, mr_handle function, const void *in, size_t in_size, const mr_options *options, mr_result *result)
{
  return run_on(context, function, MRV8_CALL, in, in_size, options, result);
}

mr_status
mr_call_method(mr_context context, mr_handle object, const void *in, size_t in_size, const mr_options *options, mr_result *result)
{
  return run_on(context, object, MRV8_CALL_METHOD, in, in_size, options, result);
}

mr_status
mr_construct(mr_context context, mr_handle function, const void *in, size_t in_size, const mr_options *options, mr_result *result)
{
  return run_on(context, function, MRV8_CONSTRUCT, in, in_size, options, result);
}

mr_status
mr_get(mr_context context, mr_handle object, const void *in, size_t in_size, const mr_options *options, mr_result *result)
{
  return run_on(context, object, MRV8_GET, in, in_size, options, result);
}

mr_status
mr_set(mr_context context, mr_handle object, const void *in, size_t in_size, const mr_options *options, mr_result *result)
{
  return run_on(context, object, MRV8_SET, in, in_size, options, result);
}

mr_status
mr_delete(mr_context context, mr_handle object, const void *in, size_t in_size, const mr_options *options, mr_result *result)
{
  return run_on(context, object, MRV8_DELETE, in, in_size, options, result);
}

mr_status
mr_has(mr_context context, mr_handle object, const void *in, size_t in_size, const mr_options *options, mr_result *result)
{
  return run_on(context, object, MRV8_HAS, in, in_size, options, result);
}

mr_status
mr_keys(mr_context context, mr_handle object, const mr_options *options, mr_result *result)
{
  return run_on(context, object, MRV8_KEYS, NULL, 0, options, result);
}

mr_status
mr_elements(mr_context context, mr_handle array, const void *in, size_t in_size, const mr_options *options, mr_result *result)
{
  return run_on(context, array, MRV8_ELEMENTS, in, in_size, options, result);
}

mr_status
mr_iterate(mr_context context, mr_handle object, int32_t async, const mr_options *options, mr_result *result)
{
  if (!object) return refuse(MR_BAD_HANDLE, result);
  mrv8_request request = {.operation = MRV8_ITERATE, .number = async != 0};
  return mr__run(context, object, &request, options, result);
}

mr_status
mr_next(mr_context context, mr_handle iterator, const mr_options *options, mr_result *result)
{
  return run_on(context, iterator, MRV8_NEXT, NULL, 0, options, result);
}

mr_status
mr_read(mr_context context, mr_handle value, const mr_options *options, mr_result *result)
{
  return run_on(context, value, MRV8_READ, NULL, 0, options, result);
}

mr_status
mr_realm_new(mr_context context, const mr_options *options, mr_result *result)
{
  return run(context, 0, MRV8_REALM, NULL, 0, options, result);
}

mr_status
mr_globals(mr_context context, const mr_options *options, mr_result *result)
{
  return run(context, 0, MRV8_GLOBALS, NULL, 0, options, result);
}

mr_status
mr_await(mr_context context, mr_handle promise, const mr_options *options, mr_result *result)
{
  return run_on(context, promise, MRV8_AWAIT, NULL, 0, options, result);
}

mr_status
mr_promise_new(mr_context context, const mr_options *options, mr_result *result)
{
  return run(context, 0, MRV8_PROMISE, NULL, 0, options, result);
}

mr_status
mr_promise_settle(mr_context context, mr_handle promise, const void *in, size_t in_size, const mr_options *options, mr_result *result)
{
  return run_on(context, promise, MRV8_SETTLE, in, in_size, options, result);
}

mr_status
mr_buffer_new(mr_context context, uint32_t element, uint64_t bytes, const mr_options *options, mr_result *result)
{
  if (bytes > SIZE_MAX) return refuse(MR_TOO_LARGE, result);
  mrv8_request request = {.operation = MRV8_BUFFER, .number = element, .in_size = (size_t)bytes};
  return mr__run(context, 0, &request, options, result);
}

mr_status
mr_preview(mr_context context, mr_handle value, const mr_options *options, mr_result *result)
{
  return run_on(context, value, MRV8_PREVIEW, NULL, 0, options, result);
}

mr_status
mr_heap_stats(mr_context context, const mr_options *options, mr_result *result)
{
  return run(context, 0, MRV8_HEAP_STATS, NULL, 0, options, result);
}

mr_status
mr_stats(mr_context context, const mr_options *options, mr_result *result)
{
  return run(context, 0, MRV8_NUMBERS, NULL, 0, options, result);
}

mr_status
mr_heap_snapshot(mr_context context, const mr_options *options, mr_result *result)
{
  return run(context, 0, MRV8_HEAP_SNAPSHOT, NULL, 0, options, result);
}

mr_status
mr_module_compile(mr_context context, const void *code, size_t size, const mr_options *options, mr_result *result)
{
  return run(context, 0, MRV8_MODULE_COMPILE, code, size, options, result);
}

mr_status
mr_module_synthetic(mr_context context, const void *in, size_t in_size, const mr_options *options, mr_result *result)
{
  return run(context, 0, MRV8_MODULE_SYNTHETIC, in, in_size, options, result);
}

mr_status
mr_module_link(mr_context context, const void *in, size_t in_size, const mr_options *options, mr_result *result)
{
  return run(context, 0, MRV8_MODULE_LINK, in, in_size, options, result);
}

mr_status
mr_module_evaluate(mr_context context, const void *in, size_t in_size, const mr_options *options, mr_result *result)
{
  return run(context, 0, MRV8_MODULE_EVALUATE, in, in_size, options, result);
}

mr_status
mr_module_namespace(mr_context context, mr_handle module, const mr_options *options, mr_result *result)
{
  return run_on(context, module, MRV8_MODULE_NAMESPACE, NULL, 0, options, result);
}

mr_status
mr_module_hooks(mr_context context, const void *in, size_t in_size, const mr_options *options, mr_result *result)
{
  return run(context, 0, MRV8_MODULE_HOOKS, in, in_size, options, result);
}

mr_status
mr_low_memory(mr_context context, const mr_options *options, mr_result *result)
{
  return run(context, 0, MRV8_LOW_MEMORY, NULL, 0, options, result);
}
