// The interface of every operation that a plan can run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/threads.h"

namespace fastconv {

// bf16 is a form in which a plan keeps temporaries: pointwise steps alone read and write it.
enum class DType : std::uint8_t { f32, f64, i32, i64, u8, b8, bf16 };

std::size_t size_of(DType dtype);
DType parse_dtype(std::string_view name);  // NumPy's names: "float32", "int32", "bool" ...
std::string_view name_of(DType dtype);

// A tensor as the plan knows it. With `batched`, shape[0] is the largest batch, and a run of n rows
// uses the first n.
struct TensorDesc {
  DType dtype = DType::f32;
  bool batched = false;
  std::vector<std::int64_t> shape;

  std::int64_t rank() const { return static_cast<std::int64_t>(shape.size()); }
  // Dimension i in a run of `batch` rows; negative i counts from the end.
  std::int64_t dim(std::int64_t i, std::int64_t batch) const;
  std::int64_t max_size() const;                // elements at the largest batch
  std::int64_t size(std::int64_t batch) const;  // elements in a run of `batch` rows
};

class Attrs {
 public:
  using Value = std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>,
                             std::vector<double>>;

  void set(std::string_view key, Value value);
  void erase(std::string_view key);
  bool has(std::string_view key) const;
  // Each throws std::invalid_argument if the key is missing (and no fallback given) or of another
  // type. Integers are accepted as reals.
  std::int64_t integer(std::string_view key) const;
  std::int64_t integer(std::string_view key, std::int64_t fallback) const;
  double real(std::string_view key) const;
  double real(std::string_view key, double fallback) const;
  const std::string& text(std::string_view key) const;
  std::string text(std::string_view key, std::string_view fallback) const;
  std::vector<std::int64_t> integers(std::string_view key) const;  // an absent key is an error
  std::vector<double> reals(std::string_view key) const;

 private:
  const Value* find(std::string_view key) const;

  // Shared: in libstdc++ 12, a variant whose copy finds no memory ends the process.
  std::map<std::string, std::shared_ptr<const Value>, std::less<>> values_;

  template <class T>
  const T& get(std::string_view key, const char* type) const;
};

struct OpSpec {
  std::string name;
  std::vector<TensorDesc> inputs, outputs;
  Attrs attrs;
  // Input 1 keeps its values from run to run: if the op has packed_bytes(), it is run with what
  // pack() made of them.
  bool fixed_weights = false;
};

// Is told of the rows of a result (all axes but the last) as soon as an op has finished them.
class RowObserver {
 public:
  virtual ~RowObserver() = default;
  // Rows [first, first + count), stretch number `stretch` of the result; by any thread.
  virtual void rows(std::int64_t stretch, std::int64_t first, std::int64_t count,
                    std::byte* workspace) const = 0;
};

// What one run of one op sees. Pointers are 64-byte aligned unless they are a caller's own arrays
// (program inputs read in place), so kernels use unaligned loads.
struct RunContext {
  std::int64_t batch;  // rows in this run
  std::span<void* const> in, out;
  std::byte* scratch;  // scratch_bytes() of this op, shared by its threads
  const Threads& threads;
  std::uint64_t seed, step;               // the counter of random numbers
  const std::byte* packed = nullptr;      // what pack() made of the weights, if the plan keeps it
  bool* failed = nullptr;                 // to be set where the steps after this one must not run
  const RowObserver* finished = nullptr;  // only where stretches() is not 0

  template <class T = float>
  const T* input(std::size_t i) const {
    return static_cast<const T*>(in[i]);
  }
  template <class T = float>
  T* output(std::size_t i) const {
    return static_cast<T*>(out[i]);
  }
  // The same run, for an op within this one.
  RunContext within(std::span<void* const> inputs, std::byte* inner_scratch) const {
    return {batch, inputs, out, inner_scratch, threads, seed, step, packed};
  }
};

class Op {
 public:
  virtual ~Op() = default;
  // Never allocates, never throws. Cuts its work by shape alone, so that the bits of the result do
  // not depend on the number of threads.
  virtual void run(const RunContext& ctx) const = 0;
  virtual std::size_t scratch_bytes() const { return 0; }         // for the largest batch
  virtual std::size_t thread_scratch_bytes() const { return 0; }  // for each thread
  // An op that first brings its weights, input 1, into another form can keep that form where the
  // weights do not change from run to run: it says how large it is, and makes it.
  virtual std::size_t packed_bytes() const { return 0; }
  virtual void pack(const RunContext& /*ctx*/, std::byte* /*packed*/) const {}
  virtual double flops(std::int64_t /*batch*/) const { return 0; }
  virtual std::string algorithm() const { return ""; }
  // The number of stretches of whole rows, at most, in which result 0 is finished, for an op that
  // tells of them; 0: it does not. A larger batch has no fewer.
  virtual std::int64_t stretches(std::int64_t /*batch*/) const { return 0; }
  // Pairs (output, input) that may share memory when the input dies with this step.
  virtual std::vector<std::pair<int, int>> inplace() const { return {}; }
};

// Builds an op, or throws std::invalid_argument with a message that names the op, what came and
// what was expected.
std::unique_ptr<Op> make_op(const OpSpec& spec);
std::vector<std::string> op_names();

using OpFactory = std::unique_ptr<Op> (*)(const OpSpec&);
void add_op(std::string name, OpFactory factory);  // one that a higher room implements
class Registry {
 public:
  void add(std::string name, OpFactory factory);
  std::map<std::string, OpFactory, std::less<>> factories;
};

}  // namespace fastconv
