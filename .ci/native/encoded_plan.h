// A plan from bytes, as python_tests/encoded_plan.py writes it: for the fuzzer, and for checking
// recorded runs on machines without Python.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "plan/plan.h"

namespace fastconv {

class Bytes {
 public:
  explicit Bytes(std::span<const std::uint8_t> bytes) : rest_(bytes) {}

  std::size_t left() const { return rest_.size(); }
  std::span<const std::uint8_t> take(std::size_t count) {
    if (count > rest_.size()) throw std::out_of_range("cut short");
    const auto taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  std::uint8_t byte() { return take(1)[0]; }
  // Base 128, lowest digits first, the sign in the lowest bit.
  std::int64_t number() {
    std::uint64_t digits = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint8_t b = byte();
      digits |= static_cast<std::uint64_t>(b & 0x7f) << shift;
      if (b < 0x80) break;
    }
    return static_cast<std::int64_t>((digits >> 1) ^ (~(digits & 1) + 1));
  }
  int id() { return static_cast<int>(number()); }
  // A number of things that take a byte each at least.
  std::size_t count() {
    const std::int64_t n = number();
    if (n < 0 || static_cast<std::size_t>(n) > rest_.size()) throw std::out_of_range("a count");
    return static_cast<std::size_t>(n);
  }
  double real() {
    double value = 0;
    std::memcpy(&value, take(8).data(), 8);
    return value;
  }
  std::string text() {
    const auto letters = take(count());
    return {letters.begin(), letters.end()};
  }
  template <class T, class Read>
  std::vector<T> list(const Read& read) {
    std::vector<T> items(count());
    for (T& item : items) item = read();
    return items;
  }
  std::vector<int> ids() {
    return list<int>([this] { return id(); });
  }

 private:
  std::span<const std::uint8_t> rest_;
};

inline Attrs::Value attr(Bytes& in) {
  switch (in.byte()) {
    case 0:
      return in.number();
    case 1:
      return in.real();
    case 2:
      return in.text();
    case 3:
      return in.list<std::int64_t>([&] { return in.number(); });
    default:
      return in.list<double>([&] { return in.real(); });
  }
}

struct EncodedPlan {
  std::vector<PlanTensor> tensors;  // without the data of variables and constants
  std::vector<PlanStep> steps;
  std::vector<int> inputs, outputs;
  std::int64_t max_batch = 0, batch = 0;
  bool frozen = false;

  static EncodedPlan read(Bytes& in) {
    EncodedPlan plan;
    plan.tensors.resize(in.count());
    for (PlanTensor& tensor : plan.tensors) {
      tensor.desc.dtype = static_cast<DType>(in.byte() % 7);
      tensor.desc.batched = in.byte() % 2 == 1;
      tensor.kind = static_cast<Kind>(in.byte() % 5);
      if (tensor.kind == Kind::alias) tensor.storage = in.id();
      tensor.desc.shape = in.list<std::int64_t>([&] { return in.number(); });
    }
    plan.steps.resize(in.count());
    for (PlanStep& step : plan.steps) {
      step.op.name = in.text();
      step.inputs = in.ids();
      step.outputs = in.ids();
      for (std::size_t n = in.count(); n > 0; --n) {
        const std::string key = in.text();
        step.op.attrs.set(key, attr(in));
      }
    }
    plan.inputs = in.ids();
    plan.outputs = in.ids();
    plan.max_batch = in.number();
    plan.batch = in.number();
    plan.frozen = in.byte() % 2 == 1;
    return plan;
  }

  std::size_t bytes(const PlanTensor& tensor, std::int64_t rows) const {
    return static_cast<std::size_t>(tensor.desc.size(rows)) * size_of(tensor.desc.dtype);
  }
};

// Exactly as large as asked for, so that AddressSanitizer sees what goes beyond.
using Block = std::unique_ptr<std::uint8_t[]>;

}  // namespace fastconv
