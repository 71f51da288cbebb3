#include "kernels/optimizer.h"

#include "kernels/simd/lanes.h"
#include "kernels/simd/math.h"
#include "kernels/simd/vec.h"

namespace fastconv::FASTCONV_ISA {
namespace {

FC_INLINE vf regularized(vf g, vf w, float l1, float l2) {
  const vf zero = {}, one = splat(l1);
  const vf sign = w > 0.0f ? one : (w < 0.0f ? -one : zero);
  return g + sign + w * l2;
}

constexpr int slots_of(UpdateKind kind) {
  switch (kind) {
    case UpdateKind::sgd:
      return 0;
    case UpdateKind::momentum:
    case UpdateKind::rmsprop:
    case UpdateKind::adagrad:
      return 1;
    case UpdateKind::rmsprop_centered_momentum:
    case UpdateKind::adam_amsgrad:
      return 3;
    default:
      return 2;
  }
}

// The rule: changes the slots and returns the step, what is taken from the variable.
template <UpdateKind kKind>
FC_INLINE vf step_of(const UpdateRule& r, const UpdateBlock& b, vf g, vf (&s)[kUpdateSlots]) {
  using enum UpdateKind;
  if constexpr (kKind == sgd) {
    return g * r.rate;
  } else if constexpr (kKind == momentum) {
    s[0] = s[0] * r.momentum - g * r.rate;
    return r.nesterov ? g * r.rate - s[0] * r.momentum : -s[0];
  } else if constexpr (kKind == rmsprop || kKind == rmsprop_momentum || kKind == rmsprop_centered ||
                       kKind == rmsprop_centered_momentum) {
    constexpr bool kCentered = kKind == rmsprop_centered || kKind == rmsprop_centered_momentum;
    s[0] = s[0] * r.rho + g * g * r.rest_rho;
    vf square = s[0] + r.epsilon;
    if constexpr (kCentered) {
      s[1] = s[1] * r.rho + g * r.rest_rho;
      square = s[0] - s[1] * s[1] + r.epsilon;
    }
    const vf step = g * r.rate / math::sqrt(square);
    if constexpr (kKind == rmsprop_momentum || kKind == rmsprop_centered_momentum) {
      vf& moving = s[kCentered ? 2 : 1];
      moving = moving * r.momentum + step;
      return moving;
    } else {
      return step;
    }
  } else if constexpr (kKind == adam || kKind == adam_amsgrad || kKind == nadam) {
    s[0] += (g - s[0]) * r.rest_1;
    s[1] += (g * g - s[1]) * r.rest_2;
    vf square = s[1];
    if constexpr (kKind == adam_amsgrad) square = s[2] = s[2] > s[1] ? s[2] : s[1];
    if constexpr (kKind == nadam)
      return (s[0] * b.mean_weight + g * b.gradient_weight) * r.rate /
             (math::sqrt(square * r.variance) + r.epsilon);
    else
      return s[0] * r.rate / (math::sqrt(square) + r.epsilon);
  } else if constexpr (kKind == adagrad) {
    s[0] += g * g;
    return g * r.rate / math::sqrt(s[0] + r.epsilon);
  } else if constexpr (kKind == adadelta) {
    s[0] = s[0] * r.rho + g * g * r.rest_rho;
    const vf step = g * math::sqrt((s[1] + r.epsilon) / (s[0] + r.epsilon));
    s[1] = s[1] * r.rho + step * step * r.rest_rho;
    return step * r.rate;
  } else {
    static_assert(kKind == adamax);
    s[0] += (g - s[0]) * r.rest_1;
    const vf shrunk = s[1] * r.beta_2, now = math::absolute(g);
    s[1] = shrunk > now ? shrunk : now;
    return s[0] * r.rate / (s[1] + r.epsilon);
  }
}

template <UpdateKind kKind, bool kFull>
void update(const UpdateRule& rule, const UpdateBlock& block) {
  const UpdateRule r = rule;  // stores through float pointers cannot touch these
  const UpdateBlock b = block;
  constexpr int kSlots = slots_of(kKind);
  for_vectors(b.count, [&](index_t i, auto at) __attribute__((always_inline)) {
    vf w = at.load(b.w + i), g = at.load(b.g + i), s[kUpdateSlots];
    FC_UNROLL for (int k = 0; k < kSlots; ++k) s[k] = at.load(b.slot[k] + i);
    if constexpr (kFull) g = regularized(g, w, b.l1, b.l2);
    w -= w * b.decay + step_of<kKind>(r, b, g, s);
    at.store(b.w_out + i, w);
    FC_UNROLL for (int k = 0; k < kSlots; ++k) at.store(b.slot_out[k] + i, s[k]);
  });
}

template <UpdateKind kKind>
void add(UpdateKernels& k) {
  k.plain[static_cast<int>(kKind)] = update<kKind, false>;
  k.full[static_cast<int>(kKind)] = update<kKind, true>;
}

}  // namespace

void fill(UpdateKernels& k) {
  using enum UpdateKind;
  add<sgd>(k);
  add<momentum>(k);
  add<rmsprop>(k);
  add<rmsprop_momentum>(k);
  add<rmsprop_centered>(k);
  add<rmsprop_centered_momentum>(k);
  add<adam>(k);
  add<adam_amsgrad>(k);
  add<adagrad>(k);
  add<adadelta>(k);
  add<nadam>(k);
  add<adamax>(k);
}

}  // namespace fastconv::FASTCONV_ISA
