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
  float clip;                      // bound of a gradient's absolute value, or infinity
  float average;                   // momentum of the average
  bool nesterov;
};

struct UpdateBlock {
  std::int64_t count;
  const float *w, *g, *slot[kUpdateSlots], *average;
  float *w_out, *slot_out[kUpdateSlots], *average_out;  // may be the inputs; average: may be null
  float decay;                                          // w loses this part of it before the step
  float l1, l2;                        // the gradient becomes g + l1 sign(w) + l2 w,
  float scale;                         // then times this, then clipped
  float mean_weight, gradient_weight;  // nadam: of the mean and of the gradient in the step
};

struct UpdateKernels {
  using Kernel = void (*)(const UpdateRule& rule, const UpdateBlock& block);
  // By UpdateKind. `plain` leaves out l1, l2, scale, clip and average.
  Kernel plain[kUpdateKinds], full[kUpdateKinds];
  // The sum of the squares of the gradient with its l1 and l2 parts.
  double (*squares)(const UpdateBlock& block);
};

}  // namespace fastconv
