// The symbols that the compiler's object defines, for a program that takes main() from the library.

#include "FixtureModel.h"

extern "C" {
void bm_task_0(void *const *args) { bigmac::fixture::kTasks[0](args); }
void bm_task_1(void *const *args) { bigmac::fixture::kTasks[1](args); }
void bm_task_2(void *const *args) { bigmac::fixture::kTasks[2](args); }
void bm_task_3(void *const *args) { bigmac::fixture::kTasks[3](args); }
void bm_task_4(void *const *args) { bigmac::fixture::kTasks[4](args); }
extern const bm_task_fn bm_task_table[] = {bm_task_0, bm_task_1, bm_task_2, bm_task_3, bm_task_4};
extern const uint64_t bm_task_count = 5;
}
