// Programs of a cache and an attention, for several tests, and what they should compute.
#pragma once

#include "test/unit/codegen/TestProgram.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace gemmac::test {

struct Shape {
  int64_t heads, kvHeads, dim, window, slots, context;
};

/// Writes k and v of a chunk into the cache, then attends.
struct Attention {
  Attention(Shape s, const std::string &type, int64_t rows, bool whole)
      : shape(s), program(Options{s.context, rows}) {
    std::tie(kHalf, vHalf) = program.cache("kv", s.kvHeads, s.dim, s.window, s.slots, type);
    q = program.buffer("q", rows, s.heads * s.dim);
    k = program.buffer("k", rows, s.kvHeads * s.dim);
    v = program.buffer("v", rows, s.kvHeads * s.dim);
    y = program.buffer("y", rows, s.heads * s.dim);
    program.phase("\"write\" rows(all) cols(1) do {\n  step.cache_write @kv k, " + k.use() +
                  "\n  step.cache_write @kv v, " + v.use() + "\n}");
    std::string heads = "heads = " + std::to_string(s.heads) + ", window = " + std::to_string(s.window);
    std::string grid = " rows(all) cols(" + std::to_string(s.heads) + ") by_row do {\n  ";
    if (whole) {
      program.phase("\"attention\"" + grid + "step.attention " +
                    operands({y, q}, heads + ", scale = 0.5", ", @kv") + "\n}");
      return;
    }
    int64_t positions = (s.context + 15) / 16 * 16;
    Buffer scores = program.buffer("scores", rows, s.heads * positions);
    Buffer t = program.tile("t", scores, 0, positions, positions);
    program.phase("\"qk\"" + grid + "step.qk " + operands({scores, q}, heads + ", scale = 0.5", ", @kv") +
                  "\n}");
    program.phase("\"softmax\"" + grid + t.name + "\n  step.softmax " + operands({t, t}) + "\n}");
    program.phase("\"pv\"" + grid + "step.pv " + operands({y, scores}, heads, ", @kv") + "\n}");
  }
  Shape shape;
  TestProgram program;
  Buffer q, k, v, y, kHalf, vHalf;
};

/// All that was ever written to a cache, as the cache holds it: [position][kvHeads * dim].
struct History {
  std::vector<std::vector<double>> k, v;

  std::vector<double> attend(const Shape &s, const float *q, int64_t position) const {
    std::vector<double> out;
    for (int64_t h = 0; h < s.heads; ++h) {
      int64_t base = h / (s.heads / s.kvHeads) * s.dim,
              first = s.window > 0 ? std::max<int64_t>(0, position - s.window + 1) : 0;
      std::vector<double> p;
      for (int64_t j = first; j <= position; ++j) {
        double sum = 0;
        for (int64_t d = 0; d < s.dim; ++d)
          sum += q[h * s.dim + d] * k[static_cast<size_t>(j)][static_cast<size_t>(base + d)];
        p.push_back(0.5 * sum);
      }
      double top = *std::max_element(p.begin(), p.end()), total = 0;
      for (double &x : p)
        total += x = std::exp(x - top);
      for (int64_t d = 0; d < s.dim; ++d) {
        double sum = 0;
        for (size_t j = 0; j < p.size(); ++j)
          sum += p[j] / total * v[static_cast<size_t>(first) + j][static_cast<size_t>(base + d)];
        out.push_back(sum);
      }
    }
    return out;
  }
};

} // namespace gemmac::test
