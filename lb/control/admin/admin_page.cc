#include "lb/control/admin/admin_page.h"

#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>

#include "fmt/format.h"

namespace lb::control {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string services_table(const nlohmann::json& services) {
  std::string rows;
  for (const nlohmann::json& service : services) {
    size_t healthy = 0;
    uint64_t active = 0;
    for (const nlohmann::json& endpoint : service.at("endpoints")) {
      healthy += endpoint.value("healthy", false) ? 1 : 0;
      active += endpoint.value("active", uint64_t{0});
    }
    fmt::format_to(std::back_inserter(rows), "<tr><td>{}<td>{}<td>{} of {}<td>{}\n",
                   escaped(service.value("namespace", "")), escaped(service.value("name", "")),
                   healthy, service.at("endpoints").size(), active);
  }
  return "<table>\n<tr><th>namespace<th>service<th>healthy endpoints<th>connections\n" + rows +
         "</table>\n";
}

}  // namespace

std::string front_page(const nlohmann::json& status, const std::string& not_ready) {
  std::string page =
      "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Sluice</title>\n"
      "<style>body{font:1em/1.5 sans-serif;margin:2em}td,th{text-align:left;padding-right:2em}"
      "</style>\n<h1>Sluice</h1>\n";
  fmt::format_to(std::back_inserter(page), "<p>{}, generation {}, engine {}, {} connections.</p>\n",
                 not_ready.empty() ? "Ready" : "Not ready: " + escaped(not_ready),
                 status.value("generation", uint64_t{0}), escaped(status.value("engine", "")),
                 status.value("connections", uint64_t{0}));
  if (status.contains("lastReload") && !status["lastReload"].value("applied", true)) {
    fmt::format_to(std::back_inserter(page), "<p>The last reload was refused: {}</p>\n",
                   escaped(status["lastReload"].value("error", "")));
  }
  page +=
      "<p><a href=\"/status\">status</a> · <a href=\"/metrics\">metrics</a> · "
      "<a href=\"/ready\">ready</a> · <a href=\"/live\">live</a></p>\n";
  if (status.contains("services")) page += services_table(status["services"]);
  return page;
}

}  // namespace lb::control
