/* mr_answer.h: messages that nobody is going to get. */
#ifndef MR_ANSWER_H_
#define MR_ANSWER_H_

#include "mini_racer.h"

/* Gives back the handles and the stores that the message refers to, which may end anywhere. The handles go at the context's next entry. Any thread; never waits. */
void mr__answer_forget(mr_context context, const uint8_t *message, uint64_t size);

#endif /* MR_ANSWER_H_ */
