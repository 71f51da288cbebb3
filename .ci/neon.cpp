// The main operations against plain loops, on whatever ISA this is compiled for, without Python.
#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "dispatch/dispatch.h"
#include "ops/convolution.h"
#include "plan/plan.h"

namespace {

using namespace fastconv;
using Shape = std::vector<std::int64_t>;
using Floats = std::vector<float>;

int failures = 0;

std::int64_t size_of(const Shape& shape) {
  std::int64_t size = 1;
  for (const std::int64_t d : shape) size *= d;
  return size;
}

struct Array {
  Shape shape;
  Floats data;
};

Array random_array(Shape shape) {
  static std::mt19937 generator(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  Array array{shape, Floats(static_cast<std::size_t>(size_of(shape)))};
  for (float& v : array.data) v = uniform(generator);
  return array;
}

// The first output of one op; `extra` outputs follow with their dtypes.
Array run(const std::string& op, const std::vector<Array>& inputs, const Shape& result,
          std::map<std::string, Attrs::Value, std::less<>> attrs = {},
          const std::vector<std::pair<Shape, DType>>& extra = {}) {
  std::vector<PlanTensor> tensors;
  PlanStep step;
  step.op.name = op;
  step.op.attrs.values = std::move(attrs);
  Feed feed;
  feed.batch = 1;
  std::vector<int> ins;
  for (const Array& input : inputs) {
    ins.push_back(static_cast<int>(tensors.size()));
    tensors.push_back({{DType::f32, false, input.shape}, Kind::input});
    feed.inputs.push_back(input.data.data());
  }
  step.inputs = ins;
  step.outputs.push_back(static_cast<int>(tensors.size()));
  tensors.push_back({{DType::f32, false, result}, Kind::temp});
  for (const auto& [shape, dtype] : extra) {
    step.outputs.push_back(static_cast<int>(tensors.size()));
    tensors.push_back({{dtype, false, shape}, Kind::temp});
  }
  const Plan plan(tensors, {step}, ins, {step.outputs[0]}, 1, false);
  Array out{result, Floats(static_cast<std::size_t>(size_of(result)))};
  feed.outputs.push_back(out.data.data());
  const Plan::Lease lease(plan);
  Threads threads = plan.threads(*lease);
  plan.run(*lease, feed, threads);
  return out;
}

void compare(const std::string& what, const Floats& found, const Floats& expected,
             double tolerance = 1e-4) {
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i)
    worst = std::fmax(worst, std::fabs(found[i] - expected[i]) / (1 + std::fabs(expected[i])));
  const bool good = found.size() == expected.size() && worst <= tolerance;
  failures += !good;
  std::printf("%s %-58s %.1e\n", good ? "ok  " : "FAIL", what.c_str(), worst);
}

double dot(const Floats& a, const Floats& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

struct Case {
  std::int64_t n, size, channels, filters, kernel, stride, dilation, pad, groups;
};

void convolution(const Case& c) {
  const std::int64_t out = (c.size + 2 * c.pad - (c.kernel - 1) * c.dilation - 1) / c.stride + 1;
  const std::int64_t depth = c.channels / c.groups, width = c.filters / c.groups;
  const Array x = random_array({c.n, c.size, c.size, c.channels});
  const Array w = random_array({c.kernel, c.kernel, depth, c.filters});
  const Array dy = random_array({c.n, out, out, c.filters});
  Floats y(dy.data.size());
  for (std::int64_t n = 0; n < c.n; ++n)
    for (std::int64_t oy = 0; oy < out; ++oy)
      for (std::int64_t ox = 0; ox < out; ++ox)
        for (std::int64_t f = 0; f < c.filters; ++f) {
          double sum = 0;
          for (std::int64_t ky = 0; ky < c.kernel; ++ky)
            for (std::int64_t kx = 0; kx < c.kernel; ++kx) {
              const std::int64_t iy = oy * c.stride + ky * c.dilation - c.pad;
              const std::int64_t ix = ox * c.stride + kx * c.dilation - c.pad;
              if (iy < 0 || ix < 0 || iy >= c.size || ix >= c.size) continue;
              for (std::int64_t d = 0; d < depth; ++d)
                sum += static_cast<double>(x.data[((n * c.size + iy) * c.size + ix) * c.channels +
                                                  f / width * depth + d]) *
                       w.data[((ky * c.kernel + kx) * depth + d) * c.filters + f];
            }
          y[((n * out + oy) * out + ox) * c.filters + f] = static_cast<float>(sum);
        }
  for (const char* algorithm : {"auto", "direct", "winograd", "im2col"}) {
    set_conv_algorithm(algorithm);
    const auto attrs = [&] {
      return std::map<std::string, Attrs::Value, std::less<>>{
          {"strides", Shape{c.stride, c.stride}},
          {"dilation", Shape{c.dilation, c.dilation}},
          {"padding", Shape{c.pad, c.pad, c.pad, c.pad}},
          {"groups", c.groups}};
    };
    const std::string name = std::to_string(c.size) + "x" + std::to_string(c.channels) + " to " +
                             std::to_string(c.filters) + ", kernel " + std::to_string(c.kernel) +
                             " stride " + std::to_string(c.stride) + " groups " +
                             std::to_string(c.groups) + " " + algorithm;
    compare("conv2d " + name, run("conv2d", {x, w}, dy.shape, attrs()).data, y, 1e-3);
    // The gradients are the adjoints of the convolution: each is compared by an inner product.
    auto back = attrs();
    back["input_shape"] = Shape{c.size, c.size};
    const Array dx = run("conv2d_input_grad", {dy, w}, x.shape, back);
    auto weights = attrs();
    weights["kernel_shape"] = Shape{c.kernel, c.kernel};
    const Array dw = run("conv2d_weight_grad", {x, dy}, w.shape, weights);
    const auto scale = static_cast<float>(std::sqrt(static_cast<double>(dy.data.size())));
    const float exact = static_cast<float>(dot(y, dy.data)) / scale;
    compare("conv2d_input_grad " + name, {static_cast<float>(dot(dx.data, x.data)) / scale},
            {exact}, 1e-3);
    compare("conv2d_weight_grad " + name, {static_cast<float>(dot(dw.data, w.data)) / scale},
            {exact}, 1e-3);
  }
  set_conv_algorithm("auto");
}

void matmul(std::int64_t m, std::int64_t k, std::int64_t n) {
  const Array a = random_array({m, k}), b = random_array({k, n});
  Floats y(static_cast<std::size_t>(m * n));
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::int64_t l = 0; l < k; ++l)
        sum += static_cast<double>(a.data[i * k + l]) * b.data[l * n + j];
      y[i * n + j] = static_cast<float>(sum);
    }
  const std::string name = std::to_string(m) + " " + std::to_string(k) + " " + std::to_string(n);
  compare("dense " + name, run("dense", {a, b}, {m, n}).data, y);
  compare("matmul " + name,
          run("matmul", {a, b}, {m, n},
              {{"transpose_a", std::int64_t{0}}, {"transpose_b", std::int64_t{0}}})
              .data,
          y);
}

