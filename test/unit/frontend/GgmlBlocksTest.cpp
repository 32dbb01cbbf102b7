// GGUF's block formats against values from elsewhere.
#include "frontend/GgmlBlocks.h"

#include <gtest/gtest.h>

#include <cstring>

using namespace gemmac;

namespace {

struct Case {
  DType type;
  std::vector<uint8_t> block;
  std::vector<uint32_t> every8; ///< f32 bits of elements 0, 8, 16, ..
};

// One random block of each format (scales sane) and what the gguf Python package decodes it to, as f32 bits
// of every eighth element; made with gguf.quants.dequantize.
const Case cases[] = {
    {DType::Q4_0,
     {
         76,
         34,
         229,
         241,
         169,
         65,
         6,
         160,
         149,
         106,
         38,
         175,
         188,
         205,
         175,
         229,
         98,
         249,
     },
     {
         0xbd172000,
         0xbcc98000,
         0x3d972000,
         0xbd972000,
     }},
    {DType::Q4_1,
     {
         76, 34, 8, 182, 66, 39, 106, 213, 171, 45, 167, 57, 69, 81, 55, 14, 153, 178, 215, 76,
     },
     {
         0xbeb46800,
         0xbea18400,
         0xbea7d000,
         0xbea7d000,
     }},
    {DType::Q5_0,
     {
         76, 34, 250, 72, 215, 50, 161, 223, 112, 172, 161, 233, 38, 17, 89, 1, 221, 6, 242, 127, 143, 6,
     },
     {
         0xbe3ce800,
         0xbdb05000,
         0x3dfbe000,
         0xbe0a8800,
     }},
    {DType::Q5_1,
     {
         76,  34,  8,   182, 249, 189, 12, 204, 33,  57,  124, 30,
         199, 149, 202, 119, 72,  220, 3,  209, 122, 136, 147, 77,
     },
     {
         0xbe2be800,
         0xbda78000,
         0xbeb46800,
         0xbea7d000,
     }},
    {DType::Q8_0,
     {
         76,  34,  115, 87, 162, 230, 70,  71, 240, 62,  47,  184, 31, 34, 63,  65,  146,
         197, 142, 253, 81, 133, 240, 113, 30, 247, 103, 122, 31,  19, 42, 129, 141, 136,
     },
     {
         0x3fb50900,
         0x3f13fa00,
         0xbfb37600,
         0x3fa22500,
     }},
    {DType::Q4_K,
     {
         76,  34,  211, 40,  107, 35,  107, 130, 72,  27,  217, 254, 99,  13,  195, 206, 59,  228,
         235, 202, 183, 47,  69,  179, 82,  35,  71,  159, 110, 121, 77,  87,  3,   126, 44,  253,
         233, 225, 90,  119, 137, 120, 30,  55,  33,  165, 87,  216, 229, 167, 3,   41,  109, 203,
         129, 219, 63,  101, 207, 156, 27,  220, 93,  29,  143, 200, 63,  11,  11,  180, 219, 113,
         190, 87,  34,  9,   133, 29,  61,  36,  244, 192, 207, 131, 254, 67,  99,  248, 47,  71,
         89,  119, 137, 85,  246, 206, 214, 129, 203, 234, 113, 121, 206, 210, 200, 248, 20,  161,
         52,  114, 255, 112, 206, 54,  157, 131, 133, 69,  42,  68,  243, 24,  51,  127, 8,   205,
         30,  97,  79,  35,  93,  63,  131, 188, 69,  254, 233, 238, 4,   3,   167, 155, 225, 24,
     },
     {
         0x40b080c0, 0x3f419400, 0x3fa47b00, 0x408ea840, 0x3e8c2800, 0x3f913c00, 0xbf824100, 0x401b4380,
         0x3fd9da00, 0x40dfb100, 0x40dfb100, 0x40cec4c0, 0xbfff0600, 0xc010d400, 0xc008f500, 0xc0043c00,
         0x3dd82000, 0x402b4280, 0x3f12a800, 0x3f852600, 0x40197c80, 0x3ea3b800, 0x40050580, 0x3ff59400,
         0x3f814a00, 0xbfc7b900, 0x3f9f3300, 0xbe221800, 0x4090e100, 0x40c73080, 0x3ad00000, 0x40b51600,
     }},
    {DType::Q5_K,
     {
         76,  34,  211, 40,  124, 147, 17,  248, 94,  4,   41,  177, 159, 126, 192, 225, 86,  246, 90,  51,
         34,  231, 145, 184, 128, 238, 153, 94,  63,  13,  48,  125, 47,  186, 244, 0,   105, 58,  23,  158,
         13,  2,   126, 212, 229, 139, 231, 169, 235, 194, 138, 39,  29,  67,  167, 136, 85,  99,  129, 68,
         235, 102, 3,   247, 178, 114, 93,  225, 31,  230, 172, 47,  136, 166, 129, 130, 134, 151, 147, 240,
         170, 214, 222, 216, 17,  110, 58,  181, 22,  129, 196, 163, 116, 254, 199, 10,  104, 179, 228, 189,
         201, 43,  56,  121, 135, 65,  108, 23,  236, 144, 150, 62,  199, 102, 136, 138, 180, 184, 14,  186,
         124, 92,  253, 129, 18,  27,  234, 156, 238, 24,  16,  223, 213, 22,  159, 175, 38,  205, 123, 92,
         48,  200, 171, 164, 77,  151, 34,  153, 232, 199, 180, 27,  154, 29,  43,  15,  24,  6,   0,   169,
         116, 214, 59,  99,  50,  32,  44,  153, 142, 130, 178, 82,  44,  73,  196, 57,
     },
     {
         0x40df9080, 0x4023c500, 0x41426dc0, 0x4184a260, 0x40db8080, 0x3f824100, 0x40c511c0, 0x3fdbfc00,
         0x40790180, 0xbe94e400, 0x405e3e80, 0x4050dd00, 0x40a14b40, 0xbf943b00, 0x4154e1a0, 0x416aeba0,
         0x40fa7400, 0x40688080, 0x408ca6c0, 0x3fac3300, 0x40d0ccc0, 0x406c9080, 0x4185aa70, 0x3f5e1e00,
         0xbee79000, 0xbee79000, 0xbee79000, 0xbee79000, 0x3f2d4400, 0x41555020, 0x401f0580, 0x40459700,
     }},
    {DType::Q6_K,
     {
         76,  125, 115, 38,  91,  106, 175, 97,  178, 136, 251, 208, 174, 207, 167, 102, 97,  98,  35,  97,
         30,  118, 76,  147, 170, 56,  143, 250, 189, 10,  106, 100, 18,  178, 9,   151, 30,  45,  130, 112,
         118, 247, 228, 154, 184, 250, 25,  114, 113, 190, 83,  163, 68,  43,  18,  140, 218, 215, 43,  173,
         15,  138, 238, 244, 42,  11,  154, 38,  215, 79,  199, 143, 37,  98,  184, 112, 16,  151, 165, 91,
         85,  16,  84,  61,  39,  237, 96,  13,  227, 32,  10,  103, 73,  48,  127, 211, 120, 153, 193, 24,
         129, 154, 246, 103, 67,  148, 195, 247, 170, 95,  147, 243, 44,  129, 10,  55,  202, 123, 241, 1,
         60,  205, 248, 171, 138, 180, 166, 3,   153, 84,  232, 76,  190, 59,  63,  127, 17,  131, 195, 223,
         131, 117, 197, 23,  180, 231, 134, 169, 170, 223, 116, 136, 248, 146, 177, 33,  145, 56,  122, 216,
         106, 202, 86,  216, 83,  28,  146, 123, 147, 31,  232, 241, 110, 121, 91,  155, 51,  23,  103, 231,
         18,  219, 232, 245, 51,  29,  217, 145, 127, 1,   230, 71,  16,  221, 60,  37,  244, 210, 22,  144,
         160, 73,  69,  49,  53,  85,  14,  192, 76,  34,
     },
     {
         0xbf498000, 0xc0305000, 0x415580e0, 0x411784c0, 0x3fbce800, 0xc1997c80, 0xc0da6c40, 0x40919d80,
         0x3fe2b000, 0x3f3ce800, 0xc1472380, 0xc16b5880, 0x3e8a8800, 0xc0d87480, 0xc11a4600, 0xc21fc880,
         0xc13ce800, 0xc1c65a00, 0x4196d470, 0x41887710, 0x40d93e00, 0xc1c4e030, 0xc140d780, 0xc140d780,
         0x3fa6de00, 0xc1120240, 0x41af9fb0, 0x41fae420, 0xbfc65a00, 0x3f305000, 0x41bce800, 0x41b69c00,
     }},
};

TEST(GgmlBlocks, DecodeToTheReferencesBits) {
  for (const Case &c : cases) {
    std::vector<float> values(static_cast<size_t>(blockShape(c.type).elements));
    ASSERT_EQ(c.block.size(), static_cast<size_t>(blockShape(c.type).bytes));
    decodeToF32(c.type, c.block, 0, values);
    for (size_t i = 0; i < c.every8.size(); ++i) {
      uint32_t bits;
      std::memcpy(&bits, &values[8 * i], 4);
      EXPECT_EQ(bits, c.every8[i]) << dtypeName(c.type).str() << " element " << 8 * i;
    }
  }
}

TEST(GgmlBlocks, DecodeFromAnyPlace) {
  for (const Case &c : cases) {
    std::vector<uint8_t> three;
    for (int i = 0; i < 3; ++i)
      three.insert(three.end(), c.block.begin(), c.block.end());
    const size_t block = c.every8.size() * 8;
    std::vector<float> all(3 * block);
    decodeToF32(c.type, three, 0, all);
    for (size_t first : {size_t(1), block - 1, block, block + 7})
      for (size_t count : {size_t(1), block, 2 * block - 7 - 1}) {
        if (first + count > all.size())
          continue;
        std::vector<float> part(count);
        decodeToF32(c.type, three, static_cast<int64_t>(first), part);
        EXPECT_EQ(0, std::memcmp(part.data(), all.data() + first, count * 4)) << dtypeName(c.type).str();
      }
  }
}

TEST(GgmlBlocks, ScalesThatAreNotFiniteAreFound) {
  for (const Case &c : cases) {
    std::vector<uint8_t> two(c.block);
    two.insert(two.end(), c.block.begin(), c.block.end());
    EXPECT_EQ(firstNonFinite(c.type, two), -1);
    size_t d = c.block.size() + (c.type == DType::Q6_K ? 208 : 0);
    two[d] = 0;
    two[d + 1] = 0x7C; // infinity
    EXPECT_EQ(firstNonFinite(c.type, two), static_cast<int64_t>(c.every8.size() * 8))
        << dtypeName(c.type).str();
  }
}

} // namespace
