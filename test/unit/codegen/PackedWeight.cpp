// See PackedWeight.h.
#include "test/unit/codegen/PackedWeight.h"

#include "dialect/gemma/Quantize.h"
#include "frontend/GgmlBlocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

namespace gemmac::test {

namespace {

int64_t up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

template <typename T> void put(std::vector<char> &bytes, size_t at, T x) {
  std::memcpy(bytes.data() + at, &x, sizeof x);
}

/// One matrix: stores values[row][column] into `bytes` from `base` on and replaces each by what was stored.
struct Packer {
  std::string format;
  int64_t n, k;
  std::vector<char> &bytes;
  size_t base;
  double *values;

  double &value(int64_t row, int64_t column) { return values[row * k + column]; }
  uint16_t narrow(double x) const {
    return format.find("bf16") != std::string::npos ? f32ToBF16(static_cast<float>(x))
                                                    : f32ToF16(static_cast<float>(x));
  }
  double widen(uint16_t x) const {
    return format.find("bf16") != std::string::npos ? bf16ToF32(x) : f16ToF32(x);
  }

  size_t superblock(int64_t row, int64_t column, int64_t size) const {
    return base + static_cast<size_t>((row / 16 * (up(k, 64) / 64) + column / 64) * size);
  }
  void group(int64_t row, int64_t first);
  void element(int64_t row, int64_t column);
  void pack();
};

/// 32 columns with one scale.
void Packer::group(int64_t row, int64_t first) {
  float x[32];
  int8_t q8[32];
  uint8_t q4[32];
  uint16_t scale;
  int count = static_cast<int>(std::min<int64_t>(32, k - first));
  for (int i = 0; i < count; ++i)
    x[i] = static_cast<float>(value(row, first + i));
  bool four = format == "q4p16";
  if (four)
    quantizeQ4(x, count, q4, &scale);
  else
    quantizeQ8(x, count, q8, &scale);
  int64_t lane = row % 16;
  size_t block = superblock(row, first, four ? 576 : 1088),
         rowBytes = static_cast<size_t>(up(up(k, 32) / 32 * 34, 64));
  for (int i = 0; i < 32; ++i) {
    int64_t j = first % 64 + i;
    if (four) {
      char &byte = bytes[block + static_cast<size_t>(j / 8 * 64 + lane * 4 + j % 4)];
      int nibble = i < count ? q4[i] : 8;
      byte = static_cast<char>(j % 8 < 4 ? (byte & 0xf0) | nibble : (byte & 0x0f) | nibble << 4);
    } else if (i < count) {
      size_t at = format == "q8p16"
                      ? block + static_cast<size_t>(j / 4 * 64 + lane * 4 + j % 4)
                      : base + static_cast<size_t>(row) * rowBytes + static_cast<size_t>(first + i);
      bytes[at] = static_cast<char>(q8[i]);
    }
    if (i < count)
      value(row, first + i) = (four ? q4[i] - 8 : q8[i]) * static_cast<double>(f16ToF32(scale));
  }
  size_t scaleAt = block + static_cast<size_t>((four ? 512 : 1024) + first % 64 / 32 * 32 + lane * 2);
  if (format == "rows_q8")
    scaleAt = base + static_cast<size_t>(row) * rowBytes + static_cast<size_t>(up(k, 32) + first / 32 * 2);
  put(bytes, scaleAt, scale);
}

void Packer::element(int64_t row, int64_t column) {
  double &x = value(row, column);
  int64_t lane = row % 16, j = column % 64;
  bool wide = format == "f32p16" || format == "rows_f32";
  if (wide) {
    x = static_cast<float>(x);
    size_t at = format == "f32p16" ? superblock(row, column, 4096) + static_cast<size_t>(j * 64 + lane * 4)
                                   : base + static_cast<size_t>((row * k + column) * 4);
    put(bytes, at, static_cast<float>(x));
    return;
  }
  uint16_t bits = narrow(x);
  x = widen(bits);
  bool rows = format.compare(0, 5, "rows_") == 0;
  put(bytes,
      rows ? base + static_cast<size_t>((row * k + column) * 2)
           : superblock(row, column, 2048) + static_cast<size_t>(j / 2 * 64 + lane * 4 + j % 2 * 2),
      bits);
}

void Packer::pack() {
  bool grouped = format[0] == 'q' || format == "rows_q8";
  if (format == "q4p16") // padding: nibble 8 with scale 0
    for (int64_t row = 0; row < n; ++row)
      for (int64_t first = up(k, 32); first < up(k, 64); first += 32)
        group(row, first);
  for (int64_t row = 0; row < n; ++row)
    for (int64_t column = 0; column < k; column += grouped ? 32 : 1)
      grouped ? group(row, column) : element(row, column);
}

/// Imported blocks in panels: bits of a code, its bias, inputs with one scale, and the kind of scales.
struct Codes {
  const char *format;
  int bits, bias, group;
  char scales; ///< 'f': f16; 'm': f16 and minimum; 'k': Q4_K, Q5_K; '6': Q6_K
};
constexpr Codes kCodes[] = {{"q5p16", 5, 16, 32, 'f'}, {"q4mp16", 4, 0, 32, 'm'}, {"q5mp16", 5, 0, 32, 'm'},
                            {"q4kp16", 4, 0, 32, 'k'}, {"q5kp16", 5, 0, 32, 'k'}, {"q6kp16", 6, 32, 16, '6'}};

const Codes *codesOf(const std::string &format) {
  for (const Codes &codes : kCodes)
    if (format == codes.format)
      return &codes;
  return nullptr;
}

int64_t codesSuperblock(const Codes &codes) { return codes.bits * 128 + (codes.scales == 'f' ? 64 : 128); }

/// Draws codes, scales and minima of a superblock's row, writes them and sets the values they stand for.
void packCodes(const Codes &codes, std::mt19937 &random, char *block, int64_t lane, double *values,
               int64_t count) {
  auto draw = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  auto putHalf = [&](int64_t at, float x) {
    uint16_t bits = f32ToF16(x);
    std::memcpy(block + at, &bits, 2);
    return static_cast<double>(f16ToF32(bits));
  };
  const int64_t scales = codes.bits * 128;
  const double d = putHalf(scales + lane * 2, 0.002f * static_cast<float>(draw(1, 40)));
  double dmin =
      codes.scales == 'k' ? putHalf(scales + 32 + lane * 2, 0.003f * static_cast<float>(draw(1, 40))) : 0;
  for (int64_t g = 0; g < 64 / codes.group; ++g) {
    double scale = d, minimum = 0;
    if (codes.scales == 'f' || codes.scales == 'm')
      scale = putHalf(scales + (g * 16 + lane) * 2, 0.002f * static_cast<float>(draw(-40, 40)));
    if (codes.scales == 'm')
      minimum = putHalf(scales + 64 + (g * 16 + lane) * 2, 0.03f * static_cast<float>(draw(-40, 40)));
    if (codes.scales == 'k') {
      int s = draw(0, 63), m = draw(0, 63);
      block[scales + 64 + g * 16 + lane] = static_cast<char>(s);
      block[scales + 96 + g * 16 + lane] = static_cast<char>(m);
      scale = d * s;
      minimum = -dmin * m;
    }
    if (codes.scales == '6') {
      int s = draw(-128, 127);
      block[scales + 32 + g * 16 + lane] = static_cast<char>(s);
      scale = d * s;
    }
    for (int64_t i = g * codes.group; i < (g + 1) * codes.group; ++i) {
      int code = draw(0, (1 << codes.bits) - 1), high = codes.bits - 4, word = static_cast<int>(i / 4);
      block[i / 8 * 64 + lane * 4 + i % 4] |= static_cast<char>((code & 15) << (i % 8 < 4 ? 0 : 4));
      if (high > 0)
        block[512 + word / (8 / high) * 64 + lane * 4 + i % 4] |=
            static_cast<char>((code >> 4) << (high * (word % (8 / high))));
      if (i < count)
        values[i] = scale * (code - codes.bias) + minimum;
    }
  }
}

PackedWeight randomCodes(const Codes &codes, int64_t n, int64_t k, unsigned seed, int64_t experts) {
  std::mt19937 random(seed);
  const int64_t size = codesSuperblock(codes), superblocks = up(k, 64) / 64;
  PackedWeight w{codes.format, n, k, experts, {}, std::vector<double>(static_cast<size_t>(experts * n * k))};
  w.bytes.resize(static_cast<size_t>(experts * n / 16 * superblocks * size));
  for (int64_t row = 0; row < experts * n; ++row)
    for (int64_t t = 0; t < superblocks; ++t)
      packCodes(codes, random, w.bytes.data() + (row / 16 * superblocks + t) * size, row % 16,
                w.values.data() + row * k + t * 64, k - t * 64);
  return w;
}

/// Rows of GGUF's blocks: random bytes with sane scales, whose values the frontend decodes.
PackedWeight randomBlocks(const std::string &format, DType type, int64_t n, int64_t k, unsigned seed) {
  std::mt19937 random(seed);
  const BlockShape &shape = blockShape(type);
  PackedWeight w{format, n, k, 1, {}, {}};
  for (int64_t i = 0; i < n * k / shape.elements; ++i) {
    std::vector<uint8_t> block(static_cast<size_t>(shape.bytes));
    for (uint8_t &byte : block)
      byte = static_cast<uint8_t>(random());
    uint16_t d = f32ToF16(0.01f), m = f32ToF16(-0.3f);
    std::memcpy(block.data() + (type == DType::Q6_K ? 208 : 0), &d, 2);
    if (shape.minimum)
      std::memcpy(block.data() + 2, &m, 2);
    std::vector<float> values(static_cast<size_t>(shape.elements));
    decodeBlock(type, block.data(), values.data());
    w.bytes.insert(w.bytes.end(), block.begin(), block.end());
    w.values.insert(w.values.end(), values.begin(), values.end());
  }
  w.bytes.resize(static_cast<size_t>(up(static_cast<int64_t>(w.bytes.size()), 64)));
  return w;
}

constexpr std::pair<const char *, DType> kRowBlocks[] = {
    {"rows_q4_0", DType::Q4_0}, {"rows_q4_1", DType::Q4_1}, {"rows_q5_0", DType::Q5_0},
    {"rows_q5_1", DType::Q5_1}, {"rows_q8_0", DType::Q8_0}, {"rows_q4_k", DType::Q4_K},
    {"rows_q5_k", DType::Q5_K}, {"rows_q6_k", DType::Q6_K}};

int64_t matrixSize(const std::string &format, int64_t n, int64_t k) {
  int64_t superblocks = n / 16 * (up(k, 64) / 64);
  if (format == "f32p16")
    return superblocks * 4096;
  if (format == "bf16p16" || format == "f16p16")
    return superblocks * 2048;
  if (format == "q8p16")
    return superblocks * 1088;
  if (format == "q4p16")
    return superblocks * 576;
  if (format == "rows_q8")
    return n * up(up(k, 32) / 32 * 34, 64);
  return up(n * k * (format == "rows_f32" ? 4 : 2), 64);
}

} // namespace

std::string PackedWeight::fields(int64_t tile) const {
  return format + " {n = " + std::to_string(n) + ", k = " + std::to_string(k) +
         ", tile = " + std::to_string(tile) + (experts > 1 ? ", experts = " + std::to_string(experts) : "");
}

PackedWeight randomWeight(const std::string &format, int64_t n, int64_t k, unsigned seed, int64_t experts) {
  if (const Codes *codes = codesOf(format))
    return randomCodes(*codes, n, k, seed, experts);
  for (auto [name, type] : kRowBlocks)
    if (format == name)
      return randomBlocks(format, type, n, k, seed);
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  PackedWeight w{format, n, k, experts, {}, {}};
  int64_t size = matrixSize(format, n, k);
  w.bytes.resize(static_cast<size_t>(size * experts));
  for (int64_t i = 0; i < experts * n * k; ++i)
    w.values.push_back(normal(random));
  for (int64_t e = 0; e < experts; ++e)
    Packer{format, n, k, w.bytes, static_cast<size_t>(e * size), w.values.data() + e * n * k}.pack();
  return w;
}

std::vector<double> activationValues(const std::vector<float> &x, const std::string &act) {
  std::vector<double> result(x.begin(), x.end());
  if (act == "bf16")
    for (double &v : result)
      v = bf16ToF32(f32ToBF16(static_cast<float>(v)));
  if (act != "i8")
    return result;
  for (size_t first = 0; first < x.size(); first += 32) {
    size_t end = std::min(x.size(), first + 32);
    double largest = 0;
    for (size_t i = first; i < end; ++i)
      largest = std::max(largest, std::fabs(result[i]));
    for (size_t i = first; i < end; ++i)
      result[i] = largest == 0 ? 0 : std::nearbyint(result[i] * (127.0 / largest)) * (largest / 127.0);
  }
  return result;
}

int64_t activationColumns(int64_t k, const std::string &act) {
  int64_t padded = up(k, 64);
  return act == "i8" ? up(padded + padded / 4, 64) : padded;
}

} // namespace gemmac::test
