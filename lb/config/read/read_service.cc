#include "lb/config/read/schema.h"

namespace lb::config {
namespace {

constexpr Count kPorts{1, 100};

constexpr std::array<Choice<std::string_view>, 3> kPortProtocols = {
    {{"TCP", "TCP"}, {"UDP", "UDP"}, {"SCTP", "SCTP"}}};

void read_port(Reader& reader, ServicePort& port) {
  port.where = reader.where();
  reader.text("name", NameRule::kPort, port.name);
  reader.port("port", port.port, Need::kRequired);
  port.target_port = port.port;
  reader.port("targetPort", port.target_port);
  std::string_view protocol = "TCP";
  reader.choice("protocol", kPortProtocols, protocol);
  port.protocol = protocol;
}

}  // namespace

void read_services(Reader& root, const ServicePolicy& defaults, std::vector<Service>& services) {
  root.each("services", {}, [&](Reader& reader) {
    Service service;
    service.where = reader.where();
    service.policy = defaults;
    read_object_name(reader, service.name);
    reader.each("ports", kPorts, [&](Reader& entry) {
      ServicePort port;
      read_port(entry, port);
      service.ports.push_back(std::move(port));
    });
    reader.each("endpoints", {}, [&](Reader& entry) {
      Endpoint endpoint;
      read_endpoint(entry, endpoint);
      service.endpoints.push_back(std::move(endpoint));
    });
    service.endpoints_file.where = reader.where("endpointsFile");
    reader.text("endpointsFile", NameRule::kNonEmpty, service.endpoints_file.path);
    read_service_policy(reader, &service, service.policy);
    services.push_back(std::move(service));
  });
}

}  // namespace lb::config
