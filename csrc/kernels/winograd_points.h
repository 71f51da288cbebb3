// The one-dimensional transforms of F(2, 3) to F(6, 3). The points of F(4, 3), 0, +-5/8, +-3/2 and
// infinity, have a third of the error of 0, +-1, +-2 (relative RMS 5.7e-7 against 1.2e-6 at 32
// channels). For F(5, 3) and F(6, 3) none of the sets tried beats powers of two. Rows of B' come in
// pairs {0, N - 1}, {1, 2}, {3, 4} ... that share their sums; with an odd N, row 0 is alone.
#pragma once

#include <type_traits>
#include <utility>

#include "kernels/simd/vec.h"

namespace fastconv::FASTCONV_ISA {
namespace {

// A loop whose index is a constant, so that arrays of vectors live in registers.
template <class F, int... I>
FC_INLINE void each_(F&& f, std::integer_sequence<int, I...>) {
  (f(std::integral_constant<int, I>{}), ...);
}
template <int N, class F>
FC_INLINE void each(F&& f) {
  each_(f, std::make_integer_sequence<int, N>{});
}

struct F2 {
  static constexpr int kOutputs = 2, kPoints = 4;
  static constexpr double kG[4][3] = {{-1, 0, 0}, {.5, .5, .5}, {.5, -.5, .5}, {0, 0, 1}};

  template <int Pair, class X>
  FC_INLINE static void input(X x, vf& a, vf& b) {
    if constexpr (Pair == 0) {
      a = x(2) - x(0);
      b = x(3) - x(1);
    } else {
      const vf even = x(2), odd = x(1);
      a = even + odd;
      b = even - odd;
    }
  }
  template <class X>
  FC_INLINE static void output(X m, vf* y) {
    const vf sum = m(1) + m(2), difference = m(1) - m(2);
    y[0] = m(0) + sum;
    y[1] = difference + m(3);
  }
  template <class X>
  FC_INLINE static void gradient(X y, vf* z) {
    const vf a = y(0), b = y(1);
    z[0] = a;
    z[1] = a + b;
    z[2] = a - b;
    z[3] = b;
  }
};

struct F4 {
  static constexpr int kOutputs = 4, kPoints = 6;
  static constexpr double kA = 0.625, kB = 1.5, kA2 = kA * kA, kB2 = kB * kB;
  static constexpr double kNa = 1 / (2 * kA2 * (kA2 - kB2)), kNb = 1 / (2 * kB2 * (kB2 - kA2));
  static constexpr double kG[6][3] = {{1 / (kA2 * kB2), 0, 0},     {kNa, kNa * kA, kNa * kA2},
                                      {kNa, -kNa * kA, kNa * kA2}, {kNb, kNb * kB, kNb * kB2},
                                      {kNb, -kNb * kB, kNb * kB2}, {0, 0, 1}};
  static constexpr float a1 = kA, b1 = kB, a2 = kA2, b2 = kB2, a3 = kA * kA2, b3 = kB * kB2,
                         sum2 = kA2 + kB2, product2 = kA2 * kB2, ab2 = kA * kB2, ba2 = kB * kA2;

