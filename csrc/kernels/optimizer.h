// Optimizer rules on a stretch of one variable: it, its gradient and its slots in one pass.
#pragma once

#include <cstdint>

namespace fastconv {

enum class UpdateKind : std::uint8_t {
  sgd,
  momentum,
  rmsprop,
  rmsprop_momentum,
  rmsprop_centered,
  rmsprop_centered_momentum,
  adam,
  adam_amsgrad,
  adagrad,
  adadelta,
  nadam,
  adamax
};
constexpr int kUpdateKinds = 12;
constexpr int kUpdateSlots = 3;  // of elements, at most

// What the rule takes from its attributes and from the step.
struct UpdateRule {
  float rate;  // the learning rate, with what the rule multiplies it by
  float momentum, rho, beta_2, epsilon;
  float rest_rho, rest_1, rest_2;  // 1 - rho, 1 - beta_1, 1 - beta_2
  float variance;                  // nadam: 1 / (1 - beta_2^t)
  bool nesterov;
};

struct UpdateBlock {
  std::int64_t count;
  const float *w, *g, *slot[kUpdateSlots];
  float *w_out, *slot_out[kUpdateSlots];  // may be the inputs
  float decay;                            // w loses this part of it before the step
  float l1, l2;                           // the gradient becomes g + l1 sign(w) + l2 w
  float mean_weight, gradient_weight;     // nadam: of the mean and of the gradient in the step
};

struct UpdateKernels {
  using Kernel = void (*)(const UpdateRule& rule, const UpdateBlock& block);
  // By UpdateKind. `plain` leaves out l1 and l2.
  Kernel plain[kUpdateKinds], full[kUpdateKinds];
};

}  // namespace fastconv
