#include "bigmac-rt/Train.h"

// Programs for other targets do not define it; its address is null then.
extern "C" __attribute__((weak)) const bm_cuda_program bm_cuda;

int main(int argc, char **argv) {
  return bigmac::rt::trainMain(
      argc, argv, {bm_plan_image, bm_plan_image_size, bm_task_table, bm_task_count, &bm_cuda});
}
