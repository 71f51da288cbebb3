// Repeats recorded runs of plans (python_tests/record_plans.py) on the kernels that this is built
// with, for 1, 2 and 5 threads, and compares with what was recorded on other kernels.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "dispatch/dispatch.h"
#include "encoded_plan.h"
#include "ops/convolution.h"

namespace {

using namespace fastconv;
using Data = std::vector<std::span<const std::uint8_t>>;

// ISAs round differently; relative to the largest value of the result. A factor near the middle of
// two bfloat16 may become either of them, 1/256 apart.
constexpr double kTolerance = 5e-4, kBfloat16Tolerance = 4e-3;

float number_at(const std::uint8_t* bytes, std::size_t i) {
  float value = 0;
  std::memcpy(&value, bytes + 4 * i, 4);
  return value;
}

double largest_of(std::span<const std::uint8_t> floats) {
  double largest = 0;
  for (std::size_t i = 0; i < floats.size() / 4; ++i)
    if (const float value = number_at(floats.data(), i); std::isfinite(value))
      largest = std::fmax(largest, std::fabs(value));
  return largest;
}

// `rounding` is how large a result may be that is made of rounding errors alone.
double difference(DType dtype, const std::uint8_t* found, std::span<const std::uint8_t> expected,
                  double rounding) {
  if (dtype != DType::f32)
    return std::memcmp(found, expected.data(), expected.size()) == 0 ? 0 : INFINITY;
  const double largest = std::fmax(rounding, largest_of(expected));
  double most = 0;
  for (std::size_t i = 0; i < expected.size() / 4; ++i) {
    const float a = number_at(found, i), b = number_at(expected.data(), i);
    if (std::isfinite(b) ? !std::isfinite(a) : !(std::isnan(a) && std::isnan(b)) && a != b)
      return INFINITY;
    if (std::isfinite(b)) most = std::fmax(most, std::fabs(static_cast<double>(a) - b) / largest);
  }
  return most;
}

struct Recorded {
  std::string name;
  EncodedPlan encoded;
  std::uint64_t seed, step;
  Data inputs, before, results, after;

  explicit Recorded(Bytes& in) : name(in.text()) {
    set_conv_algorithm(in.text());
    encoded = EncodedPlan::read(in);
    seed = static_cast<std::uint64_t>(in.number());
    step = static_cast<std::uint64_t>(in.number());
    const auto take = [&](const std::vector<int>& ids) {
      Data data;
      for (const int id : ids)
        data.push_back(
            in.take(encoded.bytes(encoded.tensors[static_cast<std::size_t>(id)], encoded.batch)));
      return data;
    };
    std::vector<int> held;
    for (std::size_t i = 0; i < encoded.tensors.size(); ++i)
      if (const Kind kind = encoded.tensors[i].kind;
          kind == Kind::variable || kind == Kind::constant)
        held.push_back(static_cast<int>(i));
    inputs = take(encoded.inputs);
    before = take(held);
    results = take(encoded.outputs);
    after = take(held);
  }

  static std::vector<Block> copies(const Data& data) {
    std::vector<Block> blocks;
    for (const auto& bytes : data) {
      blocks.emplace_back(new std::uint8_t[bytes.size()]);
      if (!bytes.empty()) std::memcpy(blocks.back().get(), bytes.data(), bytes.size());
    }
    return blocks;
  }

  // Results, then variables afterwards.
  std::vector<Block> run(int threads) {
    set_num_threads(threads);
    const std::vector<Block> given = copies(inputs);
    std::vector<Block> held = copies(before), made = copies(results);
    std::size_t next = 0;
    for (PlanTensor& tensor : encoded.tensors)
      if (tensor.kind == Kind::variable || tensor.kind == Kind::constant)
        tensor.data = held[next++].get();
    const Plan plan(encoded.tensors, encoded.steps, encoded.inputs, encoded.outputs,
                    encoded.max_batch, encoded.frozen);
    Feed feed;
    feed.batch = encoded.batch;
    feed.seed = seed;
    feed.step = step;
    for (const Block& block : given) feed.inputs.push_back(block.get());
    for (const Block& block : made) feed.outputs.push_back(block.get());
    const Plan::Lease lease(plan);
    Threads team = plan.threads(*lease);
    plan.run(*lease, feed, team);
    for (Block& block : held) made.push_back(std::move(block));
    return made;
  }

  double tolerance() const {
    for (const PlanStep& step : encoded.steps)
      if (step.op.attrs.text("precision", "float32") == "bfloat16") return kBfloat16Tolerance;
    return kTolerance;
  }

  double check() {
    const std::vector<Block> alone = run(1);
    Data expected = results;
    expected.insert(expected.end(), after.begin(), after.end());
    std::vector<DType> dtypes;
    dtypes.reserve(expected.size());
    for (const int id : encoded.outputs)
      dtypes.push_back(encoded.tensors[static_cast<std::size_t>(id)].desc.dtype);
    for (const PlanTensor& tensor : encoded.tensors)
      if (tensor.kind == Kind::variable || tensor.kind == Kind::constant)
        dtypes.push_back(tensor.desc.dtype);
    double worst = 0, rounding = 1e-30;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (encoded.tensors[static_cast<std::size_t>(encoded.inputs[i])].desc.dtype == DType::f32)
        rounding = std::fmax(rounding, 1e-3 * largest_of(inputs[i]));
    for (std::size_t i = 0; i < expected.size(); ++i)
      worst = std::fmax(worst, difference(dtypes[i], alone[i].get(), expected[i], rounding));
    for (const int threads : {2, 5}) {
      const std::vector<Block> again = run(threads);
      for (std::size_t i = 0; i < expected.size(); ++i)
        if (!expected[i].empty() &&
            std::memcmp(again[i].get(), alone[i].get(), expected[i].size()) != 0)
          return NAN;
    }
    return worst;
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::printf("%s FILE [EVERY]: repeats every EVERYth recorded run\n", argv[0]);
    return 2;
  }
  const long every = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 1;
  const char* isa = std::getenv("FASTCONV_ISA");
  choose_isa(isa == nullptr ? "" : isa);
  std::ifstream file(argv[1], std::ios::binary);
  const std::vector<std::uint8_t> content{std::istreambuf_iterator<char>(file), {}};
  Bytes in(content);
  int count = 0, failures = 0;
  double worst = 0;
  for (int i = 0; in.left() > 0; ++i) {
    Recorded recorded(in);
    if (i % every != 0) continue;
    const double error = recorded.check();
    ++count;
    if (error <= recorded.tolerance()) {
      worst = std::fmax(worst, error);
      continue;
    }
    ++failures;
    std::printf("run %d, %s: %s %.1e\n", i, recorded.name.c_str(),
                std::isnan(error) ? "the bits depend on the threads" : "differs by", error);
  }
  std::printf("%s: %d runs repeated, %d differ, the largest accepted difference is %.1e\n",
              kernels().isa, count, failures, worst);
  return count > 0 && failures == 0 ? 0 : 1;
}
