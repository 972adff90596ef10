// An Error as a phrase for the operator: "listen: a live server listens there".
#pragma once

#include <blockd/error.h>

#include <string>

namespace blockd::daemon {

std::string error_text(const Error& error);

}  // namespace blockd::daemon
