#include "lb/config/read/endpoints_update.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "lb/config/read/endpoints_file.h"
#include "lb/config/read/file_text.h"
#include "lb/config/read/validate.h"

namespace lb::config {
namespace {

// What is in a file. `problem` says why there is nothing to be had from it.
struct Content {
  std::string text;
  std::vector<Endpoint> endpoints;
  std::string problem;
  FaultCode code = FaultCode::kUnreadable;
  bool is_absent = false;  // the problem is that nobody has written it yet, or that it is gone
};

Content read_content(const EndpointsFile& file, uint32_t source, FaultList& faults) {
  Content content;
  FileText read = read_file(file.path, FileKind::kRegular, kMaxEndpointsFileBytes);
  if (read.error != 0) {
    content.problem = std::strerror(read.error);
    content.is_absent = read.error == ENOENT || read.error == ENOTDIR;
  } else if (read.text.size() > kMaxEndpointsFileBytes) {
    content.code = FaultCode::kTooLarge;
    content.problem = fmt::format("more than {} KiB", kMaxEndpointsFileBytes >> 10);
  } else if (read.text.empty()) {
    content.is_absent = true;
    content.problem = "the file is empty (a comment in it says that there are no endpoints)";
  } else {
    parse_endpoints(read.text, source, content.endpoints, faults);
    content.text = std::move(read.text);
  }
  return content;
}

void replace_endpoints(Service& service, std::vector<Endpoint> endpoints) {
  EndpointsFile& file = service.endpoints_file;
  service.endpoints.resize(service.endpoints.size() - file.count);
  file.count = endpoints.size();
  std::move(endpoints.begin(), endpoints.end(), std::back_inserter(service.endpoints));
}

std::vector<Endpoint> file_endpoints(const Service& service, uint32_t source) {
  const auto count = static_cast<std::ptrdiff_t>(service.endpoints_file.count);
  std::vector<Endpoint> endpoints(service.endpoints.end() - count, service.endpoints.end());
  for (Endpoint& endpoint : endpoints) endpoint.where.file = source;
  return endpoints;
}

// The first of the faults that is the endpoints file's, which is that of its lines, or of one of
// its endpoints being there twice.
std::optional<Fault> first_fault(const Service& service, uint32_t source,
                                 const std::vector<Source>& sources, FaultList&& faults) {
  if (faults.errors() == 0) check_endpoints(service, sources, faults);
  const std::vector<Fault> found = std::move(faults).take();
  const auto first = std::find_if(found.begin(), found.end(),
                                  [&](const Fault& fault) { return fault.where.file == source; });
  return first == found.end() ? std::nullopt : std::optional(*first);
}

// Why a file is not taken.
std::string error_text(const std::string& path, const Content& content,
                       const std::optional<Fault>& fault) {
  if (!content.problem.empty()) return fmt::format("{}: {}", path, content.problem);
  return fmt::format("{}:{}:{}: {}", path, fault->where.line, fault->where.column, fault->message);
}

std::string resolve(const EndpointsFile& file, const std::vector<Source>& sources) {
  if (file.path.starts_with('/')) return file.path;
  const std::string& by = sources[file.where.file].name;
  return by.substr(0, by.rfind('/') + 1) + file.path;
}

class Loading {
 public:
  Loading(const LoadResult* served, std::vector<Source>& sources, FaultList& faults)
      : served_(served), sources_(sources), faults_(faults) {
    if (served == nullptr || !served->config) return;
    for (const Service& service : served->config->services) services_[service.name] = &service;
  }

  void take_in(Service& service) {
    EndpointsFile& file = service.endpoints_file;
    FaultList own;
    file.source = static_cast<uint32_t>(sources_.size());
    Content content = read_content(file, file.source, own);
    sources_.push_back({file.path, content.text});
    replace_endpoints(service, std::move(content.endpoints));
    if (const Service* before = served_from_same(service)) {
      const std::optional<Fault> fault =
          first_fault(service, file.source, sources_, std::move(own));
      if (fault || !content.problem.empty()) keep(*before, content, fault, service);
    } else if (content.is_absent) {
      file.error = error_text(file.path, content, std::nullopt);
      faults_.warning(FaultCode::kEndpointsFileNotTaken, file.where,
                      fmt::format("no endpoints from {}", file.error));
    } else if (!content.problem.empty()) {
      faults_.error(content.code, file.where,
                    fmt::format("endpointsFile {}", error_text(file.path, content, std::nullopt)));
    } else {
      for (Fault& fault : std::move(own).take()) {
        faults_.error(fault.code, fault.where, std::move(fault.message), fault.suggestion);
      }
    }
  }

 private:
  const Service* served_from_same(const Service& service) const {
    const auto found = services_.find(service.name);
    if (found == services_.end()) return nullptr;
    return found->second->endpoints_file.path == service.endpoints_file.path ? found->second
                                                                             : nullptr;
  }

  // What was served before stays, and with it the text that its places are in.
  void keep(const Service& before, const Content& content, const std::optional<Fault>& fault,
            Service& service) {
    EndpointsFile& file = service.endpoints_file;
    file.error = error_text(file.path, content, fault);
    faults_.warning(FaultCode::kEndpointsFileNotTaken, fault ? fault->where : file.where,
                    fmt::format("the endpoints from {} stay as they were: {}", file.path,
                                fault ? fault->message : content.problem));
    file.source = static_cast<uint32_t>(sources_.size());
    sources_.push_back({file.path, served_->sources[before.endpoints_file.source].text});
    replace_endpoints(service, file_endpoints(before, file.source));
  }

  const LoadResult* served_;
  std::vector<Source>& sources_;
  FaultList& faults_;
  absl::flat_hash_map<ObjectName, const Service*> services_;  // as served
};

}  // namespace

void take_in_endpoints(Config& config, bool is_file, const LoadResult* served,
                       std::vector<Source>& sources, FaultList& faults) {
  Loading loading(served, sources, faults);
  for (Service& service : config.services) {
    EndpointsFile& file = service.endpoints_file;
    if (file.path.empty()) continue;
    if (!is_file) {
      faults.error(FaultCode::kBadPath, file.where,
                   "endpointsFile works in files only: this text is in no folder");
      continue;
    }
    file.path = resolve(file, sources);
    loading.take_in(service);
  }
}

EndpointsUpdate read_update(const LoadResult& served, size_t service) {
  const EndpointsFile& file = served.config->services[service].endpoints_file;
  FaultList faults;
  Content content = read_content(file, file.source, faults);
  EndpointsUpdate update;
  update.service = service;
  std::optional<Fault> fault;
  if (content.problem.empty()) {
    update.is_same = file.error.empty() && content.text == served.sources[file.source].text;
    if (update.is_same) return update;
    Service changed = served.config->services[service];
    replace_endpoints(changed, content.endpoints);
    fault = first_fault(changed, file.source, served.sources, std::move(faults));
  }
  if (fault || !content.problem.empty()) {
    update.error = error_text(file.path, content, fault);
    update.is_same = update.error == file.error;
    update.is_transient = content.code == FaultCode::kUnreadable && !content.is_absent && !fault;
  }
  update.text = std::move(content.text);
  update.endpoints = std::move(content.endpoints);
  return update;
}

void apply_update(EndpointsUpdate update, LoadResult& loaded) {
  Service& service = loaded.config->services[update.service];
  replace_endpoints(service, std::move(update.endpoints));
  service.endpoints_file.error.clear();
  loaded.sources[service.endpoints_file.source].text = std::move(update.text);
}

}  // namespace lb::config
