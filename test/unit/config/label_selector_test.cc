// Selection by labels: as Kubernetes does it, and of routes by the labels of their namespaces.
#include "lb/config/label_selector.h"

#include "test/support/catch.h"
#include "test/unit/config/config_text.h"

namespace lb::config {
namespace {

LabelSelector one(LabelOperator op, std::vector<std::string> values = {}) {
  LabelSelector selector;
  selector.match_expressions.push_back({"k", op, std::move(values), {}});
  return selector;
}

TEST_CASE("operators hold as in Kubernetes") {
  const Labels none;
  const Labels a = {{"k", "a"}};
  const Labels b = {{"k", "b"}, {"other", "a"}};
  struct Case {
    LabelSelector selector;
    bool holds_for_none;
    bool holds_for_a;
    bool holds_for_b;
  };
  LabelSelector labels;
  labels.match_labels = {{"k", "b"}, {"other", "a"}};
  LabelSelector both = one(LabelOperator::kExists);
  both.match_labels = {{"k", "a"}};
  const std::vector<Case> cases = {
      {{}, true, true, true},
      {labels, false, false, true},
      {one(LabelOperator::kIn, {"x", "a"}), false, true, false},
      {one(LabelOperator::kNotIn, {"x", "a"}), true, false, true},
      {one(LabelOperator::kExists), false, true, true},
      {one(LabelOperator::kDoesNotExist), true, false, false},
      {both, false, true, false},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    INFO(i);
    CHECK(matches(cases[i].selector, none) == cases[i].holds_for_none);
    CHECK(matches(cases[i].selector, a) == cases[i].holds_for_a);
    CHECK(matches(cases[i].selector, b) == cases[i].holds_for_b);
  }
}

// Whether a route of namespace n attaches to a listener with the selector.
bool attaches(std::string_view selector, std::string_view namespaces) {
  const LoadResult loaded = load_text(
      fmt::format("[[gateways]]\nname = 'g'\nlisteners = [{{ name = 'l', port = 1, protocol = "
                  "'TCP', allowedRoutes.namespaces = {{ from = 'Selector', selector = {{ {} }} }} "
                  "}}]\n[[tcpRoutes]]\nname = 'r'\nnamespace = 'n'\nparentRefs = [{{ name = 'g', "
                  "namespace = 'default' }}]\nrules = [{{ backendRefs = [{{ name = 's', port = 1 "
                  "}}] }}]\n{}\n",
                  selector, namespaces),
      "f");
  INFO(printed(loaded.faults));
  REQUIRE(loaded.config);
  return attach(*loaded.config).tcp_routes[0].parents[0].accepted == Reason::kAccepted;
}

TEST_CASE("routes are selected by the labels of their namespace") {
  const std::string team = "[[namespaces]]\nname = 'n'\nlabels = { team = 'a' }\n";
  CHECK(attaches("matchLabels = { team = 'a' }", team));
  CHECK_FALSE(attaches("matchLabels = { team = 'b' }", team));
  CHECK_FALSE(attaches("matchLabels = { team = 'a' }", ""));
  CHECK(attaches("matchExpressions = [{ key = 'team', operator = 'In', values = ['a', 'b'] }]",
                 team));
  CHECK(attaches("", ""));
  // The gateway's own namespace is no exception: it is labels that count.
  CHECK_FALSE(attaches("matchLabels = { team = 'a' }",
                       "[[namespaces]]\nname = 'default'\nlabels = { team = 'a' }\n"));
  const std::string name = "matchLabels = { 'kubernetes.io/metadata.name' = 'n' }";
  CHECK(attaches(name, ""));
  CHECK(attaches(name, team));
  CHECK_FALSE(attaches("matchLabels = { 'kubernetes.io/metadata.name' = 'm' }", team));
}

TEST_CASE("selectors, labels and namespaces that the API would not admit") {
  const auto selector = [](std::string_view text) {
    return fmt::format(
        "[[gateways]]\nname = 'g'\n[[gateways.listeners]]\nname = 'l'\nport = 80\nprotocol = "
        "'TCP'\n"
        "allowedRoutes.namespaces.from = 'Selector'\nallowedRoutes.namespaces.selector = {}\n",
        text);
  };
  for (const FaultCase& each : std::vector<FaultCase>{
           {"In without values",
            selector("{ matchExpressions = [{ key = 'k', operator = 'In' }] }"),
            {"E0213 8:59"},
            "values must be specified for operators In and NotIn"},
           {"Exists with values",
            selector("{ matchExpressions = [{ key = 'k', operator = 'Exists', values = ['a'] }] }"),
            {"E0213 8:59"},
            "values must not be specified for operators Exists and DoesNotExist"},
           {"operator",
            selector("{ matchExpressions = [{ key = 'k', operator = 'in' }] }"),
            {"E0109 8:83"},
            "did you mean \"In\"?"},
           {"neither",
            selector("{ matchExpressions = [{ values = [1] }] }"),
            {"E0107 8:59", "E0107 8:59", "E0106 8:71"},
            "every entry of values must be a string, but this is an integer"},
           {"key", selector("{ matchLabels = { 'a/b/c' = 'x' } }"), {"E0113 8:55"}, "label's key"},
           {"value", selector("{ matchLabels = { a = '-x' } }"), {"E0113 8:59"}, "label's value"},
           {"number",
            selector("{ matchLabels = { a = 1 } }"),
            {"E0106 8:59"},
            "every value of matchLabels must be a string, but this is an integer"},
           {"good", selector("{ matchLabels = { 'x.y/A_b.c' = '' } }"), {}, ""},
           {"namespace twice",
            kSound + "[[namespaces]]\nname = 'n'\n[[namespaces]]\nname = 'n'\n",
            {"E0202 6:1"},
            "duplicate namespace \"n\", first defined at line 4"},
           {"a dot", kSound + "[[namespaces]]\nname = 'a.b'\n", {"E0113 5:8"}, ""},
           {"the reserved label",
            kSound +
                "[[namespaces]]\nname = 'n'\nlabels = { 'kubernetes.io/metadata.name' = 'm' }\n",
            {"E0214 6:10"},
            "is the namespace's name and nothing else"},
           {"the reserved label, as it is",
            kSound +
                "[[namespaces]]\nname = 'n'\nlabels = { 'kubernetes.io/metadata.name' = 'n' }\n",
            {},
            ""},
       }) {
    INFO(each.text);
    const LoadResult result = load_text(each.text, "f");
    const std::string shown = printed(result.faults);
    INFO(shown);
    CHECK(places(result.faults) == each.expected);
    CHECK(shown.find(each.says) != std::string::npos);
  }
}

}  // namespace
}  // namespace lb::config
