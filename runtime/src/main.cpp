#include "bigmac-rt/Train.h"

int main(int argc, char **argv) {
  return bigmac::rt::trainMain(argc, argv,
                               {bm_plan_image, bm_plan_image_size, bm_task_table, bm_task_count});
}
