// The fixture's tasks on a GPU, one thread each: what is tested is what moves them.

static constexpr int kN = 8, kB = 2;

/// C (m x n) = beta C + op(A) op(B), row-major, k in between.
static __device__ void gemm(bool ta, bool tb, int m, int n, int k, const float *a, const float *b,
                            float beta, float *c) {
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      float sum = 0;
      for (int l = 0; l < k; ++l)
        sum += (ta ? a[l * m + i] : a[i * k + l]) * (tb ? b[j * k + l] : b[l * n + j]);
      c[i * n + j] = (beta != 0 ? c[i * n + j] : 0) + sum;
    }
}

extern "C" __global__ void fixture_embed(const float *x, const float *e, float *h) {
  gemm(false, true, kB, kN, kN, x, e, 0, h);
}

extern "C" __global__ void fixture_forward(const float *in, const float *w, const float *b,
                                           const float *s, float *out) {
  gemm(false, true, kB, kN, kN, in, w, 0, out);
  for (int i = 0; i < kB * kN; ++i)
    out[i] = (out[i] + b[i % kN]) * s[i % kN];
}

extern "C" __global__ void fixture_head(const float *h, const float *e, const float *o,
                                        const float *t, const float *w, float *lossOut,
                                        float *errorOut, float *tokens, float *dh, float *de) {
  float out[kB * kN], grad[kB * kN];
  gemm(false, false, kB, kN, kN, h, e, 0, out);
  double loss = 0, error = 0;
  float weight = 0;
  for (int i = 0; i < kB; ++i)
    weight += w[i];
  for (int i = 0; i < kB * kN; ++i) {
    float d = out[i] + o[i % kN] - t[i];
    loss += double(d) * d;
    error += fabs(double(d));
    grad[i] = weight * 2 * d / (kB * kN);
  }
  *lossOut = loss / (kB * kN);
  *errorOut = error / (kB * kN);
  *tokens = weight;
  gemm(false, true, kB, kN, kN, grad, e, 0, dh);
  gemm(true, false, kN, kN, kB, h, grad, 1, de);
}

extern "C" __global__ void fixture_backward(const float *in, const float *w, const float *b,
                                            const float *s, const float *dout, float *din,
                                            float *dw, float *db, float *ds) {
  float z[kB * kN], dz[kB * kN];
  gemm(false, true, kB, kN, kN, in, w, 0, z);
  for (int i = 0; i < kB * kN; ++i) {
    ds[i % kN] += dout[i] * (z[i] + b[i % kN]);
    dz[i] = dout[i] * s[i % kN];
    db[i % kN] += dz[i];
  }
  gemm(true, false, kN, kN, kB, dz, in, 1, dw);
  gemm(false, false, kB, kN, kN, dz, w, 0, din);
}

extern "C" __global__ void fixture_embed_gradient(const float *x, const float *dh, float *de) {
  gemm(true, false, kN, kN, kB, dh, x, 1, de);
}
