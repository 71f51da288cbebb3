// The list of all operations, by family.
#include "ops/registry.h"

#include <stdexcept>

namespace fastconv {
namespace {

Registry& registry() {
  static Registry instance = [] {
    Registry r;
    register_conv2d(r);
    register_dense(r);
    register_im2col(r);
    register_matmul(r);
    register_pointwise(r);
    register_normalization(r);
    register_optimizer(r);
    register_pool(r);
    register_random(r);
    register_reduce(r);
    register_argmax(r);
    register_shape(r);
    register_indexing(r);
    register_softmax(r);
    return r;
  }();
  return instance;
}

}  // namespace

void Registry::add(std::string name, OpFactory factory) {
  factories.emplace(std::move(name), factory);
}

void add_op(std::string name, OpFactory factory) { registry().add(std::move(name), factory); }

std::unique_ptr<Op> make_op(const OpSpec& spec) {
  const auto& factories = registry().factories;
  const auto it = factories.find(spec.name);
  if (it == factories.end()) throw std::invalid_argument("no operation named '" + spec.name + "'");
  return it->second(spec);
}

std::vector<std::string> op_names() {
  std::vector<std::string> names;
  for (const auto& [name, factory] : registry().factories) names.push_back(name);
  return names;
}

}  // namespace fastconv
