// The manifest reader: values and places, what YAML makes of plain words, and the bounds.
#include "lb/control/convert/manifest.h"

#include <fmt/format.h>

#include "lb/control/convert/manifest_text.h"
#include "test/support/catch.h"

namespace lb::control {
namespace {

using Catch::Contains;
using Kind = ManifestNode::Kind;

ManifestNode one(const std::string& text) {
  ParsedManifests parsed = parse_manifests(text, 3);
  INFO((parsed.error ? parsed.error->message : ""));
  REQUIRE_FALSE(parsed.error);
  REQUIRE(parsed.documents.size() == 1);
  return std::move(parsed.documents[0]);
}

// "line:column: message"
std::string error_of(const std::string& text) {
  const ParsedManifests parsed = parse_manifests(text, 3);
  if (!parsed.error) return "none";
  CHECK(parsed.error->where.file == 3);
  return fmt::format("{}:{}: {}", parsed.error->where.line, parsed.error->where.column,
                     parsed.error->message);
}

TEST_CASE("manifests keep the order and the places of what they say") {
  const ManifestNode node = one("b: x\na:\n  - 1\n  - {c: yes}\n");
  CHECK(node.keys == std::vector<std::string>{"b", "a"});
  CHECK(node.key_places[1] == config::SourcePosition{3, 2, 1});
  REQUIRE(node.find("a") != nullptr);
  CHECK(node.find("a")->items[0].kind == Kind::kInteger);
  CHECK(node.find("a")->items[1].where == config::SourcePosition{3, 4, 5});
  CHECK(node.find("a")->items[1].find("c")->kind == Kind::kBoolean);
  CHECK(node.find("z") == nullptr);
}

TEST_CASE("plain words are what kubectl takes them for") {
  for (const char* word : {"", "~", "null", "NULL"}) CHECK(plain_scalar_kind(word) == Kind::kNull);
  for (const char* word : {"true", "False", "yes", "Off"}) {
    CHECK(plain_scalar_kind(word) == Kind::kBoolean);
  }
  for (const char* word : {"0", "80", "-1", "+7", "9223372036854775807"}) {
    CHECK(plain_scalar_kind(word) == Kind::kInteger);
  }
  for (const char* word : {"9223372036854775808", "010", "1.5", "1e3", ".5", "0x1F", "0o17",
                           "-.inf", ".nan", "1e999"}) {
    INFO(word);
    CHECK(plain_scalar_kind(word) == Kind::kNumber);
  }
  for (const char* word : {"10.0.0.1", "2024-05-01", "1h30m", "v1", "-", "+", ".", "e", "0x", "inf",
                           "nan", "1.2.3", "y", "12:30", "1_000"}) {
    INFO(word);
    CHECK(plain_scalar_kind(word) == Kind::kText);
  }
  const ManifestNode node = one("[\"80\", '', !!str 80, !!int \"80\"]\n");
  CHECK(node.items[0].kind == Kind::kText);
  CHECK(node.items[1].kind == Kind::kText);
  CHECK(node.items[2].kind == Kind::kText);
  CHECK(node.items[3].kind == Kind::kInteger);
}

TEST_CASE("empty documents are none, and others begin with a line of dashes") {
  CHECK(parse_manifests("", 0).documents.empty());
  CHECK(parse_manifests("# only\n---\n---\n~\n---\n", 0).documents.empty());
  CHECK(parse_manifests("a: 1\n---\nb: 2\n--- # c\nc: 3\n...\n", 0).documents.size() == 3);
  CHECK_THAT(error_of("{a: 1} {b: 2}\n"), Contains("1:8: nothing more is expected here"));
  // The library would begin documents here for ever.
  CHECK_THAT(error_of(",\n"), Contains("1:1: nothing more is expected here"));
}

TEST_CASE("syntax errors have a place, in characters") {
  CHECK_THAT(error_of("a: b\n c: d\n"), Contains("2:3: not YAML: "));
  CHECK_THAT(error_of("\"\xC3\xA9\xC3\xA9\": [\n"), Contains("not YAML"));
  CHECK_THAT(error_of("\xC3\xA9\xC3\xA9: {*x: 1}\n"), Contains("1:6: not YAML"));
  CHECK_THAT(error_of("a: 1\nb: 2\na: 3\n"), Contains("3:1: the key \"a\" is here twice"));
  CHECK_THAT(error_of("{[a]: b}\n"), Contains("a key must be a text, not a list"));
}

TEST_CASE("what is no text is refused before it is parsed") {
  CHECK(error_of("a: b\nc: \xFF\n") == "2:4: this is not a text in UTF-8");
  CHECK(error_of(std::string("a: \0", 4)) == "1:4: this is not a text in UTF-8");
  CHECK(error_of("\xC3\xA9 \x1b[31m") == "1:3: this is not a text in UTF-8");
  for (const char* bad : {"\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xC3",
                          "\xF5\x80\x80\x80", "\x80"}) {
    CHECK_THAT(error_of(bad), Contains("UTF-8"));
  }
  CHECK(one("\xEF\xBB\xBF"
            "a: 1\r\n")
            .keys[0] == "a");
}

TEST_CASE("aliases and merge keys are copies, of bounded size") {
  const ManifestNode node = one("a: &x {k: 1, l: 2}\nb: *x\nc: {<<: *x, k: 3}\n");
  CHECK(node.find("b")->find("l")->text == "2");
  CHECK(node.find("c")->keys == std::vector<std::string>{"k", "l"});
  CHECK(node.find("c")->find("k")->text == "3");
  CHECK_THAT(error_of("a: {<<: 5}\n"), Contains("takes an object or a list of objects"));
  CHECK_THAT(error_of("a: {<<: [5]}\n"), Contains("takes an object or a list of objects"));
  CHECK_THAT(error_of("a: &a [*a]\n"), Contains("1:8: an alias inside of what it stands for"));

  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    laughs += fmt::format("a{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]\n",
                          i, i - 1);
  }
  CHECK_THAT(error_of(laughs), Contains("anchors and aliases come to more than 16 MiB"));
  std::string long_text = "a: &a " + std::string(size_t{1} << 20, 'x') + "\nb: [";
  for (int i = 0; i < 20; ++i) long_text += "*a, ";
  CHECK_THAT(error_of(long_text + "]\n"), Contains("more than 16 MiB"));
}

TEST_CASE("depth and number of documents have a bound") {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']') + "\n";
  };
  CHECK(error_of(nested(kMaxManifestDepth)) == "none");
  CHECK_THAT(error_of(nested(kMaxManifestDepth + 1)), Contains("nested deeper than 100 levels"));
  CHECK_THAT(error_of(nested(20'000)), Contains("nested deeper than 100 levels"));

  std::string documents;
  for (size_t i = 0; i < kMaxManifestDocuments; ++i) documents += "---\n";
  CHECK(error_of(documents) == "none");
  CHECK_THAT(error_of(documents + "---\n"), Contains("more than 100000 documents"));
}

TEST_CASE("the number of values has a bound, also before the library holds them all") {
  const std::string flow = "[" + std::string(kMaxManifestNodes, ',');
  CHECK(error_of(flow) == "1:4000001: more than 4000000 values");
  std::string block;
  for (size_t i = 0; i < kMaxManifestNodes; ++i) block += "-\n";
  CHECK_THAT(error_of(block), Contains(": more than 4000000 values"));
}

TEST_CASE("messages quote what is printable, and not for ever") {
  CHECK(in_quotes("a\"b\\\n\x1b") == "\"a\\\"b\\\\\\x0a\\x1b\"");
  const std::string cut = in_quotes(std::string(79, 'x') + "\xC3\xA9" + "yyy");
  CHECK(cut == "\"" + std::string(79, 'x') + "...\"");
}

}  // namespace
}  // namespace lb::control
