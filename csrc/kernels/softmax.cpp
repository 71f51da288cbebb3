#include "kernels/softmax.h"

#include "kernels/simd/across.h"
#include "kernels/simd/math.h"
#include "kernels/simd/partial.h"

namespace fastconv::FASTCONV_ISA {
namespace {

// body(i, load, store, lanes) for every vector of a row, the last one perhaps in part.
template <class F>
FC_INLINE void each(index_t n, const F& body) {
  index_t i = 0;
  for (; i + kWidth <= n; i += kWidth)
    body(i, kWidth, [](const float* p) { return load(p); }, [](float* p, vf v) { store(p, v); });
  const index_t rest = n - i;
  if (rest > 0)
    body(
        i, rest, [rest](const float* p) { return load_first(p, rest); },
        [rest](float* p, vf v) { store_first(p, v, rest); });
}

// Where there is a NaN it does not matter: all of the row becomes NaN.
FC_INLINE float row_max(const float* x, index_t n) {
  vf most = splat(-math::kInf);
  each(n, [&](index_t i, index_t lanes, auto get, auto) {
    const vf v = get(x + i);
    most = math::larger(most, lanes == kWidth ? v : first_lanes_of(v, lanes, -math::kInf));
  });
  return across_max(most);
}

// out = exp(x - most); the sum of it.
FC_INLINE float exponentials(float* out, const float* x, float most, index_t n) {
  vf total{};
  each(n, [&](index_t i, index_t lanes, auto get, auto put) {
    const vf e = math::exp(get(x + i) - most);
    put(out + i, e);
    total += lanes == kWidth ? e : first_lanes_of(e, lanes, 0.0f);
  });
  return across_sum(total);
}

FC_INLINE void scale(float* x, float factor, index_t n) {
  each(n, [&](index_t i, index_t, auto get, auto put) { put(x + i, get(x + i) * factor); });
}

FC_INLINE float log_of(float x) { return math::log(splat(x))[0]; }

void softmax(float* out, const float* x, index_t n) {
  const float total = exponentials(out, x, row_max(x, n), n);
  scale(out, 1.0f / total, n);
}

void log_softmax(float* out, const float* x, index_t n) {
  const float most = row_max(x, n);
  vf total{};
  each(n, [&](index_t i, index_t lanes, auto get, auto) {
    const vf e = math::exp(get(x + i) - most);
    total += lanes == kWidth ? e : first_lanes_of(e, lanes, 0.0f);
  });
  const float log_total = log_of(across_sum(total));
  each(n, [&](index_t i, index_t, auto get, auto put) {
    put(out + i, (get(x + i) - most) - log_total);
  });
}

void softmax_grad(float* out, const float* dy, const float* y, index_t n) {
  vf dot{};  // lanes beyond the row are zeros
  each(n, [&](index_t i, index_t, auto get, auto) { dot += get(dy + i) * get(y + i); });
  const float total = across_sum(dot);
  each(n, [&](index_t i, index_t, auto get, auto put) {
    put(out + i, get(y + i) * (get(dy + i) - total));
  });
}

void log_softmax_grad(float* out, const float* dy, const float* y, index_t n) {
  vf sum{};
  each(n, [&](index_t i, index_t, auto get, auto) { sum += get(dy + i); });
  const float total = across_sum(sum);
  each(n, [&](index_t i, index_t, auto get, auto put) {
    put(out + i, get(dy + i) - math::exp(get(y + i)) * total);
  });
}

float sparse_cross_entropy(float* probabilities, const float* logits, std::int32_t label,
                           index_t n) {
  const bool known = label >= 0 && label < n;
  const float most = row_max(logits, n), logit = known ? logits[label] : math::kNaN;
  const float total = exponentials(probabilities, logits, most, n);
  scale(probabilities, 1.0f / total, n);
  return log_of(total) - (logit - most);
}

float cross_entropy(float* probabilities, const float* logits, const float* targets, index_t n) {
  const float most = row_max(logits, n);
  const float total = exponentials(probabilities, logits, most, n);
  const float log_total = log_of(total), inverse = 1.0f / total;
  vf loss{};
  each(n, [&](index_t i, index_t, auto get, auto put) {
    const vf t = get(targets + i), log_p = (get(logits + i) - most) - log_total;
    // A target of zero counts for nothing, be the logit -infinity.
    loss -= t == 0.0f ? vf{} : t * log_p;
    put(probabilities + i, get(probabilities + i) * inverse);
  });
  return across_sum(loss);
}

void sparse_cross_entropy_grad(float* out, const float* probabilities, std::int32_t label,
                               float factor, index_t n) {
  const float at_label = label >= 0 && label < n ? probabilities[label] : 0.0f;
  each(n, [&](index_t i, index_t, auto get, auto put) {
    put(out + i, get(probabilities + i) * factor);
  });
  if (label >= 0 && label < n) out[label] = factor * (at_label - 1.0f);
}

}  // namespace

void fill(SoftmaxKernels& k) {
  k.softmax = softmax;
  k.log_softmax = log_softmax;
  k.softmax_grad = softmax_grad;
  k.log_softmax_grad = log_softmax_grad;
  k.sparse_cross_entropy = sparse_cross_entropy;
  k.cross_entropy = cross_entropy;
  k.sparse_cross_entropy_grad = sparse_cross_entropy_grad;
}

}  // namespace fastconv::FASTCONV_ISA