void pointwise(const std::string& code, float (*exact)(float)) {
  Array x = random_array({7, 131});
  for (float& v : x.data) v *= 5;
  Floats y;
  for (const float v : x.data) y.push_back(exact(v));
  compare("pointwise " + code,
          run("pointwise", {x}, x.shape, {{"code", code + " %0"}, {"results", Shape{1}}}).data, y,
          1e-6);
}

void rows() {
  const Array x = random_array({33, 21});
  Floats soft(x.data.size()), sums(33), mean(21), variance(21), normal(x.data.size());
  for (int i = 0; i < 33; ++i) {
    double total = 0;
    for (int j = 0; j < 21; ++j) total += std::exp(static_cast<double>(x.data[i * 21 + j]));
    for (int j = 0; j < 21; ++j) {
      soft[i * 21 + j] = static_cast<float>(std::exp(x.data[i * 21 + j]) / total);
      sums[i] += x.data[i * 21 + j];
      mean[j] += x.data[i * 21 + j] / 33;
    }
  }
  for (int i = 0; i < 33 * 21; ++i)
    variance[i % 21] += (x.data[i] - mean[i % 21]) * (x.data[i] - mean[i % 21]) / 33;
  for (int i = 0; i < 33 * 21; ++i)
    normal[i] = (x.data[i] - mean[i % 21]) / std::sqrt(variance[i % 21] + 1e-3f);
  compare("softmax", run("softmax", {x}, x.shape).data, soft, 1e-5);
  compare("sum", run("sum", {x}, {33}, {{"axes", Shape{1}}, {"keepdims", std::int64_t{0}}}).data,
          sums, 1e-5);
  const Array one{{21}, Floats(21, 1.0f)}, zero{{21}, Floats(21, 0.0f)};
  compare("batch_norm",
          run("batch_norm", {x, one, zero}, x.shape, {{"epsilon", 1e-3}},
              {{{21}, DType::f32}, {{21}, DType::f32}})
              .data,
          normal);
  Floats turned(x.data.size());
  for (int i = 0; i < 33 * 21; ++i) turned[i % 21 * 33 + i / 21] = x.data[i];
  compare("transpose", run("transpose", {x}, {21, 33}, {{"perm", Shape{1, 0}}}).data, turned, 0);
}

