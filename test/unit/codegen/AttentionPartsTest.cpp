// Attention of positions that are more than one part: a single row, whose parts are tasks, has the bits that
// it has in a prompt, whose tasks compute all parts of a row, with any number of workers.
#include "test/unit/codegen/AttentionProgram.h"

namespace gemmac::test {
namespace {

constexpr int64_t kRows = 64; ///< of a prompt's step

/// The last of a step's rows only, of a step that has more.
struct LastRow : Attention {
  LastRow(Shape s, const std::string &type) : Attention(s, type, kRows, true) {
    const std::string grid = " rows(last) cols(" + std::to_string(s.heads) + ") by_row do {\n  ";
    lastQ = program.buffer("last_q", 1, s.heads * s.dim);
    lastY = program.buffer("last_y", 1, s.heads * s.dim);
    program.phase("\"last\"" + grid + "step.attention " +
                  operands({lastY, lastQ},
                           "heads = " + std::to_string(s.heads) + ", window = " + std::to_string(s.window) +
                               ", scale = 0.5",
                           ", @kv") +
                  "\n}");
  }
  Buffer lastQ, lastY;
};

/// A prompt, step by step, and its rows once more as single ones.
class Roads {
public:
  Roads(const std::string &target, Shape s, const std::string &type, const std::string &what)
      : shape(s), type(type), what(what), prompt(s, type), single(s, type, 1, true) {
    prompt.program.fill(prompt.y); // makes the arenas
    single.program.fill(single.y);
    prompt.program.compile(target);
    single.program.compile(target);
  }

  /// Appends `live` positions, and looks at the last one.
  void append(int64_t live) {
    std::vector<float> q = prompt.program.fill(prompt.q), k = prompt.program.fill(prompt.k),
                       v = prompt.program.fill(prompt.v, 3);
    const int64_t width = shape.heads * shape.dim, kvWidth = shape.kvHeads * shape.dim, last = live - 1;
    for (int64_t r = 0; r < live; ++r) {
      history.k.push_back(held(k.data() + r * kvWidth, kvWidth, type));
      history.v.push_back(held(v.data() + r * kvWidth, kvWidth, type));
    }
    std::copy_n(q.data() + last * width, width, prompt.program.f32(prompt.lastQ));
    prompt.program.run(live, 3, position);
    position += live;
    const std::string at = what + " position " + std::to_string(position - 1);
    const float *y = prompt.program.f32(prompt.y) + last * width;
    expectClose(y, history.attend(shape, q.data() + last * width, position - 1), 1e-5, at);
    const auto bytes = static_cast<size_t>(width) * sizeof(float);
    EXPECT_EQ(std::memcmp(y, prompt.program.f32(prompt.lastY), bytes), 0) << at << " of rows(last)";

    std::memcpy(single.program.data<char>(single.kHalf), prompt.program.data<char>(prompt.kHalf),
                static_cast<size_t>(single.kHalf.columns + single.vHalf.columns));
    std::copy_n(q.data() + last * width, width, single.program.f32(single.q));
    std::copy_n(k.data() + last * kvWidth, kvWidth, single.program.f32(single.k));
    std::copy_n(v.data() + last * kvWidth, kvWidth, single.program.f32(single.v));
    for (int workers : {1, 3, 7}) {
      single.program.fill(single.y);
      single.program.run(1, workers, position - 1);
      EXPECT_EQ(std::memcmp(y, single.program.f32(single.y), bytes), 0)
          << at << " alone, " << workers << " workers";
    }
  }

  int64_t position = 0;

private:
  Shape shape;
  std::string type, what;
  LastRow prompt;
  Attention single;
  History history;
};

struct Case {
  Shape shape;
  const char *type;
};

class AttentionParts : public testing::TestWithParam<std::tuple<std::string, Case>> {};

std::string nameOf(const std::string &target, const Case &c) {
  return target + " " + c.type + " " + std::to_string(c.shape.heads) + " of " +
         std::to_string(c.shape.kvHeads) + " heads, dim " + std::to_string(c.shape.dim) + ", window " +
         std::to_string(c.shape.window);
}

TEST_P(AttentionParts, OneRowIsAsInAPrompt) {
  auto [target, c] = GetParam();
  Roads roads(target, c.shape, c.type, nameOf(target, c));
  roads.append(1);
  while (roads.position + kRows <= 364)
    roads.append(kRows - roads.position % 5);
  while (roads.position < 372) // one part, then two
    roads.append(1);
  while (roads.position + kRows <= c.shape.context)
    roads.append(kRows - roads.position % 7);
  EXPECT_GT(roads.position, 1200);
}

const Case kCases[] = {
    {{8, 1, 32, 0, 1280, 1280}, "f32"},     {{8, 1, 32, 0, 1280, 1280}, "bf16"},
    {{8, 1, 32, 0, 1280, 1280}, "q8"},      {{8, 2, 32, 512, 576, 1280}, "f32"},
    {{4, 1, 32, 512, 576, 1280}, "bf16"},   {{4, 1, 32, 512, 576, 1280}, "q8"},
    {{16, 8, 32, 0, 1280, 1280}, "bf16"},   {{32, 16, 32, 512, 576, 1280}, "f32"},
    {{32, 32, 16, 512, 576, 1280}, "bf16"}, {{6, 2, 24, 0, 1280, 1280}, "f32"},
};

/// The targets of which registers hold the fewest and the most.
std::vector<std::string> narrowAndWide() {
  const std::vector<std::string> all = runnableTargets();
  return all.size() > 1 ? std::vector<std::string>{all.front(), all.back()} : all;
}

std::string partsName(const testing::TestParamInfo<std::tuple<std::string, Case>> &info) {
  return testName(nameOf(std::get<0>(info.param), std::get<1>(info.param)));
}
INSTANTIATE_TEST_SUITE_P(Targets, AttentionParts,
                         testing::Combine(testing::ValuesIn(narrowAndWide()), testing::ValuesIn(kCases)),
                         partsName);

} // namespace
} // namespace gemmac::test