  template <int Pair, class X>
  FC_INLINE static void input(X x, vf& a, vf& b) {
    if constexpr (Pair == 0) {
      a = x(4) - sum2 * x(2) + product2 * x(0);
      b = x(5) - sum2 * x(3) + product2 * x(1);
    } else {
      // A multiply, two multiply-adds and two adds: shorter on the multiply-add pipes than four.
      constexpr float other2 = Pair == 1 ? b2 : a2, own = Pair == 1 ? a1 : b1,
                      mixed = Pair == 1 ? ab2 : ba2;
      const vf even = x(4) - other2 * x(2), odd = own * x(3) - mixed * x(1);
      a = even + odd;
      b = even - odd;
    }
  }
  template <class X>
  FC_INLINE static void output(X m, vf* y) {
    const vf s = m(1) + m(2), d = m(1) - m(2), t = m(3) + m(4), e = m(3) - m(4);
    y[0] = m(0) + s + t;
    y[1] = a1 * d + b1 * e;
    y[2] = a2 * s + b2 * t;
    y[3] = m(5) + a3 * d + b3 * e;
  }
  template <class X>
  FC_INLINE static void gradient(X y, vf* z) {
    const vf even_a = y(0) + a2 * y(2), odd_a = a1 * y(1) + a3 * y(3);
    const vf even_b = y(0) + b2 * y(2), odd_b = b1 * y(1) + b3 * y(3);
    z[0] = y(0);
    z[1] = even_a + odd_a;
    z[2] = even_a - odd_a;
    z[3] = even_b + odd_b;
    z[4] = even_b - odd_b;
    z[5] = y(3);
  }
};

// Points 0, +-1/2, +-1, +-2, and for six outputs infinity.
template <int M>
struct F5or6 {
  static constexpr int kOutputs = M, kPoints = M + 2;
  static_assert(M == 5 || M == 6);
  static constexpr double kPoint[3] = {0.5, 1, 2};
  static constexpr double kG[8][3] = {{-1, 0, 0},
                                      {32. / 45, 16. / 45, 8. / 45},
                                      {32. / 45, -16. / 45, 8. / 45},
                                      {-2. / 9, -2. / 9, -2. / 9},
                                      {-2. / 9, 2. / 9, -2. / 9},
                                      {1. / 90, 2. / 90, 4. / 90},
                                      {1. / 90, -2. / 90, 4. / 90},
                                      {0, 0, 1}};

  template <int Pair, class X>
  FC_INLINE static void input(X x, vf& a, vf& b) {
    if constexpr (Pair == 0) {
      a = (x(6) - x(0)) + 5.25f * (x(2) - x(4));
      if constexpr (M == 6) b = (x(7) - x(1)) + 5.25f * (x(3) - x(5));
    } else {
      // Squares of the other two points: their sum and product.
      constexpr float own = kPoint[Pair - 1];
      constexpr float sum = 5.25f - own * own, product = 1 / (own * own);
      const vf even = product * x(2) + (x(6) - sum * x(4));
      const vf odd = own * (product * x(1) + (x(5) - sum * x(3)));
      a = even + odd;
      b = even - odd;
    }
  }
  template <class X>
  FC_INLINE static void output(X m, vf* y) {
    const vf s = m(1) + m(2), t = m(3) + m(4), u = m(5) + m(6);
    const vf d = m(1) - m(2), e = m(3) - m(4), f = m(5) - m(6);
    y[0] = m(0) + s + t + u;
    y[1] = 0.5f * d + e + 2.0f * f;
    y[2] = 0.25f * s + t + 4.0f * u;
    y[3] = 0.125f * d + e + 8.0f * f;
    y[4] = 0.0625f * s + t + 16.0f * u;
    if constexpr (M == 6) y[5] = m(7) + 0.03125f * d + e + 32.0f * f;
  }
  template <class X>
  FC_INLINE static void gradient(X y, vf* z) {
    z[0] = y(0);
    each<3>([&](auto i) __attribute__((always_inline)) {
      constexpr float p = kPoint[i], p2 = p * p;
      const vf even = y(0) + p2 * (y(2) + p2 * y(4));
      vf odd = y(3);
      if constexpr (M == 6) odd += p2 * y(5);
      odd = p * (y(1) + p2 * odd);
      z[2 * i + 1] = even + odd;
      z[2 * i + 2] = even - odd;
    });
    if constexpr (M == 6) z[7] = y(5);
  }
};
using F5 = F5or6<5>;
using F6 = F5or6<6>;

// Row i of G times three values.
template <class T, int I, class X>
FC_INLINE vf weight_row(X x) {
  if constexpr (I == 0) return static_cast<float>(T::kG[0][0]) * x(0);
  if constexpr (T::kG[I][0] == 0) return x(2);
  return static_cast<float>(T::kG[I][0]) * x(0) + static_cast<float>(T::kG[I][1]) * x(1) +
         static_cast<float>(T::kG[I][2]) * x(2);
}
// Row r of G' times the points' values.
template <class T, int R, class X>
FC_INLINE vf weight_column(X x) {
  vf sum{};
  each<T::kPoints>([&](auto i) __attribute__((always_inline)) {
    if constexpr (T::kG[i][R] != 0) sum += static_cast<float>(T::kG[i][R]) * x(i);
  });
  return sum;
}

}  // namespace
}  // namespace fastconv::FASTCONV_ISA
