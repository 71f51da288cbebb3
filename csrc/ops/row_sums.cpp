#include "ops/row_sums.h"

#include <algorithm>
#include <cmath>

#include "dispatch/dispatch.h"

namespace fastconv {
namespace {

constexpr std::int64_t kStretchElements = 32768;
constexpr std::int64_t kMergeChannels = 64;  // a task of adding stretches up

}  // namespace

std::int64_t RowSums::stretch_rows() const {
  // Whole groups of rows, so that a stretch is summed like any other.
  return std::max<std::int64_t>(64, kStretchElements / channels_ / 8 * 8);
}

std::size_t RowSums::bytes(std::int64_t stretches) const {
  return static_cast<std::size_t>(stretches * stride()) * sizeof(double);
}

std::size_t RowSums::workspace_bytes() const {
  return static_cast<std::size_t>(channels_) * 3 * sizeof(float);
}

void RowSums::clear(std::byte* sums, std::int64_t stretches) const {
  for (std::int64_t stretch = 0; stretch < stretches; ++stretch) of(sums, stretch, 0);
}

RowSums::Sums RowSums::of(std::byte* sums, std::int64_t stretch, std::int64_t rows) const {
  double* first = reinterpret_cast<double*>(sums) + stretch * stride();
  first[3 * channels_] = static_cast<double>(rows);
  if (rows > 0) std::fill_n(first, 2 * channels_, 0.0);
  return {first, first + channels_, first + 2 * channels_};
}

// A stretch's values are shifted by its first row at first, and then by the mean of some more rows,
// in case that row is far from the others.
void RowSums::add(const float* x, std::int64_t rows, std::byte* sums, std::int64_t stretch,
                  std::byte* workspace) const {
  if (rows <= 0) return;
  const NormalizationKernels& k = kernels().normalization;
  const Sums to = of(sums, stretch, rows);
  auto* work = reinterpret_cast<float*>(workspace);
  float* shift = work + 2 * channels_;
  std::copy_n(x, channels_, shift);
  std::int64_t done = 0;
  for (const std::int64_t upto : {std::int64_t{8}, k.block_rows}) {
    const std::int64_t count = std::min(rows, upto) - done;
    if (count == 0) break;
    k.moments(x + done * channels_, count, channels_, shift, work, to.first, to.second);
    done += count;
    centre(static_cast<double>(done), to, shift);
  }
  for (; done < rows; done += k.block_rows)
    k.moments(x + done * channels_, std::min(k.block_rows, rows - done), channels_, shift, work,
              to.first, to.second);
  std::copy_n(shift, channels_, to.shift);
}

// Moves the shift of sums over n rows to their mean.
void RowSums::centre(double n, const Sums& sums, float* shift) const {
  for (std::int64_t c = 0; c < channels_; ++c) {
    const float old = shift[c];
    shift[c] = static_cast<float>(static_cast<double>(old) + sums.first[c] / n);
    const double moved = static_cast<double>(shift[c]) - static_cast<double>(old);
    sums.second[c] -= (2 * sums.first[c] - n * moved) * moved;
    sums.first[c] -= n * moved;
  }
}

void RowSums::add(const Gradient& g, std::int64_t rows, std::byte* sums, std::int64_t stretch,
                  std::byte* workspace) const {
  if (rows <= 0) return;
  const NormalizationKernels& k = kernels().normalization;
  const Sums to = of(sums, stretch, rows);
  for (std::int64_t row = 0; row < rows; row += k.block_rows) {
    const std::int64_t at = row * channels_;
    k.grad_sums(g.dy + at, g.x + at, g.mask == nullptr ? nullptr : g.mask + at,
                std::min(k.block_rows, rows - row), channels_, g.mean,
                reinterpret_cast<float*>(workspace), g.masked == nullptr ? nullptr : g.masked + at,
                to.first, to.second);
  }
}

// Calls body(first channel, channels) for groups of channels.
template <class F>
static void for_channels(const Threads& threads, std::int64_t stretches, std::int64_t channels,
                         const F& body) {
  const std::int64_t tasks = (channels + kMergeChannels - 1) / kMergeChannels;
  const double work = static_cast<double>(stretches * channels);
  threads.parallel_for(tasks, work, [&](std::int64_t task, std::byte*) {
    const std::int64_t first = task * kMergeChannels;
    body(first, std::min(kMergeChannels, channels - first));
  });
}

void RowSums::moments(const Threads& threads, const std::byte* sums, std::int64_t stretches,
                      float* mean, float* variance) const {
  const auto* all = reinterpret_cast<const double*>(sums);
  for_channels(threads, stretches, channels_, [&](std::int64_t first, std::int64_t channels) {
    double sum[kMergeChannels] = {}, square[kMergeChannels] = {};  // of x - origin
    double origin[kMergeChannels] = {}, n = 0;
    for (std::int64_t stretch = 0; stretch < stretches; ++stretch) {
      const double* s = all + stretch * stride() + first;
      const double count = all[stretch * stride() + 3 * channels_];
      if (count == 0) continue;
      if (n == 0) std::copy_n(s + 2 * channels_, channels, origin);
      n += count;
      for (std::int64_t c = 0; c < channels; ++c) {
        const double shift = s[2 * channels_ + c] - origin[c];
        sum[c] += s[c] + count * shift;
        square[c] += s[channels_ + c] + (2 * s[c] + count * shift) * shift;
      }
    }
    n = std::max(1.0, n);
    for (std::int64_t c = 0; c < channels; ++c) {
      const double middle = sum[c] / n, spread = square[c] / n - middle * middle;
      mean[first + c] = static_cast<float>(origin[c] + middle);
      // Not std::max: a NaN must stay.
      variance[first + c] = static_cast<float>(spread < 0 ? 0 : spread);
    }
  });
}

void RowSums::gradients(const Threads& threads, const std::byte* sums, std::int64_t stretches,
                        const float* variance, double epsilon, float* dgamma, float* dbeta) const {
  const auto* all = reinterpret_cast<const double*>(sums);
  for_channels(threads, stretches, channels_, [&](std::int64_t first, std::int64_t channels) {
    double sum[kMergeChannels] = {}, product[kMergeChannels] = {};
    for (std::int64_t stretch = 0; stretch < stretches; ++stretch) {
      const double* s = all + stretch * stride() + first;
      if (all[stretch * stride() + 3 * channels_] == 0) continue;
      for (std::int64_t c = 0; c < channels; ++c) {
        sum[c] += s[c];
        product[c] += s[channels_ + c];
      }
    }
    for (std::int64_t c = 0; c < channels; ++c) {
      const double spread = static_cast<double>(variance[first + c]) + epsilon;
      dgamma[first + c] = static_cast<float>(product[c] / std::sqrt(spread));
      dbeta[first + c] = static_cast<float>(sum[c]);
    }
  });
}

}  // namespace fastconv
