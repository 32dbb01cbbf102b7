// The bounded JSON reader: every limit and rule refuses, and typed fields say file, field, found and
// expected.
#include "frontend/Json.h"

#include "TestFiles.h"

using namespace gemmac;
using namespace gemmac::test;

static std::string parseMessage(llvm::StringRef text, JsonLimits limits = {}) {
  return message(JsonDocument::parse(text, "f.json", "", limits));
}

TEST(Json, ReadsEveryKind) {
  auto document = JsonDocument::parse(
      R"({"n":null,"b":true,"i":-7,"f":2.5,"s":"a\u00e9","a":[1,[2]],"o":{"x":{}}})", "f.json", "", {});
  ASSERT_TRUE(static_cast<bool>(document));
  const JsonValue &root = document->root();
  EXPECT_TRUE(root.find("n")->isNull());
  EXPECT_EQ(root.find("b")->asBool(), true);
  EXPECT_EQ(root.find("i")->asInteger(), -7);
  EXPECT_EQ(root.find("i")->asNumber(), -7.0);
  EXPECT_EQ(root.find("f")->asNumber(), 2.5);
  EXPECT_EQ(root.find("f")->asInteger(), std::nullopt);
  EXPECT_EQ(root.find("s")->asString(), llvm::StringRef("a\xC3\xA9"));
  ASSERT_EQ(root.find("a")->elements().size(), 2u);
  EXPECT_EQ(root.find("a")->elements()[1].elements()[0].asInteger(), 2);
  EXPECT_EQ(root.find("o")->members()[0].key, "x");
  EXPECT_EQ(root.find("absent"), nullptr);
}

TEST(Json, IntegersKeepAllBits) {
  auto document =
      JsonDocument::parse("[9223372036854775807,-9223372036854775808,9223372036854775808,1e3]", "f", "", {});
  ASSERT_TRUE(static_cast<bool>(document));
  llvm::ArrayRef<JsonValue> values = document->root().elements();
  EXPECT_EQ(values[0].asInteger(), INT64_MAX);
  EXPECT_EQ(values[1].asInteger(), INT64_MIN);
  EXPECT_EQ(values[2].asInteger(), std::nullopt);
  EXPECT_EQ(values[3].asInteger(), std::nullopt); // written as a float
}

TEST(Json, RefusesWhatIsNotJson) {
  for (llvm::StringRef text :
       {"", " ", "{", "[1,]", "{\"a\":1,}", "{a:1}", "nul", "NaN", "[Infinity]", "[-Infinity]", "[1e999]",
        "'x'", "// c\n1", "[1] x", "{}{}", "\"\xFF\"", "\"\xC0\x80\"", "\"a\nb\""})
    EXPECT_TRUE(contains(parseMessage(text), "f.json: not valid JSON: ")) << text.str();
  EXPECT_EQ(parseMessage(llvm::StringRef("{}\0x", 4)), "f.json: not valid JSON: a zero byte at offset 2");
}

TEST(Json, RefusesDuplicateKeysAnywhere) {
  EXPECT_EQ(parseMessage(R"({"a":1,"a":2})"), "f.json: a: appears twice in the same object");
  EXPECT_EQ(parseMessage(R"({"x":[{"b":{"c":1,"d":2,"c":3}}]})"),
            "f.json: x[].b.c: appears twice in the same object");
  EXPECT_EQ(parseMessage(R"({"x":{"a":1},"y":{"a":1}})"), "");
}

TEST(Json, LimitsDepthValuesAndBytes) {
  std::string deep(64, '['), closed(64, ']');
  EXPECT_EQ(parseMessage(deep + closed), "");
  EXPECT_TRUE(contains(parseMessage("[" + deep + closed + "]"), "nested deeper than 64 levels"));
  EXPECT_TRUE(contains(parseMessage(std::string(1000000, '[')), "nested deeper than 64 levels"));
  std::string objects;
  for (int i = 0; i < 100000; ++i)
    objects += "{\"a\":";
  EXPECT_EQ(parseMessage(objects), "f.json: a.a.a.a.a.a.a.a...: nested deeper than 64 levels");
  JsonLimits limits;
  limits.values = 4; // three elements and the array
  EXPECT_EQ(parseMessage("[1,2,3]", limits), "");
  EXPECT_EQ(parseMessage("[1,2,3,4]", limits), "f.json: more than 4 values");
  limits.bytes = 5;
  EXPECT_EQ(parseMessage("[1,2,3]", limits), "f.json: found 7 bytes, expected at most 5");
}

TEST(Json, ReadsFiles) {
  TempDirectory directory;
  EXPECT_EQ(message(JsonDocument::read(directory.file("none"), {})),
            directory.file("none") + ": no such file");
  EXPECT_EQ(message(JsonDocument::read(directory.str(), {})), directory.str() + ": not a regular file");
  EXPECT_EQ(message(JsonDocument::read("/dev/zero", {})), "/dev/zero: not a regular file");
  EXPECT_EQ(message(JsonDocument::read(directory.write("x.json", "[1]"), {})), "");
}

TEST(Json, MessagesAreOnePrintableLine) {
  std::string text = message(JsonDocument::parse("{\"a\\nb\":1,\"a\\nb\":2}", "f\x01\xFF", "", {}));
  EXPECT_EQ(text, "f\\x01\\xFF: a\\x0Ab: appears twice in the same object");
  std::string key(5000, 'k');
  EXPECT_LT(parseMessage("{\"" + key + "\":1,\"" + key + "\":2}").size(), 500u);
}

TEST(Json, TypedFieldsReportTheFirstProblem) {
  auto document = JsonDocument::parse(R"({"i":7,"s":"x","f":0.5,"n":null,"o":{"i":9}})", "f.json", "", {});
  ASSERT_TRUE(static_cast<bool>(document));
  auto problem = [&](auto read) {
    InputCheck check("f.json");
    JsonObject root(document->root(), "", "", check);
    read(root);
    return llvm::toString(check.take());
  };
  EXPECT_EQ(problem([](JsonObject &r) { r.integer("i", 0, 6); }),
            "f.json: i: found 7, expected an integer from 0 to 6");
  EXPECT_EQ(problem([](JsonObject &r) { r.integer("f", 0, 6); }),
            "f.json: f: found 0.5, expected an integer from 0 to 6");
  EXPECT_EQ(problem([](JsonObject &r) { r.integer("z", 0, 6); }),
            "f.json: z: missing, expected an integer from 0 to 6");
  EXPECT_EQ(problem([](JsonObject &r) { r.integer("n", 0, 6); }),
            "f.json: n: found null, expected an integer from 0 to 6");
  EXPECT_EQ(problem([](JsonObject &r) {
              r.numberOr("f", 1, {0.5, 1, true});
            }),
            "f.json: f: found 0.5, expected a number above 0.5 and at most 1.0");
  EXPECT_EQ(problem([](JsonObject &r) {
              r.numberOr("s", 1, {0, 1});
            }),
            "f.json: s: found \"x\", expected a number from 0.0 to 1.0");
  EXPECT_EQ(problem([](JsonObject &r) { r.booleanOr("i", true); }),
            "f.json: i: found 7, expected true or false");
  EXPECT_EQ(problem([](JsonObject &r) { r.object("o").integer("i", 0, 6); }),
            "f.json: o.i: found 9, expected an integer from 0 to 6");
  EXPECT_EQ(problem([](JsonObject &r) { r.object("s").integer("i", 0, 6); }),
            "f.json: s: found \"x\", expected an object");
  EXPECT_EQ(problem([](JsonObject &r) { EXPECT_EQ(r.integerOr("n", 3, 0, 6), 3); }), "");
}
