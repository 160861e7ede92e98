#include "TestSupport.h"

#include <cmath>

namespace bigmac::test {

static constexpr int kN = fixture::kWidth, kB = fixture::kSamples;

Reference::Reference(const fixture::Shape &shape, Tensors weights) : shape(shape) {
  offset = weights.at("offset").as<float>();
  weights.erase("offset");
  weights.erase("table");
  for (const auto &[name, t] : weights) {
    params[name] = t.as<float>();
    m[name].assign(params[name].size(), 0);
    v[name].assign(params[name].size(), 0);
  }
}

void Reference::microbatch(const Tensors &data, const uint64_t *samples, Step &sums,
                           double &weights) {
  auto x = data.at("x").as<float>(), target = data.at("target").as<float>(),
       weight = data.at("weight").as<float>();
  const auto &E = params["embed.weight"], &s = params["scale"];
  double loss = 0, error = 0, w = 0;
  for (int i = 0; i < kB; ++i)
    w += weight[samples[i]];
  for (int i = 0; i < kB; ++i) { // samples are independent but for the weight
    const float *xi = &x[samples[i] * kN], *ti = &target[samples[i] * kN];
    std::vector<std::vector<double>> in(shape.ranks + 1, std::vector<double>(kN)), z = in;
    for (int j = 0; j < kN; ++j)
      for (int k = 0; k < kN; ++k)
        in[0][j] += double(xi[k]) * E[j * kN + k];
    for (uint32_t r = 0; r < shape.ranks; ++r) {
      const auto &W = params["stages." + std::to_string(r) + ".weight"];
      const auto &b = params["stages." + std::to_string(r) + ".bias"];
      for (int j = 0; j < kN; ++j) {
        z[r][j] = b[j];
        for (int k = 0; k < kN; ++k)
          z[r][j] += in[r][k] * W[j * kN + k];
        in[r + 1][j] = z[r][j] * s[j];
      }
    }
    std::vector<double> dh(kN), dout(kN);
    for (int j = 0; j < kN; ++j) {
      double out = offset[j];
      for (int k = 0; k < kN; ++k)
        out += in[shape.ranks][k] * E[k * kN + j];
      loss += (out - ti[j]) * (out - ti[j]);
      error += std::fabs(out - ti[j]);
      dout[j] = w * 2 * (out - ti[j]) / (kB * kN);
    }
    for (int k = 0; k < kN; ++k)
      for (int j = 0; j < kN; ++j) {
        dh[k] += dout[j] * E[k * kN + j];
        grads["embed.weight"][k * kN + j] += in[shape.ranks][k] * dout[j];
      }
    for (uint32_t r = shape.ranks; r-- > 0;) {
      std::string name = "stages." + std::to_string(r);
      const auto &W = params[name + ".weight"];
      std::vector<double> before(kN);
      for (int j = 0; j < kN; ++j) {
        grads["scale"][j] += dh[j] * z[r][j];
        double dz = dh[j] * s[j];
        grads[name + ".bias"][j] += dz;
        for (int k = 0; k < kN; ++k) {
          grads[name + ".weight"][j * kN + k] += dz * in[r][k];
          before[k] += dz * W[j * kN + k];
        }
      }
      dh = before;
    }
    for (int j = 0; j < kN; ++j)
      for (int k = 0; k < kN; ++k)
        grads["embed.weight"][j * kN + k] += dh[j] * xi[k];
  }
  sums.loss += loss / (kB * kN) * (shape.weighted ? w : 1);
  sums.error += error / (kB * kN);
  sums.tokens += w;
  weights += w;
}

Reference::Step Reference::step(const Tensors &data, const std::vector<uint64_t> &samples,
                                const Hyper &hyper) {
  for (const auto &[name, values] : params)
    grads[name].assign(values.size(), 0);
  Step result{};
  double weights = 0;
  size_t microbatches = samples.size() / kB;
  for (size_t i = 0; i < microbatches; ++i)
    microbatch(data, &samples[i * kB], result, weights);
  double factor = shape.weighted ? 1 / weights : 1.0 / microbatches;
  result.loss *= factor;
  result.error /= microbatches;
  result.tokens /= microbatches;
  for (auto &[name, values] : grads)
    for (double &g : values) {
      g *= factor;
      result.gradNorm += g * g;
    }
  result.gradNorm = std::sqrt(result.gradNorm);
  double clip = hyper.clip > 0 ? std::min(1.0, hyper.clip / (result.gradNorm + 1e-6)) : 1;
  ++count;
  double c1 = 1 - std::pow(hyper.beta1, count), c2 = 1 - std::pow(hyper.beta2, count);
  for (auto &[name, values] : params) {
    double decay = values.size() > size_t(kN) ? hyper.weightDecay : 0; // matrices only
    for (size_t i = 0; i < values.size(); ++i) {
      double g = grads[name][i] * clip;
      float &mi = m[name][i], &vi = v[name][i];
      mi = hyper.beta1 * mi + (1 - hyper.beta1) * g;
      vi = hyper.beta2 * vi + (1 - hyper.beta2) * g * g;
      double p = values[i] * (1 - hyper.lr * decay);
      values[i] = p - hyper.lr / c1 * mi / (std::sqrt(vi / c2) + hyper.eps);
    }
  }
  return result;
}

} // namespace bigmac::test
