// The kernels of the conformance suite's tasks.

extern "C" __global__ void cts_axpy(const float *x, float *y, unsigned n) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    y[i] += 2 * x[i];
}

extern "C" __global__ void cts_delay(unsigned long long nanoseconds) {
  unsigned long long begin, now;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(begin));
  do
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  while (now - begin < nanoseconds);
}

/// With workgroup memory of the launch: reverses n elements.
extern "C" __global__ void cts_reverse(float *x, unsigned n) {
  extern __shared__ float buffer[];
  for (unsigned i = threadIdx.x; i < n; i += blockDim.x)
    buffer[i] = x[i];
  __syncthreads();
  for (unsigned i = threadIdx.x; i < n; i += blockDim.x)
    x[i] = buffer[n - 1 - i];
}

/// Writes where nothing is.
extern "C" __global__ void cts_fault(float *x) { x[1ull << 50] = 1; }

/// Every thread finds index *index outside of a table of 33, if it is not -1.
extern "C" __global__ void cts_index_error(unsigned long long *record, const long long *index) {
  if (*index == -1 || atomicAdd(record, 1ull) != 0)
    return;
  record[1] = *index;
  record[2] = 33;
}
