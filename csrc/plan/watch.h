// Looks at the results of every step for NaN and infinity.
#pragma once

#include <stdexcept>
#include <string>

#include "ops/op.h"

namespace fastconv {

class Plan;

struct NotFinite : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Names the first step that gave a number that is not finite.
class Watch {
 public:
  // With `raise`, the finding is thrown as NotFinite, before any later step runs.
  explicit Watch(bool raise) : raise_(raise) {}

  void look(const Plan& plan, std::size_t step, const RunContext& context);
  const std::string& finding() const { return finding_; }  // empty: none so far

 private:
  bool raise_;
  std::string finding_;
};

}  // namespace fastconv