void pools() {
  const Array x = random_array({2, 9, 9, 19});
  Floats most, average;
  for (int n = 0; n < 2; ++n)
    for (int oy = 0; oy < 4; ++oy)
      for (int ox = 0; ox < 4; ++ox)
        for (int c = 0; c < 19; ++c) {
          float top = -2, sum = 0;
          for (int ky = 0; ky < 3; ++ky)
            for (int kx = 0; kx < 3; ++kx) {
              const float v =
                  x.data[((n * 9 + 2 * oy + ky) * 9 + 2 * ox + kx) * std::int64_t{19} + c];
              top = std::fmax(top, v), sum += v;
            }
          most.push_back(top), average.push_back(sum / 9);
        }
  const auto attrs = [] {
    return std::map<std::string, Attrs::Value, std::less<>>{
        {"pool", Shape{3, 3}}, {"strides", Shape{2, 2}}, {"padding", Shape{0, 0, 0, 0}}};
  };
  const Shape out{2, 4, 4, 19};
  compare("max_pool2d", run("max_pool2d", {x}, out, attrs(), {{out, DType::u8}}).data, most, 0);
  compare("average_pool2d", run("average_pool2d", {x}, out, attrs()).data, average, 1e-6);
}

}  // namespace

int main() {
  choose_isa("");
  std::printf("kernels of %s, %d threads\n", kernels().isa, num_threads());
  for (const Case& c : {Case{2, 12, 3, 16, 3, 1, 1, 1, 1}, Case{2, 13, 16, 32, 3, 1, 1, 1, 1},
                        Case{1, 11, 20, 24, 5, 2, 1, 2, 1}, Case{2, 9, 8, 12, 1, 1, 1, 0, 1},
                        Case{1, 14, 6, 10, 3, 1, 2, 2, 2}, Case{2, 10, 24, 24, 3, 1, 1, 1, 24},
                        Case{1, 9, 7, 14, 3, 2, 1, 0, 7}})
    convolution(c);
  matmul(1, 300, 17);
  matmul(67, 129, 70);
  pointwise("exp", [](float v) { return std::exp(v); });
  pointwise("tanh", [](float v) { return std::tanh(v); });
  pointwise("sigmoid", [](float v) { return 1 / (1 + std::exp(-v)); });
  pointwise("relu", [](float v) { return std::fmax(v, 0.0f); });
  pointwise("erf", [](float v) { return std::erf(v); });
  rows();
  pools();
  std::printf(failures == 0 ? "all as in plain loops\n" : "%d differ\n", failures);
  return failures == 0 ? 0 : 1;
}
