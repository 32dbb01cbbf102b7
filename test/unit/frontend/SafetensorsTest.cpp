// The audited rules of safetensors, one broken file each, and sharded checkpoints.
#include "frontend/Safetensors.h"

#include "TestFiles.h"

using namespace gemmac;
using namespace gemmac::test;

static std::string check(const std::string &file) {
  return message(
      parseSafetensors("m.safetensors", {reinterpret_cast<const uint8_t *>(file.data()), file.size()}));
}
/// Two tensors, a [2, 2] and b [3], whose header `change` may spoil.
template <typename Change> static std::string checkHeader(Change change) {
  Tensors tensors = {{"a", brain({2, 2})}, {"b", brain({3})}};
  Json header = safetensorsHeader(tensors);
  change(header);
  return check(safetensors(header.dump(), tensors));
}

TEST(Safetensors, ReadsTensorsInPlace) {
  TempDirectory directory;
  Tensors tensors = {
      {"b", brain({2, 3}, 0x4000)}, {"a", {"F32", {}, std::string(4, '\1')}}, {"z", {"I64", {0, 5}, ""}}};
  Json header = safetensorsHeader(tensors);
  header["__metadata__"] = {{"format", "pt"}};
  directory.write("model.safetensors", safetensors(header.dump() + "   ", tensors));
  auto source = openSafetensors(directory.str());
  ASSERT_TRUE(static_cast<bool>(source)) << llvm::toString(source.takeError());
  ASSERT_EQ((*source)->tensors().size(), 3u);
  EXPECT_EQ((*source)->tensors()[0].name, "a");
  EXPECT_EQ((*source)->find("c"), nullptr);
  const TensorInfo *b = (*source)->find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->dtype, DType::BF16);
  EXPECT_EQ(b->elements(), 6);
  EXPECT_EQ(b->length, 12u);
  EXPECT_EQ(b->file, directory.file("model.safetensors"));
  float values[6];
  decodeToF32(b->dtype, (*source)->bytes(*b), 0, values);
  EXPECT_EQ(values[5], 2.0f);
  EXPECT_EQ((*source)->find("a")->elements(), 1);
  EXPECT_EQ((*source)->find("z")->elements(), 0);
}

TEST(Safetensors, RefusesBadHeaders) {
  std::string huge("\x01\xE1\xF5\x05\0\0\0\0{}", 10); // 100 000 001
  EXPECT_EQ(check(""), "m.safetensors: header: found 0 bytes, expected at least 8: the file is truncated");
  EXPECT_EQ(check(huge), "m.safetensors: header length: found 100000001, expected 2 to 100000000");
  EXPECT_EQ(check(std::string(8, '\0')), "m.safetensors: header length: found 0, expected 2 to 100000000");
  EXPECT_TRUE(
      contains(check(std::string("\x09\0\0\0\0\0\0\0{}", 10)), "only 2 bytes follow: the file is truncated"));
  EXPECT_EQ(check(safetensors(" {}", {})),
            "m.safetensors: header: does not begin with {, expected a JSON object");
  EXPECT_TRUE(contains(check(safetensors("{\"a\":}", {})), "m.safetensors: header: not valid JSON"));
  EXPECT_TRUE(contains(check(safetensors(R"({"a":1,"a":2})", {})), "header: a: appears twice"));
  EXPECT_EQ(check(safetensors("{}", {})), "");
  EXPECT_EQ(checkHeader([](Json &) {}), "");
}

TEST(Safetensors, RefusesBadEntries) {
  auto entry = [](const char *key, Json value) {
    return checkHeader([&](Json &header) { header["a"][key] = value; });
  };
  EXPECT_TRUE(contains(entry("dtype", "F13"), "a: dtype: found \"F13\", expected a type that can be read"));
  EXPECT_TRUE(contains(entry("dtype", 4), "a: dtype: found 4, expected a string"));
  EXPECT_EQ(entry("shape", {2, -2}), "m.safetensors: a: shape: found -2, expected integers from 0 up");
  EXPECT_EQ(entry("shape", {2, 2.0}), "m.safetensors: a: shape: found 2.0, expected integers from 0 up");
  EXPECT_EQ(entry("shape", {int64_t(1) << 40, int64_t(1) << 40, 0}),
            "m.safetensors: a: shape: found [1099511627776, 1099511627776, 0], whose number of bytes "
            "overflows 63 bits");
  EXPECT_EQ(entry("shape", 4), "m.safetensors: a: shape: found 4, expected an array of sizes");
  EXPECT_EQ(entry("shape", {2, 3}),
            "m.safetensors: a: data_offsets: found [0, 8], which is 8 bytes, expected 12 for BF16 [2, 3]");
  EXPECT_TRUE(contains(entry("data_offsets", {0, 8, 8}), "a: data_offsets: found an array of 3"));
  EXPECT_TRUE(
      contains(entry("data_offsets", {8, 0}), "found [8, 0], expected two integers, 0 <= begin <= end"));
  EXPECT_TRUE(contains(entry("data_offsets", {-8, 0}), "found [-8, 0], expected two integers"));
  EXPECT_TRUE(contains(entry("data_offsets", {0.0, 8}), "found [0.0, 8], expected two integers"));
  EXPECT_TRUE(contains(entry("data_offsets", {8, 16}), "but the file has only 14 bytes of data"));
  EXPECT_TRUE(contains(entry("data_offsets", {UINT64_MAX - 7, UINT64_MAX}), "expected two integers"));
  EXPECT_EQ(checkHeader([](Json &header) { header["a"] = 3; }),
            "m.safetensors: a: found 3, expected an object");
  EXPECT_EQ(checkHeader([](Json &header) { header["a"].erase("dtype"); }),
            "m.safetensors: a: dtype: missing, expected a string");
  EXPECT_EQ(checkHeader([](Json &header) {
              header["__metadata__"] = {{"x", 1}};
            }),
            "m.safetensors: __metadata__.x: found 1, expected a string");
}

