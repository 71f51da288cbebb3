// Reading a tape's text.
#include <algorithm>
#include <charconv>

#include "ops/tape.h"

namespace fastconv {
namespace {

using C = PointwiseCode;

struct Known {
  std::string_view name;
  C code;
  int args;
};
constexpr Known kKnown[] = {
    {"negative", C::negative, 1},
    {"absolute", C::absolute, 1},
    {"exp", C::exp, 1},
    {"expm1", C::expm1, 1},
    {"log", C::log, 1},
    {"log1p", C::log1p, 1},
    {"sqrt", C::sqrt, 1},
    {"rsqrt", C::rsqrt, 1},
    {"square", C::square, 1},
    {"reciprocal", C::reciprocal, 1},
    {"sign", C::sign, 1},
    {"tanh", C::tanh, 1},
    {"sigmoid", C::sigmoid, 1},
    {"relu", C::relu, 1},
    {"erf", C::erf, 1},
    {"sin", C::sin, 1},
    {"cos", C::cos, 1},
    {"floor", C::floor, 1},
    {"ceil", C::ceil, 1},
    {"round", C::round, 1},
    {"isnan", C::isnan, 1},
    {"isfinite", C::isfinite, 1},
    {"logical_not", C::logical_not, 1},
    {"softplus", C::softplus, 1},
    {"identity", C::identity, 1},
    {"stop_gradient", C::identity, 1},
    {"add", C::add, 2},
    {"subtract", C::subtract, 2},
    {"multiply", C::multiply, 2},
    {"divide", C::divide, 2},
    {"power", C::power, 2},
    {"maximum", C::maximum, 2},
    {"minimum", C::minimum, 2},
    {"floor_divide", C::floor_divide, 2},
    {"mod", C::mod, 2},
    {"less", C::less, 2},
    {"less_equal", C::less_equal, 2},
    {"greater", C::greater, 2},
    {"greater_equal", C::greater_equal, 2},
    {"equal", C::equal, 2},
    {"not_equal", C::not_equal, 2},
    {"logical_and", C::logical_and, 2},
    {"logical_or", C::logical_or, 2},
    {"relu_grad", C::relu_grad, 2},
    {"tanh_grad", C::tanh_grad, 2},
    {"sigmoid_grad", C::sigmoid_grad, 2},
    {"leaky_relu", C::leaky_relu, 2},
    {"elu", C::elu, 2},
    {"where", C::where, 3},
    {"leaky_relu_grad", C::leaky_relu_grad, 3},
    {"elu_grad", C::elu_grad, 3},
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    if (const auto part = trimmed(text.substr(0, end)); !part.empty()) parts.push_back(part);
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

class Parser {
 public:
  Parser(int inputs, std::string_view op) : op_(op) { code_.inputs = inputs; }

  TapeCode parse(std::string_view text) {
    for (const std::string_view line : split(text, ';')) instruction(line);
    return std::move(code_);
  }

 private:
  [[noreturn]] void fail(std::string_view line, const std::string& why) const {
    throw std::invalid_argument(std::string(op_) + ": in the pointwise code, '" +
                                std::string(line) + "': " + why);
  }

  template <class T>
  T number(std::string_view line, std::string_view text) const {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
      fail(line, "'" + std::string(text) + "' is not a number or a register");
    return value;
  }

  int operand(std::string_view line, std::string_view text) {
    if (text.front() == '%') {
      const int reg = number<int>(line, text.substr(1));
      const int made = code_.inputs + static_cast<int>(code_.instructions.size());
      if (reg < 0 || reg >= made)
        fail(line, "register " + std::to_string(reg) + " of " + std::to_string(made));
      return reg;
    }
    code_.immediates.push_back(static_cast<float>(number<double>(line, text)));
    return ~static_cast<int>(code_.immediates.size() - 1);
  }

  void instruction(std::string_view line) {
    const std::vector<std::string_view> words = split(line, ' ');
    const std::string_view name = words[0];
    Instruction made{C::identity, {Instruction::kNone, Instruction::kNone, Instruction::kNone}};
    if (name == "dropout" || name == "cast") {
      const std::size_t expected = name == "cast" ? 3 : 4;
      if (words.size() != expected) fail(line, "expected " + std::to_string(expected) + " words");
      made.arg[0] = operand(line, words[1]);
      if (name == "cast") {
        made.code = conversion(line, words[2]);
      } else {
        made.code = C::dropout;
        made.rate = number<double>(line, words[2]);
        made.stream = number<std::uint32_t>(line, words[3]);
        if (!(made.rate >= 0 && made.rate <= 1)) fail(line, "the rate must be from 0 to 1");
        if (made.arg[0] < 0) fail(line, "dropout of a constant");
      }
    } else {
      const auto known = std::ranges::find(kKnown, name, &Known::name);
      if (known == std::end(kKnown)) fail(line, "no such instruction");
      if (static_cast<int>(words.size()) != known->args + 1)
        fail(line, "expected " + std::to_string(known->args) + " operands");
      made.code = known->code;
      for (int i = 0; i < known->args; ++i) made.arg[i] = operand(line, words[i + 1]);
      if (made.code == C::power && made.arg[1] < 0) simplify_power(made);
    }
    code_.instructions.push_back(made);
  }

  C conversion(std::string_view line, std::string_view dtype) const {
    if (dtype == "float32") return C::identity;
    if (dtype == "int32") return C::whole;
    if (dtype == "uint8") return C::byte;
    if (dtype == "bool") return C::truth;
    if (dtype == "bfloat16") return C::bfloat16;
    fail(line, "cannot cast to '" + std::string(dtype) + "'");
  }

  void simplify_power(Instruction& i) const {
    const int place = ~i.arg[1];
    const float exponent = code_.immediates[static_cast<std::size_t>(place)];
    if (exponent == 2.0f)
      i.code = C::square;
    else if (exponent == 1.0f)
      i.code = C::identity;
    else if (exponent == -1.0f)
      i.code = C::reciprocal;
    else if (exponent == 0.5f)
      i.code = C::sqrt;
    else
      return;
    i.arg[1] = Instruction::kNone;
  }

  TapeCode code_;
  std::string_view op_;
};

}  // namespace

TapeCode TapeCode::parse(std::string_view code, int inputs, std::string_view op) {
  return Parser(inputs, op).parse(code);
}

}  // namespace fastconv
