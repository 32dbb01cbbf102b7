// select_top: the largest of all tasks' columns, the same for any number of workers.
#include "test/unit/codegen/TestProgram.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace gemmac::test {

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

struct Shape {
  int64_t tasks, width, columns, k;
};

struct Selected {
  std::vector<float> values;
  std::vector<int32_t> ids;
};

Selected expectedOf(const float *x, Shape shape) {
  std::vector<int32_t> order;
  for (int32_t i = 0; i < shape.columns; ++i)
    if (x[i] > -kInf)
      order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return x[a] > x[b]; });
  Selected result;
  for (size_t i = 0; i < static_cast<size_t>(shape.k); ++i) {
    result.ids.push_back(i < order.size() ? order[i] : -1);
    result.values.push_back(i < order.size() ? x[order[i]] : -kInf);
  }
  return result;
}

/// value(i) is column i; what is behind `columns` is larger than anything and must not count.
void check(const std::string &target, Shape shape, const std::function<float(int64_t)> &value,
           const std::string &what) {
  const int64_t all = shape.tasks * shape.width;
  TestProgram p(Options{64, 1});
  Buffer x = p.buffer("x", 1, all), values = p.buffer("values", 1, shape.k),
         ids = p.buffer("ids", 1, shape.k, "i32"), own = p.buffer("own", 1, shape.width, "f32", true);
  Buffer t = p.tile("t", x, 0, shape.width, shape.width), use = t;
  use.name = "%t";
  p.phase("\"top\" rows(all) cols(" + std::to_string(shape.tasks) + ") do {\n  " + t.name + "\n  step.copy " +
          operands({own, use}) + "\n  step.select_top " +
          operands({values, ids, own}, "columns = " + std::to_string(shape.columns)) + "\n}");
  p.fill(x);
  for (int64_t i = 0; i < all; ++i)
    p.f32(x)[i] = i < shape.columns ? value(i) : 1e30f;
  p.compile(target);
  const Selected expected = expectedOf(p.f32(x), shape);
  for (int workers : {1, 2, 5}) {
    p.run(1, workers);
    for (size_t i = 0; i < static_cast<size_t>(shape.k); ++i) {
      ASSERT_EQ(p.data<int32_t>(ids)[i], expected.ids[i]) << what << ", " << workers << " workers, " << i;
      ASSERT_EQ(p.f32(values)[i], expected.values[i]) << what << ", " << workers << " workers, " << i;
      ASSERT_EQ(std::signbit(p.f32(values)[i]), std::signbit(expected.values[i])) << what << " " << i;
    }
  }
}

class Top : public testing::TestWithParam<std::string> {};

TEST_P(Top, AnyValues) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(-1, 1);
  const Shape small{5, 24, 110, 8}, large{40, 128, 40 * 128 - 3, 64}, many{3, 2000, 6000, 256};
  for (Shape shape : {small, large, many}) {
    check(GetParam(), shape, [&](int64_t) { return uniform(random); }, "random");
    check(GetParam(), shape, [&](int64_t) { return std::floor(8 * uniform(random)); }, "ties");
    check(GetParam(), shape, [&](int64_t) { return -2.5f; }, "all equal");
    check(GetParam(), shape, [&](int64_t i) { return static_cast<float>(i) - 700; }, "ascending");
    check(GetParam(), shape, [&](int64_t i) { return -static_cast<float>(i); }, "descending");
    check(GetParam(), shape, [&](int64_t i) { return i % 3 ? -0.f : 0.f; }, "zeros are equal");
    check(GetParam(), shape, [&](int64_t i) { return i % 7 ? -kInf : NAN; }, "none");
    check(
        GetParam(), shape, [&](int64_t i) { return i == 5 || i == shape.columns - 1 ? 1e-40f : -kInf; },
        "two");
    check(
        GetParam(), shape,
        [&](int64_t i) {
          return i % 5 == 1 ? NAN : i % 5 == 2 ? kInf : i % 5 == 3 ? -kInf : uniform(random);
        },
        "not finite");
  }
}

TEST_P(Top, OneTaskOfOneColumn) {
  check(GetParam(), {1, 1, 1, 1}, [](int64_t) { return 3; }, "one");
  check(GetParam(), {1, 40, 33, 33}, [](int64_t i) { return static_cast<float>(i % 4); }, "all of them");
}

INSTANTIATE_TEST_SUITE_P(Targets, Top, testing::ValuesIn(runnableTargets()), targetName);

} // namespace
} // namespace gemmac::test