TEST(Safetensors, RefusesHolesAndOverlaps) {
  auto place = [](int64_t a, int64_t b) {
    return checkHeader([=](Json &header) {
      header["a"]["data_offsets"] = {a, a + 8};
      header["b"]["data_offsets"] = {b, b + 6};
    });
  };
  EXPECT_EQ(place(0, 8), "");
  EXPECT_EQ(place(6, 0), "");
  EXPECT_EQ(place(0, 6), "m.safetensors: b: its data overlap those of a by 2 bytes");
  EXPECT_EQ(place(2, 8), "m.safetensors: a: 2 bytes between the header and its data belong to no tensor");
  Tensors tensors = {{"a", brain({2})}};
  EXPECT_EQ(check(safetensors(tensors) + "xyz"), "m.safetensors: 3 bytes after a belong to no tensor");
}

/// Two shards, and an index whose weight_map `change` may spoil.
template <typename Change> static std::string openShards(const TempDirectory &directory, Change change) {
  directory.write("1.safetensors", safetensors({{"a", brain({2})}, {"spare", brain({1})}}));
  directory.write("2.safetensors", safetensors({{"b", brain({3}, 0x4000)}}));
  Json index = {{"metadata", {{"total_size", 12}}},
                {"weight_map", {{"a", "1.safetensors"}, {"b", "2.safetensors"}}}};
  change(index);
  directory.write("model.safetensors.index.json", index.dump());
  auto source = openSafetensors(directory.str());
  if (!source)
    return llvm::toString(source.takeError());
  EXPECT_EQ((*source)->tensors().size(), 2u);
  EXPECT_EQ((*source)->find("b")->file, directory.file("2.safetensors"));
  EXPECT_EQ((*source)->bytes(*(*source)->find("b"))[5], 0x40);
  EXPECT_EQ((*source)->primaryFile(), directory.file("model.safetensors.index.json"));
  return "";
}

TEST(Safetensors, ReadsShards) {
  TempDirectory directory;
  EXPECT_EQ(openShards(directory, [](Json &) {}), "");
}

TEST(Safetensors, RefusesBadIndexes) {
  TempDirectory directory;
  auto shard = [&](const char *tensor, Json file) {
    return openShards(directory, [&](Json &index) { index["weight_map"][tensor] = file; });
  };
  for (const char *escape : {"../1.safetensors", "/etc/passwd", "..", ".", "", "sub/1.safetensors", "a\\b"})
    EXPECT_TRUE(contains(shard("a", escape), "expected a plain file name")) << escape;
  EXPECT_TRUE(contains(shard("a", std::string("1\0x", 3)), "expected a plain file name"));
  EXPECT_TRUE(contains(shard("a", 7), "weight_map: a: found 7, expected the name of a shard"));
  EXPECT_TRUE(contains(shard("a", "3.safetensors"), "3.safetensors: no such file"));
  EXPECT_TRUE(contains(shard("a", "2.safetensors"), "2.safetensors: a: missing from this shard"));
  EXPECT_TRUE(
      contains(openShards(directory, [](Json &index) { index.erase("weight_map"); }), "weight_map: missing"));
  EXPECT_TRUE(contains(openShards(directory, [](Json &index) { index["weight_map"] = Json::array(); }),
                       "weight_map: found an array of 0, expected an object"));
  EXPECT_TRUE(contains(openShards(directory, [](Json &index) { index["weight_map"] = Json::object(); }),
                       "weight_map: lists no tensor"));
  EXPECT_TRUE(
      contains(openShards(directory, [](Json &index) { index = Json::array(); }), "expected an object"));
}

TEST(Safetensors, NamesMissingFiles) {
  TempDirectory directory;
  EXPECT_TRUE(contains(message(openSafetensors(directory.str())),
                       "model.safetensors: no such file, and no model.safetensors.index.json either"));
  directory.write("pytorch_model.bin", "x");
  EXPECT_TRUE(contains(message(openSafetensors(directory.str())), "convert the weights to safetensors"));
  llvm::sys::fs::create_directory(directory.file("model.safetensors"));
  EXPECT_EQ(message(openSafetensors(directory.str())),
            directory.file("model.safetensors") + ": not a regular file");
}
