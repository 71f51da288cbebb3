// Many batches in one call: gathers rows, runs the plan, and comes back for progress only.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "plan/gather.h"
#include "plan/plan.h"

namespace fastconv {

struct RowFeed {  // input `input` takes a row of `source` for each example
  std::size_t input;
  RowSource source;
  bool direct;  // the source has the input's own type and layout: consecutive rows need no copy
};

struct StepFeed {  // input `input` takes the next `bytes` bytes at each step
  std::size_t input;
  const std::byte* values;
  std::size_t bytes;
};

struct OutputRows {  // output `output` of each batch goes to the next rows of the caller's array
  std::size_t output;
  std::byte* base;
  std::size_t row_bytes;
};

struct Epoch {
  std::vector<RowFeed> rows;
  std::vector<StepFeed> values;
  std::vector<OutputRows> outputs;
  const std::int64_t* order = nullptr;  // which row is used when; null: as they stand
  std::int64_t count = 0, batch = 1;
  std::uint64_t seed = 0, first_step = 0, version = 0;
  Watch* watch = nullptr;
  // Called between steps when `interval` seconds have passed since the last call; false stops.
  std::function<bool(std::int64_t steps_done)> tick;
  double interval = 0.05;
};

// Returns the number of steps done.
std::int64_t run_epoch(const Plan& plan, const Epoch& epoch, double* nanoseconds = nullptr);

}  // namespace fastconv
